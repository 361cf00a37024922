"""Backup and restore by page and by API, on a box under its supervisor: a file out, looked into, in again, and everything that is no such file."""

import contextlib
import json
import os
import shutil
import ssl
import types

import httpx
import pytest

from appliance.site import pending
from appliance.site.sealing import Cost, SealingWriter
from appliance.site.tokens import SCOPES, Tokens
from tests.support.api import TLS, Api, refused
from tests.support.box import Box
from tests.support.certificates import presented
from tests.support.proc import wait_until
from tests.support.web import DANA, INSTALLER, Visitor, Web, office

PASSPHRASE = "seven blue herons fly"


class Browser:
    """Signed in, with files to send."""

    def __init__(self, web, user=DANA):
        self.visitor = Visitor(web)
        assert self.visitor.sign_in(user).status == 303
        self.http = httpx.Client(base_url=f"https://127.0.0.1:{web.port}", verify=TLS, timeout=60.0, cookies=self.visitor.cookies)

    def post(self, path, fields=None, files=None):
        csrf = self.visitor.get("/settings/").csrf
        return self.http.post(path, data={"csrf": csrf, **(fields or {})}, files=files)

    def send(self, content, passphrase=PASSPHRASE, name="backup.holdfast"):
        return self.post("/settings/restore", {"opens": passphrase}, {"file": (name, content)})


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    with Web(tmp_path_factory.mktemp("backup"), office()) as made:
        yield made


@pytest.fixture(scope="module")
def dana(web):
    return Browser(web)


@pytest.fixture(scope="module")
def backup(web, dana):
    """The bytes of one, made by the page."""
    answer = dana.post("/settings/backup", {"passphrase": PASSPHRASE, "again": PASSPHRASE})
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=tidewater-family-clinic-")
    assert "Content-Length" not in answer.headers  # it goes out while it is made
    return answer.content


def uploads(web):
    return list((web.data / "run" / "uploads").iterdir())


def test_a_passphrase_that_is_none(dana):
    for first, again, said in ((PASSPHRASE, "another", "not the same"), ("short", "short", "passphrase-e"), ("", "", "passphrase-e")):
        answer = dana.post("/settings/backup", {"passphrase": first, "again": again})
        assert answer.status_code == 422
        assert said in answer.text


def test_what_is_made_is_told_and_opens_with_the_command_line(web, backup, tmp_path):
    assert "The backup is made" in Visitor.get(_signed_in(web), "/settings/backup").text
    file, passphrase = tmp_path / "b.holdfast", tmp_path / "p"
    file.write_bytes(backup)
    passphrase.write_text(PASSPHRASE)
    told = json.loads(web.cli("restore", str(file), "--dry-run", "--json", "--passphrase-file", str(passphrase)))
    assert (told["site"], told["users"]) == ("Tidewater Family Clinic", 3)


def _signed_in(web):
    visitor = Visitor(web)
    visitor.sign_in()
    return visitor


def test_it_is_looked_into_and_nothing_changes(web, dana, backup):
    web.editor().set("users.user-201.name", "Somebody")
    answer = dana.send(backup)
    assert (answer.status_code, len(uploads(web))) == (303, 1)
    page = dana.http.get(answer.headers["Location"])
    for words in ("Tidewater Family Clinic, revision 1", "whole and can be restored", "Put it in place"):
        assert words in page.text
    go = f"{answer.headers['Location']}/go"
    for typed in ("", "tidewater family clinic", "<script>"):
        answer = dana.post(go, {"confirm-restore": typed})
        assert answer.status_code == 422
        assert "to go on. Nothing was changed" in answer.text
    assert not (web.data / "restore.new").exists()
    assert web.editor().pending()
    assert dana.post(go.replace("/go", "/drop")).status_code == 303
    assert uploads(web) == []
    assert "not on the box any more" in dana.post(go, {"confirm-restore": "Tidewater Family Clinic"}).text
    web.editor().discard()


def test_a_wrong_passphrase_is_asked_for_again_without_another_upload(web, dana, backup):
    where = dana.send(backup, "eight green herons").headers["Location"]
    page = dana.http.get(where).text
    assert "The passphrase is wrong" in page
    assert "eight green herons" not in page
    assert "The passphrase is wrong" in dana.http.get(dana.post(where, {"opens": ""}).headers["Location"]).text
    assert dana.post(f"{where}/go", {"confirm-restore": "Tidewater Family Clinic"}).headers["Location"] == where  # not before it is opened
    assert "whole and can be restored" in dana.http.get(dana.post(where, {"opens": PASSPHRASE}).headers["Location"]).text
    # It is nobody else's: neither another administrator's nor the API's.
    with Api(web) as api:
        refused(api.post("/restore", {"upload": where.rpartition("/")[2], "passphrase": PASSPHRASE}), 404)
    dana.post(f"{where}/drop")


def newer(backup_of="9.0.0"):
    """A file that a newer version made."""
    import gzip
    import io

    into = io.BytesIO()
    head = json.dumps({"format": 1, "product": backup_of, "made_unix_s": 0.0, "site": "X", "revision": 1, "bytes": 0}).encode()
    with SealingWriter(into, PASSPHRASE, "backup", cost=Cost(10)) as sealed, gzip.GzipFile(fileobj=sealed, mode="wb") as packed:
        packed.write(json.dumps({"path": "head.json", "size": len(head)}).encode() + b"\n" + head)
    return into.getvalue()


def test_what_is_no_backup_is_said_and_kept_nowhere(web, dana, backup):
    flipped = bytearray(backup)
    flipped[len(flipped) // 2] ^= 1
    for content, said in (
        (b"", "The file is empty"),
        (b"PK\x03\x04 a letter", "not a file that Holdfast sealed"),
        (backup[: len(backup) // 2], "Copy it again"),
        (backup[:70], "Copy it again"),
        (bytes(flipped), "damaged or incomplete"),
        (backup + b"more", "damaged"),
        (newer(), "was made by Holdfast 9.0.0"),
    ):
        answer = dana.send(content)
        assert answer.status_code == 422, said
        assert said in answer.text
        assert 'id="file-e"' in answer.text
        assert uploads(web) == []
    answer = dana.post("/settings/restore", {"opens": PASSPHRASE})
    assert "Choose the backup file" in answer.text
    assert not (web.data / "restore.new").exists()


def test_by_api(web, dana, backup):
    with Api(web) as api:
        made = api.post("/backup", {"passphrase": PASSPHRASE})
        assert (made.status_code, made.headers["Content-Type"]) == (200, "application/octet-stream")
        refused(api.post("/backup", {"passphrase": "short"}), 422, "passphrase")
        sent = api.ask("POST", "/restore/upload", raw=made.content, Content_Type="application/octet-stream")
        assert sent.json()["bytes"] == len(made.content)
        upload = sent.json()["upload"]
        assert dana.post(f"/settings/restore/{upload}/drop").status_code == 404  # somebody else's
        refused(api.post("/restore", {"upload": upload, "passphrase": "wrong wrong wrong"}), 422, "wrong-passphrase")
        told = api.ok("POST", "/restore", {"upload": upload, "passphrase": PASSPHRASE})
        assert (told["site"], told["placed"]) == ("Tidewater Family Clinic", "")
        refused(api.ask("POST", "/restore/upload", raw=b"nonsense" * 100, Content_Type="application/octet-stream"), 422, "not-ours")
        refused(api.post("/restore", {"upload": "none", "passphrase": "x"}), 404)
        refused(api.post("/restore/undo"), 409, "nothing-to-undo")
        refused(api.post("/factory-reset", {"confirm": "tidewater"}), 422)
        assert not (web.data / "restore.new").exists()


def test_a_restore_is_taken_back_at_the_next_start(web, dana):
    for typed, status in (("Other", 422), ("Tidewater Family Clinic", 409)):  # there is nothing to go back to
        assert dana.post("/settings/restore-undo", {"confirm-undo": typed}).status_code == status
    (web.data / "before-restore" / "site").mkdir(parents=True)
    answer = dana.post("/settings/restore-undo", {"confirm-undo": "Tidewater Family Clinic"})
    assert answer.status_code == 200
    assert "It is ready, and the box has not restarted" in answer.text  # no engine runs here
    plan = pending.waiting(web.data)
    assert (plan.kind, plan.by) == ("undo", "administrators.dana")
    assert pending.withdraw(web.data, plan)
    shutil.rmtree(web.data / "before-restore")


def test_large_files_are_never_in_memory(web, dana):
    import psutil

    worker = psutil.Process(web.program.pid).children()[0]
    before, size = worker.memory_info().rss, 160 << 20

    def noise():
        yield b"\x89HFSEAL\n"
        piece = os.urandom(1 << 20)
        for _ in range(size >> 20):
            yield piece

    token = Tokens(web.data).new("large", tuple(SCOPES), "tests")[1]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
    answer = httpx.post(web.url("/api/v1/restore/upload"), content=noise(), headers=headers, verify=TLS, timeout=60.0)
    assert answer.status_code == 201
    assert answer.json()["bytes"] == size + 8
    assert worker.memory_info().rss - before < 40 << 20


def test_a_download_that_is_broken_off_does_not_block_the_next(web, dana):
    with dana.http.stream("POST", "/settings/backup", data={"csrf": dana.visitor.get("/settings/").csrf, "passphrase": PASSPHRASE, "again": PASSPHRASE}):
        pass
    wait_until(lambda: dana.post("/settings/backup", {"passphrase": PASSPHRASE, "again": PASSPHRASE}).status_code == 200, 20.0, "another backup")


def test_they_are_for_administrators(web, backup):
    ines = Browser(web, INSTALLER)
    assert ines.http.get("/settings/backup").status_code == 403
    for path in ("backup", "restore", "factory-reset", "restore-undo"):
        assert ines.post(f"/settings/{path}", {"passphrase": PASSPHRASE, "again": PASSPHRASE}).status_code == 403
    with Api(web, *(scope for scope in SCOPES if scope not in {"backup", "system"})) as api:
        for path in ("/backup", "/restore", "/restore/undo", "/factory-reset"):
            refused(api.post(path, {}), 403, "scope")
        refused(api.ask("POST", "/restore/upload", raw=backup, Content_Type="application/octet-stream"), 403, "scope")


# ---- a box under its supervisor ----------------------------------------------------------------------------------


@contextlib.contextmanager
def supervised(folder, site):
    with Box(folder, site, supervised=True) as box:
        web = types.SimpleNamespace(port=int(box.env["HOLDFAST_HTTP_PORT"]), data=box.data, box=box)
        wait_until(lambda: _answers(web), 60.0, "the pages")
        yield web


def _answers(web):
    try:
        return Visitor(web).get("/health").status == 200
    except (OSError, ssl.SSLError):
        return False


def _back(web, before, answer):
    """Wait as the page does, until what it waits for is in place and everything runs again."""
    assert answer.status_code == 200, answer.text
    where = answer.text.partition('data-restart="')[2].partition('"')[0]

    def done():
        with contextlib.suppress(OSError, ssl.SSLError, ValueError):
            return json.loads(Visitor(web).get(where).text) == {"waits": False}
        return False

    wait_until(done, 60.0, "the box back with it")
    web.box.wait_back(other_than=before)


@pytest.mark.timeout(240)
def test_restored_and_made_new(tmp_path, backup):
    site = office(2)
    site["name"] = "Other house"
    with supervised(tmp_path, site) as web:
        dana = Browser(web)
        where = dana.send(backup).headers["Location"]
        assert "Other house" in dana.http.get(where).text
        before = web.box.status()["pid"]
        _back(web, web.box.pid(), dana.post(f"{where}/go", {"confirm-restore": "Other house"}))
        assert (web.box.status()["site"], web.box.status()["pid"] != before) == ("Tidewater Family Clinic", True)
        assert dana.http.get("/settings/backup").status_code == 303  # signed out with it
        assert uploads(web) == []
        dana, shown = Browser(web), presented(web.port)
        assert "Take back the last restore" in dana.http.get("/settings/backup").text
        answer = dana.post("/settings/factory-reset", {"confirm-reset": "Other house", "journal": "on"})
        assert answer.status_code == 422  # the name is another now
        _back(web, web.box.pid(), dana.post("/settings/factory-reset", {"confirm-reset": "Tidewater Family Clinic", "journal": "on"}))
        # New, but for the site file that a test's box always begins with.
        assert [entry.number for entry in web.box.editor().history()] == [1]
        assert not (web.data / "before-restore").exists()
        assert presented(web.port) != shown
