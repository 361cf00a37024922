"""The modem's states, calls and texts without a port: a script answers, time is a number."""

import logging

import pytest

from appliance.cellular.api import CallState, CellularError, End, Fault, ModemState, PinSpared, TextState
from appliance.cellular.modem import Modem, Timing, registration, reopen_backoff_s, signal_dbm
from appliance.cellular.modems import find, models
from appliance.cellular.modems.quectel import MODEL as QUECTEL
from appliance.cellular.texting import NETWORK_WAIT_S
from appliance.cellular.trouble import PATIENCE_S, sound_trouble, trouble
from appliance.cellular.voice import row

IDENTITIES = {"simcom": ("SIMCOM INCORPORATED", "SIMCOM_SIM7600G-H"), "quectel": ("Quectel", "EC25")}


class Desk:
    """A modem whose port answers from `says` (a command's start -> lines, the longest start wins), "OK" elsewhere; None: nothing."""

    def __init__(self, kind="simcom", **says):
        maker, model = IDENTITIES[kind]
        self.now = 0.0
        self.modem = Modem(Timing())
        self.says = {
            "AT+CGMI": f"{maker}\nOK", "AT+CGMM": f"{model}\nOK", "AT+CGSN": "867584030000011\nOK", "AT+CIMI": "310150123456789\nOK",
            "AT+CPIN?": "+CPIN: READY\nOK", "AT+CREG?": "+CREG: 1,1\nOK", "AT+CEREG?": "+CEREG: 1,1\nOK", "AT+CSQ": "+CSQ: 21,99\nOK",
            "AT+COPS?": '+COPS: 0,0,"Mobile, Inc.",7\nOK', "AT+CMGS": ">", **says,
        }  # fmt: skip
        self.sent = []
        self.news = []

    def open(self):
        self.modem.opened(self.now)
        self.settle()
        return self

    def settle(self):
        for _ in range(100):
            data = self.modem.take(self.now)
            if not data:
                break
            self.answer(data)
        self.news += self.modem.news
        self.modem.news = []

    def answer(self, data):
        text = data.decode().strip("\r\x1b")
        self.sent.append(text)
        if text.endswith("\x1a"):
            said = self.says.get("text", "+CMGS: 1\nOK")
        else:
            start = max((key for key in self.says if text.startswith(key)), key=len, default="")
            said = self.says.get(start, "OK")
        if said:
            self.hear(*said.split("\n"))

    def hear(self, *lines):
        self.modem.received("".join(f"\r\n{line}\r\n" for line in lines).encode(), self.now)

    def line(self, *lines):
        self.hear(*lines)
        self.settle()

    def after(self, seconds, step=0.5):
        for _ in range(round(seconds / step)):
            self.now += step
            self.modem.tick(self.now)
            self.settle()

    @property
    def view(self):
        return self.modem.view

    @property
    def state(self):
        return self.modem.view.state

    @property
    def call(self):
        return self.modem.view.call


def clcc(state, outgoing=True, number="+12025550177"):
    return f'+CLCC: 1,0,0,1,0,"",128\n+CLCC: 2,{int(not outgoing)},{state},0,0,"{number}",145\nOK'


@pytest.mark.parametrize("kind", IDENTITIES)
def test_a_modem_comes_up_and_says_all_of_itself(kind):
    desk = Desk(kind).open()
    view = desk.view
    assert (view.state, view.fault, view.roaming, view.volte) == (ModemState.READY, None, False, False)
    assert (view.imei, view.imsi, view.operator, view.network, view.signal_dbm) == ("867584030000011", "310150123456789", "Mobile, Inc.", "4G", -71)
    assert [news.view.state for news in desk.news] == [ModemState.STARTING, ModemState.SEARCHING, ModemState.READY]
    assert [desk.modem.model.key for _ in "x"] == [kind]
    assert set(desk.modem.model.setup) <= set(desk.sent)


def test_the_card_and_the_modem_are_masked_in_the_log(caplog):
    caplog.set_level(logging.DEBUG, "appliance.cellular")
    desk = Desk().open()
    desk.modem.send_text("+12025550177", "a secret", desk.now)
    desk.modem.dial("+12025550177", desk.now)
    desk.after(1)
    assert "310…89" in caplog.text
    for secret in ("867584030000011", "310150123456789", "2025550177", "a secret"):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("+CME ERROR: 10", ModemState.NO_SIM),
        ("+CME ERROR: SIM not inserted", ModemState.NO_SIM),
        ("+CME ERROR: 13", ModemState.NO_SIM),
        ("+CPIN: SIM PIN\nOK", ModemState.PIN_NEEDED),
        ("+CPIN: SIM PUK\nOK", ModemState.PUK_NEEDED),
        ("+CME ERROR: 11", ModemState.PIN_NEEDED),
        ("+CME ERROR: 14", ModemState.SEARCHING),
    ],
)
def test_a_card_that_is_not_usable_and_then_is(said, state):
    desk = Desk(**{"AT+CPIN?": said}).open()
    assert desk.state is state
    assert "AT+CIMI" not in desk.sent
    desk.says["AT+CPIN?"] = "+CPIN: READY\nOK"
    desk.after(11)
    assert desk.state is ModemState.READY


@pytest.mark.parametrize("line", ["+CPIN: NOT READY", "+SIMCARD: NOT AVAILABLE"])
def test_a_card_that_is_pulled_out(line):
    desk = Desk().open()
    desk.says["AT+CPIN?"] = "+CME ERROR: 10"
    desk.line(line)
    assert (desk.state, desk.view.imsi, desk.view.operator) == (ModemState.NO_SIM, "", "")
    desk.says["AT+CPIN?"] = "+CPIN: READY\nOK"
    desk.line("+CPIN: READY")
    assert desk.state is ModemState.READY


@pytest.mark.parametrize(
    ("cs", "eps", "ims", "state", "roaming", "volte"),
    [
        (1, 1, 0, ModemState.READY, False, False),
        (5, 5, 0, ModemState.READY, True, False),
        (0, 1, 0, ModemState.HOME, False, False),
        (6, 1, 0, ModemState.HOME, False, False),
        (0, 5, 0, ModemState.ROAMING, True, False),
        (0, 1, 1, ModemState.READY, False, True),
        (2, 0, 0, ModemState.SEARCHING, False, False),
        (2, 3, 0, ModemState.SEARCHING, False, False),
        (3, 3, 0, ModemState.DENIED, False, False),
        (3, 0, 0, ModemState.DENIED, False, False),
        (8, 8, 0, ModemState.SEARCHING, False, False),
    ],
)
@pytest.mark.parametrize("kind", IDENTITIES)
def test_what_registration_means(kind, cs, eps, ims, state, roaming, volte):
    says = {
        "AT+CREG?": f"+CREG: 1,{cs}\nOK",
        "AT+CEREG?": f"+CEREG: 1,{eps}\nOK",
        "AT+CIREG?": f"+CIREG: 0,{ims}\nOK",
        'AT+QCFG="ims"': f'+QCFG: "ims",1,{ims}\nOK',
    }
    desk = Desk(kind, **says).open()
    assert (desk.state, desk.view.roaming, desk.view.volte) == (state, roaming, volte)


def test_a_network_that_comes_late_and_goes_by_a_line_alone():
    desk = Desk(**{"AT+CREG?": "+CREG: 1,2\nOK", "AT+CEREG?": "+CEREG: 1,2\nOK"}).open()
    desk.after(30)
    assert desk.state is ModemState.SEARCHING
    desk.line('+CREG: 1,"00AB","01020304",7')
    assert desk.state is ModemState.SEARCHING  # told with its area only where that was asked for: the poll follows
    desk.line("+CREG: 1")
    assert desk.state is ModemState.READY
    desk.line("+CREG: 0", "+CEREG: 0")
    assert desk.state is ModemState.SEARCHING


def test_a_port_nobody_answers_on_is_the_wrong_one():
    desk = Desk(**{"AT": None, "AT+CGMI": None}).open()
    desk.after(19)
    assert desk.modem.gave_up is None
    desk.after(15)
    assert desk.modem.gave_up is Fault.WRONG_PORT
    assert (desk.state, desk.view.fault) == (ModemState.ABSENT, Fault.WRONG_PORT)
    desk.modem.lost(Fault.WRONG_PORT, desk.now)
    desk.open()
    assert desk.view.fault is Fault.WRONG_PORT, "the alarm stays until it answers"


def test_a_modem_that_is_slow_to_listen_is_waited_for():
    desk = Desk(AT=None)
    for key in list(desk.says):
        desk.says[key] = None if key == "AT" else desk.says[key]
    desk.open()
    desk.after(12)
    desk.says["AT"] = "OK"
    desk.after(3)
    assert desk.state is ModemState.READY


def test_a_modem_that_falls_silent_hangs_and_its_call_is_over():
    desk = Desk().open()
    desk.says = {**dict.fromkeys(desk.says), "AT": None}
    desk.modem.dial("5550100", desk.now)
    desk.after(40)
    assert desk.modem.gave_up is Fault.HUNG
    assert (desk.view.fault, desk.call.state) == (Fault.HUNG, CallState.ENDED)


def test_a_modem_that_restarts_begins_anew_and_loses_its_call():
    desk = Desk().open()
    desk.says["AT+CLCC"] = clcc(0)
    desk.modem.dial("+12025550177", desk.now)
    desk.after(2)
    assert desk.call.state is CallState.ACTIVE
    desk.news.clear()
    desk.line("RDY")
    assert (desk.call.state, desk.call.end) == (CallState.ENDED, End.MODEM_LOST)
    assert desk.state is ModemState.READY
    assert ModemState.STARTING in [news.view.state for news in desk.news if hasattr(news, "view")]


def test_a_modem_nobody_knows():
    desk = Desk(**{"AT+CGMI": "ACME\nOK", "AT+CGMM": "Telegraph 1\nOK"}).open()
    assert (desk.state, desk.view.fault) == (ModemState.STARTING, Fault.UNKNOWN_MODEL)
    with pytest.raises(CellularError):
        desk.modem.dial("911", 0.0, emergency=True)
    assert "ACME Telegraph 1" in trouble(desk.view, "/dev/x", 0.0)[0]


def test_a_pin_that_did_not_reach_the_card_is_told():
    desk = Desk(**{"AT+CPIN?": "+CPIN: SIM PIN\nOK", 'AT+CPIN="': "+CME ERROR: 14"}).open()
    desk.modem.enter_pin("4711")
    desk.settle()
    assert desk.news.count(PinSpared()) == 1
    desk.says['AT+CPIN="'] = "+CME ERROR: 16"
    desk.modem.enter_pin("4711")
    desk.settle()
    assert desk.news.count(PinSpared()) == 1, "a wrong one has cost a try"
    desk.modem.enter_pin("4711")
    desk.line("RDY")
    assert desk.news.count(PinSpared()) == 2, "it waited still"
    desk.says['AT+CPIN="'] = None
    desk.modem.enter_pin("4711")
    desk.settle()
    desk.line("RDY")
    assert desk.news.count(PinSpared()) == 2, "nobody knows whether the card has seen it"


def test_the_card_is_open_before_there_is_a_network():
    desk = Desk(**{"AT+CPIN?": "+CME ERROR: 14", "AT+CREG?": "+CREG: 1,2\nOK", "AT+CEREG?": "+CEREG: 1,2\nOK"}).open()
    assert (desk.state, desk.view.card_open) == (ModemState.SEARCHING, False)
    desk.news.clear()
    desk.line("+CPIN: READY")
    assert (desk.state, desk.view.card_open) == (ModemState.SEARCHING, True)
    assert [news.view.card_open for news in desk.news] == [True]
    desk.line("+CPIN: SIM PIN")
    assert (desk.state, desk.view.card_open) == (ModemState.PIN_NEEDED, False)


# ---- calls -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "on", "off"), [("simcom", "AT+CPCMREG=1", "AT+CPCMREG=0"), ("quectel", "AT+QPCMV=1,0", "AT+QPCMV=0")])
def test_a_call_out_by_clcc_alone(kind, on, off):
    desk = Desk(kind, **{"AT+CLCC": clcc(2)}).open()
    desk.sent.clear()
    desk.modem.dial("+1 (202) 555-0177", desk.now)
    desk.settle()
    assert "ATD+12025550177;" in desk.sent
    for stat, state in ((2, CallState.DIALLING), (3, CallState.ALERTING), (2, CallState.ALERTING), (0, CallState.ACTIVE)):
        desk.says["AT+CLCC"] = clcc(stat)
        desk.after(1.5)
        assert desk.call.state is state
    assert desk.sent.count(on) == 1
    assert (desk.sent.index(on) < desk.sent.index("ATD+12025550177;")) is (kind == "quectel")
    desk.modem.voice.tones("1*#A")
    desk.settle()
    assert [text for text in desk.sent if "VTS" in text] == ["AT+VTS=1", "AT+VTS=*", "AT+VTS=#", "AT+VTS=A"]
    desk.modem.voice.hang_up()
    desk.settle()
    desk.after(0.5)
    assert (desk.call.state, desk.call.end) == (CallState.ENDED, End.HUNG_UP)
    assert desk.sent[-1] == off


@pytest.mark.parametrize(
    ("dialled", "cause", "end"),
    [
        ("BUSY", "", End.BUSY),
        ("NO ANSWER", "", End.NO_ANSWER),
        ("OK\nBUSY", "", End.BUSY),
        ("OK\nNO CARRIER", "+CEER: User busy\nOK", End.BUSY),
        ("OK\nNO CARRIER", "+CEER: No user responding\nOK", End.NO_ANSWER),
        ("OK\nNO CARRIER", "+CEER: Call rejected\nOK", End.REFUSED),
        ("OK\nVOICE CALL: END: 000003\nNO CARRIER", "+CEER: Call rejected\nOK", End.REFUSED),
        ("NO CARRIER", "ERROR", End.REFUSED),
        ("ERROR", "ERROR", End.REFUSED),
        ("+CME ERROR: 30", None, End.REFUSED),
    ],
)
def test_why_a_call_out_came_to_nothing(dialled, cause, end):
    desk = Desk(ATD=dialled, **{"AT+CEER": cause, "AT+CLCC": "OK"}).open()
    desk.modem.dial("5550100", desk.now)
    desk.settle()
    desk.after(3)
    assert (desk.call.state, desk.call.end) == (CallState.ENDED, end)
    desk.says["ATD"] = "OK"
    assert desk.modem.dial("5550101", desk.now).id == 2


def test_a_call_that_is_gone_from_the_list_is_over_but_not_at_the_first_miss():
    desk = Desk(**{"AT+CLCC": clcc(0)}).open()
    desk.modem.dial("+12025550177", desk.now)
    desk.after(1.5)
    assert desk.call.state is CallState.ACTIVE
    desk.says["AT+CLCC"] = '+CLCC: 1,0,0,1,0,"",128\nOK'
    desk.after(1)
    assert desk.call.state is CallState.ACTIVE
    desk.after(1)
    assert (desk.call.state, desk.call.end) == (CallState.ENDED, End.FAR_END)


def test_the_end_of_the_call_before_does_not_end_the_new_one():
    desk = Desk(ATD=None, **{"AT+CLCC": clcc(2)}).open()
    desk.modem.dial("5550100", desk.now)
    desk.settle()
    desk.line("VOICE CALL: END: 000010")
    assert desk.call.state is CallState.DIALLING


def up(desk):
    """A call is up, and the next commands are answered by hand."""
    desk.says["AT+CLCC"] = clcc(0)
    desk.modem.dial("+12025550177", desk.now)
    desk.after(1.5)
    assert desk.call.state is CallState.ACTIVE
    desk.says.update({"AT+CHUP": None, "ATD": None, "AT+CLCC": clcc(2)})
    desk.sent.clear()
    return desk


@pytest.mark.parametrize("kind", IDENTITIES)
def test_a_late_ok_of_the_hang_up_is_not_the_end_of_the_call_that_follows(kind):
    desk = up(Desk(kind).open())
    desk.modem.voice.hang_up()
    desk.settle()
    desk.line("NO CARRIER")
    assert desk.call.end is End.HUNG_UP
    desk.modem.dial("911", desk.now, emergency=True)
    desk.line("OK")
    assert (desk.call.id, desk.call.state) == (2, CallState.DIALLING)
    desk.after(0.5)
    assert desk.sent[-1] == "ATD911;"
    desk.line("OK")
    assert (desk.call.state, desk.call.taken) == (CallState.DIALLING, True)


def test_a_late_no_carrier_of_the_call_before_is_not_the_answer_to_the_dialling():
    desk = up(Desk().open())
    desk.modem.voice.hang_up()
    desk.settle()
    desk.line("OK")
    assert desk.call.end is End.HUNG_UP
    desk.modem.dial("911", desk.now, emergency=True)
    desk.after(0.2, 0.1)
    assert "ATD911;" not in desk.sent
    desk.line("NO CARRIER")
    desk.after(0.4, 0.1)
    assert desk.sent[-1] == "ATD911;"
    desk.line("OK")
    desk.after(1)
    assert (desk.call.id, desk.call.state) == (2, CallState.DIALLING)


@pytest.mark.parametrize("said", ["ERROR", "+CME ERROR: 3", None])
def test_a_hang_up_that_fails_is_repeated_in_another_form_while_the_call_is_listed(said):
    desk = up(Desk().open())
    desk.says.update({"AT+CHUP": said, "ATH": said, "AT+CLCC": clcc(0)})
    desk.modem.voice.hang_up()
    desk.after(14)
    assert desk.call.state is CallState.ACTIVE
    assert [text for text in desk.sent if text in {"AT+CHUP", "ATH"}][:3] == ["AT+CHUP", "ATH", "AT+CHUP"]
    desk.says["AT+CHUP"] = desk.says["ATH"] = "OK"
    desk.after(7)
    assert (desk.call.state, desk.call.end) == (CallState.ENDED, End.HUNG_UP)
    ends = sum(text in {"AT+CHUP", "ATH"} for text in desk.sent)
    desk.after(3)
    assert sum(text in {"AT+CHUP", "ATH"} for text in desk.sent) == ends


def test_a_hang_up_that_is_refused_because_the_call_is_over_ends_it():
    desk = up(Desk().open())
    desk.says.update({"AT+CHUP": "ERROR", "AT+CLCC": "OK"})
    desk.modem.voice.hang_up()
    desk.after(3)
    assert (desk.call.state, desk.call.end) == (CallState.ENDED, End.HUNG_UP)
    assert "ATH" not in desk.sent


def test_the_sound_of_the_call_before_is_off_before_that_of_the_next_is_on():
    desk = up(Desk("quectel").open())
    desk.modem.voice.hang_up()
    desk.settle()
    desk.line("OK")
    desk.modem.dial("911", desk.now, emergency=True)
    desk.after(0.5)
    assert desk.sent[-3:] == ["AT+QPCMV=0", "AT+QPCMV=1,0", "ATD911;"]
    assert desk.modem.voice.sound


@pytest.mark.parametrize(("kind", "on"), [("simcom", "AT+CPCMREG=1"), ("quectel", "AT+QPCMV=1,0")])
def test_sound_that_is_refused_is_asked_for_again_and_told_until_it_is_given(kind, on):
    desk = Desk(kind, **{on: "+CME ERROR: 4", "AT+CLCC": clcc(0)}).open()
    desk.modem.dial("911", desk.now, emergency=True)
    desk.after(3)
    assert (desk.call.state, desk.modem.voice.sound, desk.view.mute) == (CallState.ACTIVE, False, True)
    assert "no sound" in sound_trouble(desk.view, "/dev/x")[0]
    del desk.says[on]
    desk.after(2)
    assert (desk.modem.voice.sound, desk.view.mute, sound_trouble(desk.view, "/dev/x")) == (True, False, None)
    asked = desk.sent.count(on)
    desk.after(3)
    assert desk.sent.count(on) == asked


def test_a_list_that_was_asked_for_during_the_call_before_says_nothing_of_the_next():
    desk = up(Desk(**{"AT+CLCC": clcc(0)}).open())
    desk.says["AT+CLCC"] = None
    desk.after(1)
    assert desk.sent == ["AT+CLCC"]
    desk.line("NO CARRIER")
    desk.modem.dial("911", desk.now, emergency=True)
    desk.line(*clcc(0).split("\n"))
    assert (desk.call.id, desk.call.state) == (2, CallState.DIALLING)


def test_a_call_comes_in_is_answered_and_ends_there():
    desk = Desk(**{"AT+CLCC": clcc(4, outgoing=False)}).open()
    desk.line("RING", '+CLIP: "+12025550177",145,,,,0')
    assert (desk.call.state, desk.call.number, desk.call.outgoing) == (CallState.INCOMING, "+12025550177", False)
    desk.says["AT+CLCC"] = clcc(0, outgoing=False)
    desk.modem.voice.answer()
    desk.settle()
    desk.after(1)
    assert desk.call.state is CallState.ACTIVE
    desk.line("NO CARRIER")
    assert (desk.call.state, desk.call.end) == (CallState.ENDED, End.FAR_END)


def test_a_caller_who_gives_up_or_hides_and_a_ring_that_is_late():
    desk = Desk(**{"AT+CLCC": clcc(4, outgoing=False, number="")}).open()
    desk.line("RING")
    assert desk.call.number == ""
    desk.line("MISSED_CALL: 10:31AM +12025550177")
    assert desk.call.end is End.FAR_END
    desk.says["AT+CLCC"] = "OK"
    desk.line("RING")
    assert desk.call.id == 1


def test_one_call_at_a_time_and_only_what_there_is():
    desk = Desk(**{"AT+CLCC": clcc(2)}).open()
    with pytest.raises(CellularError, match="no call"):
        desk.modem.voice.hang_up()
    with pytest.raises(CellularError, match="No call comes in"):
        desk.modem.voice.answer()
    desk.modem.dial("5550100", desk.now)
    with pytest.raises(CellularError, match="already"):
        desk.modem.dial("5550101", desk.now)
    with pytest.raises(CellularError, match="No call is up"):
        desk.modem.voice.tones("1")


def test_an_emergency_call_needs_neither_card_nor_network():
    desk = Desk(**{"AT+CPIN?": "+CME ERROR: 10", "AT+CLCC": clcc(0, number="911")}).open()
    with pytest.raises(CellularError, match="no-sim"):
        desk.modem.dial("911", desk.now)
    desk.modem.dial("911", desk.now, emergency=True)
    desk.after(2)
    assert "ATD911;" in desk.sent
    assert desk.call.state is CallState.ACTIVE


def test_rows_that_are_no_calls():
    assert row('+CLCC: 1,0,0,1,0,"",128') is None
    assert row('+CLCC: 2,1,5,0,0,"+1202",145') is None
    assert row("+CLCC: nonsense") is None
    assert row("+CLCC: 1,1,4,0,0").number == ""


# ---- texts -----------------------------------------------------------------------------------------------------------


def test_a_long_text_goes_part_by_part():
    desk = Desk().open()
    desk.modem.send_text("+12025550177", "x" * 400, desk.now)
    desk.after(2)
    [text] = desk.view.texts
    assert (text.parts, text.sent, text.state, text.reason) == (3, 3, TextState.SENT, "")
    assert sum(sent.endswith("\x1a") for sent in desk.sent) == 3


@pytest.mark.parametrize("first", ["+CMS ERROR: 38", "+CMS ERROR: 331", "ERROR", None])
def test_a_text_that_may_yet_pass_is_tried_again(first):
    desk = Desk(text=first).open()
    desk.modem.send_text("5550100", "hello", desk.now)
    desk.after(1)
    desk.says["text"] = "+CMGS: 3\nOK"
    desk.after(45)
    assert desk.view.texts[0].state is TextState.SENT


def test_a_text_that_is_refused_says_why_and_the_next_one_goes():
    desk = Desk(text="+CMS ERROR: 50").open()
    desk.modem.send_text("5550100", "hello", desk.now)
    desk.after(1)
    assert (desk.view.texts[0].state, desk.view.texts[0].reason) == (TextState.FAILED, "the SIM card's contract has no texts")
    desk.says["text"] = "+CMGS: 3\nOK"
    desk.modem.send_text("5550100", "again", desk.now)
    desk.after(1)
    assert [text.state for text in desk.view.texts] == [TextState.SENT, TextState.FAILED]


def test_a_text_waits_for_the_network_but_not_for_ever():
    desk = Desk(**{"AT+CREG?": "+CREG: 1,2\nOK", "AT+CEREG?": "+CEREG: 1,2\nOK"}).open()
    desk.modem.send_text("5550100", "hello", desk.now)
    desk.after(NETWORK_WAIT_S - 10, 5.0)
    assert desk.view.texts[0].state is TextState.QUEUED
    desk.after(20, 5.0)
    assert desk.view.texts[0].reason == "there was no network"


def test_a_text_waits_for_the_end_of_a_call():
    desk = Desk(**{"AT+CLCC": clcc(0)}).open()
    desk.modem.dial("+12025550177", desk.now)
    desk.modem.send_text("5550100", "hello", desk.now)
    desk.after(3)
    assert desk.view.texts[0].state is TextState.QUEUED
    desk.modem.voice.hang_up()
    desk.after(2)
    assert desk.view.texts[0].state is TextState.SENT


def test_a_text_in_flight_gives_way_to_an_emergency_and_is_sent_again():
    desk = Desk(text=None, **{"AT+CLCC": clcc(2)}).open()
    desk.modem.send_text("5550100", "hello", desk.now)
    desk.after(1)
    desk.says["text"] = "+CMGS: 3\nOK"
    desk.modem.dial("911", desk.now, emergency=True)
    desk.after(1.0, 0.1)
    assert "ATD911;" in desk.sent
    desk.modem.voice.hang_up()
    desk.after(60)
    assert desk.view.texts[0].state is TextState.SENT


def test_a_text_in_flight_as_the_modem_goes_is_sent_again():
    desk = Desk(text=None).open()
    desk.modem.send_text("5550100", "hello", desk.now)
    desk.after(1)
    desk.modem.lost(Fault.UNPLUGGED, desk.now)
    assert desk.view.texts[0].state is TextState.QUEUED
    desk.says["text"] = "+CMGS: 3\nOK"
    desk.open().after(8)
    assert desk.view.texts[0].state is TextState.SENT


# ---- small things ----------------------------------------------------------------------------------------------------


def test_numbers_of_the_modem():
    assert [registration(found.split(",")) for found in ("1", "0,5", "2,00AB,0123,7", "x", "")] == [1, 5, 2, None, None]
    assert [signal_dbm(value) for value in ("0", "31", "99", "141", "191", "199", "x")] == [-113, -51, None, -75, -25, None, None]


def test_back_off_grows_to_its_end():
    timing = Timing(reopen_first_s=1.0, reopen_longest_s=30.0)
    assert [reopen_backoff_s(n, 1.0, timing) for n in (0, 1, 2, 5, 10**6)] == [1.0, 2.0, 4.0, 30.0, 30.0]
    assert reopen_backoff_s(0, 0.0, timing) == 0.75


def test_models_are_found_by_what_they_say():
    assert [model.key for model in models()] == ["quectel", "simcom"]
    assert find("QUECTEL", "EC25") is QUECTEL
    assert find("Manufacturer", "SIM7600E-H").key == "simcom"
    assert find("", "") is None


def test_what_alarms_say_and_when():
    desk = Desk(**{"AT+CREG?": "+CREG: 1,2\nOK", "AT+CEREG?": "+CEREG: 1,2\nOK"}).open()
    assert trouble(desk.view, "/dev/x", PATIENCE_S - 1) is None
    assert "antenna" in trouble(desk.view, "/dev/x", PATIENCE_S)[1]
    ready = Desk().open()
    assert trouble(ready.view, "/dev/x", 10**6) is None
    for fault in Fault:
        ready.modem.lost(fault, 0.0)
        sentence, cure = trouble(ready.view, "/dev/ttyUSB2", 0.0)
        assert "/dev/ttyUSB2" in sentence
        assert cure
