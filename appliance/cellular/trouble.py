"""What is wrong with the modem, in a person's words, with the cure. Pure."""

from __future__ import annotations

from appliance.cellular.api import ON_NETWORK, Fault, ModemState, ModemView
from appliance.cellular.modems import models

PATIENCE_S = 60.0
"""A modem that starts or searches needs no alarm before."""

_FAULTS = {
    Fault.MISSING: ("The modem is not there: its port {port} does not exist", "plug it in, or correct HOLDFAST_MODEM"),
    Fault.NO_PERMISSION: ("The modem's port {port} may not be opened", "add the box's user to the group that owns it, usually dialout"),
    Fault.BUSY: ("Another program has the modem's port {port}", "stop it; ModemManager is the usual one"),
    Fault.WRONG_PORT: ("No modem answers on {port}", "of the modem's ports take the one for AT commands, and check that it has power"),
    Fault.UNPLUGGED: ("The modem was unplugged from {port}", "plug it in again; if it goes by itself, check its power supply"),
    Fault.HUNG: ("The modem on {port} no longer answers", "take its power away for ten seconds"),
    Fault.UNKNOWN_MODEL: ("The modem on {port} is a {what}, which the box does not know", "use one the box knows: {known}"),
}
_STATES = {
    ModemState.NO_SIM: ("The modem has no SIM card, or cannot read it", "put one in with its contacts right, then start the modem again"),
    ModemState.PIN_NEEDED: ("The modem's SIM card asks for its PIN", "set it under Lines, Mobile modem, or switch it off with a mobile phone"),
    ModemState.PUK_NEEDED: ("The modem's SIM card is locked: it asks for its PUK", "unlock it in a mobile phone with the PUK of the operator's papers"),
    ModemState.DENIED: ("The mobile network refuses the modem's SIM card", "ask the operator whether the card is active and may be used in a modem"),
}
_SLOW = {
    ModemState.STARTING: ("The modem on {port} does not finish starting", "take its power away for ten seconds"),
    ModemState.SEARCHING: ("The modem finds no mobile network", "check its antenna, and the reception where it stands"),
    ModemState.HOME: ("The modem is on the network, but cannot make calls", "the operator must allow calls over 4G (VoLTE) for this SIM card and this modem"),
    ModemState.ROAMING: ("The modem is on a foreign network, but cannot make calls", "ask the operator whether the SIM card may call abroad"),
}


def trouble(view: ModemView, port: str, now: float) -> tuple[str, str] | None:
    """A sentence and its cure; None: nothing is wrong. `now` as `view.since_s`."""
    found = _FAULTS[view.fault] if view.fault is not None else _STATES.get(view.state)
    if found is None and now - view.since_s >= PATIENCE_S:
        found = _SLOW.get(view.state)
    if found is None:
        return None
    words = {"port": port, "what": f"{view.maker} {view.model}".strip() or "device", "known": ", ".join(model.name for model in models())}
    return found[0].format(**words), found[1].format(**words)


def sound_trouble(view: ModemView, port: str) -> tuple[str, str] | None:
    """As `trouble`, of the port the calls' sound comes over."""
    if view.state not in ON_NETWORK:
        return None
    if view.audio_fault is None:
        return ("Calls over the modem have no sound: it refuses to give it", "take its power away for ten seconds") if view.mute else None
    return f"Calls over the modem have no sound: its port {port} is {view.audio_fault}", "correct the second port of HOLDFAST_MODEM"
