"""What somebody typed as the number to call."""

import pytest

from webui.areas.calls import whom


@pytest.mark.parametrize(
    ("typed", "dialled"),
    [
        ("202", "202"), ("202 Priya Raman", "202"), (" +1 (503) 555-0123 ", "+15035550123"), ("503.555.0123", "5035550123"), ("*70#", "*70#"),
        ("front-desk", "front-desk"), ("urn:service:sos", "urn:service:sos"), ("", ""), ("?", ""), ("203 Nobody Known", ""), ("9" * 65, ""),
        ("<script>", ""),
    ],
)  # fmt: skip
def test_what_is_dialled(monkeypatch, typed, dialled):
    monkeypatch.setattr(whom, "offered", lambda: ["202 Priya Raman"])
    assert whom.number(typed) == dialled
