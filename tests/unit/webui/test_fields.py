"""Fields: what is typed becomes a value of the document, and comes back as it was."""

import pytest
from werkzeug.datastructures import MultiDict

from webui.app import create_app
from webui.config import Config
from webui.forms import Choices, Lines, Mac, Number, Phone, Secret, Select, Switch, Text, slug
from webui.forms.fields import Unfit


@pytest.fixture(autouse=True)
def _request(tmp_path):
    with create_app(Config(tmp_path, tmp_path / "none")).test_request_context():
        yield


def read(field, *values):
    return field.read(field.raw(MultiDict([("x", value) for value in values]), "x"))


@pytest.mark.parametrize(
    ("typed", "value"),
    [("+1 (503) 555-0166", "+15035550166"), ("0046 8 123 45 67", "+4681234567"), ("+39\u00a006.123", "+3906123"), ("  ", None), ("ask Dana", "askDana")],
)
def test_telephone_numbers_lose_what_people_write_between(typed, value):
    assert read(Phone(name="x", label=""), typed) == value


@pytest.mark.parametrize("typed", ["80:5E:C0:4a:11:7c", "80-5e-c0-4a-11-7c", "805e.c04a.117c", "805EC04A117C", " 80 5e c0 4a 11 7c "])
def test_mac_addresses_come_in_any_notation(typed):
    assert read(Mac(name="x", label=""), typed) == "80:5e:c0:4a:11:7c"


@pytest.mark.parametrize("typed", ["80:5e:c0", "80:5e:c0:4a:11:7g", "<script>", "805ec04a117c00"])
def test_what_is_no_mac_address_is_said(typed):
    with pytest.raises(Unfit, match="not a MAC"):
        read(Mac(name="x", label=""), typed)


def test_numbers():
    number = Number(name="x", label="")
    assert read(number, " 42 ") == 42
    assert read(number, "-1") == -1
    assert read(Number(name="x", label="", none=True), "") is None
    for typed in ("", "4.5", "1e3", "٣", "9" * 40, "0x10", "five"):
        with pytest.raises(Unfit):
            read(number, typed)


def test_switches_lists_and_choices():
    assert read(Switch(name="x", label=""), "on") is True
    assert read(Switch(name="x", label="")) is False
    assert Switch(name="x", label="").show("yes") is False  # the candidate may hold anything
    lines = Lines(name="x", label="")
    assert read(lines, " a \r\n\r\nb\n") == ["a", "b"]
    assert lines.show(["a", "b"]) == "a\nb"
    assert lines.show(7) == "7"
    several = Choices(name="x", label="", options=[("a", "A"), ("b", "B")])
    assert read(several, "b", "b", "c") == ["b", "c"]
    assert several.words(["a", "c"]) == "A, c (does not exist)"
    assert several.show("a") == []


def test_a_choice_that_does_not_exist_any_more_is_still_shown():
    field = Select(name="x", label="", options=[("a", "A")])
    assert field.choices("b") == [("a", "A"), ("b", "b (does not exist)")]
    assert field.choices("a") == [("a", "A")]
    assert field.words("a") == "A"


def test_text_and_secrets():
    assert read(Text(name="x", label=""), "  Zoë ") == "Zoë"
    assert read(Text(name="x", label="", none=True), " ") is None
    assert read(Secret(name="x", label=""), "") is None
    assert read(Secret(name="x", label=""), " with blanks ") == " with blanks "
    assert Secret(name="x", label="").words("hush") == "hidden"


@pytest.mark.parametrize(
    ("name", "id"),
    [("Marguerite Fournier", "marguerite-fournier"), ("Zoë Öberg", "zoe-oberg"), ("日本", "user"), (" -- ", "user"), ("Dana", "dana-2"), ("x" * 99, "x" * 50)],
)
def test_ids_are_made_of_names(name, id):
    assert slug(name, "users", {"dana": {}}) == id
