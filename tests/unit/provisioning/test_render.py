"""What phones are told, read back by parsers of their own formats."""

from __future__ import annotations

import re

import pytest
from lxml import etree

from provisioning import dialplan
from provisioning.catalogue import families, models
from provisioning.dialplan import Sent
from provisioning.render import first_file, settings
from tests.support.deskphone import grandstream, lines, phone, poly, snom

SIGN_IN = {
    "yealink": (lines, ("account.1.user_name", "account.1.auth_name", "account.1.password", "account.1.display_name", "account.1.sip_server.1.address")),
    "poly": (poly, ("reg.1.address", "reg.1.auth.userId", "reg.1.auth.password", "reg.1.displayName", "reg.1.server.1.address")),
    "grandstream": (
        grandstream,
        ("account.1.sip.userid", "account.1.sip.subscriber.userid", "account.1.sip.subscriber.password", "account.1.sip.subscriber.name",
         "account.1.sip.server.1.address"),
    ),
    "snom": (snom, ("user_name.1", "user_pname.1", "user_pass.1", "user_realname.1", "user_host.1")),
}  # fmt: skip


@pytest.mark.parametrize("family", sorted(SIGN_IN))
def test_the_sign_in_arrives_character_by_character(family: str) -> None:
    read, names = SIGN_IN[family]
    told = read(settings(family, phone(model="")))
    assert [told[name] for name in names] == ["user-201", "user-201", 'p<&"w 1', "Zoë <b>", "holdfast.local"]
    assert "192.168.1.2" in " ".join(told.values()), "the box's address: a phone needs no name service"


def test_every_family_is_read() -> None:
    assert set(SIGN_IN) == set(families())


@pytest.mark.parametrize("model", sorted(models()))
def test_every_model_is_told_everything(model: str) -> None:
    family = models()[model].family
    data = settings(family, phone(model=model))
    for secret in ("user-201", "holdfast.local", "*98", "911", "933"):
        assert secret.encode() in data


@pytest.mark.parametrize("family", sorted(SIGN_IN))
def test_the_first_file_leads_to_the_settings_and_holds_no_secret(family: str) -> None:
    data = first_file(family, phone(model=""))
    assert b"192.168.1.2:8081/p/0123456789abcdef" in data
    for secret in (b"user-201", b"p&lt;", b"p<&", b"a&", b"Zo"):
        assert secret not in data
    if families()[family].format == "xml":
        etree.fromstring(data)


def plan(family: str, data: bytes) -> dialplan.Plan:
    """The dial plan in the settings a phone got."""
    if family == "poly":
        told = poly(data)
        return dialplan.read_digitmap(told["dialplan.digitmap"], float(told["dialplan.digitmap.timeOut"]))
    if family == "grandstream":
        told = grandstream(data)
        return dialplan.read_braces(told["account.1.call.dialplan"], float(told["call.noKeyEntryTimeout"]))
    if family == "snom":
        return dialplan.read_templates((each.get("match"), float(each.get("timeout"))) for each in etree.fromstring(data).iter("template"))
    told = lines(data)
    rules = [value for key, value in told.items() if key.startswith("dialplan.dialnow.rule.")]
    return dialplan.read_rules(rules, float(told["phone_setting.dialnow_delay"]), float(told["phone_setting.inter_digit_time"]))


@pytest.mark.parametrize("family", sorted(SIGN_IN))
@pytest.mark.parametrize("emergency", [("911", "933"), ("112",), ("112", "110", "15", "17", "18"), ("000", "112", "106"), ("999", "112", "911")])
def test_emergency_numbers_are_dialled_at_once_on_every_family(family: str, emergency: tuple[str, ...]) -> None:
    found = plan(family, settings(family, phone(model="", emergency=emergency)))
    for number in emergency:
        assert found.press(number) == Sent(number, 0)
        assert found.press(number + "5") == Sent(number, 0)
    sent = found.press("201")
    assert sent is not None and sent.number == "201"


def test_a_site_without_emergency_numbers() -> None:
    for family in families():
        data = settings(family, phone(model="", emergency=()))
        assert plan(family, data).press("201") is not None
        assert b"keyboard_lock_emergency" not in data, "an empty list freezes a Snom's boot"


def test_time_zones() -> None:
    yealink = lines(settings("yealink", phone()))
    assert (yealink["local_time.time_zone"], yealink["local_time.start_time"], yealink["local_time.end_time"]) == ("-5", "3/2/7/2", "11/1/7/2")
    assert lines(settings("yealink", phone(zone="IST-5:30")))["local_time.time_zone"] == "+5:30"
    assert lines(settings("yealink", phone(zone="NST3:30NDT,M3.2.0,M11.1.0")))["local_time.time_zone"] == "-3:30"
    assert lines(settings("yealink", phone(zone="nonsense")))["local_time.time_zone"] == "+0"
    found = poly(settings("poly", phone()))
    assert found["tcpIpApp.sntp.gmtOffset"] == "-18000"
    assert (found["tcpIpApp.sntp.daylightSavings.start.date"], found["tcpIpApp.sntp.daylightSavings.stop.date"]) == ("8", "1")
    assert snom(settings("snom", phone(zone="CET-1CEST,M3.5.0,M10.5.0/3")))["dst"] == "3600 03.05.07 02:00:00 10.05.07 03:00:00"


def test_several_lines() -> None:
    one = phone().lines[0]
    told = lines(settings("yealink", phone(lines=(one, one.model_copy(update={"user": "second"})))))
    assert (told["account.2.user_name"], told["account.2.enable"], told["account.3.enable"]) == ("second", "1", "0")


@pytest.mark.parametrize("bad", ["a\nstatic.security.user_password = admin:x", "a\r", "a\x00", "a\u2028b", "a\x85b"])
def test_no_value_can_start_a_line_of_its_own(bad: str) -> None:
    with pytest.raises(ValueError, match="match pattern"):
        phone(admin_password=bad)


def test_adapters_are_told_by_number() -> None:
    told = grandstream(settings("grandstream", phone(model="grandstream-ht802")))
    assert all(re.fullmatch(r"P\d+", name) for name in told)
    assert (told["P35"], told["P34"]) == ("user-201", 'p<&"w 1')
