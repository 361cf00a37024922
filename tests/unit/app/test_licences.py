"""What the box is made of, as this installation says."""

import pytest

from appliance.app import licences
from appliance.errors import NotFound


def test_every_library_has_a_version_a_licence_and_its_text():
    found = {each["name"].lower(): each for each in licences.libraries()}
    assert {"flask", "pydantic", "werkzeug", "pjproject", "openssl"} <= found.keys()  # those of those as well
    assert not {"holdfast", "pytest", "playwright"} & found.keys()  # not itself, not what only its tests need
    assert found["flask"]["version"] and found["flask"]["licence"] == "BSD-3-Clause"
    assert [each for each in found.values() if not each["licence"]] == []
    assert "Redistribution and use" in licences.text("Flask")
    assert all(licences.text(name).strip() for name in found)


def test_holdfast_is_under_the_gpl():
    assert "GNU GENERAL PUBLIC LICENSE" in licences.text("holdfast")
    assert "Version 2" in licences.text("holdfast")


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "pytest", "no-such", "flask/../x"])
def test_nothing_else_can_be_read(name):
    with pytest.raises(NotFound):
        licences.text(name) if name != "flask/../x" else licences.text("flask-x/../x")
