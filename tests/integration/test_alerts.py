"""Alerts over a real mail server and a real web server: once each, through an outage and a kill; what keeps them from getting through is named."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.alerts.messages import signature
from tests.support.box import Box
from tests.support.ports import free_port
from tests.support.proc import wait_until
from tests.support.receivers import Hook, MailServer
from tests.support.sites import make_site, secret

Maker = Callable[..., Any]
SECRET = "a secret of the webhook"
TO = "dana@example.org"


def _site(mail: MailServer, hook: Hook) -> dict[str, Any]:
    site = make_site(1)
    site["alerts"] = {
        "kinds": ["certificate", "emergency"],
        "mail": {
            "host": "127.0.0.1", "port": mail.port, "sender": "box@example.org", "to": [TO], "emergency_to": ["desk@example.org"],
            "username": "box", "password": "wrong password",
        },
        "webhook": {"url": f"http://127.0.0.1:{hook.port}/box", "secret": SECRET},
    }  # fmt: skip
    return site


@pytest.mark.row("L2")
def test_alerts_get_through_once(box: Maker, phone: Maker, tmp_path: Path, opened: contextlib.ExitStack) -> None:
    mail, hook = MailServer(tmp_path, free_port("127.0.0.1")).start(), Hook(free_port("127.0.0.1"))
    opened.callback(mail.stop)
    opened.callback(hook.stop)
    home: Box = box(_site(mail, hook), env={"SSL_CERT_FILE": str(mail.trust)})

    # A certificate is spoilt; the password is wrong, and nobody listens at the webhook.
    (home.data / "tls" / "extra.crt").write_text("nonsense")

    def waiting() -> dict[str, Any] | None:
        found: dict[str, Any] = home.rpc("alerts")
        return found if found["waiting"] == 2 and all(way["fault"] for way in found["ways"]) else None

    faults = {way["how"]: way["fault"] for way in wait_until(waiting, 60.0, "both ways failing")["ways"]}
    assert "refused the user name or the password: 535" in faults["mail"]
    assert "cannot be reached" in faults["webhook"]
    assert {alarm["code"] for alarm in home.status()["alarms"]} >= {"alerts-mail", "alerts-webhook"}
    tried = {each["place"]: each for each in home.rpc("alerts.test")["tried"]}
    assert not tried[TO]["ok"]
    assert "535" in tried[TO]["sentence"]
    assert not mail.messages

    # The engine dies with both in the outbox; then all is well again.
    home.kill9()
    hook.start()
    home.start()
    wait_until(lambda: home.rpc("alerts")["sent"] == 1, 30.0, "the webhook's message")
    editor = home.editor("tests")
    editor.set("alerts.mail.password", "good password")
    editor.commit("the right password")
    home.rpc("site.activate")
    wait_until(lambda: home.rpc("alerts")["sent"] == 2, 30.0, "the mail")

    (message,) = mail.messages
    assert (message["To"], message["From"]) == (TO, "box@example.org")
    assert "The certificate of extra.crt cannot be read" in message["Subject"]
    ((headers, body),) = hook.taken
    assert headers["X-Holdfast-Signature"] == signature(SECRET, body)
    told = json.loads(body)
    assert headers["Idempotency-Key"] == told["id"]
    assert (told["kind"], told["state"], told["matters"][0]["key"]) == ("certificate", "begun", "health:certificate-extra")
    assert [way["fault"] for way in home.rpc("alerts")["ways"]] == ["", ""]
    assert not [alarm for alarm in home.status()["alarms"] if alarm["code"].startswith("alerts-")]

    # An emergency call is told at once, to those who are told of nothing else as well, and once, however it goes on.
    desk = phone("desk")
    desk.register("201", secret(201), home.sip)
    desk.call(home.uri("911")).wait("DISCONNECTED")
    wait_until(lambda: home.rpc("alerts")["sent"] == 5, 20.0, "word of the emergency call")
    assert sorted(m["To"] for m in mail.messages[1:]) == [TO, "desk@example.org"]
    assert all("Emergency call to 911 from extension 201" in m["Subject"] for m in mail.messages[1:])
    assert json.loads(hook.taken[1][1])["kind"] == "emergency"

    # A test reaches everybody, and who is refused is named.
    mail.refused = {"desk@example.org"}
    tried = {each["place"]: each for each in home.rpc("alerts.test")["tried"]}
    assert tried[TO]["ok"]
    assert "550 No such person" in tried["desk@example.org"]["sentence"]
    assert [m["To"] for m in mail.messages[3:]] == [TO]

    # The command says the same.
    assert "5 delivered, 0 waiting" in home.cli("alerts", "show")
    assert "The certificate of extra.crt cannot be read" in home.cli("alerts", "outbox")
