"""Emergency recognition: every listed form is found, nothing that could be a telephone number is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.emergency.recognise import Recogniser
from appliance.site.countries import COUNTRIES
from appliance.site.model.site import Site
from appliance.site.snapshot import compile as compile_site

US = Recogniser(("911", "112"), ("933",), ("9",), country_numbers=("911", "112"))


def sip(user: str, params: str = "") -> tuple[str, str, str]:
    return f"sip:{user}@192.0.2.1{params}", "sip", user


EMERGENCY = [
    sip("911"),
    sip("911", ";user=phone"),
    ("sips:911@192.0.2.1:5061;transport=tls", "SIPS", "911"),
    sip("112"),
    sip("9911"),
    sip("9112"),
    sip("9-911"),
    sip("9,911"),
    sip("9-1-1"),
    sip("9.1.1"),
    sip("(9)11"),
    sip("9 11"),
    sip("911#"),
    sip("+911"),
    sip("%39%31%31"),
    sip("9%31%31"),
    sip("911;phone-context=example.com"),
    sip("%39%31%31;phone-context=+1", ";user=phone"),
    sip("911;phone-context=example.com", ";user=dialstring"),
    sip("9P911;phone-context=example.com", ";user=dialstring"),
    sip("9pp911;phone-context=example.com", "; USER=DialString"),
    sip("911X2", ";user=dialstring"),
    sip("911X5551234", ";user=dialstring"),
    sip("911P55", ";user=dialstring"),
    sip("9P911X55", ";user=dialstring"),
    ("tel:911", "tel", "911"),
    ("tel:911", "tel", ""),
    ("TEL:9-1-1", "TEL", ""),
    ("tel:911;phone-context=+1-212", "tel", ""),
    ("tel:911;phone-context=example.com", "tel", "911"),
    ("tel:%39%31%31", "tel", ""),
    ("tel:911@192.0.2.1", "tel", ""),
    ("sip:911", "sip", ""),
    ("sip:911:5060;transport=udp", "sip", ""),
]

ORDINARY = [
    *("9115551234", "19115551234", "+19115551234", "1911", "+1911", "91155", "9110", "0911", "91911", "99911", "911911", "91", "11", "9"),
    *("1001", "alice", "sos"),
    *("911-555-1234", "9,1,9115551234", "933911", "*911", "911*", "#911", "", "anonymous", "1%39%31%31", "91;ext=1", "\u0669\u0661\u0661"),
]


@pytest.mark.row("L1")
@pytest.mark.parametrize(("uri", "scheme", "user"), EMERGENCY)
def test_every_way_to_write_it_is_an_emergency_call(uri, scheme, user):
    found = US.match(uri, scheme, user)
    assert found is not None
    assert (found.kind, found.number, found.urn) == ("emergency", "911", "urn:service:sos")


@pytest.mark.parametrize("user", ORDINARY)
@pytest.mark.parametrize("params", ["", ";user=phone", ";user=dialstring"])
def test_what_only_looks_like_it_is_an_ordinary_call(user, params):
    assert US.match(*sip(user, params)) is None


@pytest.mark.parametrize("user", ["9X911", "9X112", "1P911", "15551234567X911", "X911", "P9P5551234"])
def test_tones_after_the_answer_are_no_part_of_the_number(user):
    assert US.match(*sip(user, ";user=dialstring")) is None


@pytest.mark.parametrize(
    "uri",
    ["sip:9.1.1.2", "sip:0.9.1.1", "sip:192.0.2.1", "sip:911.example.com", "tel:+15559110000", "mailto:911@example.com", "urn:isbn:911", ""],
)
def test_addresses_and_other_schemes_are_no_emergency(uri):
    assert US.match(uri, uri.partition(":")[0], "") is None


@pytest.mark.parametrize(
    ("uri", "urn"),
    [
        ("urn:service:sos", "urn:service:sos"),
        ("URN:Service:SOS", "urn:service:sos"),
        ("urn:service:sos.fire", "urn:service:sos.fire"),
        ("urn:service:sos.animal-control", "urn:service:sos.animal-control"),
        ("urn:service:sos.ecall.automatic", "urn:service:sos.ecall.automatic"),
        ("urn:service:sos.not-yet-registered", "urn:service:sos.not-yet-registered"),
        ("urn:service:%73os", "urn:service:sos"),
        ("urn:service:sos.", "urn:service:sos"),
    ],
)
def test_service_urns_with_every_sub_service(uri, urn):
    found = US.match(uri, uri[:3], "")
    assert found is not None
    assert (found.kind, found.number, found.urn) == ("emergency", "911", urn)


@pytest.mark.parametrize(
    "uri",
    ["urn:service:counseling", "urn:service:sosfire", "urn:service:test", "urn:service:so", "urn:service:test.fire", "urn:nena:service:sos"],
)
def test_other_urns_are_not(uri):
    assert US.match(uri, "urn", "") is None


@pytest.mark.row("L5")
@pytest.mark.parametrize(("uri", "user"), [("sip:933@h", "933"), ("sip:9933@h", "9933"), ("sip:9-33@h", "9-33")])
def test_the_test_number_is_a_test(uri, user):
    found = US.match(uri, "sip", user)
    assert found is not None
    assert (found.kind, found.number, found.urn, found.dialled) == ("test", "933", "urn:service:test.sos", user)


def test_a_test_urn_is_a_test_and_never_becomes_an_emergency_number():
    found = US.match("urn:service:TEST.sos.police", "urn", "")
    assert found is not None
    assert (found.kind, found.number, found.urn) == ("test", "933", "urn:service:test.sos.police")
    without = Recogniser(("999", "112"), (), ("9",), country_numbers=("999", "112")).match("urn:service:test.sos", "urn", "")
    assert without is not None
    assert (without.kind, without.number) == ("test", "")


def test_to_counts_only_where_the_request_names_nobody():
    found = US.match("sip:192.0.2.1", "sip", "", "911")
    assert found is not None and found.number == "911"
    assert US.match("sip:1001@192.0.2.1", "sip", "1001", "911") is None


def test_an_emergency_number_stands_above_a_test_number():
    both = Recogniser(("911",), ("9911", "911"), ("9",))
    assert [found.kind for user in ("911", "9911") if (found := both.match(*sip(user)))] == ["emergency", "emergency"]


def test_a_star_code_works_as_dialled_and_as_dial_string():
    star = Recogniser(("911",), ("*911",), ("9",))
    for uri, scheme, user in (sip("*911"), sip("%2A911"), sip("E911", ";user=dialstring")):
        found = star.match(uri, scheme, user)
        assert found is not None and (found.kind, found.number) == ("test", "*911")


def test_numbers_the_carriers_do_not_route_are_carried_as_the_principal_one():
    britain = Recogniser(("999", "112", "911"), (), ("9",), country_numbers=("999", "112"))
    dialled = ("999", "112", "911", "9999")
    assert [found.number for user in dialled if (found := britain.match(*sip(user)))] == ["999"] * 4
    france = Recogniser(COUNTRIES["FR"].emergency, (), ("0",), country_numbers=COUNTRIES["FR"].emergency)
    assert {user: found.number for user in ("15", "015", "0112") if (found := france.match(*sip(user)))} == {"15": "15", "015": "15", "0112": "112"}


@pytest.mark.row("L4")
@pytest.mark.parametrize("code", sorted(COUNTRIES))
def test_every_country_out_of_the_box(code):
    snapshot = compile_site(Site(country=code), 1, {})
    recogniser = Recogniser.of(snapshot)
    for number in (*COUNTRIES[code].emergency, "112"):
        for user in (number, "9" + number):
            found = recogniser.match(*sip(user))
            assert found is not None and found.kind == "emergency", user
    for number in COUNTRIES[code].test:
        found = recogniser.match(*sip(number))
        assert found is not None and (found.kind, found.number) == ("test", number)


ALL = [Recogniser.of(compile_site(Site(country=code), 1, {})) for code in sorted(COUNTRIES)]


@given(st.from_regex(r"\+?[0-9]{7,15}", fullmatch=True), st.sampled_from(["", ";user=phone", ";user=dialstring"]))
def test_no_whole_telephone_number_is_ever_taken(number, params):
    for recogniser in ALL:
        assert recogniser.match(*sip(number, params)) is None
        assert recogniser.match(f"tel:{number}", "tel", number) is None


@given(
    st.sampled_from(["911", "112", "9911", "9112"]),
    st.lists(st.sampled_from(["", "-", ".", "(", ")", " "]), min_size=5, max_size=5),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.sampled_from(["", ";phone-context=+1", ";phone-context=example.com", ";isub=1"]),
    st.sampled_from(["", ";user=phone", ";user=dialstring", ";transport=tcp;user=phone"]),
)
def test_every_mixture_of_forms_is_found(number, separators, escaped, user_params, params):
    digits = [f"%{ord(digit):x}" if escape else digit for digit, escape in zip(number, escaped, strict=False)]
    user = "".join(separator + digit for separator, digit in zip(separators, digits, strict=False)) + separators[-1] + user_params
    found = US.match(*sip(user, params))
    assert found is not None and (found.kind, found.number) == ("emergency", "911")


@given(st.text(max_size=40), st.text(max_size=10), st.text(max_size=30), st.text(max_size=10))
def test_nothing_makes_it_raise(uri, scheme, user, to_user):
    US.match(uri, scheme, user, to_user)
    for known in ("sip", "tel", "urn"):
        US.match(f"{known}:{uri}", known, user, to_user)
