"""How a call sounds, for its pages: ways with their scores, what is wrong in words, and small pictures of loss and jitter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from webui.i18n import gettext, lazy_gettext

_l = lazy_gettext

FAIR, POOR = 3.6, 2.6
"""Below these many, and nearly all, users are dissatisfied (R 70 and 50, ITU-T G.107 Annex B)."""
WIDTH, HEIGHT = 300.0, 56.0
LEAST_PERCENT, LEAST_MS = 5.0, 40.0
"""The pictures reach so high at least: a trifle must not look like a mountain."""
WORTH = 2.0
"""Per cent lost and jitter in 10 ms, together: a clean way has no picture, but where all are clean the worst one has."""
_BOX = "the box"


def score(value: float | None, bad: bool | None) -> tuple[str, str]:
    """(shape, word) of a call's score; ("", "") where there is none."""
    if value is None:
        return ("warn", gettext("Bad")) if bad else ("", "")
    word = f"{value:.1f}"
    return ("bad" if value < POOR else "warn" if bad or value < FAIR else "ok", word)


def told(finding: Mapping[str, Any]) -> tuple[str, str]:
    """Cause and cure of a finding of the engine, in the reader's language."""
    who, whom = _party(finding["listener"]), _party(finding["speaker"])
    at = whom if finding["side"] and _is_speakers(finding) else who
    names: dict[str, Any] = {"who": who, "whom": whom, "at": at, "value": f"{finding['value']:.0f}"}
    if finding["code"] == "one-way":
        return gettext("%(who)s heard nothing: no packets came from %(whom)s for %(value)s s.", **names), _cure_one_way(finding, whom)
    sentences = {
        ("loss", True): _l("%(who)s lost %(value)s %% of what %(whom)s said, on the line to %(at)s."),
        ("loss", False): _l("%(who)s lost %(value)s %% of what %(whom)s said, between %(at)s and the box."),
        ("jitter", True): _l("What %(whom)s said came to %(who)s unevenly (%(value)s ms), on the line to %(at)s."),
        ("jitter", False): _l("What %(whom)s said came to %(who)s unevenly (%(value)s ms), between %(at)s and the box."),
        ("delay", True): _l("What %(whom)s said took %(value)s ms to %(who)s, on the line to %(at)s."),
        ("delay", False): _l("What %(whom)s said took %(value)s ms to %(who)s, between %(at)s and the box."),
    }
    sentence = sentences.get((finding["code"], finding["line"]))
    if sentence is None:  # of a newer engine
        return f"{finding['cause']}.", f"{finding['cure']}."
    cure = (
        gettext("Give voice precedence over other traffic on the internet line, and ask the carrier or provider if it is lost beyond it.")
        if finding["line"]
        else gettext("Swap the cable and the switch port of the phone %(at)s; take it off Wi-Fi.", at=at)
    )
    return str(sentence) % names, cure


def _is_speakers(finding: Mapping[str, Any]) -> bool:
    """Whether it happens on the speaker's side: the engine's own sentence names the place last."""
    return str(finding["cause"]).endswith((f"between {finding['speaker']} and the box", f"on the line to {finding['speaker']}"))


def _cure_one_way(finding: Mapping[str, Any], whom: str) -> str:
    if finding["line"]:
        return gettext("Let UDP packets from the carrier pass the firewall to the box's RTP ports, and set the box's outside address if it stands behind NAT.")
    if str(finding["cure"]).startswith("Set "):
        return gettext(
            "Set the address of the phone %(whom)s as its network has it (no STUN, no outside address), and let its UDP packets pass to the box.", whom=whom
        )
    return gettext("Check the cable, the Wi-Fi or the switch port of the phone %(whom)s: it worked before it fell silent.", whom=whom)


def _party(name: str) -> str:
    return gettext("the box") if name == _BOX else name


@dataclass(frozen=True, slots=True)
class Row:
    """One way as the table shows it; `shape` "": nothing is known."""

    name: str
    shape: str
    word: str
    lost: str
    jitter: str
    much: bool
    """So much is lost that it stands out."""


def ways(sound: Mapping[str, Any]) -> list[Row]:
    rows = []
    for side in sound["sides"]:
        silent = any(f["code"] == "one-way" and f["side"] == side["side"] for f in sound["findings"])
        for sends in (True, False):
            way = side["sends" if sends else "gets"]
            who = side["name"] or gettext("unknown")
            name = gettext("%(who)s to the box", who=who) if sends else gettext("The box to %(who)s", who=who)
            shape, word = ("bad", "1.0") if sends and silent else score(way["score"], None)
            lost, jitter = way["lost_percent"], way["jitter_ms"]
            per_cent = "" if lost is None else gettext("%(n)s %%", n=f"{lost:.1f}")
            rows.append(Row(name, shape, word, per_cent, "" if jitter is None else gettext("%(n)d ms", n=round(jitter)), (lost or 0.0) >= 2.0))
    return rows


def stretch(sound: Mapping[str, Any], side: Mapping[str, Any]) -> tuple[str, bool]:
    """What the ladder says of the sound between a side and the box, and whether it is poor."""
    if any(f["code"] == "one-way" and f["side"] == side["side"] for f in sound["findings"]):
        return gettext("Nothing came from %(who)s", who=side["name"] or gettext("unknown")), True
    worst = min((way["score"] for way in (side["sends"], side["gets"]) if way["score"] is not None), default=None)
    lost = max(way["lost_percent"] or 0.0 for way in (side["sends"], side["gets"]))
    if worst is None:
        return gettext("Sound, too short to judge"), False
    return gettext("Sound %(score)s, %(lost)s %% lost", score=f"{worst:.1f}", lost=f"{lost:.1f}"), worst < FAIR or lost >= 2.0


@dataclass(frozen=True, slots=True)
class Picture:
    """Loss (an area) and jitter (a line) of one way by time. Paths for a box of WIDTH by HEIGHT; `marks`: places and words of the axis."""

    name: str
    label: str
    loss: str
    jitter: str
    marks: tuple[tuple[float, str], ...]


def pictures(sound: Mapping[str, Any] | None, step_s: float, course: Sequence[Mapping[str, Any]]) -> list[Picture]:
    """The ways something is known of, the one that lost most first."""
    names = {side["side"]: side["name"] or gettext("unknown") for side in (sound or {}).get("sides", ())}
    found: list[tuple[float, Picture]] = []
    for one in course:
        who = names.get(one["side"], "")
        for way, name in (("sent", gettext("%(who)s to the box", who=who)), ("got", gettext("The box to %(who)s", who=who))):
            lost, jitter = one[f"{way}_lost"], one[f"{way}_jitter"]
            if sum(value is not None for value in lost) < 2:
                continue
            most, shaken = max(value or 0.0 for value in lost), max((value or 0.0 for value in jitter), default=0.0)
            label = gettext("%(way)s: at most %(lost)s %% lost, jitter at most %(ms)d ms", way=name, lost=f"{most:.0f}", ms=round(shaken))
            found.append(
                (
                    most + shaken / 10,
                    Picture(name, label, _area(lost, max(most, LEAST_PERCENT)), _line(jitter, max(shaken, LEAST_MS)), _marks(len(lost), step_s)),
                )
            )
    found.sort(key=lambda each: -each[0])
    return [picture for badness, picture in found if badness >= WORTH] or [picture for _, picture in found[:1]]


def _points(values: Sequence[float | None], most: float) -> list[tuple[float, float]]:
    wide = WIDTH / max(1, len(values) - 1)
    return [(index * wide, HEIGHT - (value or 0.0) / most * (HEIGHT - 6.0)) for index, value in enumerate(values)]


def _area(values: Sequence[float | None], most: float) -> str:
    points = _points(values, most)
    return f"M0 {HEIGHT:g}" + "".join(f"L{x:.1f} {y:.1f}" for x, y in points) + f"L{points[-1][0]:.1f} {HEIGHT:g}Z"


def _line(values: Sequence[float | None], most: float) -> str:
    points = _points(values, most)
    return "M{:.1f} {:.1f}".format(*points[0]) + "".join(f"L{x:.1f} {y:.1f}" for _, (x, y) in pairwise(points)) if points else ""


def _marks(count: int, step_s: float) -> tuple[tuple[float, str], ...]:
    """Three places on the axis, in minutes or seconds."""
    whole = max(1, count - 1) * step_s
    return tuple((share * WIDTH, _time(whole * share)) for share in (0.0, 0.5, 1.0))


def _time(seconds: float) -> str:
    return gettext("%(n)d s", n=round(seconds)) if seconds < 120 else gettext("%(n)s min", n=f"{seconds / 60:.0f}")
