"""Changes of a site in words: "extension of Front desk: 1001 -> 1010". Objects go by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

NOUNS = {
    "users": "user", "devices": "device", "groups": "group", "mailboxes": "mailbox", "trunks": "trunk", "numbers": "number", "flows": "flow",
    "schedules": "schedule", "audio": "recording", "locations": "place", "administrators": "administrator",
}  # fmt: skip
_GROUPS = {
    "sip": "SIP", "outbound": "outside dialling", "modem": "mobile modem", "wan": "internet watch", "firewall": "firewall", "emergency": "emergency calling",
    "alerts": "alerts", "provisioning": "phones' settings",
}  # fmt: skip
REFERS = {
    "owner": "users", "user": "users", "users": "users", "device": "devices", "devices": "devices", "main_device": "devices", "group": "groups",
    "mailbox": "mailboxes", "flow": "flows", "schedule": "schedules", "audio": "audio", "greeting": "audio", "trunk": "trunks", "trunks": "trunks",
    "location": "locations", "default_location": "locations",
}  # fmt: skip
"""Fields whose value is the id of an object, or a list of ids, and of which kind; in settings of steps as well."""
DESTINATIONS = {"voicemail": "mailboxes", "group": "groups", "flow": "flows"}
_LABELS = {
    "forwarding.no_answer": "forwarding when nobody answers", "forwarding.busy": "forwarding when busy", "forwarding.follow_me": "follow-me list",
    "forwarding.follow_me_on": "follow me",
    "sim.number": "number of the SIM card", "sim.pin": "PIN of the SIM card",
    "mail.to": "addresses", "mail.emergency_to": "addresses for emergency calls", "mail.host": "mail server",
    "mail.port": "port of the mail server", "mail.security": "encryption", "mail.username": "user name", "mail.sender": "sender",
    "mail.password": "mail password",
    "webhook.url": "webhook", "webhook.secret": "webhook secret", "least": "least level", "repeat_minutes": "time between alerts",
    "phone_gone_minutes": "time until a phone is missed",
    "sip_open": "phones anywhere outside", "ban_minutes": "length of a ban", "outside": "interfaces that lead outside",
    "forwarding.voicemail": "forwarding to voicemail", "secret": "password", "pin": "PIN", "sip_user": "SIP user name",
    "mac": "MAC address", "max_contacts": "contacts at once", "max_calls": "calls at once", "elins": "callback numbers", "sha256": "content",
    "ring_seconds": "ring time", "delay_seconds": "delay", "health_seconds": "time between health checks", "register_seconds": "registration lifetime",
    "email_sound": "sound in the e-mail", "networks": "networks",
    "max_message_seconds": "longest message", "rtp_ports": "number of RTP ports", "codecs": "codecs", "emergency_armed": "emergency armed",
    "civic.country": "country", "civic.A1": "state", "civic.A2": "county", "civic.A3": "city", "civic.A4": "district", "civic.PRD": "street's direction",
    "civic.RD": "street", "civic.STS": "kind of street", "civic.POD": "street's end", "civic.HNO": "house number", "civic.HNS": "house number's letter",
    "civic.LMK": "landmark", "civic.LOC": "spoken location", "civic.NAM": "name at the door", "civic.PC": "postal code", "civic.BLD": "building",
    "civic.UNIT": "unit", "civic.FLR": "floor", "civic.ROOM": "room", "civic.PLC": "kind of place",
}  # fmt: skip
_LONGEST = 60
_NOTHING: tuple[Any, ...] = (None, "", [], {})


class Names:
    """What the objects of one document are called."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._calls: dict[str, dict[str, str]] = {}

    def has(self, kind: str, key: str) -> bool:
        return key in self._of(kind)

    def of(self, kind: str, key: str) -> str:
        """The name of an object, its id where it has none; with the id where two have the same name."""
        return self._of(kind).get(key, key)

    def _of(self, kind: str) -> dict[str, str]:
        if kind not in self._calls:
            objects = self._document.get(kind)
            names = {key: self._name(kind, key, held) for key, held in objects.items()} if isinstance(objects, Mapping) else {}
            count = Counter(names.values())
            self._calls[kind] = {key: name if count[name] == 1 else f"{name} ({key})" for key, name in names.items()}
        return self._calls[kind]

    def _name(self, kind: str, key: str, held: Any) -> str:
        fields = held if isinstance(held, Mapping) else {}
        if name := fields.get("number" if kind == "numbers" else "name"):
            return str(name)
        owner = fields.get("owner") if kind == "devices" else None
        return f"{self.of('users', owner)} ({key})" if isinstance(owner, str) and self.has("users", owner) else key

    def subject(self, loc: tuple[str, ...]) -> str:
        """What stands at `loc`: `extension of Front desk`, `user Dana Reyes`, `text of step menu of House dialling`."""
        kind, rest = loc[0], loc[1:]
        if kind in _GROUPS:
            return f"{label(rest)} of {_GROUPS[kind]}" if rest else _GROUPS[kind]
        if kind not in NOUNS:
            return f"{label(loc)} of the site"
        if not rest:
            return kind
        name, rest = self.of(kind, rest[0]), rest[1:]
        if kind == "flows" and rest[:1] == ("steps",) and len(rest) > 1:
            step, rest = f"step {rest[1]} of {name}", rest[2:]
            match rest:
                case ():
                    return step
                case ("exits", exit_name):
                    return f"exit {exit_name} of {step}"
                case ("settings", *inner):
                    return f"{label(tuple(inner) or rest)} of {step}"
                case ("at",):
                    return f"place in the drawing of {step}"
                case _:
                    return f"{label(rest)} of {step}"
        return f"{label(rest)} of {name}" if rest else f"{NOUNS[kind]} {name}"


def label(fields: Sequence[str]) -> str:
    """A field in words: `outbound_number` is "outbound number"."""
    path = ".".join(fields)
    for known in (path, fields[-1]):
        if known in _LABELS:
            return _LABELS[known]
    words = fields[-1].removesuffix("_seconds").removesuffix("_minutes").replace("_", " ")
    return words if len(fields) == 1 else f"{fields[0].replace('_', ' ')}, {words}"


def sentence_of(loc: tuple[str, ...], before: Any, after: Any, old: Names, now: Names) -> str:
    """How a change of what stands at `loc` reads. `before`, `after` None: nothing there. `old`, `now`: the names in either document."""
    kind = loc[0]
    names = now if len(loc) < 2 or kind not in NOUNS or now.has(kind, loc[1]) else old
    if loc[-1] == "name":
        names = old if len(loc) > 1 and old.has(kind, loc[1]) else now
    subject = names.subject(loc)
    whole = (kind in NOUNS and len(loc) == 2) or (kind == "flows" and len(loc) == 4 and loc[2] == "steps")
    if whole and (before is None or after is None):
        return f"{subject}: {'added' if before is None else 'removed'}{_brief(before if after is None else after)}"
    if loc[-1] == "enabled" and isinstance(after, bool):
        return f"{names.of(kind, loc[1])}: switched {'on' if after else 'off'}"
    if loc[-1] == "at":
        return f"{subject}: moved"
    if isinstance(before, list) and isinstance(after, list):
        return f"{subject}: {_lists(loc[-1], before, after, old, now)}"
    return f"{subject}: {_value(loc[-1], before, old)} -> {_value(loc[-1], after, now)}"


def order_of(kind: str, before: Sequence[str], after: Sequence[str], old: Names, now: Names) -> str:
    """How another order of a kind's entries reads."""
    return f"order of the {kind}: {', '.join(old.of(kind, key) for key in before)} -> {', '.join(now.of(kind, key) for key in after)}"


def _brief(held: Any) -> str:
    """What tells one new or removed object from another."""
    fields = held if isinstance(held, Mapping) else {}
    told = [f"{label((name,))} {_short(fields[name])}" for name in ("extension", "sip_user", "host") if fields.get(name)]
    told += [str(fields["type"])] if "type" in fields else []
    return f" ({', '.join(told)})" if told else ""


def _lists(name: str, before: list[Any], after: list[Any], old: Names, now: Names) -> str:
    was, becomes = [_value(name, item, old) for item in before], [_value(name, item, now) for item in after]
    removed, added = list((Counter(was) - Counter(becomes)).elements()), list((Counter(becomes) - Counter(was)).elements())
    if not was or not becomes or not (removed or added):
        return f"{'; '.join(was) or 'none'} -> {'; '.join(becomes) or 'none'}"
    told = [f"{word} {'; '.join(items)}" for word, items in (("added", added), ("removed", removed)) if items]
    return ", ".join(told)


def _value(name: str, value: Any, names: Names) -> str:
    if value in _NOTHING:
        return "none"
    match value:
        case bool():
            return "on" if value else "off"
        case int() | float():
            unit = " s" if name.endswith("_seconds") else " min" if name.endswith("_minutes") else ""
            return f"{value}{unit}"
        case str():
            kind = REFERS.get(name)
            return names.of(kind, value) if kind else _short(value)
        case list():
            return ", ".join(_value(name, item, names) for item in value)
        case {"kind": str(kind), "target": str(target)} if name == "destination":
            where = names.of(DESTINATIONS[kind], target) if kind in DESTINATIONS else target
            return "nowhere" if kind == "none" else f"{kind.replace('-', ' ')} {where}".strip()
        case Mapping():
            return " ".join(f"{label((key,))} {_value(key, item, names)}" for key, item in value.items() if item not in _NOTHING)
        case _:
            return _short(value)


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
