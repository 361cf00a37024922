"""SIMCom SIM7600 family (SIM7500/SIM7600 AT command manual): calls are told by VOICE CALL lines, sound is switched on once the call is up."""

from __future__ import annotations

import re

from appliance.cellular.at import fields
from appliance.cellular.model import Model


def _ims(line: str) -> bool | None:
    """+CIREG: <n>,<reg>[,<ext>] of TS 27.007, or as news <reg>[,<ext>] with `ext` 1 or 4 at voice."""
    if not line.startswith("+CIREG:"):
        return None
    found = fields(line)
    return (found[1] if len(found) > 1 else found[0]) == "1"


MODEL = Model(
    key="simcom",
    name="SIMCom SIM7600",
    names=("SIMCOM", "SIM7500", "SIM7600"),
    setup=(
        "AT+CPCMFRM=0",  # 8000 samples a second
        "AT+CVHU=0",
        "AT+CLCC=0",  # asked, not told: what comes unasked differs with the firmware
    ),
    ims_query="AT+CIREG?",
    ims=_ims,
    sound_on="AT+CPCMREG=1",
    sound_off="AT+CPCMREG=0",
    began=re.compile(r"VOICE CALL: BEGIN"),
    over=re.compile(r"NO CARRIER|BUSY|NO ANSWER|VOICE CALL: END|MISSED_CALL"),
    no_sim=re.compile(r"\+CPIN: NOT (READY|INSERTED)|\+SIMCARD: NOT AVAILABLE|\+CPIN: SIM REMOVED"),
)
