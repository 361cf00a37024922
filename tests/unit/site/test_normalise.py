"""What a commit sets right by itself (row T4): visible, and without leaving anything that led to the old extension."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.site.diff import diff
from appliance.site.model.site import Site
from appliance.site.normalise import normalise
from appliance.site.validation import check


def site(main: str | None = "dana-soft", **more: Any) -> Site:
    return Site.model_validate(
        {
            "users": {"dana": {"name": "Dana", "extension": "205", "main_device": main}, "lee": {"name": "Lee", "extension": "207"}},
            "devices": {
                "dana-desk": {"owner": "dana", "sip_user": "dana-desk"},
                "dana-soft": {"owner": "dana", "sip_user": "dana-soft", "extension": "305"},
            },
            "numbers": {
                "main": {"number": "+12125550100", "destination": "205"},
                "lee": {"number": "+12125550101", "destination": "207"},
                "day": {"number": "+12125550102", "destination": {"kind": "flow", "target": "house"}},
            },
            "emergency": {"security_extensions": ["205", "207"]},
            **more,
        }
    )


def sentences(before: Site, after: Site) -> list[str]:
    return [change.sentence for change in diff(before.model_dump(mode="json"), after.model_dump(mode="json"))]


@pytest.mark.row("T4")
def test_the_main_extension_takes_the_main_devices() -> None:
    before = site()
    after = normalise(before)
    assert sentences(before, after) == [
        "extension of Dana: 205 -> 305",
        "destination of +12125550100: extension 205 -> extension 305",
        "security extensions of emergency calling: added 305, removed 205",
    ]
    assert check(before) == check(after) == ()
    assert normalise(after) is after


@pytest.mark.row("T4")
def test_what_another_device_still_carries_stays_where_it_leads() -> None:
    before = site(devices={
        "dana-desk": {"owner": "dana", "sip_user": "dana-desk", "extension": "205"},
        "dana-soft": {"owner": "dana", "sip_user": "dana-soft", "extension": "305"},
    })  # fmt: skip
    after = normalise(before)
    assert sentences(before, after) == ["extension of Dana: 205 -> 305"]
    assert check(after) == ()


@pytest.mark.row("T4")
@pytest.mark.parametrize(
    "before",
    [
        site(None),
        site("dana-desk"),  # has no extension of its own
        site(devices={"dana-soft": {"owner": "dana", "sip_user": "dana-soft", "extension": "305"}}),  # the only device
        site(devices={n: {"owner": "dana", "sip_user": n, "extension": e} for n, e in (("dana-soft", "205"), ("dana-desk", "305"))}),
    ],
)
def test_nothing_changes_where_nothing_differs(before: Site) -> None:
    assert normalise(before) is before
