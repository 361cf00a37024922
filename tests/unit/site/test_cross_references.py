"""Cross references of users, groups, mailboxes, flows, schedules and destinations: each mistake at its place, with a value that works."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from appliance.site.validation import validate


def base() -> dict[str, Any]:
    """A site with something of every kind, without a mistake."""
    return {
        "users": {
            "dana": {"name": "Dana", "extension": "205", "forwarding": {"busy": [{"user": "lee"}], "no_answer": [{"number": "95551234"}]}},
            "lee": {"name": "Lee", "extension": "207"},
            "menu": {"name": "Menu", "extension": "208", "mode": "flow", "flow": "day"},
        },
        "devices": {
            "dana-desk": {"owner": "dana", "sip_user": "dana-desk"},
            "dana-soft": {"owner": "dana", "sip_user": "dana-soft", "extension": "305"},
            "lee-desk": {"owner": "lee", "sip_user": "lee-desk"},
        },
        "groups": {"sales": {"name": "Sales", "extension": "400", "users": ["dana", "lee"], "devices": ["dana-desk"]}},
        "mailboxes": {"dana": {"name": "Dana's", "owner": "dana", "extension": "500", "greeting": "hello"}},
        "numbers": {"main": {"number": "+12125550100", "destination": {"kind": "flow", "target": "day"}}},
        "flows": {
            "day": {
                "name": "Day",
                "start": "hello",
                "extensions": ["600", "601"],
                "steps": {"hello": {"type": "say", "settings": {"text": "Hello"}, "exits": {"done": "bye"}}, "bye": {"type": "hang-up"}},
            }
        },
        "schedules": {
            "week": {
                "name": "Week",
                "periods": [{"days": ["mon"], "start": "08:00", "end": "17:00"}],
                "holidays": [{"day": "12-25"}, {"day": "2028-02-29"}, {"day": "02-29", "open": [["09:00", "12:00"]]}],
            }
        },
        "audio": {"hello": {"name": "Hello", "sha256": "ab" * 32}},
    }


def changed(path: str, value: object) -> dict[str, Any]:
    raw = base()
    here: Any = raw
    *way, last = path.split("/")
    for part in way:
        here = here[int(part)] if isinstance(here, list) else here.setdefault(part, {})
    if value is None:
        del here[last]
    else:
        here[last] = value
    return raw


def test_the_base_has_no_mistake() -> None:
    assert validate(base())[1] == ()


@pytest.mark.parametrize(
    ("path", "value", "at", "sentence", "hint"),
    [
        ("groups/sales/users", ["dna"], "groups.sales.users[0]", 'there is no user "dna"', 'did you mean "dana"?'),
        ("groups/sales/devices", ["lee-desc"], "groups.sales.devices[0]", 'there is no device "lee-desc"', 'did you mean "lee-desk"?'),
        ("groups/sales/users", ["lee", "dana", "lee"], "groups.sales.users[2]", '"lee" is listed already', "groups.sales.users[0]"),
        ("groups/sales/extension", "205", "groups.sales.extension", "205 is taken by users.dana", "free nearby: 206, 209"),
        ("mailboxes/dana/extension", "400", "mailboxes.dana.extension", "400 is taken by groups.sales", "free nearby: 401, 402"),
        ("mailboxes/dana/owner", "dna", "mailboxes.dana.owner", 'there is no user "dna"', 'did you mean "dana"?'),
        ("mailboxes/dana/greeting", "helo", "mailboxes.dana.greeting", 'there is no recording "helo"', 'did you mean "hello"?'),
        ("mailboxes/dana/email", "dana@", "mailboxes.dana.email", '"dana@" is not an e-mail address', "dana@example.org"),
        ("flows/day/extensions", ["600", "207"], "flows.day.extensions[1]", "207 is taken by users.lee", "free nearby: 209, 210"),
        ("flows/day/extensions", ["600", "600"], "flows.day.extensions[1]", "600 is taken by flows.day", "free nearby: 601, 602"),
        ("flows/day/extensions", ["911"], "flows.day.extensions[0]", "911 is an emergency number", "free nearby: 9"),
        ("groups/sales/extension", "1121", "groups.sales.extension", "1121 begins with 112", "free nearby: 1130"),
        ("mailboxes/dana/extension", "91", "mailboxes.dana.extension", "91 is how 911 begins", "free nearby: 92"),
        ("flows/day/start", "helo", "flows.day.start", 'there is no step "helo"', 'did you mean "hello"?'),
        ("flows/day/steps/hello/exits/done", "by", "flows.day.steps.hello.exits.done", 'there is no step "by"', 'did you mean "bye"?'),
        ("flows/day/steps/hello/settings/x", [1, None], "flows.day.steps.hello.settings.x[1]", "is nothing", "leave it out"),
        ("flows/day/steps/hello/settings/x", {"y": float("inf")}, "flows.day.steps.hello.settings.x.y", "inf is not a number", "ordinary"),
        ("users/dana/flow", "dya", "users.dana.flow", 'there is no flow "dya"', 'did you mean "day"?'),
        ("users/menu/flow", "", "users.menu.flow", "is empty: a user of mode flow", '"house"'),
        ("users/dana/main_device", "lee-desk", "users.dana.main_device", '"lee-desk" is not a device of this user', '"dana-desk"'),
        ("users/dana/main_device", "dana-dsk", "users.dana.main_device", 'there is no device "dana-dsk"', '"dana-desk"'),
        ("users/menu/main_device", "lee-desk", "users.menu.main_device", '"lee-desk" is not a device of this user', "this owner"),
        ("devices/lee-desk/owner", "menu", "devices.lee-desk.owner", '"menu" is a user of mode flow, which has no devices', 'users.menu.mode = "sip_phone"'),
        ("users/dana/forwarding/busy", [{}], "users.dana.forwarding.busy[0]", "leads nowhere", 'user = "lee"'),
        ("users/dana/forwarding/busy", [{"user": "lee", "number": "9"}], "users.dana.forwarding.busy[0]", "names a user and a number", "keep one"),
        ("users/dana/forwarding/follow_me", [{"user": "dana"}], "users.dana.forwarding.follow_me[0].user", "is the user whose calls", 'user = "lee"'),
        ("users/dana/forwarding/no_answer", [{"user": "le"}], "users.dana.forwarding.no_answer[0].user", 'there is no user "le"', 'did you mean "lee"?'),
        ("users/dana/forwarding/busy", [{"number": "911"}], "users.dana.forwarding.busy[0].number", "911 is an emergency number", "person"),
        ("users/dana/forwarding/busy", [{"number": "9911"}], "users.dana.forwarding.busy[0].number", "9911 is an emergency number", "person"),
        ("schedules/week/holidays", [{"day": "02-30"}], "schedules.week.holidays[0].day", '"02-30" is not a day of the calendar', '"02-29"'),
        ("schedules/week/holidays", [{"day": "2027-02-29"}], "schedules.week.holidays[0].day", '"2027-02-29" is not a day', '"2027-02-28"'),
        ("schedules/week/holidays", [{"day": "04-31"}], "schedules.week.holidays[0].day", '"04-31" is not a day of the calendar', '"04-30"'),
        ("schedules/week/holidays", [{"day": "12-25"}, {"day": "12-25"}], "schedules.week.holidays[1].day", "12-25 is listed already", "holidays[0].day"),
        ("schedules/week/holidays", [{"day": "0000-02-29"}], None, "", ""),
        ("schedules/week/periods/0/days", [], "schedules.week.periods[0].days", "names no day", '"mon"'),
        ("schedules/week/periods/0/start", "24:00", "schedules.week.periods[0].start", "24:00 is the end of a day", '"00:00"'),
        ("schedules/week/holidays/2/open", [["24:00", "01:00"]], "schedules.week.holidays[2].open[0]", "24:00 is the end of a day", '"00:00"'),
        ("numbers/main/destination", "999", "numbers.main.destination", 'there is no extension "999"', "there is"),
        ("numbers/main/destination", "400", None, "", ""),
        ("numbers/main/destination", "600", None, "", ""),
        ("numbers/main/destination", {"kind": "voicemail", "target": "dna"}, "numbers.main.destination", 'there is no mailbox "dna"', '"dana"'),
        ("numbers/main/destination", {"kind": "group", "target": "sale"}, "numbers.main.destination", 'there is no group "sale"', '"sales"'),
        ("numbers/main/destination", {"kind": "flow", "target": "night"}, "numbers.main.destination", 'there is no flow "night"', "there is day, house"),
        ("numbers/main/destination", {"kind": "number", "target": "112"}, "numbers.main.destination", "112 is an emergency number", "person"),
        ("numbers/main/destination", {"kind": "number", "target": "my phone"}, "numbers.main.destination", '"my phone" is not a number', "+12125550123"),
        ("numbers/main/destination", {"kind": "number", "target": "+441234567890"}, None, "", ""),
        ("numbers/main/destination", {"kind": "group", "target": ""}, "numbers.main.destination", "names no group", "id of a group"),
        ("numbers/main/destination", {"kind": "hang-up", "target": "205"}, "numbers.main.destination", '"hang-up" leads nowhere', "leave it out"),
        ("numbers/main/destination", {"kind": "none"}, None, "", ""),
        ("emergency/security_extensions", ["500"], "emergency.security_extensions[0]", '"500" rings nobody', "a user, a device or a group"),
        ("emergency/security_extensions", ["400"], None, "", ""),
    ],
)
def test_a_mistake_between_parts_is_found_at_its_place(path: str, value: object, at: str | None, sentence: str, hint: str) -> None:
    problems = validate(changed(path, value))[1]
    assert [problem.path for problem in problems] == ([at] if at else [])
    for problem in problems:
        assert problem.sentence.startswith(sentence)
        assert hint in problem.hint


@pytest.mark.parametrize(
    ("path", "value", "at"),
    [
        ("flows/day/steps/hello/settings", 5, "flows.day.steps.hello.settings"),
        ("flows/day/steps/hello/exits", {"done": "Not An Id", "two words": "bye"}, "flows.day.steps.hello.exits.done"),
        ("flows/day", "the day flow", "flows.day"),
        ("users/dana/flow", "No Flow", "users.dana.flow"),
        ("users/menu/flow", 7, "users.menu.flow"),
        ("users/dana/forwarding", {"busy": [{"user": "Not An Id"}, 5]}, "users.dana.forwarding.busy[0].user"),
        ("users/dana/forwarding/busy", [{"number": "call me"}], "users.dana.forwarding.busy[0].number"),
        ("users/dana/main_device", "Not An Id", "users.dana.main_device"),
        ("groups/sales/users", "dana", "groups.sales.users"),
        ("schedules/week/holidays", [{"day": "some day", "open": [["8", "9"], "all day"]}], "schedules.week.holidays[0].day"),
        ("schedules/week/periods", [{"days": ["Monday"], "start": "8 o'clock", "end": "17:00"}], "schedules.week.periods[0].days[0]"),
        ("numbers/main/destination", {"kind": "anything", "target": 5}, "numbers.main.destination.kind"),
        ("numbers/main/destination", 205, "numbers.main.destination"),
        ("mailboxes/dana", None, None),
        ("audio/hello", {"name": "Hello", "sha256": "short"}, "audio.hello.sha256"),
        ("language", "English", "language"),
    ],
)
def test_what_cannot_be_read_is_told_once_and_what_refers_to_it_is_not(path: str, value: object, at: str | None) -> None:
    raw = changed(path, value)
    before = copy.deepcopy(raw)
    problems = validate(raw)[1]
    place = path.replace("/", ".")
    assert all(problem.path.startswith(place) for problem in problems), problems
    assert len({problem.path for problem in problems}) == len(problems)
    assert (at is None) == (problems == ())
    assert at is None or at in {problem.path for problem in problems}
    assert all(problem.sentence and problem.hint for problem in problems), problems
    assert raw == before


def test_a_field_of_two_types_is_told_once_with_both_cures() -> None:
    (problem,) = validate(changed("users/dana/forwarding/busy", [{"number": "call me"}]))[1]
    assert problem.sentence == '"call me" is not a number that can be dialled'
    assert "1 to 12 of the digits" in problem.hint
    assert "+12125550123" in problem.hint


def test_everything_at_once() -> None:
    raw = changed("users/dana/flow", "dya")
    raw["groups"]["sales"]["users"] = ["dna", "lee", "lee"]
    raw["flows"]["day"]["start"] = "helo"
    raw["schedules"]["week"]["holidays"].append({"day": "02-31"})
    raw["numbers"]["main"]["destination"] = {"kind": "group", "target": "sale"}
    raw["users"]["lee"]["ring_seconds"] = "long"
    assert {problem.path for problem in validate(raw)[1]} == {
        "users.dana.flow",
        "groups.sales.users[0]",
        "groups.sales.users[2]",
        "flows.day.start",
        "schedules.week.holidays[3].day",
        "numbers.main.destination",
        "users.lee.ring_seconds",
    }
