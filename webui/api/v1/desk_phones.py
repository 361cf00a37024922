"""Desk phones that fetch their settings from the box: who asked, letting them in, making them fetch."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from appliance.control.client import DeskPhoneShape, EnrolResult, PhoneSyncResult
from webui.api.v1.operation import Ask, Filled, Reply, operation
from webui.api.v1.paging import PageQuery, page
from webui.api.v1.state import ask_engine

PHONES = "Desk phones"
MAC = r"^[0-9A-Fa-f]{2}([:.-]?[0-9A-Fa-f]{2}){5}$"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EnrolBody(_Body):
    mac: str = Field(default="", pattern=rf"{MAC}|^$", description="Of the phone, in any writing; empty: every phone whose MAC address the site has.")
    minutes: int = Field(default=5, ge=1, le=60, description="How long it may take its settings for the first time.")


class ForgetBody(_Body):
    mac: str = Field(pattern=MAC, description="Of the phone, in any writing.")


class SyncBody(_Body):
    macs: list[str] = Field(default_factory=list, max_length=50, description="MAC addresses; none: all phones that have settings from the box.")


@operation("GET", "/desk-phones", id="desk-phones", tag=PHONES, scope="read", query=PageQuery, answers={200: Filled(DeskPhoneShape, listed=True)})
def listed(ask: Ask) -> Reply:
    """Phones that asked for settings. Those without a device wait for an owner: write their MAC address into one."""
    rows: Sequence[DeskPhoneShape] = ask_engine("phones.list")["phones"]
    return Reply(page(sorted(rows, key=lambda row: row["mac"]), lambda row: row["mac"], ask.query))


@operation("POST", "/desk-phones/enrol", id="desk-phones.enrol", tag=PHONES, scope="write", body=EnrolBody, answers={200: EnrolResult})
def enrol(ask: Ask) -> Reply:
    """Let a phone take its settings for the first time. It must ask within the time; plug it in again."""
    return Reply(ask_engine("phones.enrol", **ask.body.model_dump()))


@operation("POST", "/desk-phones/forget", id="desk-phones.forget", tag=PHONES, scope="write", body=ForgetBody, answers={200: EnrolResult})
def forget(ask: Ask) -> Reply:
    """Give a phone nothing any more until it is let in again. What it has it keeps."""
    return Reply(ask_engine("phones.forget", **ask.body.model_dump()))


@operation("POST", "/desk-phones/sync", id="desk-phones.sync", tag=PHONES, scope="write", body=SyncBody, answers={202: PhoneSyncResult})
def sync(ask: Ask) -> Reply:
    """Tell phones to fetch their settings. It goes on in the background; a phone that does not answer fetches them when it starts."""
    return Reply(ask_engine("phones.sync", **ask.body.model_dump(), wait=False), 202)
