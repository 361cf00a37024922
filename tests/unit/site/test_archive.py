"""Backup files: what is in one, taken while everything moves, and every kind of bad file refused before it does anything."""

import gzip
import hashlib
import io
import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.emergency.journal import read as read_journal
from appliance.errors import HoldfastError, StateError
from appliance.site import archive, restoring
from appliance.site.archive import Head, back_up, check_database, receive
from appliance.site.model.site import Site
from appliance.site.sealing import Cost, SealError, SealingWriter, seal
from appliance.site.store import SiteStore
from appliance.site.vault import Vault
from tests.unit.site.datafolder import make_data, tree

WORDS = "seven brave herons"
CHEAP = Cost(log2_n=4, r=1, p=1)
NOT_IN_IT = ("run", "lock", "speech", "site/lock", "vault/lock", "media/lock", "state/names.json", "state/emergency.journal.spare", "state/state.db")


def backed_up(data: Path, progress=None) -> bytes:
    into = io.BytesIO()
    back_up(data, into, WORDS, product="1.2.0", now_unix_s=1_700_000_000.0, progress=progress, cost=CHEAP)
    return into.getvalue()


def unpacked(made: bytes, into: Path, **more) -> archive.Content:
    into.mkdir()
    return receive(io.BytesIO(made), WORDS, into, product="1.2.0", **more)


def test_everything_that_belongs_to_the_site_comes_back(tmp_path):
    data = make_data(tmp_path / "data")
    before = tree(data)
    content = unpacked(backed_up(data), tmp_path / "out")
    assert tree(data) == before
    found = tree(tmp_path / "out")
    assert {name: body for name, body in found.items() if name != "state/state.db"} == tree(data, *NOT_IN_IT)
    assert {"site/candidate.json", "site/current", "vault/key", "vault/reveals.jsonl", "voicemail/dana/m1.wav", "web/first.json"} <= set(found)
    assert content == archive.Content(Head(1, "1.2.0", 1_700_000_000.0, "Harbour 3", 3, content.bytes), len(found), sum(map(len, found.values())))
    assert SiteStore(tmp_path / "out" / "site").current()[1].name == "Harbour 3"
    assert Vault(tmp_path / "out").values(3) == {"devices.a.secret": "Harbour-secret"}
    assert [entry["entry"] for entry in read_journal(tmp_path / "out" / "state" / "emergency.journal")] == ["first"]
    check_database(tmp_path / "out" / "state" / "state.db")
    assert all(path.stat().st_mode & 0o77 == 0 for path in (tmp_path / "out").rglob("*"))


def test_nothing_of_it_can_be_read_without_the_passphrase(tmp_path):
    made = backed_up(make_data(tmp_path / "data"))
    assert b"Harbour" not in made and b"site/current" not in made


def test_links_and_passing_files_are_left_out(tmp_path):
    data = make_data(tmp_path / "data")
    (data / "site" / ".current.new").write_text("half")
    (data / "voicemail" / "dana" / "x.wav.part").write_text("half")
    (data / "voicemail" / "dana" / "link.wav").symlink_to("/etc/passwd")
    (data / "voicemail" / "all").symlink_to(tmp_path)
    unpacked(backed_up(data), tmp_path / "out")
    assert not [name for name in tree(tmp_path / "out") if "new" in name or "part" in name or "link" in name or "/all" in name]


def test_a_box_that_never_ran_has_nothing_to_back_up(tmp_path):
    for data in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(StateError) as caught:
            backed_up(data)
        assert caught.value.code == "nothing-to-back-up"
    assert list(tmp_path.iterdir()) == []


def test_without_state_and_recordings(tmp_path):
    SiteStore(tmp_path / "data" / "site").save(Site(name="Bare"), author="", comment="", now=0.0)
    assert unpacked(backed_up(tmp_path / "data"), tmp_path / "out").head.site == "Bare"
    assert set(tree(tmp_path / "out")) == {"site/current", "site/revisions/000001.json"}


def test_a_damaged_state_database_is_said(tmp_path):
    data = make_data(tmp_path / "data")
    (data / "state" / "state.db").write_bytes(b"SQLite format 3\0" + bytes(5000))
    with pytest.raises(StateError, match="cannot be copied"):
        backed_up(data)
    assert list((data / "run").iterdir()) == [data / "run" / "supervisor.json"]


def test_what_is_saved_meanwhile_is_wholly_in_it_or_not_at_all(tmp_path):
    """A commit between two files of the backup: site and vault are those of one moment."""
    data = make_data(tmp_path / "data")
    store, vault, calls = SiteStore(data / "site"), Vault(data), []

    def commit(done: int, _total: int) -> None:
        calls.append(done)
        vault.put({"devices.a.secret": f"secret-{len(calls)}"})
        store.save(Site(name=f"Later {len(calls)}"), author="", comment="", now=0.0)

    content = unpacked(backed_up(data, commit), tmp_path / "out")
    assert len(calls) > 10
    assert content.head.revision == 3
    assert SiteStore(tmp_path / "out" / "site").current()[1].name == "Harbour 3"
    assert Vault(tmp_path / "out").values(3) == {"devices.a.secret": "Harbour-secret"}


def test_the_state_is_of_one_moment_while_it_is_written_to(tmp_path):
    data = make_data(tmp_path / "data")
    database = data / "state" / "state.db"
    stop = threading.Event()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE pairs (side TEXT PRIMARY KEY, value INTEGER)")
        connection.execute("INSERT INTO pairs VALUES ('a', 0), ('b', 0)")
        connection.commit()

    def write() -> None:
        with closing(sqlite3.connect(database, timeout=10)) as own:
            while not stop.is_set():
                own.execute("UPDATE pairs SET value = value + 1 WHERE side = 'a'")
                own.execute("UPDATE pairs SET value = value + 1 WHERE side = 'b'")
                own.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = []
        for number in range(5):
            unpacked(backed_up(data), tmp_path / f"out{number}")
            with closing(sqlite3.connect(tmp_path / f"out{number}" / "state" / "state.db")) as copy:
                (a, b) = [row[0] for row in copy.execute("SELECT value FROM pairs ORDER BY side")]
            assert a == b
            seen.append(a)
            assert not list((tmp_path / f"out{number}" / "state").glob("*-wal"))
    finally:
        stop.set()
        writer.join()
    assert seen == sorted(seen) and seen[-1] > seen[0]


def test_a_message_deleted_meanwhile_costs_nothing_else(tmp_path):
    data = make_data(tmp_path / "data", messages=5)

    def delete(_done: int, _total: int) -> None:
        (data / "voicemail" / "dana" / "m4.wav").unlink(missing_ok=True)

    unpacked(backed_up(data, delete), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "voicemail" / "dana").iterdir()) == [f"m{n}.wav" for n in range(4)]


def test_progress_reaches_the_whole(tmp_path):
    seen = []
    data = make_data(tmp_path / "data")
    made = backed_up(data, lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]
    read = []
    unpacked(made, tmp_path / "out", progress=lambda done, total: read.append((done, total)))
    assert read[-1] == seen[-1]


def test_what_is_not_kept_is_verified_all_the_same(tmp_path):
    made = backed_up(make_data(tmp_path / "data"))
    whole = unpacked(made, tmp_path / "a")
    assert unpacked(made, tmp_path / "b", keep=lambda path, size: path.startswith("site/")) == whole
    assert all(name.startswith("site/") for name in tree(tmp_path / "b"))


def test_the_head_may_be_refused_before_anything_is_unpacked(tmp_path):
    made = backed_up(make_data(tmp_path / "data"))

    def no(head: Head) -> None:
        raise HoldfastError(f"{head.bytes} bytes are too many")

    with pytest.raises(HoldfastError, match="too many"):
        unpacked(made, tmp_path / "out", check=no)
    assert list((tmp_path / "out").iterdir()) == []


# ---- bad files ---------------------------------------------------------------------------------------------------

HEAD = {"format": 1, "product": "1.2.0", "made_unix_s": 1.0, "site": "Bad", "revision": 1, "bytes": 1000}
GOOD = [("site/current", b"1\n")]


def crafted(records=None, head=None, manifest=None, tail=b"", raw=None) -> bytes:
    """A file only somebody with the passphrase can make. `records`: (path, body); `raw`: instead of it all."""
    records = GOOD if records is None else records
    out = io.BytesIO()
    with SealingWriter(out, WORDS, "backup", cost=CHEAP) as sealed:
        if raw is not None:
            sealed.write(raw)
            return finish(sealed, out)
        with gzip.GzipFile(fileobj=sealed, mode="wb") as packed:
            listed = [{"path": path, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()} for path, body in records]
            told = [("head.json", json.dumps(HEAD if head is None else head).encode()), *records]
            told.append(("manifest.json", json.dumps({"files": listed} if manifest is None else manifest).encode()))
            for path, body in told:
                packed.write(json.dumps({"path": path, "size": len(body)}).encode() + b"\n" + body)
            packed.write(tail)
    return out.getvalue()


def finish(sealed: SealingWriter, out: io.BytesIO) -> bytes:
    sealed.finish()
    return out.getvalue()


def refused(made: bytes, tmp_path: Path, passphrase: str = WORDS) -> SealError:
    """Why; nothing lies outside the folder it was to be unpacked in."""
    outer = tmp_path / "outer"
    into = outer / "into"
    into.mkdir(parents=True)
    with pytest.raises(SealError) as caught:
        receive(io.BytesIO(made), passphrase, into, product="1.2.0")
    assert list(outer.iterdir()) == [into]
    assert caught.value.hint
    return caught.value


def test_a_crafted_file_that_is_right_is_taken(tmp_path):
    assert unpacked(crafted(), tmp_path / "out").files == 1


@pytest.mark.parametrize(
    "path",
    [
        "../outside", "site/../../outside", "/etc/cron.d/x", "site//current", "site/./current", "site/.hidden", "site/a\0b", "site/a\nb", "site/a b",
        "site/\u00e9", "", "site", "site/", "run/control.sock",
        "lock", "restore.new/plan.json", "before-restore/site/current", "state/state.db-wal", "state/names.json",
        "state/emergency.journal.spare", "site/a/b/c/d/e/f", "site/" + "a" * 200, "\\windows", "web/../lock", "state/journals/x/../../../lock",
    ],
)  # fmt: skip
def test_paths_that_no_backup_has(path, tmp_path):
    assert refused(crafted([*GOOD, (path, b"x")]), tmp_path).code == "damaged"


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([*GOOD, ("site/current", b"2\n")], id="twice"),
        pytest.param([*GOOD, ("site/x", b""), ("site/x/y", b"")], id="file and folder"),
        pytest.param([*GOOD, ("site/x/y", b""), ("site/x", b"")], id="folder and file"),
        pytest.param([("vault/key", b"x")], id="no site"),
        pytest.param([], id="nothing"),
        pytest.param([*GOOD, ("head.json", b"{}")], id="two heads"),
    ],
)
def test_collections_that_no_backup_has(records, tmp_path):
    assert refused(crafted(records), tmp_path).code == "damaged"


@pytest.mark.parametrize(
    "manifest",
    [{}, {"files": []}, {"files": "none"}, [], {"files": [{"path": "site/current", "size": 2, "sha256": "0" * 64}]}, {"files": [{"path": "site/other"}]}],
)
def test_manifests_that_do_not_fit(manifest, tmp_path):
    assert refused(crafted(manifest=manifest), tmp_path).code == "damaged"


@pytest.mark.parametrize("name", sorted(HEAD))
def test_heads_that_do_not_say_what_they_should(name, tmp_path):
    assert refused(crafted(head={key: value for key, value in HEAD.items() if key != name}), tmp_path).code == "damaged"


@pytest.mark.parametrize("changes", [{"format": 2}, {"product": "1.2.1"}, {"product": "2"}, {"product": "1.10.0"}])
def test_newer_ones(changes, tmp_path):
    assert refused(crafted(head=HEAD | changes), tmp_path).code == "newer-format"


@pytest.mark.parametrize("product", ["1.2.0", "1.1.9", "0.9", "1.2", "1.2.0.dev1"])
def test_older_ones_are_taken(product, tmp_path):
    assert unpacked(crafted(head=HEAD | {"product": product}), tmp_path / "out").head.product == product


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"not gzip at all", gzip.compress(b""), gzip.compress(b"no json\n"), gzip.compress(b'{"path": "head.json", "size": -1}\n'),
        gzip.compress(b'{"path": "head.json", "size": true}\n'), gzip.compress(b'{"path": "head.json", "size": 100}\n{}'),
        gzip.compress(b"[" * 100_000 + b"\n"), gzip.compress(b'{"path": "head.json", "size": 99999999999}\n'),
        gzip.compress(b"x" * 10_000_000), gzip.compress(json.dumps(HEAD).encode())[:-9],
    ],
    ids=lambda raw: f"{len(raw)} bytes",  # compressed bytes hold the time they were made
)  # fmt: skip
def test_streams_that_are_no_records(raw, tmp_path):
    assert refused(crafted(raw=raw), tmp_path).code == "damaged"


def test_something_behind_the_end(tmp_path):
    assert refused(crafted(tail=b"x"), tmp_path).code == "damaged"


def test_a_small_file_that_unpacks_to_a_large_one(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_SLACK", 1 << 20)
    bomb = crafted([*GOOD, ("media/bomb.wav", bytes(100 << 20))])
    assert len(bomb) < 1 << 20
    assert "more than it says" in refused(bomb, tmp_path).sentence
    assert sum(map(len, tree(tmp_path / "outer").values())) < 1 << 20


def test_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILES", 10)
    assert "more than it says" in refused(crafted([*GOOD, *((f"media/{n}.wav", b"") for n in range(20))]), tmp_path).sentence


def test_a_huge_manifest(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_TOLD", 1000)
    assert refused(crafted(manifest={"files": ["x" * 2000]}), tmp_path).code == "damaged"


def test_another_sealed_file_and_another_passphrase(tmp_path):
    assert refused(seal(b"{}", WORDS, "site-export", cost=CHEAP), tmp_path / "a").code == "not-ours"
    assert refused(crafted(), tmp_path / "b", "eight brave herons").code == "wrong-passphrase"
    assert refused(b"PK\x03\x04 something else", tmp_path / "c").code == "not-ours"


_SMALL = crafted([*GOOD, ("media/a.wav", hashlib.shake_256(b"a").digest(150_000))], head=HEAD | {"bytes": 150_002})


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(_SMALL) - 1), st.integers(0, 7))
def test_every_flipped_bit_is_noticed(tmp_path_factory, at, bit):
    changed = bytearray(_SMALL)
    changed[at] ^= 1 << bit
    assert refused(bytes(changed), tmp_path_factory.mktemp("x")).code in {"damaged", "not-ours"}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(_SMALL) - 1))
def test_every_cut_is_noticed(tmp_path_factory, size):
    assert refused(_SMALL[:size], tmp_path_factory.mktemp("x")).code in {"damaged", "not-ours"}


def test_a_damaged_database_is_told_from_a_sound_one(tmp_path):
    data = make_data(tmp_path / "data")
    database = data / "state" / "state.db"
    check_database(database)
    body = bytearray(database.read_bytes())
    body[4096 * 2 : 4096 * 3] = b"\xff" * 4096
    database.write_bytes(body)
    with pytest.raises(SealError, match="damaged"):
        check_database(database)
    (tmp_path / "other").write_bytes(b"no database" * 1000)
    with pytest.raises(SealError, match="damaged"):
        check_database(tmp_path / "other")


def test_looking_into_a_backup_leaves_room_on_the_disk(tmp_path, monkeypatch):
    made = backed_up(make_data(tmp_path / "data"))
    (tmp_path / "scratch").mkdir()
    usage = SimpleNamespace(free=restoring.SPARE_BYTES)
    monkeypatch.setattr(restoring.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(restoring, "version", lambda _: "1.2.0")
    with pytest.raises(HoldfastError) as caught:
        restoring.verified(io.BytesIO(made), WORDS, tmp_path / "scratch")
    assert caught.value.code == "no-room"
    assert list((tmp_path / "scratch").iterdir()) == []
