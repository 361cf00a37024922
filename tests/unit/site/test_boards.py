"""Board files: every one that is shipped, which one a machine finds, and what is said of one that is wrong."""

import pytest

from appliance.errors import SettingsError
from appliance.site import boards

GOOD = """
name = "Box"
architecture = "aarch64"
tested = "none"
console = "ttyS0,115200"
watchdog_s = 15
[network]
lan = ["eth0"]
wan = ["eth*", "wl*"]
[serial]
modem_at = ["/dev/ttyUSB2", "/dev/ttyS*"]
"""


def machine(root, model=""):
    """A machine that says it is a `model`."""
    (root / "proc/device-tree").mkdir(parents=True)
    (root / "proc/device-tree/model").write_bytes(model.encode() + b"\0")
    return root


@pytest.mark.parametrize("each", boards.ids())
def test_a_shipped_board_is_read(each):
    board = boards.load(boards.FOLDER / f"{each}.toml")
    assert board.serial.modem_at and board.network.wan


def test_each_architecture_has_one_board_for_any_machine():
    generic = [board.architecture for each in boards.ids() if not (board := boards.load(boards.FOLDER / f"{each}.toml")).device_tree]
    assert sorted(generic) == ["aarch64", "x86_64"]


@pytest.mark.parametrize(
    ("architecture", "model", "found"),
    [
        ("x86_64", "", "generic-amd64"),
        ("aarch64", "", "generic-arm64"),
        ("aarch64", "linux,dummy-virt", "generic-arm64"),
        ("aarch64", "Raspberry Pi 4 Model B Rev 1.4", "raspberry-pi-4"),
        ("aarch64", "Raspberry Pi Compute Module 4 Rev 1.0", "raspberry-pi-4"),
        ("aarch64", "Raspberry Pi 5 Model B Rev 1.0", "generic-arm64"),
        ("x86_64", "Raspberry Pi 4 Model B Rev 1.4", "generic-amd64"),
    ],
)
def test_a_machine_finds_its_board(tmp_path, architecture, model, found):
    assert boards.find(root=machine(tmp_path, model), architecture=architecture)[0] == found


def test_a_machine_without_a_board_is_told_so(tmp_path):
    with pytest.raises(SettingsError, match=r"no board file for this machine \(riscv64, Odd Box\)") as refused:
        boards.find(root=machine(tmp_path, "Odd Box"), architecture="riscv64")
    assert "README.md" in refused.value.hint


def test_a_board_can_be_named(tmp_path):
    own = tmp_path / "mine.toml"
    own.write_text(GOOD)
    assert boards.current({"HOLDFAST_BOARD": " raspberry-pi-4 "})[0] == "raspberry-pi-4"
    assert boards.current({"HOLDFAST_BOARD": str(own)}) == ("mine", boards.load(own))
    for wrong in ("pi", "../board_configs/raspberry-pi-4", "/etc/passwd"):
        with pytest.raises(SettingsError, match="no such board") as refused:
            boards.find(wrong)
        assert "raspberry-pi-4" in refused.value.hint
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        boards.find(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ('name = "Box"', 'name = "Box"\nspeed = 1', "speed", "is not a known field"),
        ("lan =", "lam =", "network.lam", 'did you mean "lan"'),
        ('name = "Box"', "", "name", "is missing"),
        ("aarch64", "sparc", "architecture", '"sparc" is not one of the choices'),
        ("= 15", "= 1", "watchdog_s", "use 5 or more"),
        ("ttyS0,115200", "ttyS0", "console", "ttyS0,115200"),
        ('"eth0"', '"eth 0"', "network.lan[0]", "not the name of a network interface"),
        ('["eth0"]', "[]", "network.lan", "is empty"),
        ("/dev/ttyUSB2", "/dev/../etc/passwd", "serial.modem_at[0]", "is not a device"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path, old, new, place, words):
    path = tmp_path / "own.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(SettingsError) as refused:
        boards.load(path)
    assert str(path) in refused.value.sentence and f"{place}: " in refused.value.sentence and words in refused.value.sentence
    assert refused.value.hint


@pytest.mark.parametrize("data", [b"name = ", b"\xff\xfe", b"name = 'x' " * 20_000])
def test_what_is_no_toml_is_refused(tmp_path, data):
    (tmp_path / "own.toml").write_bytes(data)
    with pytest.raises(SettingsError, match=r"own\.toml is no TOML"):
        boards.load(tmp_path / "own.toml")


def test_what_is_there_gets_its_task(tmp_path):
    (tmp_path / "own.toml").write_text(GOOD)
    board = boards.load(tmp_path / "own.toml")
    assert [board.role(name) for name in ("eth0", "eth1", "wlan0", "lo", "docker0")] == ["lan", "wan", "wan", None, None]
    for name, state in (("wlan0", "dormant"), ("eth0", "up"), ("lo", "unknown")):
        (tmp_path / "sys/class/net" / name).mkdir(parents=True)
        (tmp_path / "sys/class/net" / name / "operstate").write_text(state + "\n")
    assert boards.links(board, tmp_path) == (boards.Link("eth0", "lan", True), boards.Link("wlan0", "wan", False))
    (tmp_path / "dev").mkdir()
    for name in ("ttyS1", "ttyS0", "ttyUSB2", "ttyUSB3"):
        (tmp_path / "dev" / name).touch()
    assert boards.devices(board.serial.modem_at, tmp_path) == ("/dev/ttyUSB2", "/dev/ttyS0", "/dev/ttyS1")
    assert boards.modem(board, tmp_path) == ("/dev/ttyUSB2",)
    pi = boards.load(boards.FOLDER / "raspberry-pi-4.toml")
    assert boards.modem(pi, tmp_path) == ("/dev/ttyUSB2", "/dev/ttyUSB4")  # the likeliest, where none is there
    (tmp_path / "dev/ttyUSB1").touch()
    assert boards.modem(pi, tmp_path) == ("/dev/ttyUSB2", "/dev/ttyUSB1")
    assert boards.modem(board.model_copy(update={"serial": boards.Serial()}), tmp_path) == ()
    assert boards.links(board, tmp_path / "none") == () and boards.devices(board.serial.modem_audio, tmp_path) == ()
