"""Where a number leads, hop by hop."""

from __future__ import annotations

from typing import Any

from appliance.site.leads import MOST_LEVELS, Leads, Stop

SITE: dict[str, Any] = {
    "users": {
        "dana": {"extension": "201", "forwarding": {"no_answer": [{"user": "lee"}, {"number": "+12125550199"}], "voicemail": True}},
        "lee": {"extension": "202", "forwarding": {"voicemail": False}},
        "away": {
            "extension": "203",
            "forwarding": {"follow_me_on": True, "follow_me": [{"number": "5550"}], "no_answer": [{"user": "lee"}], "voicemail": False},
        },
        "robot": {"extension": "204", "mode": "flow", "flow": "menu"},
    },
    "devices": {"door": {"extension": "290"}},
    "groups": {"sales": {"extension": "300", "users": ["dana"], "devices": ["door"]}},
    "mailboxes": {"dana": {"owner": "dana", "extension": "601"}, "office": {}},
    "flows": {
        "menu": {
            "start": "hours", "extensions": ["400"],
            "steps": {
                "never": {"type": "ring-user", "settings": {"user": "away"}},
                "hours": {"type": "schedule", "settings": {"schedule": "desk"}, "exits": {"open": "ring", "closed": "box"}},
                "box": {"type": "voicemail", "settings": {"mailbox": "office"}},
                "ring": {"type": "dial", "settings": {"targets": [{"user": "dana"}, {"extension": "202"}, {"number": "+1999"}]}, "exits": {"busy": "night"}},
                "night": {"type": "go-to-flow", "settings": {"flow": "night"}},
            },
        },
        "night": {"start": "a", "steps": {"a": {"type": "dial", "settings": {"targets": [{"user": "dana"}], "forwarding": True}, "exits": {"busy": "b"}},
                                          "b": {"type": "go-to-flow", "settings": {"flow": "menu"}}}},
    },
}  # fmt: skip


def behind(destination: Any) -> list[list[Stop]]:
    return Leads(SITE).behind(destination)


def walk(kind: str, target: str = "") -> list[list[str]]:
    return [[f"{stop.kind} {stop.id}".strip() for stop in level] for level in behind({"kind": kind, "target": target})]


def test_a_user_is_followed_to_where_the_forwarding_ends() -> None:
    assert walk("extension", "201") == [["users dana"], ["users lee", "number +12125550199", "mailboxes dana"]]
    assert walk("extension", "202") == [["users lee"]]
    assert walk("extension", "203") == [["users away"], ["number 5550"]], "follow me stands for everything else"
    assert behind("201") == behind({"kind": "extension", "target": "201"})


def test_a_group_rings_its_members_and_their_forwarding_does_not_count() -> None:
    assert walk("group", "sales") == [["groups sales"], ["users dana", "devices door"]]


def test_a_flow_is_told_by_what_its_steps_name_in_the_order_a_call_meets_them() -> None:
    menu, named, *rest = behind({"kind": "flow", "target": "menu"})
    assert menu == [Stop("flows", "menu", ("desk",))]
    assert [stop.id for stop in named] == ["dana", "lee", "+1999", "office", "night"], "the step that nothing leads to is left out"
    assert rest == [], "dana rings without forwarding there, and the flow behind leads to her again"
    assert walk("flow", "night")[1] == ["users dana", "flows menu"]
    assert walk("flow", "night")[2][:3] == ["users lee", "number +12125550199", "mailboxes dana"]
    assert walk("extension", "204")[:2] == [["users robot"], ["flows menu"]]
    assert walk("extension", "400")[0] == ["flows menu"]


def test_what_leads_nowhere_says_so() -> None:
    assert walk("none") == [["none"]]
    assert walk("hang-up") == [["hang-up"]]
    assert walk("extension", "999") == [["extension 999"]]
    assert behind(None)[0][0].lost
    assert behind("999")[0][0].lost
    assert not behind("201")[0][0].lost


def test_circles_and_mistakes_come_to_an_end() -> None:
    flows = {f"f{n}": {"start": "a", "steps": {"a": {"settings": {"flow": f"f{n + 1}"}}}} for n in range(20)}
    assert len(Leads({"flows": flows}).behind({"kind": "flow", "target": "f0"})) == MOST_LEVELS
    odd = {"flows": {"f": {"start": 3, "steps": []}, "g": None}, "users": {"u": {"extension": "201", "forwarding": 7}}, "groups": {"x": {"users": "u"}}}
    for target in ({"kind": "flow", "target": "f"}, {"kind": "group", "target": "x"}, "201", {"kind": 4}, []):
        assert Leads(odd).behind(target)
