"""holdfast voicemail: the messages and greetings of all mailboxes."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path

import click

from appliance.cli.completion import from_site
from appliance.cli.local import Desk, edits
from appliance.cli.output import Screen, duration, moment, plain, print_json, talks
from appliance.control.client import Client, GreetingResult, MessageReadResult, MessageResult, VoicemailCountsResult, VoicemailListResult
from appliance.errors import HoldfastError, StateError
from appliance.site import media

MAILBOX = from_site(lambda site: [(id, box.get("name", "")) for id, box in (site.get("mailboxes") or {}).items()])


@click.group(name="voicemail")
def voicemail() -> None:
    """List voicemail messages, save, mark and delete them; see and change greetings. The box must run."""


@voicemail.command("list")
@click.argument("mailbox", default="", shell_complete=MAILBOX)
@talks
def list_(client: Client, screen: Screen, as_json: bool, mailbox: str) -> None:
    """List the messages of MAILBOX, or of all mailboxes, the oldest first."""
    found: VoicemailListResult = client.call("voicemail.list", mailbox=mailbox)
    if as_json:
        print_json(found)
    elif not found["messages"]:
        screen.line("No messages.")
    else:
        screen.table(
            ("Message", "Mailbox", "Left", "From", "Length", ""),
            [
                (
                    row["id"],
                    row["mailbox"],
                    moment(row["started_unix_s"]),
                    f"{plain(row['caller'])} {plain(row['caller_name'])}".strip() or "unknown",
                    duration(row["seconds"]),
                    "new" if row["heard_unix_s"] is None else "",
                )
                for row in found["messages"]
            ],
            ["bold" if row["heard_unix_s"] is None else "" for row in found["messages"]],
        )


@voicemail.command()
@click.argument("message")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace FILE where it exists.")
@talks
def export(client: Client, screen: Screen, as_json: bool, message: str, file: Path, overwrite: bool) -> None:
    """Save the message with the id MESSAGE as the WAV file FILE. It stays in its mailbox, as new as it was."""
    size = _save(file, overwrite, lambda offset: client.call("voicemail.read", id=message, offset=offset))
    if as_json:
        print_json({"message": message, "file": str(file), "bytes": size})
    else:
        screen.line(f"{file}: {size} bytes.")


@voicemail.command()
@click.argument("message")
@talks
def heard(client: Client, screen: Screen, as_json: bool, message: str) -> None:
    """Mark the message with the id MESSAGE as heard; the light of its mailbox's phones follows."""
    _done(client.call("voicemail.heard", id=message), "is marked as heard", screen, as_json)


@voicemail.command()
@click.argument("message")
@talks
def new(client: Client, screen: Screen, as_json: bool, message: str) -> None:
    """Mark the message with the id MESSAGE as new again; the light of its mailbox's phones follows."""
    _done(client.call("voicemail.new", id=message), "is marked as new", screen, as_json)


@voicemail.command()
@click.argument("message")
@talks
def delete(client: Client, screen: Screen, as_json: bool, message: str) -> None:
    """Delete the message with the id MESSAGE, for good."""
    _done(client.call("voicemail.delete", id=message), "is deleted", screen, as_json)


@voicemail.command()
@talks
def counts(client: Client, screen: Screen, as_json: bool) -> None:
    """Show how many new and old messages each mailbox holds."""
    found: VoicemailCountsResult = client.call("voicemail.counts")
    if as_json:
        print_json(found)
    elif found["fault"]:
        raise StateError(found["fault"], "check the free space and health of the disk", code="voicemail-disk")
    elif not found["mailboxes"]:
        screen.line("No mailboxes.")
    else:
        rows = sorted(found["mailboxes"], key=lambda row: row["mailbox"])
        lines = [(row["mailbox"], str(row["new"]), str(row["old"])) for row in rows]
        screen.table(("Mailbox", "New", "Old"), lines, ["bold" if row["new"] else "" for row in rows])


# ---- greetings ---------------------------------------------------------------------------------------------------


@voicemail.group()
def greeting() -> None:
    """See and change what callers of a mailbox hear first. Counts at once."""


@greeting.command("show")
@click.argument("mailbox", shell_complete=MAILBOX)
@talks
def show_greeting(client: Client, screen: Screen, as_json: bool, mailbox: str) -> None:
    """Show which greeting MAILBOX has."""
    _told(client.call("voicemail.greeting", mailbox=mailbox), screen, as_json)


@greeting.command("export")
@click.argument("mailbox", shell_complete=MAILBOX)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace FILE where it exists.")
@talks
def export_greeting(client: Client, screen: Screen, as_json: bool, mailbox: str, file: Path, overwrite: bool) -> None:
    """Save the greeting of MAILBOX as the WAV file FILE."""
    size = _save(file, overwrite, lambda offset: client.call("voicemail.greeting-read", mailbox=mailbox, offset=offset))
    if as_json:
        print_json({"mailbox": mailbox, "file": str(file), "bytes": size})
    else:
        screen.line(f"{file}: {size} bytes.")


@greeting.command("set")
@click.argument("mailbox", shell_complete=MAILBOX)
@click.argument("file", type=click.Path(path_type=Path))
@edits
def set_greeting(desk: Desk, mailbox: str, file: Path) -> None:
    """Make the sound file FILE (WAV, MP3, FLAC, OGG, AIFF; three minutes at most) the greeting of MAILBOX, in place of the one it has."""
    with Client(desk.control) as client:
        client.call("voicemail.greeting", mailbox=mailbox)  # that there is such a mailbox, before a minute of work
        with desk.slow("Converting the recording"):
            sha256, _ = media.add(desk.data, file)
        _told(client.call("voicemail.greeting-set", mailbox=mailbox, sha256=sha256), desk.screen, desk.as_json)
    media.collect(desk.data)


@greeting.command("clear")
@click.argument("mailbox", shell_complete=MAILBOX)
@talks
def clear_greeting(client: Client, screen: Screen, as_json: bool, mailbox: str) -> None:
    """Forget the greeting that MAILBOX was given by phone or as a file."""
    _told(client.call("voicemail.greeting-clear", mailbox=mailbox), screen, as_json)


def _told(found: GreetingResult, screen: Screen, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    told = {
        "own": f"plays its own greeting, {duration(found['seconds'])}",
        "recording": f"plays the recording {found['recording']} of the site, {duration(found['seconds'])}; its own greeting does not count while that is set",
        "spoken": "has no greeting of its own; the box speaks one",
    }
    screen.line(f"The mailbox {found['mailbox']} {told[found['kind']]}.")


def _save(file: Path, overwrite: bool, read: Callable[[int], MessageReadResult]) -> int:
    """Write what `read` gives piece by piece, all or nothing; the bytes."""
    if file.exists() and not overwrite:
        raise HoldfastError(f"{file} exists already", "choose another name, or replace it with --overwrite", code="exists")
    data = bytearray()
    while True:
        piece = read(len(data))
        data += (more := base64.b64decode(piece["data"]))
        if not more or len(data) >= piece["bytes"]:
            break
    part = file.with_name(f"{file.name}.part")
    try:
        part.unlink(missing_ok=True)  # of one that was killed
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "wb") as into:
            into.write(data)
        part.replace(file)
    except OSError as error:
        raise HoldfastError(f"{file} cannot be written: {error.strerror or error}", "check the path, its permissions and free space", code="write") from error
    finally:
        part.unlink(missing_ok=True)
    return len(data)


def _done(found: MessageResult, what: str, screen: Screen, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        screen.line(f"The message {found['message']['id']} of {found['message']['mailbox']} {what}.")
