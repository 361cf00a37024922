"""What is told when: beginnings, ends, many at once, what flaps, what was told before a restart."""

from __future__ import annotations

import itertools

from appliance.alerts.delivery import retry_after_s
from appliance.alerts.fold import Bundle, Fold, Matter
from appliance.alerts.messages import Message, as_mail, identity, signature, told

KINDS = ("trunk", "machine")


def matter(level: str = "bad", key: str = "trunk-down:acme", kind: str = "trunk") -> Matter:
    return Matter(kind, key, level, f"{key} is {level}", "Look at it")  # type: ignore[arg-type]


def due(fold: Fold, now_s: float, least: str = "look") -> list[tuple[str, bool, list[str]]]:
    return [(b.kind, b.over, [m.key for m in b.matters]) for b in fold.due(now_s, 60.0, KINDS, least)]  # type: ignore[arg-type]


def test_one_message_when_it_begins_and_one_when_it_is_over():
    fold = Fold()
    fold.note(matter())
    assert due(fold, 0) == [("trunk", False, ["trunk-down:acme"])]
    fold.note(matter())
    assert due(fold, 100) == []
    fold.note(matter("ok"))
    assert due(fold, 101) == [("trunk", True, ["trunk-down:acme"])]
    assert due(fold, 300) == []


def test_what_flaps_is_told_once_in_the_time():
    fold = Fold()
    said = []
    for second in range(60):
        fold.note(matter("bad" if second % 2 == 0 else "ok"))
        said += due(fold, second)
    assert said == [("trunk", False, ["trunk-down:acme"]), ("trunk", True, ["trunk-down:acme"])]
    fold.note(matter())
    assert due(fold, 61) == [("trunk", False, ["trunk-down:acme"])]


def test_many_at_once_are_one_message_and_another_kind_is_not_held_up():
    fold = Fold()
    for key in ("a", "b", "c"):
        fold.note(matter(key=key))
    assert due(fold, 0) == [("trunk", False, ["a", "b", "c"])]
    fold.note(matter(key="d"))
    fold.note(matter(key="disk", kind="machine"))
    assert due(fold, 1) == [("machine", False, ["disk"])]
    assert due(fold, 60) == [("trunk", False, ["d"])]


def test_worse_is_told_again_and_less_bad_is_not():
    fold = Fold()
    fold.note(matter("look"))
    assert len(due(fold, 0)) == 1
    fold.note(matter("bad"))
    assert len(due(fold, 100)) == 1
    fold.note(matter("look"))
    assert due(fold, 200) == []


def test_levels_and_kinds_nobody_wants_are_silent():
    fold = Fold()
    fold.note(matter("look"))
    fold.note(matter("bad", "x", "phone"))
    assert due(fold, 0, "bad") == []
    fold.note(matter("ok"))
    fold.note(matter("ok", "x", "phone"))
    assert due(fold, 1) == []


def test_a_restart_tells_nothing_twice_and_ends_what_is_silent():
    fold = Fold([matter(), matter(key="gone")])
    fold.note(matter())
    assert due(fold, 0) == []
    fold.settle()
    assert due(fold, 1) == [("trunk", True, ["gone"])]


def test_what_could_not_be_kept_is_due_again():
    fold = Fold()
    fold.note(matter())
    (bundle,) = fold.due(0, 60, KINDS, "look")
    fold.untold(bundle)
    assert due(fold, 1) == [("trunk", False, ["trunk-down:acme"])]
    fold.note(matter("ok"))
    (bundle,) = fold.due(2, 60, KINDS, "look")
    fold.untold(bundle)
    assert due(fold, 3) == [("trunk", True, ["trunk-down:acme"])]


def test_the_wait_doubles_to_its_limit_and_chance_takes_up_to_half():
    waits = [retry_after_s(n, lambda: 0.0) for n in range(1, 12)]
    assert waits[0] == 4.0
    assert waits[-1] == 600.0
    assert all(after in (2 * before, 600.0) for before, after in itertools.pairwise(waits))
    assert retry_after_s(3, lambda: 0.999) >= waits[2] / 2
    assert retry_after_s(10**6, lambda: 0.0) == 600.0


def test_a_message_survives_the_disk_and_no_word_breaks_its_head():
    evil = Matter("trunk", "t", "bad", "down: 503 Nope\r\nBcc: all@example.org", "Call\nthem")
    message = told(Bundle("trunk", False, (matter("look"), evil)), "Grüner Hof", 1_800_000_000.0)
    assert Message.of(message.kept()) == message
    mail = as_mail(message, "x:1", "box@example.org", "a@example.org", "holdfast.local", "Nowhere/Else")
    assert "Bcc" not in mail
    assert mail["Subject"] == "Grüner Hof: down: 503 Nope Bcc: all@example.org (and 1 more)"
    assert mail["Message-ID"] == f"<{identity('x:1')}@holdfast.local>"


def test_signature_is_that_of_the_standard():
    """RFC 4231, case 2."""
    assert signature("Jefe", b"what do ya want for nothing?") == "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
