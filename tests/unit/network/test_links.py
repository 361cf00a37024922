"""Which of the machine's addresses are private."""

import pytest

from appliance.network.links import choose_private, is_private, private_addresses


@pytest.mark.parametrize("address", ["10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.0.1", "100.64.0.1", "100.127.255.254"])
def test_private(address):
    assert is_private(address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "169.254.1.1", "172.32.0.1", "172.15.0.1", "192.0.2.1", "100.63.0.1", "100.128.0.1", "8.8.8.8", "fd00::1", "None", ""]
)
def test_not_private(address):
    assert not is_private(address)


def test_each_once_in_numeric_order():
    assert choose_private(["192.168.1.20", "8.8.8.8", "192.168.1.3", "10.0.0.1", "192.168.1.3"]) == ("10.0.0.1", "192.168.1.3", "192.168.1.20")


def test_the_kernel_is_asked():
    assert all(is_private(address) for address in private_addresses())
