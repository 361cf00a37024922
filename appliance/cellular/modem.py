"""The modem as a state machine: what its port says, time and requests in; bytes for the port, news and the wish for a fresh start out. Pure."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from appliance.cellular.api import (
    ON_NETWORK,
    CallChanged,
    CallView,
    CellularError,
    Fault,
    ModemChanged,
    ModemState,
    ModemView,
    News,
    PinSpared,
    TextChanged,
    TextView,
)
from appliance.cellular.at import Answer, Channel, Command, Line, Verdict, fields, masked
from appliance.cellular.model import Model
from appliance.cellular.modems import find
from appliance.cellular.sms import number as plain_number
from appliance.cellular.texting import Texting
from appliance.cellular.voice import Voice

log = logging.getLogger(__name__)

_HOME, _ROAMING = frozenset({1, 6, 9}), frozenset({5, 7, 10})
_VOICE = frozenset({1, 5, 9, 10})
"""+CREG values (TS 27.007 7.2): 6 and 7 are for texts alone; 8, for emergency calls alone, is no registration here."""
_SEARCHING, _DENIED = 2, 3
_NETWORKS = {
    "0": "2G",
    "1": "2G",
    "3": "2G",
    "8": "2G",
    "2": "3G",
    "4": "3G",
    "5": "3G",
    "6": "3G",
    "7": "4G",
    "9": "4G",
    "10": "4G",
    "11": "5G",
    "12": "5G",
    "13": "5G",
}
_NO_SIM_CODES, _PIN_CODES, _PUK_CODE, _SIM_BUSY = frozenset({10, 13, 15}), frozenset({11, 16}), 12, 14
_NO_SIM_WORDS = ("NOT INSERTED", "SIM FAILURE", "SIM WRONG")
LOCKED = frozenset({ModemState.PIN_NEEDED, ModemState.PUK_NEEDED})
PIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Timing:
    """All the waits, so that tests need not."""

    probe_s: float = 1.0
    probes: int = 20
    """A SIM7600 has its port long before it listens: 20 s are given."""
    command_s: float = 5.0
    poll_s: float = 10.0
    searching_poll_s: float = 3.0
    call_poll_s: float = 1.0
    silences: int = 3
    """So many commands in a row unanswered, and the modem hangs."""
    reopen_first_s: float = 1.0
    reopen_longest_s: float = 30.0
    tick_s: float = 0.1


def reopen_backoff_s(failures: int, chance: float, timing: Timing) -> float:
    """How long to wait before the port is opened again: doubling from `reopen_first_s`, a quarter of it by `chance` (0 to 1)."""
    whole = min(timing.reopen_longest_s, timing.reopen_first_s * 2.0 ** min(failures, 10))
    return whole * (0.75 + 0.25 * chance)


class Modem:
    """After each call `take` gives what goes to the port, `news` what is to be told; `gave_up` is set when the port should be opened anew."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self.view = ModemView()
        self.news: list[News] = []
        self.gave_up: Fault | None = None
        self.model: Model | None = None
        self._channel = Channel()
        self.voice = Voice(self._channel.submit, self._call_told, timing.call_poll_s)
        self.texting = Texting(self._channel.submit, self._text_told)
        self._forget()

    def _forget(self) -> None:
        self.model = self.voice.model = None
        self.voice.mute = False
        self._cs = self._eps = 0
        self._ims = self._sim = False
        self._probes = self._silences = 0
        self._spoke = False
        self._poll_at_s: float | None = None
        if self._channel.waits("pin"):
            self.news.append(PinSpared())
        self._channel.reset()
        self.view = ModemView(
            self.view.state, self.view.fault, self.view.since_s, call=self.view.call, texts=self.view.texts, audio_fault=self.view.audio_fault
        )

    # ---- the port ------------------------------------------------------------------------------------------------

    def opened(self, now: float) -> None:
        self._restart("opened", now)

    def lost(self, fault: Fault, now: float) -> None:
        self.voice.lost()
        self.texting.lost(now)
        self._forget()
        self.gave_up = None
        self._to(ModemState.ABSENT, "lost", now, fault)

    def received(self, data: bytes, now: float) -> None:
        for heard in self._channel.feed(data, now):
            if isinstance(heard, Line):
                self._line(heard.text, now)
            elif isinstance(heard, Answer):
                self._answer(heard, now)

    def tick(self, now: float) -> None:
        for heard in self._channel.tick(now):
            if isinstance(heard, Answer):
                self._answer(heard, now)
        self.texting.tick(now, self.view.state in ON_NETWORK, not self.voice.up)
        if self.model is None:
            return
        self.voice.tick(now)
        if self._poll_at_s is not None and now >= self._poll_at_s:
            self._poll(now)

    def take(self, now: float) -> bytes:
        return self._channel.take(now)

    def sound_fault(self, fault: Fault | None) -> None:
        """How the port of the calls' sound is."""
        if fault is not self.view.audio_fault:
            log.log(logging.WARNING if fault else logging.INFO, "the port of the modem's sound: %s", fault or "well again")
            self.view = replace(self.view, audio_fault=fault)
            self.news.append(ModemChanged(self.view))

    def _sound_given(self) -> None:
        if self.voice.mute is not self.view.mute:
            self.view = replace(self.view, mute=self.voice.mute)
            self.news.append(ModemChanged(self.view))

    # ---- requests ------------------------------------------------------------------------------------------------

    def dial(self, number: str, now: float, *, emergency: bool = False) -> CallView:
        """Raises CellularError."""
        plain = plain_number(number)
        possible = self.model is not None and self.view.state is not ModemState.ABSENT if emergency else self.view.state is ModemState.READY
        if not possible:
            raise CellularError(f"The modem cannot call now: it is {self.view.state}", "`holdfast modem status` says why", code="unreachable")
        return self.voice.dial(plain, now, emergency=emergency)

    def enter_pin(self, pin: str) -> None:
        """Raises CellularError."""
        if self.view.state is not ModemState.PIN_NEEDED:
            raise CellularError("The SIM card asks for no PIN", code="no-pin")
        self._channel.submit(Command(f'AT+CPIN="{pin}"', "pin", PIN_S))

    def send_text(self, number: str, text: str, now: float) -> TextView:
        """Raises CellularError."""
        if self.view.state in {ModemState.NO_SIM, ModemState.DENIED, *LOCKED} or self.view.fault is not None:
            raise CellularError(f"The modem cannot send texts now: it is {self.view.state}", "`holdfast modem status` says why", code="unreachable")
        return self.texting.add(number, text, now)

    # ---- start ---------------------------------------------------------------------------------------------------

    def _restart(self, event: str, now: float) -> None:
        self.voice.lost()
        self.texting.lost(now)
        self._forget()
        # What could not be talked to is at fault until it answers, or the alarm would come and go with each try.
        held = self.view.fault if self.view.fault in {Fault.WRONG_PORT, Fault.HUNG} else None
        self._to(ModemState.STARTING, event, now, held)
        self._probe()

    def _ask(self, text: str, tag: str = "", *, bare: bool = False) -> None:
        self._channel.submit(Command(text, tag, self._timing.command_s, bare=bare))

    def _probe(self) -> None:
        self._channel.submit(Command("AT", "probe", self._timing.probe_s))

    def _answer(self, answer: Answer, now: float) -> None:
        command, final = answer.command, answer.final
        log.debug("modem: %s: %s", "AT+CPIN" if command.tag == "pin" else masked(command.text), masked(f"{final.verdict} {final.text}"))
        if final.verdict is Verdict.SILENT:
            self._unanswered(command, now)
        else:
            self._silences, self._spoke = 0, True
        if self.gave_up is not None:
            return
        value = answer.lines[0][:80] if answer.lines else ""
        match command.tag:
            case "probe" if final.verdict is not Verdict.SILENT:
                for text, tag in (("ATE0", ""), ("AT+CMEE=1", ""), ("AT+CGMI", "maker"), ("AT+CGMM", "model")):
                    self._ask(text, tag, bare=tag != "")
            case "maker":
                self.view = replace(self.view, maker=value)
            case "model":
                self._identified(value, now)
            case "imei":
                self.view = replace(self.view, imei=value)
            case "imsi":
                self.view = replace(self.view, imsi=value)
                log.info("the modem's SIM card is %s, the modem itself %s", masked(value), masked(self.view.imei))
            case "pin":
                log.log(logging.INFO if final.ok else logging.ERROR, "the SIM card %s its PIN", "took" if final.ok else "did not take")
                self._poll_at_s = now  # how it is now
                if final.code == _SIM_BUSY:
                    self.news.append(PinSpared())
            case "sim" if not final.ok:
                self._sim_error(answer, now)
            case "dial" | "answer" | "hang-up" | "tone" | "clcc" | "ceer" | "sound" | "sound-off":
                self.voice.answered(answer, now)
                self._sound_given()
            case "text":
                self.texting.answered(answer, now)
            case "polled":
                self._judge(now)

    def _unanswered(self, command: Command, now: float) -> None:
        if command.tag == "probe" and not self._spoke:
            self._probes += 1
            if self._probes < self._timing.probes:
                self._probe()
            else:
                self._give_up(Fault.WRONG_PORT, now)
            return
        self._silences += 1
        if self._silences >= self._timing.silences:
            self._give_up(Fault.HUNG, now)
        elif command.tag in {"probe", "maker", "model"}:
            self._probe()  # the start goes on from its beginning

    def _give_up(self, fault: Fault, now: float) -> None:
        self.lost(fault, now)
        self.gave_up = fault

    def _identified(self, value: str, now: float) -> None:
        if not value and self._silences:
            return  # it was not heard; the probe that follows begins again
        self.view = replace(self.view, model=value)
        self.model = self.voice.model = find(self.view.maker, value)
        if self.model is None:
            self._poll_at_s = None
            self._to(ModemState.STARTING, "unknown model", now, Fault.UNKNOWN_MODEL)
            return
        log.info("the modem is a %s (%s %s)", self.model.name, self.view.maker, value)
        # A call left over from before the box started has nobody at this end.
        for text in (self.model.hang_up, *self.model.setup):
            self._ask(text)
        self._ask("AT+CGSN", "imei", bare=True)
        self._ask("AT+CPIN?", "sim")

    # ---- SIM card and network ------------------------------------------------------------------------------------

    def _line(self, line: str, now: float) -> None:
        if line == "RDY" or line.startswith(("RDY ", "POWERED DOWN", "NORMAL POWER DOWN")):
            if self._spoke:
                self._restart("restarted by itself", now)
            return
        if self.model is None:
            return
        found = fields(line)
        if self.voice.line(line, now):
            return
        if line.startswith("+CPIN: READY"):
            self._sim_ready(now)
        elif self.model.no_sim.match(line):
            self._no_network(ModemState.NO_SIM, line, now)
        elif line.startswith("+CPIN:"):
            self._no_network(ModemState.PUK_NEEDED if "PUK" in line else ModemState.PIN_NEEDED, line, now)
        elif line.startswith(("+CREG:", "+CEREG:")):
            stat = registration(found)
            if stat is not None:
                self._cs, self._eps = (stat, self._eps) if line.startswith("+CREG:") else (self._cs, stat)
                if len(found) == 1:
                    self._judge(now)
        elif line.startswith("+CSQ:"):
            self.view = replace(self.view, signal_dbm=signal_dbm(found[0]))
        elif line.startswith("+COPS:"):
            self.view = replace(self.view, operator=found[2][:40] if len(found) > 2 else "", network=_NETWORKS.get(found[3], "") if len(found) > 3 else "")
        elif (ims := self.model.ims(line)) is not None:
            self._ims = ims

    def _sim_error(self, answer: Answer, now: float) -> None:
        code, words = answer.final.code, answer.final.text.upper()
        if code in _NO_SIM_CODES or any(word in words for word in _NO_SIM_WORDS):
            self._no_network(ModemState.NO_SIM, words, now)
        elif code == _PUK_CODE or "PUK" in words:
            self._no_network(ModemState.PUK_NEEDED, words, now)
        elif code in _PIN_CODES or "PIN" in words:
            self._no_network(ModemState.PIN_NEEDED, words, now)
        else:  # busy, or nothing said
            self._poll_at_s = now + self._timing.searching_poll_s
            if self.view.state is ModemState.STARTING and code != _SIM_BUSY:
                log.info("the modem does not say how its SIM card is: %s %s", answer.final.verdict, words)
            if self.view.state is ModemState.STARTING:
                self._to(ModemState.SEARCHING, "SIM busy", now)

    def _no_network(self, state: ModemState, event: str, now: float) -> None:
        self._cs = self._eps = 0
        self._ims = self._sim = False
        self.view = replace(self.view, imsi="", operator="", network="", signal_dbm=None, roaming=False, volte=False, card_open=False)
        self._poll_at_s = now + self._timing.poll_s
        self._to(state, event, now)

    def _sim_ready(self, now: float) -> None:
        if self._sim:
            return
        self._sim = True
        self.view = replace(self.view, card_open=True)
        if self.view.state in {ModemState.STARTING, ModemState.NO_SIM, *LOCKED}:
            self._to(ModemState.SEARCHING, "SIM ready", now)
        else:
            self.news.append(ModemChanged(self.view))
        self._ask("AT+CIMI", "imsi", bare=True)
        for text in ("AT+CREG=1", "AT+CEREG=1", "AT+CLIP=1", "AT+CMGF=0", "AT+COPS=3,0"):
            self._ask(text)
        self._poll(now)

    def _poll(self, now: float) -> None:
        """Ask again what may have changed without a word."""
        away = self.view.state not in ON_NETWORK
        self._poll_at_s = now + (self._timing.searching_poll_s if away else self._timing.poll_s)
        self._ask("AT+CPIN?", "sim")
        if not self._sim:
            return
        for text in ("AT+CREG?", "AT+CEREG?", "AT+CSQ", "AT+COPS?"):
            self._ask(text)
        # Last, so that its end says that all of it is there.
        self._ask(self.model.ims_query if self.model else "AT", "polled")

    def _judge(self, now: float) -> None:
        """What registration means for the state."""
        if self.view.state in {ModemState.ABSENT, ModemState.STARTING, ModemState.NO_SIM, *LOCKED}:
            return
        both = {self._cs, self._eps}
        on = both & (_HOME | _ROAMING)
        self.view = replace(self.view, roaming=bool(on) and not on & _HOME, volte=self._ims and bool(on))
        if on:
            usual = ModemState.ROAMING if self.view.roaming else ModemState.HOME
            state = ModemState.READY if self._cs in _VOICE or self._ims else usual
        elif _DENIED in both and _SEARCHING not in both:
            state = ModemState.DENIED
        else:
            state = ModemState.SEARCHING
        self._to(state, f"registration {self._cs}/{self._eps}{' ims' if self._ims else ''}", now)

    # ---- change --------------------------------------------------------------------------------------------------

    def _to(self, state: ModemState, event: str, now: float, fault: Fault | None = None) -> None:
        """The one place where the modem's state changes."""
        old = self.view
        if (state, fault) == (old.state, old.fault):
            return
        log.info("modem: %s -> %s -> %s%s", old.state, masked(event), state, f" ({fault})" if fault else "")
        if state in ON_NETWORK and old.state not in ON_NETWORK and self._poll_at_s is not None:
            self._poll_at_s = min(self._poll_at_s, now + self._timing.searching_poll_s)  # the operator's name follows soon
        self.view = replace(old, state=state, fault=fault, since_s=now)
        self.news.append(ModemChanged(self.view))

    def _call_told(self, call: CallView) -> None:
        self.view = replace(self.view, call=call)
        self.news.append(CallChanged(call))

    def _text_told(self, text: TextView) -> None:
        self.view = replace(self.view, texts=self.texting.views)
        self.news.append(TextChanged(text))


def registration(found: list[str]) -> int | None:
    """The <stat> of +CREG and +CEREG: of the answer `<n>,<stat>[,…]`, or of the news `<stat>[,"<area>",…]`."""
    at = 1 if len(found) > 1 and found[1].isdigit() and len(found[1]) < 3 else 0
    return int(found[at]) if found[at].isdigit() and len(found[at]) < 4 else None


def signal_dbm(value: str) -> int | None:
    """TS 27.007 8.5: 0 to 31 in steps of 2 dB from -113 dBm; SIMCom counts 100 to 191 for 3G from -116 dBm on."""
    if not value.isdigit() or len(value) > 3:
        return None
    if int(value) <= 31:
        return -113 + 2 * int(value)
    return -216 + int(value) if 100 <= int(value) <= 191 else None
