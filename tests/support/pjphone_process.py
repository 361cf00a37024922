"""The phone behind tests.support.pjphone: a pjsua2 user agent in a process of its own, commands as JSON lines in, events as JSON lines out.

    python -m tests.support.pjphone_process '{"ip": "127.0.0.1", "port": 5070, …}'
"""

from __future__ import annotations

import json
import os
import re
import select
import sys
import time
from pathlib import Path
from typing import Any

import pjsua2 as pj

_STATES = {
    pj.PJSIP_INV_STATE_CALLING: "CALLING",
    pj.PJSIP_INV_STATE_INCOMING: "INCOMING",
    pj.PJSIP_INV_STATE_EARLY: "EARLY",
    pj.PJSIP_INV_STATE_CONNECTING: "CONNECTING",
    pj.PJSIP_INV_STATE_CONFIRMED: "CONFIRMED",
    pj.PJSIP_INV_STATE_DISCONNECTED: "DISCONNECTED",
}
_MEDIA = {
    pj.PJSUA_CALL_MEDIA_NONE: "none",
    pj.PJSUA_CALL_MEDIA_ACTIVE: "active",
    pj.PJSUA_CALL_MEDIA_LOCAL_HOLD: "held",
    pj.PJSUA_CALL_MEDIA_REMOTE_HOLD: "held-by-peer",
    pj.PJSUA_CALL_MEDIA_ERROR: "error",
}


def tell(event: str, **details: Any) -> None:
    """One event to the test."""
    sys.stdout.write(json.dumps({"event": event, "at": time.monotonic(), **details}) + "\n")
    sys.stdout.flush()


class PhoneCall(pj.Call):
    """One dialog. `tag` names it to the test; what it hears goes into `heard-<tag>.wav`."""

    def __init__(self, phone: Phone, tag: int, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(phone.account, call_id)
        self.phone, self.tag = phone, tag
        self.recorder: pj.AudioMediaRecorder | None = None
        phone.calls[tag] = self

    def onCallState(self, prm: pj.OnCallStateParam) -> None:
        info = self.getInfo()
        state = _STATES.get(info.state, str(info.state))
        tell("state", call=self.tag, state=state, code=info.lastStatusCode, reason=info.lastReason, call_id=info.callIdString)
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.recorder = None  # closing it writes the file's header
            self.phone.over.append(self.tag)

    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:
        info = self.getInfo()  # kept: the list inside it does not keep it alive
        for media in info.media:
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            status = _MEDIA.get(media.status, "?")
            codec = self.getStreamInfo(media.index).codecName if status in ("active", "held", "held-by-peer") else ""
            if status in ("active", "held-by-peer"):
                audio = self.getAudioMedia(media.index)
                if self.recorder is None:
                    self.recorder = pj.AudioMediaRecorder()
                    self.recorder.createRecorder(str(self.phone.folder / f"heard-{self.tag}.wav"))
                audio.startTransmit(self.recorder)
                if status == "active":
                    self.phone.player.startTransmit(audio)
            tell("media", call=self.tag, status=status, codec=codec)

    def onDtmfDigit(self, prm: pj.OnDtmfDigitParam) -> None:
        tell("digit", call=self.tag, digit=prm.digit, method="info" if prm.method == pj.PJSUA_DTMF_METHOD_SIP_INFO else "rfc4733")

    def onInstantMessageStatus(self, prm: pj.OnInstantMessageStatusParam) -> None:
        tell("text-status", call=self.tag, code=prm.code, reason=prm.reason)

    def onCallTransferRequest(self, prm: pj.OnCallTransferRequestParam) -> None:
        new = PhoneCall(self.phone, self.phone.next_tag())
        prm.newCall = new
        tell("refer", call=self.tag, target=prm.dstUri, new=new.tag)

    def onCallTransferStatus(self, prm: pj.OnCallTransferStatusParam) -> None:
        tell("transfer", call=self.tag, code=prm.statusCode, final=prm.finalNotify)

    def onCallTsxState(self, prm: pj.OnCallTsxStateParam) -> None:
        """Answers to requests inside the dialog that have no callback of their own (hold, INFO) are told, too."""
        tsx = prm.e.body.tsxState.tsx
        if tsx.method in ("INVITE", "INFO", "REFER", "UPDATE") and tsx.role == pj.PJSIP_ROLE_UAC and tsx.statusCode >= 200:
            tell("answered", call=self.tag, method=tsx.method, code=tsx.statusCode)


class PhoneAccount(pj.Account):
    """The phone's one line."""

    phone: Phone

    def onRegState(self, prm: pj.OnRegStateParam) -> None:
        tell("registration", code=prm.code, reason=prm.reason, active=bool(self.getInfo().regIsActive), expires=prm.expiration)

    def onInstantMessage(self, prm: pj.OnInstantMessageParam) -> None:
        tell("text", text=prm.msgBody, content_type=prm.contentType, from_uri=prm.fromUri, to_uri=prm.toUri)

    def onInstantMessageStatus(self, prm: pj.OnInstantMessageStatusParam) -> None:
        tell("text-status", code=prm.code, reason=prm.reason)

    def onMwiInfo(self, prm: pj.OnMwiInfoParam) -> None:
        tell("mwi", state=prm.state, message=prm.rdata.wholeMsg)

    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:
        call = PhoneCall(self.phone, self.phone.next_tag(), prm.callId)
        info = call.getInfo()
        tell("incoming", call=call.tag, remote=info.remoteUri, local=info.localUri, call_id=info.callIdString, message=prm.rdata.wholeMsg)
        asked = re.search(r"^Call-Info:.*;answer-after=0", prm.rdata.wholeMsg, re.MULTILINE | re.IGNORECASE)
        for code in (200,) if asked and self.phone.setup["by_header"] else self.phone.answers:
            _answer(call, code)


def _answer(call: pj.Call, code: int, headers: list[list[str]] | None = None) -> None:
    prm = pj.CallOpParam(True)
    prm.statusCode = code
    _media_options(prm)
    _add_headers(prm, headers or [])
    call.answer(prm)


def _media_options(prm: pj.CallOpParam) -> None:
    prm.opt.audioCount, prm.opt.videoCount, prm.opt.textCount = 1, 0, 0


def _add_headers(prm: pj.CallOpParam, headers: list[list[str]]) -> None:
    for name, value in headers:
        header = pj.SipHeader()
        header.hName, header.hValue = name, value
        prm.txOption.headers.append(header)


class Phone:
    """The library, one account, its calls, and the loop that owns them all."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self.setup = setup
        self.folder = Path(setup["folder"])
        self.answers: list[int] = setup["answers"]
        self.calls: dict[int, PhoneCall] = {}
        self.over: list[int] = []
        self.buddies: list[pj.Buddy] = []
        self._last_tag = 0
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.uaConfig.threadCnt, config.uaConfig.mainThreadOnly, config.uaConfig.maxCalls = 0, True, 32
        config.uaConfig.userAgent = "pjphone"
        config.logConfig.level, config.logConfig.consoleLevel, config.logConfig.filename = 4, 0, str(self.folder / "pjsua.log")
        config.medConfig.clockRate = config.medConfig.sndClockRate = setup["rate"]
        config.medConfig.ecTailLen = 0
        config.medConfig.noVad = True
        self.endpoint.libInit(config)
        self.transports: dict[str, int] = {}
        for name, kind in (("udp", pj.PJSIP_TRANSPORT_UDP), ("tcp", pj.PJSIP_TRANSPORT_TCP), ("tls", pj.PJSIP_TRANSPORT_TLS)):
            transport = pj.TransportConfig()
            transport.boundAddress = setup["ip"]
            transport.port = setup["port"] + (1 if name == "tls" else 0)
            self.transports[name] = self.endpoint.transportCreate(kind, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        wanted = [name.lower() for name in setup["codecs"]]
        for codec in self.endpoint.codecEnum2():
            name = codec.codecId.split("/")[0].lower()
            self.endpoint.codecSetPriority(codec.codecId, 250 - wanted.index(name) if name in wanted else 0)
        self.player = pj.AudioMediaPlayer()
        self.player.createPlayer(setup["tone"])
        self.account = PhoneAccount()
        self.account.phone = self
        self._make_account(setup["account"])

    def _make_account(self, line: dict[str, Any]) -> None:
        """`line`: user, domain, and to register secret, auth_user, registrar URI, expires."""
        config = pj.AccountConfig()
        config.idUri = f"sip:{line['user']}@{line['domain']}"
        config.mediaConfig.transportConfig.boundAddress = self.setup["ip"]
        config.mediaConfig.transportConfig.port, config.mediaConfig.transportConfig.portRange = self.setup["rtp_port"], 90
        # Otherwise each call looks up this machine's own name, which hangs with a dead name server.
        config.mediaConfig.ipv6Use = pj.PJSUA_IPV6_DISABLED
        config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_OPTIONAL if self.setup["srtp"] else pj.PJMEDIA_SRTP_DISABLED
        config.mediaConfig.srtpSecureSignaling = 0
        config.natConfig.sdpNatRewriteUse = config.natConfig.contactRewriteUse = 0
        config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL
        if line.get("registrar"):
            config.regConfig.registrarUri = line["registrar"]
            config.regConfig.timeoutSec = line["expires"]
            config.regConfig.retryIntervalSec = 0
            config.sipConfig.proxies.append(line["registrar"] + ";lr")
            config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", line["auth_user"], 0, line["secret"]))
            config.mwiConfig.enabled = line.get("mwi", False)
            if line["transport"] == "udp":
                config.sipConfig.transportId = self.transports["udp"]
        if self.account.isValid():
            self.account.modify(config)
        else:
            self.account.create(config)

    def next_tag(self) -> int:
        self._last_tag += 1
        return self._last_tag

    def run(self) -> None:
        """Poll until told to quit or the test has gone."""
        tell("ready", port=self.setup["port"])
        buffer = b""
        os.set_blocking(0, False)
        while True:
            self.endpoint.libHandleEvents(10)
            while self.over:
                self.calls.pop(self.over.pop(), None)
            if not select.select([0], [], [], 0)[0]:
                continue
            data = os.read(0, 65536)
            if not data:
                return
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                command = json.loads(line)
                if command["do"] == "quit":
                    return
                try:
                    result = getattr(self, f"do_{command.pop('do')}")(**command.pop("with"))
                except pj.Error as error:
                    tell("reply", id=command["id"], error=error.info())
                else:
                    tell("reply", id=command["id"], result=result)

    def do_register(self, **line: Any) -> None:
        self._make_account(line)

    def do_unregister(self) -> None:
        self.account.setRegistration(False)

    def do_send_text(self, uri: str, text: str) -> None:
        buddy, config, prm = pj.Buddy(), pj.BuddyConfig(), pj.SendInstantMessageParam()
        config.uri, prm.content = uri, text
        buddy.create(self.account, config)
        self.buddies.append(buddy)
        buddy.sendInstantMessage(prm)

    def do_send_text_in_call(self, call: int, text: str) -> None:
        prm = pj.SendInstantMessageParam()
        prm.content = text
        self.calls[call].sendInstantMessage(prm)

    def do_call(self, uri: str, headers: list[list[str]]) -> int:
        tag = self.next_tag()
        call = PhoneCall(self, tag)
        prm = pj.CallOpParam(True)
        _media_options(prm)
        _add_headers(prm, headers)
        call.makeCall(uri, prm)
        return tag

    def do_answer(self, call: int, code: int, headers: list[list[str]]) -> None:
        _answer(self.calls[call], code, headers)

    def do_hangup(self, call: int, code: int) -> None:
        if call in self.calls:
            prm = pj.CallOpParam()
            prm.statusCode = code
            self.calls[call].hangup(prm)

    def do_hold(self, call: int) -> None:
        self.calls[call].setHold(pj.CallOpParam(True))

    def do_resume(self, call: int) -> None:
        prm = pj.CallOpParam(True)
        _media_options(prm)
        prm.opt.flag = pj.PJSUA_CALL_UNHOLD
        self.calls[call].reinvite(prm)

    def do_digits(self, call: int, digits: str, method: str) -> None:
        prm = pj.CallSendDtmfParam()
        prm.digits = digits
        prm.method = pj.PJSUA_DTMF_METHOD_SIP_INFO if method == "info" else pj.PJSUA_DTMF_METHOD_RFC2833
        self.calls[call].sendDtmf(prm)

    def do_refer(self, call: int, uri: str) -> None:
        self.calls[call].xfer(uri, pj.CallOpParam(True))

    def do_refer_replaces(self, call: int, other: int) -> None:
        self.calls[call].xferReplaces(self.calls[other], pj.CallOpParam(True))

    def do_stats(self, call: int) -> dict[str, Any]:
        whole = self.calls[call].getStreamStat(0)
        stat = whole.rtcp
        return {
            "codec": self.calls[call].getStreamInfo(0).codecName,
            "rx": stat.rxStat.pkt,
            "rx_lost": stat.rxStat.loss,
            "tx": stat.txStat.pkt,
            "rtt_ms": stat.rttUsec.mean / 1000,
        }

    def do_silence(self, call: int, silent: bool) -> None:
        """Stop or start sending the tone into one call."""
        audio = self.calls[call].getAudioMedia(-1)
        if silent:
            self.player.stopTransmit(audio)
        else:
            self.player.startTransmit(audio)


if __name__ == "__main__":
    Phone(json.loads(sys.argv[1])).run()
    # The library's own shutdown waits for unregistration and live calls; a test's phone just goes.
    os._exit(0)
