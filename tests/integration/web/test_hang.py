"""An engine that hangs: every page is there at once with what it said last, and what only it knows comes as soon as it answers again."""

import os
import signal
import time

import pytest
from flask import url_for

from tests.support.proc import wait_until
from tests.support.web import Visitor, Web, office
from webui.app import create_app
from webui.config import Config

AT_ONCE_S = 1.5
"""Of the best of three tries: other tests run on this machine, too. An engine that is waited for costs 5 s and more."""
SCRIPT = {"X-Requested-With": "holdfast"}


@pytest.mark.timeout(240)
def test_no_page_waits_for_an_engine_that_hangs(tmp_path):
    with Web(tmp_path, office(3), engine=True) as web:
        visitor = Visitor(web)
        visitor.sign_in()
        wait_until(lambda: "Tidewater" in visitor.get("/home/").text and "phones" in visitor.get("/home/").text, 20, "what the engine says")
        known = navigation(web)
        assert {"/home/", "/calls/", "/diag/", "/people/", "/emergency/one"} <= set(known)
        engine = web.box.pid()
        os.kill(engine, signal.SIGSTOP)
        try:
            for path in (*known, "/people/users/user-201", "/emergency/one?extension=201", "/calls/log/s-1", "/apply", "/account"):
                assert any(_quick(visitor, path) for _ in range(3)), f"{path} waits for the engine"
            page = visitor.get("/diag/")
            assert 'data-load="/diag/"' in page.text and "Asking the phone engine" in page.text
            part = visitor.get("/diag/", **SCRIPT)
            assert "The phone engine does not answer." in part.text and "<html" not in part.text
        finally:
            os.kill(engine, signal.SIGCONT)
        # The part that was asked for is there when it answers; without a script the page itself is patient on demand.
        wait_until(lambda: "Not one message has come from User 201" in visitor.get("/diag/", **SCRIPT).text, 20, "the findings")
        assert "<html" in visitor.get("/diag/?wait=1").text


def navigation(web):
    """Every page that a menu or a row of tabs leads to."""
    app = create_app(Config(web.data, web.box.control))
    with app.test_request_context():
        endpoints = [name for area in app.extensions["areas"] for name in (f"{area.name}.index", *(tab.endpoint for tab in area.tabs))]
        return list(dict.fromkeys(url_for(name) for name in endpoints))


def _quick(visitor, path):
    began = time.monotonic()
    answer = visitor.get(path)
    assert answer.status < 500, f"{path}: {answer.status}"
    return time.monotonic() - began < AT_ONCE_S
