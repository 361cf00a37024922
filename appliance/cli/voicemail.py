"""holdfast voicemail: the messages of all mailboxes."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import click

from appliance.cli.completion import from_site
from appliance.cli.output import Screen, duration, moment, plain, print_json, talks
from appliance.control.client import Client, MessageReadResult, MessageResult, VoicemailListResult
from appliance.errors import HoldfastError


@click.group(name="voicemail")
def voicemail() -> None:
    """List voicemail messages, save, mark and delete them. The box must run."""


@voicemail.command("list")
@click.argument("mailbox", default="", shell_complete=from_site(lambda site: [(id, box.get("name", "")) for id, box in (site.get("mailboxes") or {}).items()]))
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
    if file.exists() and not overwrite:
        raise HoldfastError(f"{file} exists already", "choose another name, or replace it with --overwrite", code="exists")
    data = bytearray()
    while True:
        piece: MessageReadResult = client.call("voicemail.read", id=message, offset=len(data))
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
    if as_json:
        print_json({"message": message, "file": str(file), "bytes": len(data)})
    else:
        screen.line(f"{file}: {len(data)} bytes.")


@voicemail.command()
@click.argument("message")
@talks
def heard(client: Client, screen: Screen, as_json: bool, message: str) -> None:
    """Mark the message with the id MESSAGE as heard; the light of its mailbox's phones follows."""
    _done(client.call("voicemail.heard", id=message), "is marked as heard", screen, as_json)


@voicemail.command()
@click.argument("message")
@talks
def delete(client: Client, screen: Screen, as_json: bool, message: str) -> None:
    """Delete the message with the id MESSAGE, for good."""
    _done(client.call("voicemail.delete", id=message), "is deleted", screen, as_json)


def _done(found: MessageResult, what: str, screen: Screen, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        screen.line(f"The message {found['message']['id']} of {found['message']['mailbox']} {what}.")
