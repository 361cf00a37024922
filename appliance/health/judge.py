"""What is to be thought of a reading: named checks with level, sentence and cure (pure). A level that was reached is left only with some room to spare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from appliance.health import limits
from appliance.health.limits import GB, MB, Level
from appliance.health.reading import Power, Reading


@dataclass(frozen=True, slots=True)
class Check:
    """One matter. `share`: how full or busy it is, 0 to 1, where that can be said. `cure` "" where nothing is wrong; neither ends in a full stop."""

    name: str
    level: Level
    sentence: str
    cure: str = ""
    share: float | None = None


def judge(reading: Reading, before: Mapping[str, Level]) -> tuple[Check, ...]:
    """Every check, in a fixed order. `before`: the level each had, by name."""
    return tuple(_checks(reading, before))


def worst(checks: Sequence[Check]) -> Level:
    return max((check.level for check in checks), key=("ok", "look", "bad").index, default="ok")


def _checks(r: Reading, before: Mapping[str, Level]) -> Iterator[Check]:
    yield _data_folder(r)
    yield _disk(r, before.get("disk"))
    yield _clock(r)
    yield _memory(r, before.get("memory"))
    if r.swap_total:
        share = r.swap_used / r.swap_total
        level = limits.SWAP.level(share, before.get("swap"))
        yield _made("swap", level, f"{_percent(share)} of the swap space is used", "Memory is short: see which process takes it", share)
    level = limits.PROCESSOR.level(r.busy, before.get("processor")) if r.busy_s >= limits.PROCESSOR_ENOUGH_S else "ok"
    sentence = f"The processor was busy for {_percent(r.busy)} of the last {r.busy_s:.0f} s"
    yield _made("processor", level, sentence, "See which process takes it; if it lasts, sound stutters", r.busy)
    per_core = r.load[1] / max(1, r.cores)
    level = limits.LOAD.level(per_core, before.get("load"))
    yield _made(
        "load",
        level,
        f"{r.load[1]:.1f} tasks waited for {_cores(r.cores)} in the last five minutes",
        "See what else runs on this machine: it works hard, or waits for a slow disk",
    )
    if r.temperature_c is not None:
        level = limits.TEMPERATURE_C.level(r.temperature_c, before.get("temperature"))
        yield _made(
            "temperature", level, f"The processor is at {r.temperature_c:.0f} °C", "Give the machine air; it slows down by itself when it gets hotter",
            min(1.0, max(0.0, r.temperature_c / 100)),
        )  # fmt: skip
    if r.power is not None:
        yield from _power(r.power)
    yield _handles(r, before.get("handles"))
    for certificate in r.certificates:
        yield _certificate(certificate.file, certificate.ends_unix_s, r.at_unix_s)


def _made(name: str, level: Level, sentence: str, cure: str, share: float | None = None) -> Check:
    return Check(name, level, sentence, cure if level != "ok" else "", share)


def _data_folder(r: Reading) -> Check:
    if r.silent_s >= limits.DISK_SILENT_S:
        return Check(
            "data-folder", "bad", f"The disk has not answered for {r.silent_s:.0f} s", "Calls go on from memory. Check the disk or card, and replace it"
        )
    if r.write_fault:
        cure = "Make room on the disk; if it was switched to read-only, it is damaged: make a backup and replace it"
        return Check("data-folder", "bad", f"The data folder cannot be written: {r.write_fault}", cure)
    return Check("data-folder", "ok", "The data folder can be written")


def _power(power: Power) -> Iterator[Check]:
    """Calls stutter and cards lose data long before a board with a weak supply goes down."""
    within = f"within the last {limits.POWER_CALM_S / 60:.0f} minutes"
    low, slowed = power.low_ago_s < limits.POWER_CALM_S, power.slowed_ago_s < limits.POWER_CALM_S
    sentence = f"The power supply gave the board too little voltage {within}" if low else "The power supply gives enough voltage"
    yield _made("power", "bad" if low else "ok", sentence, "Use the board's own power supply and a short, thick cable; unplug what draws power over USB")
    sentence = f"The board slowed its processor down {within}" if slowed else "The board lets its processor run at full speed"
    yield _made("speed", "look" if slowed else "ok", sentence, "It does so when it is hot or short of power: look at the temperature and the power supply")


def _disk(r: Reading, before: Level | None) -> Check:
    level = limits.disk(r.disk_total).level(-r.disk_free, before)
    share = 1 - r.disk_free / r.disk_total if r.disk_total else None
    return _made(
        "disk",
        level,
        f"{_size(r.disk_free)} of {_size(r.disk_total)} are free for the box's data",
        "Delete old voicemail and recordings, or use a larger disk",
        share,
    )


def _clock(r: Reading) -> Check:
    cure = "Let the machine reach a time server (NTP, UDP port 123). Until then schedules and the times of calls may be wrong"
    match r.clock:
        case "set":
            return Check("clock", "ok", "The clock follows a time server")
        case "was-set":
            return Check("clock", "ok", "The clock was set by a time server since the machine started")
        case "never":
            return Check("clock", "look", "The clock was not set by a time server since the machine started", cure)
        case "unknown":
            return Check("clock", "look", "The machine does not say whether its clock was ever set", cure)


def _memory(r: Reading, before: Level | None) -> Check:
    share = 1 - r.memory_available / r.memory_total if r.memory_total else 0.0
    level = limits.MEMORY.level(share, before)
    sentence = f"{_size(r.memory_available)} of {_size(r.memory_total)} of memory are free"
    return _made("memory", level, sentence, "See which process takes it; stop what does not belong to the box", share)


def _handles(r: Reading, before: Level | None) -> Check:
    most = max(r.processes, key=lambda each: each.handles / max(1, each.most_handles), default=None)
    if most is None:
        return Check("handles", "ok", "No process of the box is short of file handles")
    share = most.handles / max(1, most.most_handles)
    level = limits.HANDLES.level(share, before)
    sentence = f"The {most.name} has {most.handles} of at most {most.most_handles} files and connections open"
    return _made("handles", level, sentence, "Restart the box's software when no call is up, and report this", share)


def _certificate(file: str, ends_unix_s: float | None, now_unix_s: float) -> Check:
    name, who = f"certificate-{file.rpartition('.')[0]}", {"web.crt": "these pages", "sip.crt": "SIP over TLS"}.get(file, file)
    if ends_unix_s is None:
        return Check(name, "bad", f"The certificate of {who} cannot be read", "Put a certificate in PEM form in its place")
    left = ends_unix_s - now_unix_s
    days = max(0, round(left / limits.DAY_S))
    if left <= 0:
        return Check(name, "bad", f"The certificate of {who} is no longer valid", "Replace it; if the clock is wrong, set that first")
    level: Level = "bad" if left < limits.CERTIFICATE_BAD_S else "look" if left < limits.CERTIFICATE_LOOK_S else "ok"
    return _made(
        name,
        level,
        f"The certificate of {who} is valid for {_span(days)} more",
        "Replace it before it ends: browsers and phones refuse it then",
    )


def _span(days: int) -> str:
    return f"{days // 365} years" if days >= 730 else "1 day" if days == 1 else f"{days} days"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _size(count: float) -> str:
    return f"{count / GB:.1f} GB" if count >= GB else f"{count / MB:.0f} MB"


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"
