"""Settings from the environment: defaults, what is refused and how."""

from pathlib import Path

import pytest

from appliance.app.settings import Settings
from appliance.errors import SettingsError


def read(discovered=("192.168.1.5", "10.0.0.2"), **env):
    return Settings.from_env({"HOME": "/home/dana", **env}, lambda: discovered)


def test_defaults_are_private_addresses_and_the_users_state_folder():
    settings = read()
    assert settings.data == Path("/home/dana/.local/state/holdfast")
    assert settings.control == settings.data / "run" / "control.sock"
    assert settings.bind == ("127.0.0.1", "192.168.1.5", "10.0.0.2")
    assert (settings.sip_port, settings.sip_tls_port, settings.http_port, settings.provisioning_port, settings.tftp_port) == (5060, 5061, 8080, 8081, 69)
    assert settings.site is None
    assert settings.log == "info"
    assert not settings.rescue
    assert settings.crashes == 0


def test_an_empty_variable_counts_as_unset():
    empty = dict.fromkeys(("DATA", "SIP_PORT", "CONTROL", "SITE", "LOG", "CRASHES", "MODEM"), "")
    assert read(HOLDFAST_BIND=" ", **{f"HOLDFAST_{name}": value for name, value in empty.items()}) == read()


def test_the_state_folder_follows_xdg():
    assert read(XDG_STATE_HOME="/srv/state").data == Path("/srv/state/holdfast")
    assert read(XDG_STATE_HOME="relative").data == Path("/home/dana/.local/state/holdfast")


def test_every_variable_is_taken(tmp_path):
    site = tmp_path / "site.toml"
    site.touch()
    settings = read(
        HOLDFAST_DATA=str(tmp_path),
        HOLDFAST_BIND="127.0.0.2, 203.0.113.7,[fd00:0::1],127.0.0.2",
        HOLDFAST_SIP_PORT="15060",
        HOLDFAST_SIP_TLS_PORT="15061",
        HOLDFAST_HTTP_PORT="18080",
        HOLDFAST_PROVISIONING_PORT="18081",
        HOLDFAST_TFTP_PORT="6969",
        HOLDFAST_CONTROL="/run/box.sock",
        HOLDFAST_SITE=str(site),
        HOLDFAST_LOG="DEBUG",
        HOLDFAST_RESCUE="1",
        HOLDFAST_CRASHES="3",
        HOLDFAST_MODEM="/dev/ttyUSB2, /dev/ttyUSB1",
        HOLDFAST_SYSFS="/srv/sys",
        HOLDFAST_NETD="/run/netd.sock",
        HOLDFAST_SAFE_NETWORKS="203.0.113.7, 2001:db8::/32",
    )
    bind = ("127.0.0.2", "203.0.113.7", "fd00::1")
    modem = (Path("/dev/ttyUSB2"), Path("/dev/ttyUSB1"))
    rest = (site, "debug", True, 3, modem, Path("/srv/sys"), Path("/run/netd.sock"), ("203.0.113.7/32", "2001:db8::/32"))
    assert settings == Settings(tmp_path, bind, Path("/run/box.sock"), 15060, 15061, 18080, 18081, 6969, *rest)
    assert settings.netd_socket == Path("/run/netd.sock") and read(HOLDFAST_CONTROL="/run/box.sock").netd_socket == Path("/run/box.netd")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOLDFAST_SIP_PORT", "0"),
        ("HOLDFAST_SIP_PORT", "65536"),
        ("HOLDFAST_SIP_PORT", "-1"),
        ("HOLDFAST_SIP_PORT", "5_060"),
        ("HOLDFAST_SIP_PORT", "5060x"),
        ("HOLDFAST_SIP_PORT", "٥٠٦٠"),
        ("HOLDFAST_SIP_PORT", "9" * 5000),
        ("HOLDFAST_SIP_TLS_PORT", "sip"),
        ("HOLDFAST_HTTP_PORT", "1.5"),
        ("HOLDFAST_PROVISIONING_PORT", "http"),
        ("HOLDFAST_TFTP_PORT", "70000"),
        ("HOLDFAST_BIND", "localhost"),
        ("HOLDFAST_BIND", "192.168.1.5,"),
        ("HOLDFAST_BIND", "0.0.0.0"),
        ("HOLDFAST_BIND", "::"),
        ("HOLDFAST_BIND", "224.0.1.75"),
        ("HOLDFAST_BIND", "fe80::1"),
        ("HOLDFAST_BIND", "192.168.1.0/24"),
        ("HOLDFAST_LOG", "loud"),
        ("HOLDFAST_SAFE_NETWORKS", "203.0.113.7/24"),
        ("HOLDFAST_SAFE_NETWORKS", "home.example"),
        ("HOLDFAST_MODEM", "ttyUSB2"),
        ("HOLDFAST_MODEM", "/dev/ttyUSB2,"),
        ("HOLDFAST_MODEM", "/dev/ttyUSB2,/dev/ttyUSB2"),
        ("HOLDFAST_MODEM", "/dev/a,/dev/b,/dev/c"),
        ("HOLDFAST_RESCUE", "yes"),
        ("HOLDFAST_CRASHES", "many"),
        ("HOLDFAST_DATA", "~nobody-has-this-name/data"),
        ("HOLDFAST_SITE", "/nonexistent/site.toml"),
        ("HOLDFAST_SITE", "/etc/passwd"),
    ],
)
def test_a_bad_value_is_refused_by_name_with_a_hint(name, value):
    with pytest.raises(SettingsError) as refusal:
        read(**{name: value})
    assert name in refusal.value.sentence
    assert value.lower()[:40] in refusal.value.sentence.lower()
    assert refusal.value.hint


def test_two_tcp_ports_must_differ():
    with pytest.raises(SettingsError, match="HOLDFAST_HTTP_PORT is 5061, and so is HOLDFAST_SIP_TLS_PORT"):
        read(HOLDFAST_HTTP_PORT="5061")


@pytest.mark.parametrize("name", ["HOLDFAST_CONTROL", "HOLDFAST_DATA"])
def test_a_control_path_too_long_for_a_unix_socket_is_refused(name):
    ending = len("/run/control.sock") if name == "HOLDFAST_DATA" else 0
    fits = "/" + "x" * (106 - ending)
    assert len(bytes(read(**{name: fits}).control)) == 107
    with pytest.raises(SettingsError, match="is 108 bytes long") as refusal:
        read(**{name: fits + "x"})
    assert "HOLDFAST_CONTROL" in refusal.value.hint


def test_bytes_count_not_letters():
    with pytest.raises(SettingsError, match="bytes long"):
        read(HOLDFAST_CONTROL="/" + "é" * 60)


def test_the_modem_can_be_where_the_board_has_its_place(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        'name = "Box"\narchitecture = "x86_64"\ntested = "none"\nconsole = "ttyS0,115200"\nwatchdog_s = 30\n[network]\nlan = ["eth0"]\n'
        '[serial]\nmodem_at = ["/dev/holdfast-none"]\nmodem_audio = ["/dev/holdfast-none", "/dev/null"]\n'
    )
    env = {"HOLDFAST_BIND": "127.0.0.1", "HOLDFAST_DATA": str(tmp_path), "HOLDFAST_MODEM": "board", "HOLDFAST_BOARD": str(own)}
    assert Settings.from_env(env).modem == (Path("/dev/holdfast-none"), Path("/dev/null"))
    own.write_text(own.read_text().partition("[serial]")[0])
    with pytest.raises(SettingsError, match="the board own names no port"):
        Settings.from_env(env)
    with pytest.raises(SettingsError, match="no such board"):
        Settings.from_env({**env, "HOLDFAST_BOARD": "pi"})
