"""The log in the data folder: read from its end, across processes and pages, whatever lies in it."""

import pytest

from appliance.site.logbook import Wanted, newest, processes, since

ALL = Wanted("debug")


def put(data, name, *lines):
    (data / "logs").mkdir(exist_ok=True)
    (data / "logs" / name).write_bytes(b"".join(line if isinstance(line, bytes) else f"{line}\n".encode() for line in lines))


@pytest.fixture
def data(tmp_path):
    put(tmp_path, "engine.log", "3.000000\tinfo\tcalls\tthree", "5.000000\terror\tsip\tfive Zoë")
    put(tmp_path, "engine.log.1", "1.000000\tdebug\tcalls\tone")
    put(tmp_path, "web.log", "2.000000\twarning\twebui.guard\ttwo", "4.000000\tinfo\twebui\tfour")
    return tmp_path


def texts(entries):
    return [entry.text for entry in entries]


def test_the_newest_line_of_all_processes_comes_first(data):
    assert texts(newest(data, ALL, 10)) == ["five Zoë", "four", "three", "two", "one"]
    assert processes(data) == ["engine", "web"]
    first = newest(data, ALL, 1)[0]
    assert first.as_dict() == {"at_unix_s": 5.0, "process": "engine", "level": "error", "logger": "sip", "text": "five Zoë"}


def test_pages_go_on_where_the_one_before_ended(data):
    seen, before = [], ""
    while page := newest(data, ALL, 2, before):
        seen += texts(page)
        before = page[-1].key
    assert seen == ["five Zoë", "four", "three", "two", "one"]
    third = newest(data, ALL, 3)[2]
    assert texts(since(data, ALL, third.key, 10)) == ["four", "five Zoë"]
    assert texts(since(data, ALL, third.key, 1)) == ["five Zoë"]
    assert since(data, ALL, newest(data, ALL, 1)[0].key, 10) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), ["five Zoë", "four", "three", "two"]),
        (Wanted("warning"), ["five Zoë", "two"]),
        (Wanted("error"), ["five Zoë"]),
        (Wanted("debug", "web"), ["four", "two"]),
        (Wanted("debug", "", "ZOË sip"), ["five Zoë"]),
        (Wanted("debug", "", "guard"), ["two"]),
        (Wanted("debug", "nobody"), []),
    ],
)
def test_level_process_and_words_narrow_it(data, wanted, found):
    assert texts(newest(data, wanted, 10)) == found


def test_what_a_kill_left_and_what_is_not_ours_is_skipped(data):
    put(data, "engine.log", "nonsense", "x\tinfo\ta\tb", "9.0\tloud\ta\tb", b"\xff\xfe\n", "7.000000\tinfo\ta\tgood", b"8.000000\tinf")
    put(data, "../passwd.log", "1\tinfo\ta\tb")
    put(data, "Engine.log", "1.0\tinfo\ta\tnot a process of ours")
    assert texts(newest(data, ALL, 10)) == ["good", "four", "two", "one"]


def test_a_folder_without_a_log_is_empty(tmp_path):
    assert newest(tmp_path, ALL, 10) == [] and processes(tmp_path) == [] and since(tmp_path, ALL, "", 5) == []


def test_files_larger_than_a_block_are_read_whole(tmp_path):
    put(tmp_path, "engine.log", *(f"{n}.000000\tinfo\ta\t{n} {'é' * 50}" for n in range(3000)))
    found = texts(newest(tmp_path, ALL, 5000))
    assert [text.split()[0] for text in found] == [str(n) for n in range(2999, -1, -1)]
    assert all(text.endswith("é" * 50) for text in found)
