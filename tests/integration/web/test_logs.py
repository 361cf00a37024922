"""The log as pages and API show it, on a box whose engine does not run."""

import json
import re

import pytest

from tests.support.api import Api, refused
from tests.support.proc import wait_until
from tests.support.web import PASSWORD, Visitor, Web, office

NASTY = "call <script>alert(1)</script> Zoë"


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    with Web(tmp_path_factory.mktemp("logs"), office(), env={"HOLDFAST_LOG": "info"}) as made:
        (made.data / "logs").mkdir(exist_ok=True)
        (made.data / "logs" / "engine.log").write_text(
            "".join(f"{1000 + n}.000000\tinfo\tcalls\tline {n:03d}\n" for n in range(120)) + f"2000.000000\terror\tsip\t{NASTY}\n"
        )
        yield made


@pytest.fixture(scope="module")
def visitor(web):
    made = Visitor(web)
    made.sign_in()
    wait_until(lambda: "signed in from" in made.get("/diag/logs").text, 10, "the line about it")
    return made


def rows(text):
    return re.findall(r"line \d{3}", text)


def test_the_page_shows_the_newest_lines_in_pages(visitor):
    page = visitor.get("/diag/logs")
    assert "administrators.dana signed in from" in page.text
    assert "&lt;script&gt;" in page.text and "<script>alert" not in page.text
    seen = rows(page.text)
    while match := re.search(r'rel="next" href="([^"]+)"', page.text):
        page = visitor.get(match[1].replace("&amp;", "&"))
        seen += rows(page.text)
    assert seen == [f"line {n:03d}" for n in range(119, -1, -1)]


def test_level_part_and_words_narrow_it(visitor):
    assert rows(visitor.get("/diag/logs?level=error").text) == []
    assert "alert(1)" in visitor.get("/diag/logs?level=error&process=engine&q=ZO%C3%8B").text
    assert "signed in from" not in visitor.get("/diag/logs?process=engine").text
    assert "No line matches." in visitor.get("/diag/logs?q=nobody+ever+said+this").text
    for odd in ("level=x&process=../x&before=%00", "before=" + "9" * 500, "q=" + "x" * 3000):
        assert visitor.get(f"/diag/logs?{odd}").status == 200


def test_it_is_followed_from_the_last_line_on(web, visitor):
    after = re.search(r'data-last="([^"]+)"', visitor.get("/diag/logs").text)[1].replace(" ", "%20")
    asked = {"X-Requested-With": "holdfast"}
    assert json.loads(visitor.get(f"/diag/logs?after={after}", **asked).text)["rows"] == ""
    Visitor(web).sign_in(password="hush, this is wrong")
    found = wait_until(lambda: (said := json.loads(visitor.get(f"/diag/logs?after={after}", **asked).text))["rows"] and said, 10, "the refusal")
    assert "<tr>" in found["rows"] and found["last"] > after.replace("%20", " ")
    assert "hush" not in found["rows"]


def test_the_file_has_all_of_it_and_no_secret(web, visitor):
    answer = visitor.post("/diag/logs/download", {"level": "debug"}, page="/diag/logs")
    assert answer.headers["content-disposition"] == 'attachment; filename="holdfast.log"'
    assert rows(answer.text) == [f"line {n:03d}" for n in range(120)]
    assert PASSWORD not in answer.text
    assert len(rows(visitor.post("/diag/logs/download", {"q": "line 007"}, page="/diag/logs").text)) == 1


def test_the_api_gives_it_in_pages(web, visitor):
    with Api(web, "read") as api:
        seen, cursor = [], ""
        while cursor is not None:
            found = api.ok("GET", f"/logs?process=engine&limit=50&cursor={cursor}")
            seen += [item["text"] for item in found["items"]]
            cursor = found["next"]
        assert seen == [NASTY, *(f"line {n:03d}" for n in range(119, -1, -1))]
        assert [item["level"] for item in api.ok("GET", "/logs?level=error&process=engine")["items"]] == ["error"]
        assert api.ok("GET", "/logs?search=signed+in")["items"][0]["process"] == "web"
        refused(api.get("/logs?level=loud"), 422, "document")
        token = api.token
    assert all(token not in path.read_text() for path in (web.data / "logs").iterdir())
    with Api(web, "write") as other:
        refused(other.get("/logs"), 403)
