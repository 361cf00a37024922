"""Quectel EC2x family (EC2x AT commands manual): calls are known from +CLCC alone, which lists the data session, too; sound is bound to a port beforehand."""

from __future__ import annotations

from appliance.cellular.at import fields
from appliance.cellular.model import Model


def _ims(line: str) -> bool | None:
    """+QCFG: "ims",<configured>,<registered for voice>."""
    found = fields(line)
    return found[2] == "1" if line.startswith("+QCFG:") and len(found) > 2 and found[0] == "ims" else None


MODEL = Model(
    key="quectel",
    name="Quectel EC25",
    names=("QUECTEL", "EC20", "EC21", "EC25"),
    setup=("AT+CVHU=0",),
    ims_query='AT+QCFG="ims"',
    ims=_ims,
    sound_on="AT+QPCMV=1,0",  # over the port that otherwise tells GPS positions
    sound_off="AT+QPCMV=0",
    sound_before=True,
)
