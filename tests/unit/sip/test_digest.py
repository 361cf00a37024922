"""Digest authentication: the RFCs' own examples, and everything a client, a thief or a vandal may send."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.sip.digest import DigestAuth, Outcome, Reason, Verdict
from appliance.sip.messages import Credentials, Request
from tests.support.registering import BOX, DOMAIN, PHONE, Device, address, challenges, register, signed

PASSWORD = "correct horse"
DEVICES = {"dana": Device(), "nosecret": Device("nosecret", None), "empty": Device("empty", "")}


def lookup(name: str) -> Device | None:
    return DEVICES.get(name)


@pytest.fixture
def auth() -> DigestAuth:
    return DigestAuth(DOMAIN, b"key")


def offer(auth: DigestAuth, algorithm: str = "MD5", now: float = 100.0, source=PHONE) -> dict[str, str]:
    return next(one for one in challenges(auth.challenge(now, source)) if one["algorithm"] == algorithm)


def judged(verdict: Verdict[Device]) -> tuple[Outcome, Reason]:
    return verdict.outcome, verdict.reason


# ---- the examples of the RFCs: the nonce is not ours, so a right response shows as "stale", a wrong one as "wrong-password" -----------------------


def example(realm: str, secret: str, **given: str) -> Reason:
    request = replace(register(), method="GET", uri="/dir/index.html")
    credentials = Credentials(username="Mufasa", realm=realm, uri="/dir/index.html", **given)
    verdict = DigestAuth(realm, b"key").verify(replace(request, credentials=(credentials,)), lambda name: Device(name, secret), 0.0)
    return verdict.reason


RFC_7616 = {
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "nc": "00000001",
    "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    "qop": "auth",
}


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("", "8ca523f5e9506fed4657c9700eebdbec"),
        ("md5", "8CA523F5E9506FED4657C9700EEBDBEC"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_example_of_rfc_7616_section_3_9_1(algorithm: str, response: str) -> None:
    assert example("http-auth@example.org", "Circle of Life", algorithm=algorithm, response=response, **RFC_7616) is Reason.STALE
    assert example("http-auth@example.org", "Circle of life", algorithm=algorithm, response=response, **RFC_7616) is Reason.WRONG_PASSWORD


def test_example_of_rfc_2617_section_3_5() -> None:
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    response = "6629fae49393a05397450978507c4ef1"
    assert example("testrealm@host.com", "Circle Of Life", nonce=nonce, nc="00000001", cnonce="0a4f113b", qop="auth", response=response) is Reason.STALE


def test_example_without_qop_of_rfc_2069_as_corrected() -> None:
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    assert example("testrealm@host.com", "CircleOfLife", nonce=nonce, response="1949323746fe6a43ef61f9606e7febea") is Reason.STALE


# ---- challenge ---------------------------------------------------------------------------------------------------


def test_both_algorithms_are_offered_the_stronger_first(auth: DigestAuth) -> None:
    first, second = challenges(auth.challenge(0.0, PHONE))
    assert (first["algorithm"], second["algorithm"]) == ("SHA-256", "MD5")
    assert first["realm"] == second["realm"] == DOMAIN
    assert first["qop"] == "auth"
    assert "stale" not in first


def test_order_is_the_installers() -> None:
    only = challenges(DigestAuth(DOMAIN, b"key", algorithms=("MD5",)).challenge(0.0, PHONE))
    assert [one["algorithm"] for one in only] == ["MD5"]
    with pytest.raises(ValueError, match="MD5"):
        DigestAuth(DOMAIN, b"key", algorithms=("MD4",))


def test_no_two_challenges_share_a_nonce(auth: DigestAuth) -> None:
    assert len({offer(auth)["nonce"] for _ in range(100)}) == 100


# ---- the right password ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_right_password(auth: DigestAuth, algorithm: str) -> None:
    assert judged(auth.verify(register(), lookup, 100.0)) == (Outcome.CHALLENGE, Reason.NO_CREDENTIALS)
    verdict = auth.verify(signed(register(cseq=2), offer(auth, algorithm), PASSWORD), lookup, 101.0)
    assert judged(verdict) == (Outcome.OK, Reason.OK)
    assert verdict.identity is DEVICES["dana"]


@pytest.mark.row("E4")
@pytest.mark.parametrize("username", ["dana", f"dana@{DOMAIN}", "dana@PBX.Example", f"dana@{BOX.ip}", "dana@other.example"])
def test_user_name_bare_or_qualified(username: str) -> None:
    auth = DigestAuth(DOMAIN, b"key", domains=("Other.example",))
    verdict = auth.verify(signed(register(), offer(auth), PASSWORD, username), lookup, 100.0)
    assert verdict.outcome is Outcome.OK
    assert verdict.username == username


def test_nc_rises_on_one_nonce(auth: DigestAuth) -> None:
    challenge = offer(auth)
    for nc in (1, 2, 5, 6):
        assert auth.verify(signed(register(cseq=nc), challenge, PASSWORD, nc=nc), lookup, 100.0).outcome is Outcome.OK


def test_one_right_answer_of_two_suffices(auth: DigestAuth) -> None:
    sha, md5 = challenges(auth.challenge(100.0, PHONE))
    right, wrong = signed(register(), md5, PASSWORD), signed(register(), sha, "wrong")
    foreign = replace(right.credentials[0], realm="elsewhere")
    assert auth.verify(replace(right, credentials=(foreign, *wrong.credentials, *right.credentials)), lookup, 100.0).outcome is Outcome.OK


def test_a_changed_password_counts_at_once(auth: DigestAuth) -> None:
    challenge = offer(auth)
    assert auth.verify(signed(register(), challenge, PASSWORD), lookup, 100.0).outcome is Outcome.OK
    changed = {"dana": Device(secret="another one")}
    assert auth.verify(signed(register(cseq=2), challenge, PASSWORD, nc=2), changed.get, 100.0).reason is Reason.WRONG_PASSWORD
    assert auth.verify(signed(register(cseq=3), challenge, "another one", nc=3), changed.get, 100.0).outcome is Outcome.OK


def test_target_may_differ_in_host_not_in_user(auth: DigestAuth) -> None:
    invite = register(method="INVITE", uri="sip:4001@192.0.2.1", uri_user="4001", uri_host="192.0.2.1")

    def sent_to(uri: str) -> Request:
        return replace(signed(replace(invite, uri=uri), offer(auth), PASSWORD), uri=invite.uri)

    assert auth.verify(sent_to("sip:4001@pbx.example;user=phone"), lookup, 100.0).outcome is Outcome.OK
    assert auth.verify(sent_to("sip:%34001@pbx.example"), lookup, 100.0).outcome is Outcome.OK
    assert auth.verify(sent_to("sip:pbx.example"), lookup, 100.0).outcome is Outcome.OK, "clients that sign the server alone"
    assert auth.verify(sent_to("sip:4002@pbx.example"), lookup, 100.0).outcome is Outcome.MALFORMED
    assert auth.verify(sent_to("nonsense"), lookup, 100.0).outcome is Outcome.MALFORMED
    assert auth.verify(replace(sent_to("sip:dana@pbx.example"), method="INVITE"), lookup, 100.0).outcome is Outcome.MALFORMED


def test_a_register_may_name_the_user_in_its_digest_uri(auth: DigestAuth) -> None:
    request = replace(signed(register(uri="sip:dana@192.0.2.1"), offer(auth), PASSWORD), uri=f"sip:{DOMAIN}")
    assert auth.verify(request, lookup, 100.0).outcome is Outcome.OK


# ---- the wrong one, and the unknown user -------------------------------------------------------------------------


@pytest.mark.row("E14")
@pytest.mark.parametrize(
    ("username", "reason"),
    [("dana", Reason.WRONG_PASSWORD), ("nobody", Reason.UNKNOWN_USER), ("nosecret", Reason.UNKNOWN_USER), ("dana@elsewhere.example", Reason.WRONG_DOMAIN)],
)
def test_why_is_known_inside(auth: DigestAuth, username: str, reason: Reason) -> None:
    verdict = auth.verify(signed(register(), offer(auth), "wrong", username), lookup, 100.0)
    assert judged(verdict) == (Outcome.FORBIDDEN, reason)
    assert verdict.identity is None


@pytest.mark.parametrize("age", [0.0, 10_000.0])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_outside_an_unknown_user_looks_like_a_wrong_password(auth: DigestAuth, algorithm: str, age: float) -> None:
    answers = set()
    for username in ("dana", "nobody", "nosecret", "dana@elsewhere.example"):
        request = signed(register(), offer(auth, algorithm), "wrong", username)
        reply = auth.answer(auth.verify(request, lookup, 100.0 + age), 100.0 + age, PHONE)
        shape = tuple(sorted(tuple(sorted((key, value if key != "nonce" else len(value)) for key, value in one.items())) for one in challenges(reply.headers)))
        answers.add((reply.code, reply.reason, shape))
    assert len(answers) == 1


def test_outside_an_unknown_user_costs_the_same_hashes(auth: DigestAuth, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    from appliance.sip import digest

    counted: list[str] = []

    def count(data: bytes):
        counted.append("md5")
        return hashlib.md5(data)

    monkeypatch.setitem(digest._HASHES, "MD5", count)
    spent = {}
    for round_ in range(2):  # the first round fills the cache
        for username in ("dana", "nobody", "dana@elsewhere.example"):
            counted.clear()
            auth.verify(signed(register(), offer(auth), f"wrong {round_}", username), lookup, 100.0)
            spent[username] = len(counted)
    assert len(set(spent.values())) == 1


def test_unknown_user_cannot_guess_the_dummy_secret() -> None:
    auth = DigestAuth(DOMAIN, b"key")
    for guess in ("", "None", auth.realm):
        assert auth.verify(signed(register(), offer(auth), guess, "nobody"), lookup, 100.0).outcome is Outcome.FORBIDDEN


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("username", ["nosecret", "empty"])
@pytest.mark.parametrize("qop", [True, False])
def test_nobody_signs_in_as_a_device_without_a_secret(auth: DigestAuth, username: str, algorithm: str, qop: bool) -> None:
    """A box whose vault is lost has only such devices: whatever a client computes with, an empty password above all, opens nothing."""
    for guess in ("", "None", "null", PASSWORD):
        verdict = auth.verify(signed(register(), offer(auth, algorithm), guess, username, qop=qop), lookup, 100.0)
        assert judged(verdict) == (Outcome.FORBIDDEN, Reason.UNKNOWN_USER)
        assert verdict.identity is None


def test_right_password_for_another_realm_is_challenged_with_ours(auth: DigestAuth) -> None:
    request = signed(register(), offer(auth) | {"realm": "asterisk"}, PASSWORD)
    verdict = auth.verify(request, lookup, 100.0)
    assert judged(verdict) == (Outcome.CHALLENGE, Reason.WRONG_REALM)
    assert verdict.detail == "asterisk"


# ---- nonces ------------------------------------------------------------------------------------------------------


def test_an_old_nonce_is_stale_only_with_the_right_password(auth: DigestAuth) -> None:
    challenge = offer(auth, now=100.0)
    verdict = auth.verify(signed(register(), challenge, PASSWORD), lookup, 401.0)
    assert judged(verdict) == (Outcome.CHALLENGE, Reason.STALE)
    assert all(one["stale"] == "true" for one in challenges(auth.answer(verdict, 401.0, PHONE).headers))
    wrong = auth.verify(signed(register(), challenge, "wrong"), lookup, 401.0)
    assert judged(wrong) == (Outcome.CHALLENGE, Reason.WRONG_PASSWORD)
    assert not wrong.stale


def test_a_nonce_of_before_a_restart_is_stale(auth: DigestAuth) -> None:
    earlier = DigestAuth(DOMAIN, b"another key")
    assert auth.verify(signed(register(), offer(earlier), PASSWORD), lookup, 100.0).reason is Reason.STALE


def test_a_nonce_belongs_to_the_address_it_was_given_to(auth: DigestAuth) -> None:
    thief = address("198.51.100.66")
    assert auth.verify(signed(register(source=thief), offer(auth, source=PHONE), PASSWORD), lookup, 100.0).reason is Reason.STALE


def test_a_nonce_from_the_future_is_not_in_force(auth: DigestAuth) -> None:
    assert auth.verify(signed(register(), offer(auth, now=500.0), PASSWORD), lookup, 100.0).reason is Reason.STALE


@pytest.mark.parametrize("position", range(0, 40, 5))
def test_a_forged_nonce_is_not_in_force(auth: DigestAuth, position: int) -> None:
    challenge = offer(auth)
    nonce = challenge["nonce"]
    challenge["nonce"] = nonce[:position] + ("0" if nonce[position] != "0" else "1") + nonce[position + 1 :]
    assert auth.verify(signed(register(), challenge, PASSWORD), lookup, 100.0).reason is Reason.STALE


def test_a_retransmission_is_accepted_again(auth: DigestAuth) -> None:
    request = signed(register(), offer(auth), PASSWORD)
    assert auth.verify(request, lookup, 100.0).reason is Reason.OK
    again = auth.verify(request, lookup, 100.5)
    assert judged(again) == (Outcome.OK, Reason.RETRANSMISSION)
    assert again.identity is DEVICES["dana"]


@pytest.mark.parametrize(
    "changed",
    [{"branch": "z9hG4bK-thief"}, {"call_id": "other"}, {"cseq": 99}, {"source": address(port=6666)}, {"source": address(transport="tcp")}],
    ids=lambda changed: next(iter(changed)),
)
def test_credentials_taken_from_another_message_are_a_replay(auth: DigestAuth, changed: dict) -> None:
    request = signed(register(), offer(auth), PASSWORD)
    assert auth.verify(request, lookup, 100.0).outcome is Outcome.OK
    verdict = auth.verify(replace(request, **changed), lookup, 100.0)
    assert judged(verdict) == (Outcome.CHALLENGE, Reason.REPLAYED)
    assert verdict.identity is None


def test_a_lower_nc_is_a_replay_and_does_not_lower_the_bar(auth: DigestAuth) -> None:
    challenge = offer(auth)
    assert auth.verify(signed(register(cseq=1), challenge, PASSWORD, nc=7), lookup, 100.0).outcome is Outcome.OK
    for nc in (7, 3, 7):
        assert auth.verify(signed(register(cseq=2), challenge, PASSWORD, nc=nc), lookup, 100.0).reason is Reason.REPLAYED
    assert auth.verify(signed(register(cseq=3), challenge, PASSWORD, nc=8), lookup, 100.0).outcome is Outcome.OK


def test_without_qop_a_nonce_is_good_once(auth: DigestAuth) -> None:
    challenge = offer(auth)
    request = signed(register(), challenge, PASSWORD, qop=False)
    assert auth.verify(request, lookup, 100.0).reason is Reason.OK
    assert auth.verify(request, lookup, 100.0).reason is Reason.RETRANSMISSION
    assert auth.verify(signed(register(cseq=2), challenge, PASSWORD, qop=False), lookup, 100.0).reason is Reason.REPLAYED
    assert auth.verify(signed(register(cseq=3), challenge, PASSWORD, nc=9), lookup, 100.0).reason is Reason.REPLAYED


def test_a_nonce_used_with_qop_is_not_good_without(auth: DigestAuth) -> None:
    challenge = offer(auth)
    assert auth.verify(signed(register(), challenge, PASSWORD), lookup, 100.0).outcome is Outcome.OK
    assert auth.verify(signed(register(cseq=2), challenge, PASSWORD, qop=False), lookup, 100.0).reason is Reason.REPLAYED


def test_the_table_of_nonces_is_bounded_and_forgetting_opens_no_replay() -> None:
    auth = DigestAuth(DOMAIN, b"key", max_nonces=10)
    requests = []
    for number in range(50):
        now = 100.0 + number
        requests.append(signed(register(cseq=number + 1), offer(auth, now=now), PASSWORD))
        assert auth.verify(requests[-1], lookup, now).outcome is Outcome.OK
    assert len(auth._used) <= 10
    for request in requests:
        taken = replace(request, branch="z9hG4bK-thief")
        assert auth.verify(taken, lookup, 150.0).outcome is Outcome.CHALLENGE


def test_used_nonces_leave_the_table_when_their_time_is_over(auth: DigestAuth) -> None:
    for number in range(20):
        assert auth.verify(signed(register(cseq=number), offer(auth), PASSWORD), lookup, 100.0).outcome is Outcome.OK
    for number in range(20):
        assert auth.verify(signed(register(cseq=number), offer(auth, now=1000.0), PASSWORD), lookup, 1000.0).outcome is Outcome.OK
    assert len(auth._used) == 20


def test_a_flood_without_passwords_stores_nothing(auth: DigestAuth) -> None:
    for number in range(500):
        auth.challenge(100.0, PHONE)
        auth.verify(signed(register(cseq=number), offer(auth), "wrong", f"user{number}"), lookup, 100.0)
    assert not auth._used
    assert len(auth._ha1) <= 1


def test_the_cache_of_hashes_is_bounded() -> None:
    auth = DigestAuth(DOMAIN, b"key", max_cached=5)
    many = {f"user{number}": Device(f"user{number}", PASSWORD) for number in range(20)}
    for name in many:
        assert auth.verify(signed(register(user=name), offer(auth), PASSWORD, name), many.get, 100.0).outcome is Outcome.OK
    assert len(auth._ha1) == 5


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "detail"),
    [
        ({"algorithm": "MD5-sess"}, "algorithm not offered"),
        ({"algorithm": "SHA-512-256"}, "algorithm not offered"),
        ({"algorithm": "SHA-256"}, "response has the wrong length"),
        ({"qop": "auth-int"}, "qop not offered"),
        ({"cnonce": ""}, "no cnonce"),
        ({"nc": ""}, "nc is not a count"),
        ({"nc": "-1"}, "nc is not a count"),
        ({"nc": "0x1"}, "nc is not a count"),
        ({"nc": "1_0"}, "nc is not a count"),
        ({"nc": "000000001"}, "nc is not a count"),
        ({"nc": "٣"}, "nc is not a count"),
        ({"username": ""}, "no username"),
        ({"response": ""}, "response has the wrong length"),
        ({"response": "é" * 32}, "response has the wrong length"),
        ({"qop": ""}, "nc without qop"),
        ({"uri": ""}, "uri is not the one requested"),
        ({"cnonce": "\ud800"}, "text is not UTF-8"),
    ],
    ids=str,
)
def test_malformed_credentials_are_named(auth: DigestAuth, changed: dict, detail: str) -> None:
    request = signed(register(), offer(auth), PASSWORD)
    verdict = auth.verify(replace(request, credentials=(replace(request.credentials[0], **changed),)), lookup, 100.0)
    assert judged(verdict) == (Outcome.MALFORMED, Reason.MALFORMED)
    reply = auth.answer(verdict, 100.0, PHONE)
    assert (reply.code, reply.reason) == (400, f"Bad Authorization: {detail}")


def test_many_headers_do_not_mean_much_work(auth: DigestAuth) -> None:
    wrong = signed(register(), offer(auth), "wrong").credentials[0]
    right = signed(register(), offer(auth), PASSWORD).credentials[0]
    assert auth.verify(replace(register(), credentials=(wrong,) * 500 + (right,)), lookup, 100.0).outcome is Outcome.FORBIDDEN


anything = st.text(st.characters(codec=None), max_size=45)


@given(
    anything,
    anything,
    anything,
    st.sampled_from(["0" * 32, "f" * 64]) | anything,
    st.sampled_from(["", "MD5", "SHA-256"]) | anything,
    anything,
    st.sampled_from(["", "00000001"]) | anything,
    st.sampled_from(["", "auth"]) | anything,
)
def test_nothing_a_client_writes_raises(
    username: str, nonce: str, uri: str, response: str, algorithm: str, cnonce: str, nc: str, qop: str
) -> None:
    auth = DigestAuth(DOMAIN, b"key")
    request = replace(register(method="INVITE"), credentials=(Credentials(username, DOMAIN, nonce, uri, response, algorithm, cnonce, nc, qop),))
    assert auth.verify(request, lookup, 100.0).outcome in (Outcome.MALFORMED, Outcome.CHALLENGE, Outcome.FORBIDDEN)
