"""What the SIP side listens on when a box has more addresses than the library has room for."""

from appliance.sip._pj.config import MAX_TRANSPORTS, ports
from appliance.types import Address, Transport


def test_two_addresses_have_everything() -> None:
    opened, out = ports(("10.0.0.1", "203.0.113.2"), 5060, 5061)
    assert len(opened) == 6 and out == () and opened[2] == Address("10.0.0.1", 5061, Transport.TLS)
    assert ports(("10.0.0.1",), 5060, 0)[0] == (Address("10.0.0.1", 5060), Address("10.0.0.1", 5060, Transport.TCP))


def test_a_third_goes_without_tls_and_every_one_has_udp() -> None:
    assert ports(("10.0.0.1", "203.0.113.2", "100.64.2.2"), 5060, 5061)[1] == (Address("100.64.2.2", 5061, Transport.TLS),)
    many = tuple(f"10.0.0.{number}" for number in range(1, 6))
    opened, out = ports(many, 5060, 5061)
    assert len(opened) == MAX_TRANSPORTS and len(out) == 7
    assert [each.ip for each in opened if each.transport is Transport.UDP] == list(many)
    assert [each.transport for each in opened if each.ip == "10.0.0.1"] == [Transport.UDP, Transport.TCP, Transport.TLS], "phones use the first"
    most = tuple(f"10.0.0.{number}" for number in range(1, 31))
    assert len(ports(most, 5060, 5061)[0]) == MAX_TRANSPORTS, "a start is not refused for a machine of many networks"
