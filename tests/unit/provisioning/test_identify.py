"""Which phone asks, from what phones really write."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.catalogue import families, models
from provisioning.identify import Asked, identify

YEALINK = "Yealink SIP-T33G 124.86.0.70 80:5e:c0:11:22:33"
POLY = "FileTransport PolycomVVX-VVX_450-UA/5.9.6.2327 Type/Application"
EDGE = "FileTransport PolyEdge-Edge_E350-UA/8.0.3.12345 Type/Application"
GRANDSTREAM = "Grandstream Model HW GRP2614 V1.3A SW 1.0.7.25 DevId c074ad112233"
ADAPTER = "Grandstream Model HW HT802 V1.0A SW 1.0.27.2 DevId 000b82aabbcc"
SNOM = "Mozilla/4.0 (compatible; snomD785-SIP 10.1.54.13 1.1.3-s 000413AABBCC SXM:0 UXM:0)"


@pytest.mark.parametrize(
    ("path", "agent", "family", "model", "mac", "role"),
    [
        ("805ec0112233.boot", YEALINK, "yealink", "yealink-t33g", "805ec0112233", "first"),
        ("805EC0112233.BOOT", "", "yealink", None, "805ec0112233", "first"),
        ("y000000000000.boot", YEALINK, "yealink", "yealink-t33g", "805ec0112233", "absent"),
        ("y000000000124.cfg", "", "yealink", None, "", "absent"),
        ("805ec0112233.cfg", "", "yealink", None, "805ec0112233", "absent"),
        ("0004f2aabbcc.cfg", POLY, "poly", "poly-vvx-450", "0004f2aabbcc", "first"),
        ("0004f2aabbcc.cfg", "", "poly", None, "0004f2aabbcc", "first"),
        ("482567aabbcc.cfg", EDGE, "poly", "poly-edge-e350", "482567aabbcc", "first"),
        ("000000000000.cfg", POLY, "poly", "poly-vvx-450", "", "absent"),
        ("0004f2aabbcc-phone.cfg", POLY, "poly", "poly-vvx-450", "0004f2aabbcc", "absent"),
        ("0004f2aabbcc-web.cfg", "", "poly", None, "0004f2aabbcc", "absent"),
        ("0004f2aabbcc-directory.xml", POLY, "poly", "poly-vvx-450", "0004f2aabbcc", "absent"),
        ("0004f2aabbcc-boot.log", POLY, "poly", "poly-vvx-450", "0004f2aabbcc", "upload"),
        ("cfgc074ad112233", GRANDSTREAM, "grandstream", "grandstream-grp2614", "c074ad112233", "absent"),
        ("cfgc074ad112233.xml", GRANDSTREAM, "grandstream", "grandstream-grp2614", "c074ad112233", "first"),
        ("cfggrp2614.xml", GRANDSTREAM, "grandstream", "grandstream-grp2614", "c074ad112233", "absent"),
        ("cfg000b82aabbcc.xml", ADAPTER, "grandstream", "grandstream-ht802", "000b82aabbcc", "first"),
        ("cfgc074ad112233.xml", "", "grandstream", None, "c074ad112233", "first"),
        ("snomD785.htm", SNOM, "snom", "snom-d785", "000413aabbcc", "absent"),
        ("snomD785-000413AABBCC.htm", SNOM, "snom", "snom-d785", "000413aabbcc", "first"),
        ("snomD785-000413AABBCC.htm", "", "snom", "snom-d785", "000413aabbcc", "first"),
    ],
)
def test_files_that_phones_ask_for(path: str, agent: str, family: str, model: str | None, mac: str, role: str) -> None:
    known = identify(Asked(path, agent, mac))
    assert known.family is not None and known.family.id == family
    assert (known.model.id if known.model else None) == model
    assert (known.mac, known.role) == (mac, role)
    assert known.agree == bool(mac)


@pytest.mark.parametrize(
    ("path", "agent", "neighbour"),
    [
        ("805ec0112233.boot", YEALINK, ""),
        ("805ec0112233.boot", YEALINK, "805ec0112234"),
        ("805ec0112234.boot", YEALINK, "805ec0112234"),
        ("805ec0112234.boot", YEALINK, "805ec0112233"),
        ("805ec0112233.boot", "", "001122334455"),
    ],
)
def test_addresses_that_do_not_agree(path: str, agent: str, neighbour: str) -> None:
    assert not identify(Asked(path, agent, neighbour)).agree


def test_agreement_needs_no_user_agent() -> None:
    assert identify(Asked("805ec0112233.boot", "", "805ec0112233")).agree


@pytest.mark.parametrize("path", ["", "x", "..", "passwd", "index.html", "805ec0112233.exe", "cfg", "y0.cfg"])
def test_files_that_no_phone_asks_for(path: str) -> None:
    assert identify(Asked(path)).role is None


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=120), st.sampled_from(["", "805ec0112233"]))
def test_anything_may_be_asked(path: str, agent: str, neighbour: str) -> None:
    known = identify(Asked(path, agent, neighbour))
    assert known.role is None or known.family is not None


def test_the_data_is_whole() -> None:
    for model in models().values():
        assert model.family in families(), model.id
        assert model.id.startswith(model.family)
    owners = [oui for family in families().values() for oui in family.ouis]
    assert len(owners) == len(set(owners))
    for family in families().values():
        assert {route.role for route in family.routes} >= {"first", "absent"}, family.id
        assert set(family.map.codec) == {"g722", "pcmu", "pcma", "opus"}
