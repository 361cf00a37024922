"""Differences in words: objects by their names, secrets never, what belongs together in one sentence."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from appliance.site.canonical import canonical
from appliance.site.diff import diff, hidden_changes, undo

BASE: dict[str, Any] = {
    "users": {
        "dana": {"name": "Dana Reyes", "extension": "205", "forwarding": {"busy": [{"user": "lee", "ring_seconds": 15}]}},
        "lee": {"name": "Lee", "extension": "207"},
    },
    "devices": {
        "dana-desk": {"owner": "dana", "sip_user": "dana-desk", "location": "hall"},
        "door": {"name": "Front door", "sip_user": "door", "extension": "300"},
    },
    "groups": {"sales": {"name": "Sales", "users": ["dana"]}},
    "mailboxes": {"dana": {"name": "Dana's box", "owner": "dana"}, "shared": {"name": "Shared"}},
    "trunks": {"acme": {"name": "Acme", "host": "sip.example.net"}, "beta": {"name": "Beta", "host": "sip.example.org"}},
    "numbers": {"main": {"number": "+12125550100", "destination": "205"}},
    "outbound": {"trunks": ["acme"]},
    "flows": {
        "day": {
            "name": "Day menu",
            "start": "menu",
            "steps": {
                "menu": {"type": "prompt", "settings": {"text": "Hello", "targets": [{"user": "dana"}]}, "exits": {"1": "bye"}, "at": [0, 0]},
                "bye": {"type": "hang-up"},
            },
        }
    },
    "schedules": {"week": {"name": "Week", "periods": [{"days": ["mon", "tue"], "start": "08:00", "end": "17:00"}]}},
    "locations": {"hall": {"name": "Hall", "civic": {"country": "US", "RD": "Main"}}},
    "emergency": {"default_location": "hall"},
}


def told(path: str, value: object) -> list[str]:
    """The sentences of setting `path` (parts with / between) to `value`, None: taking it out."""
    raw = copy.deepcopy(BASE)
    here: Any = raw
    *way, last = path.split("/")
    for part in way:
        here = here.setdefault(part, {}) if isinstance(here, dict) else here[int(part)]
    if value is None:
        del here[last]
    else:
        here[last] = value
    return [change.sentence for change in diff(canonical(BASE), canonical(raw))]


@pytest.mark.row("A1")
@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("users/dana/extension", "210", "extension of Dana Reyes: 205 -> 210"),
        ("users/dana/name", "Dana R", "name of Dana Reyes: Dana Reyes -> Dana R"),
        ("users/dana/enabled", False, "Dana Reyes: switched off"),
        ("users/dana/call_waiting", False, "call waiting of Dana Reyes: on -> off"),
        ("users/dana/ring_seconds", 45, "ring time of Dana Reyes: 30 s -> 45 s"),
        ("users/dana/outbound_number", "+12125550111", "outbound number of Dana Reyes: none -> +12125550111"),
        ("users/dana/flow", "day", "flow of Dana Reyes: House dialling -> Day menu"),
        ("users/dana/main_device", "dana-desk", "main device of Dana Reyes: none -> Dana Reyes (dana-desk)"),
        ("users/dana/forwarding/follow_me_on", True, "follow me of Dana Reyes: off -> on"),
        ("users/dana/forwarding/busy", [], "forwarding when busy of Dana Reyes: user Lee delay 0 s ring time 15 s -> none"),
        (
            "users/dana/forwarding/busy",
            [{"user": "lee", "ring_seconds": 15}, {"number": "95551234"}],
            "forwarding when busy of Dana Reyes: added number 95551234 delay 0 s ring time 20 s",
        ),
        ("users/kim", {"name": "Kim", "extension": "208"}, "user Kim: added (extension 208)"),
        ("users/lee", None, "user Lee: removed (extension 207)"),
        ("devices/dana-desk/owner", "lee", "owner of Lee (dana-desk): Dana Reyes -> Lee"),
        ("devices/door/enabled", False, "Front door: switched off"),
        ("devices/door/location", "hall", "location of Front door: none -> Hall"),
        ("groups/sales/users", ["dana", "lee"], "users of Sales: added Lee"),
        ("groups/sales/users", ["lee"], "users of Sales: added Lee, removed Dana Reyes"),
        ("trunks/acme/networks", ["10.0.0.0/8"], "networks of Acme: none -> 10.0.0.0/8"),
        ("trunks/acme/codecs", ["pcma", "pcmu", "g722", "opus"], "codecs of Acme: pcmu; pcma; g722; opus -> pcma; pcmu; g722; opus"),
        ("outbound/trunks", ["beta", "acme"], "trunks of outside dialling: added Beta"),
        ("numbers/main/destination", {"kind": "flow", "target": "day"}, "destination of +12125550100: extension 205 -> flow Day menu"),
        ("numbers/main/destination", {"kind": "none"}, "destination of +12125550100: extension 205 -> nowhere"),
        ("numbers/main/destination", {"kind": "hang-up"}, "destination of +12125550100: extension 205 -> hang up"),
        ("flows/day/steps/menu/settings/text", "Good day", "text of step menu of Day menu: Hello -> Good day"),
        ("flows/day/steps/menu/settings/targets", [{"user": "lee"}], "targets of step menu of Day menu: added user Lee, removed user Dana Reyes"),
        ("flows/day/steps/menu/exits/1", "menu", "exit 1 of step menu of Day menu: bye -> menu"),
        ("flows/day/steps/menu/at", [7, 7], "place in the drawing of step menu of Day menu: moved"),
        ("flows/day/steps/end", {"type": "hang-up"}, "step end of Day menu: added (hang-up)"),
        (
            "schedules/week/periods",
            [{"days": ["mon"], "start": "08:00", "end": "17:00"}],
            "periods of Week: added days mon start 08:00 end 17:00, removed days mon, tue start 08:00 end 17:00",
        ),
        ("locations/hall/civic/RD", "Side", "street of Hall: Main -> Side"),
        ("emergency/default_location", None, "default location of emergency calling: Hall -> none"),
        ("name", "Annex", "name of the site: Holdfast -> Annex"),
        ("sip/ring_seconds", 30, "ring time of SIP: 60 s -> 30 s"),
    ],
)
def test_a_change_reads_like_this(path: str, value: object, sentence: str) -> None:
    assert told(path, value) == [sentence]


def test_what_is_taken_back_stands_where_it_stood() -> None:
    """The first trunk is the first way out of an emergency call: deleted and brought back it is that again."""
    a = {"trunks": {key: {"name": key} for key in ("north", "south", "west")}}
    b = {"trunks": {"west": {"name": "west, renamed"}}}
    changes = diff(a, b)
    assert not any(change.order for change in changes)
    assert list(undo(changes, b)["trunks"]) == ["north", "south", "west"]
    assert list(undo([changes[1]], b)["trunks"]) == ["west", "south"], "behind one that is gone: at the end"


def test_the_order_of_trunks_and_mailboxes_is_a_change_and_of_others_none() -> None:
    raw = copy.deepcopy(BASE)
    for kind in ("trunks", "mailboxes", "users"):
        raw[kind] = dict(reversed(raw[kind].items()))
    assert [change.sentence for change in diff(canonical(BASE), canonical(raw))] == [
        "order of the mailboxes: Dana's box, Shared -> Shared, Dana's box",
        "order of the trunks: Acme, Beta -> Beta, Acme",
    ]


def test_objects_of_one_name_are_told_apart() -> None:
    assert told("users/lee/name", "Dana Reyes") == ["name of Lee: Lee -> Dana Reyes"]
    raw = copy.deepcopy(BASE)
    raw["users"]["lee"]["name"] = "Dana Reyes"
    changed = copy.deepcopy(raw)
    changed["users"]["lee"]["extension"] = "209"
    assert [change.sentence for change in diff(canonical(raw), canonical(changed))] == ["extension of Dana Reyes (lee): 207 -> 209"]


def test_a_secret_shows_that_it_is_there_and_nothing_else() -> None:
    made, changed, removed = hidden_changes(BASE, made=["devices.door.secret"], changed=["mailboxes.shared.pin"], removed=["trunks.acme.secret"])
    assert made.sentence == "password of Front door: made, hidden"
    assert changed.sentence == "PIN of Shared: changed, hidden"
    assert removed.sentence == "password of Acme: removed"
    assert made.path == "devices.door.secret"
    assert {"before", "after"}.isdisjoint(made.as_dict())


def test_a_long_text_is_cut_and_stays_on_one_line() -> None:
    (sentence,) = told("flows/day/steps/menu/settings/text", "word\n" * 100)
    assert "\n" not in sentence
    assert len(sentence) < 120
