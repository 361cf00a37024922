"""`holdfast network` and `holdfast trunk test` against a control server that answers as told."""

from __future__ import annotations

from tests.unit.cli.test_commands import HOSTILE, status

FOUND = {
    "addresses": [
        {"interface": "lo", "address": "127.0.0.1", "prefix": 8, "served": True, "phones": False},
        {"interface": "eth0", "address": "192.168.1.5", "prefix": 24, "served": True, "phones": True},
        {"interface": "eth1", "address": "203.0.113.5", "prefix": 24, "served": False, "phones": False},
    ],
    "gateway": "192.168.1.1", "gateway_interface": "eth0", "gateway_seen": True,
    "name_servers": [{"address": "192.168.1.1", "answer": "NOERROR", "after_ms": 3.2}], "names": True, "clock_kept": True,
    "seen": [{"address": "192.168.1.20", "mac": "80:5e:c0:4a:11:7c", "interface": "eth0", "maker": "Yealink", "devices": ["dana"]}],
}  # fmt: skip


def test(**changes):
    return {
        "id": "t-1", "trunk": "acme", "to": "+12025550177", "state": "dialling", "code": 0, "reason": "", "cause": "", "cure": "", "heard": None,
        "began_unix_s": 1.0, **changes,
    }  # fmt: skip


test.__test__ = False


def test_the_network_as_it_should_be(box):
    box.answers["network"] = FOUND
    output = box.run("network").output
    for words in ("192.168.1.5/24", "for phones", "not served", "way out is 192.168.1.1 on eth0.", "answers in 3 ms", "The clock is kept right.", "Yealink"):
        assert words in output


def test_the_network_where_everything_is_missing(box):
    box.answers["network"] = {
        **FOUND, "gateway": "", "names": False, "clock_kept": False, "seen": [], "name_servers": [{"address": "192.0.2.9", "answer": "", "after_ms": 0.0}],
    }  # fmt: skip
    output = box.run("network").output
    for words in ("There is no way out", "192.0.2.9 does not answer", "No name is resolved", "Nobody keeps the clock right", "Nobody else was heard"):
        assert words in output


def test_a_test_call_that_works(box):
    box.answers |= {"trunks.test": test(), "status": status(line_test=test(state="ended", code=200, heard=True))}
    result = box.run("trunk", "test", "acme", "202 555 0177")
    assert result.exit_code == 0
    assert result.output == "Calling …\nThe line works: it was answered, and sound came from there.\n"
    assert box.asked[0] == ("trunks.test", {"trunk": "acme", "to": "202 555 0177"})


def test_a_test_call_that_fails_says_why_and_acts_on_no_terminal(box):
    failed = test(state="failed", code=403, cause=f"The provider refuses {HOSTILE}", cure="Type both again")
    box.answers |= {"trunks.test": test(), "status": status(line_test=failed)}
    result = box.run("trunk", "test", "acme", "+12025550177")
    assert result.exit_code == 1
    assert "The provider refuses" in result.output
    assert "  Type both again." in result.output
    assert "\x1b]0" not in result.output
    assert "\x07" not in result.output


def test_a_test_call_that_somebody_elses_took_the_place_of(box):
    box.answers |= {"trunks.test": test(), "status": status(line_test=test(id="t-2"))}
    result = box.run("trunk", "test", "acme", "+12025550177")
    assert result.exit_code == 1
    assert "was not seen" in result.output
