"""Voicemail by e-mail over a real mail server: a message somebody spoke, and one a kill interrupted, each once with its sound, through an outage and a kill."""

from __future__ import annotations

import contextlib
import json
import struct
import time
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from appliance.sound import header
from tests.integration.conftest import BoxMaker, PhoneMaker
from tests.support.box import Box
from tests.support.ports import free_port
from tests.support.proc import wait_until
from tests.support.receivers import MailServer
from tests.support.sites import make_site, secret
from tests.support.tone import tone_seconds

TO, DESK = "dana@example.org", "desk@example.org"


def _site(mail: MailServer) -> dict[str, Any]:
    site = make_site(2)
    site["mailboxes"] = {
        "two": {"name": "Two", "owner": "user-202", "email": TO},
        "desk": {"name": "Desk", "email": DESK, "email_sound": False},
        "quiet": {"name": "Quiet"},
    }
    site["alerts"] = {
        "kinds": [],
        "mail": {"host": "127.0.0.1", "port": mail.port, "sender": "box@example.org", "username": "box", "password": "good password"},
    }
    return site


def _interrupted(home: Box, mailbox: str, id: str) -> None:
    """What a kill leaves of a message that is being spoken now."""
    folder = home.data / "voicemail" / mailbox
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"caller": "+15550123", "caller_name": "Zoë", "session": "s1", "started_unix_s": time.time()}
    (folder / f"{id}.json").write_text(json.dumps(facts))
    (folder / f"{id}.part").write_bytes(header(8000, 0) + struct.pack("<16000h", *[3000, -3000] * 8000))


def _outbox(home: Box) -> dict[str, dict[str, Any]]:
    return {item["place"]: item for item in home.rpc("alerts.outbox", limit=50)["items"]}


def test_each_message_is_mailed_once(box: BoxMaker, phone: PhoneMaker, tmp_path: Path, opened: contextlib.ExitStack) -> None:
    mail = MailServer(tmp_path, free_port("127.0.0.1"))
    opened.callback(mail.stop)
    home: Box = box(_site(mail), env={"SSL_CERT_FILE": str(mail.trust)})

    # Nobody listens at the mail server while the message is spoken.
    caller = phone("caller")
    caller.register("201", secret(201), home.sip)
    call = caller.call(home.uri("202")).wait("CONFIRMED", 15.0)
    wait_until(lambda: home.said(r"beep|record"), 30, "the recording to begin")
    call.wait_heard(500)
    call.hangup()
    wait_until(lambda: [each["how"] for each in home.rpc("alerts")["ways"] if each["fault"]] == ["voicemail"], 30, "a try that failed")
    assert "cannot be reached" in _outbox(home)[TO]["reason"]
    assert "Voicemail is not sent by e-mail" in {alarm["code"]: alarm["sentence"] for alarm in home.status()["alarms"]}["voicemail-mail"]
    assert "Two: message from" in home.cli("alerts", "outbox")

    # The engine dies while it waits and another message is being spoken; then all is well again.
    home.kill9()
    _interrupted(home, "desk", "m2")
    _interrupted(home, "quiet", "m3")
    mail.start()
    home.start()
    wait_until(lambda: [item["state"] for item in _outbox(home).values()] == ["sent", "sent"], 60, "both e-mails")
    assert not [alarm for alarm in home.status()["alarms"] if alarm["code"] == "voicemail-mail"]
    spoken = home.rpc("voicemail.list", mailbox="two")["messages"][0]
    home.stop()

    letters: dict[str, EmailMessage] = {str(letter["To"]): letter for letter in mail.messages}
    assert len(mail.messages) == 2
    first = letters[TO]
    assert first["Subject"].startswith("Two: message from ") and "201" in first["Subject"]
    (attached,) = first.iter_attachments()
    assert attached.get_content_type() == "audio/wav" and str(attached.get_filename()).endswith(".wav")
    assert attached.get_content() == (home.data / "voicemail" / "two" / f"{spoken['id']}.wav").read_bytes()
    got = tmp_path / "got.wav"
    got.write_bytes(attached.get_content())
    assert tone_seconds(got) > 0.7 * spoken["seconds"]
    second = letters[DESK]
    assert second["Subject"] == "Desk: message from Zoë, +15550123, 0:02"
    assert not list(second.iter_attachments())
    assert "The message is in the mailbox." in second.get_content()
