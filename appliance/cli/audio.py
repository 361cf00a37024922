"""holdfast audio: the recordings that flows and mailboxes play."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from appliance.cli.changes import problem_dicts, show_pending, show_problems
from appliance.cli.completion import complete_audio
from appliance.cli.local import Desk, edits
from appliance.cli.output import duration, print_json
from appliance.errors import HoldfastError, NotFound
from appliance.site import media
from appliance.site.uses import uses
from appliance.site.wording import close, path_of


@click.group(name="audio")
def audio() -> None:
    """Bring recordings for flows and mailboxes into the site. Counts from the next `holdfast site commit` on."""


@audio.command()
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@edits
def add(desk: Desk, name: str, file: Path) -> None:
    """Add the sound file FILE (WAV, MP3, FLAC, OGG, AIFF; 15 minutes at most) as NAME; one of that name is replaced."""
    _keep(desk, name, "Converting the recording", lambda: media.add(desk.data, file))


@audio.command()
@click.argument("name")
@click.argument("text")
@click.option("--language", default="", help="The voice, like en-us, de or fr; else the site's.")
@edits
def speak(desk: Desk, name: str, text: str, language: str) -> None:
    """Have the box speak TEXT and keep that as NAME; one of that name is replaced."""
    voice = language or str(desk.editor.show("language").value)
    _keep(desk, name, "Speaking the text", lambda: media.speak(desk.data, text, voice))


@audio.command()
@click.argument("name", shell_complete=complete_audio)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace FILE where it exists.")
@edits
def export(desk: Desk, name: str, file: Path, overwrite: bool) -> None:
    """Save the recording NAME as the WAV file FILE."""
    shown: dict[str, Any] = desk.editor.show("audio").value
    id = _known(shown, name)
    if file.exists() and not overwrite:
        raise HoldfastError(f"{file} exists already", "choose another name, or replace it with --overwrite", code="exists")
    try:
        media.export(desk.data, str(shown[id].get("sha256")), file)
    except OSError as error:
        raise HoldfastError(f"{file} cannot be written: {error.strerror or error}", "check the path, its permissions and free space", code="write") from error
    size = file.stat().st_size
    if desk.as_json:
        print_json({"id": id, "file": str(file), "bytes": size})
    else:
        desk.screen.line(f"{file}: {size} bytes.")


def _keep(desk: Desk, name: str, doing: str, make: Callable[[], tuple[str, float]]) -> None:
    """Put what `make` makes into the candidate as `name`."""
    editor = desk.editor
    shown = editor.show("audio")
    found = _find(shown.value, name)
    id = found or _id(name)
    if not found and id in shown.value:
        raise HoldfastError(f"The name {name} is too much like {shown.value[id].get('name') or id}", "choose another name", code="exists")
    with desk.slow(doing):
        sha256, seconds = make()
    # Only the sound changes where it was there: others may have written the rest meanwhile.
    written = editor.set(f"audio.{id}.sha256", sha256) if found else editor.set(f"audio.{id}", {"name": name, "sha256": sha256}, 0)
    if desk.as_json:
        print_json({"id": id, "sha256": sha256, "seconds": seconds, "replaced": bool(found), "problems": problem_dicts(written.problems)})
    else:
        desk.screen.line(f"audio.{id}: {name}, {duration(seconds)}{', in place of the one before' if found else ''}.")
        show_problems(written.problems, desk.screen)
        show_pending(editor.pending(), desk.screen)


@audio.command("list")
@edits
def list_(desk: Desk) -> None:
    """List the recordings, pending changes included, with who uses them."""
    document = desk.editor.show("").value
    shown: dict[str, Any] = document.get("audio") or {}
    rows = [(id, each.get("name", ""), media.seconds(desk.data, str(each.get("sha256"))), _users(document, id)) for id, each in shown.items()]
    if desk.as_json:
        made = [{"id": id, "name": name, "sha256": shown[id].get("sha256"), "seconds": seconds, "uses": by} for id, name, seconds, by in rows]
        print_json({"audio": made})
    elif not rows:
        desk.screen.line("No recordings.")
    else:
        lines = [(id, name, "MISSING: add it again" if seconds is None else duration(seconds), ", ".join(by) or "nothing") for id, name, seconds, by in rows]
        desk.screen.table(("Id", "Name", "Length", "Used by"), lines, ["bold red" if seconds is None else "" for _, _, seconds, _ in rows])


@audio.command()
@click.argument("name", shell_complete=complete_audio)
@edits
def remove(desk: Desk, name: str) -> None:
    """Take the recording NAME out of the site. Its file stays as long as a revision has it, so that a rollback plays it."""
    editor = desk.editor
    shown: dict[str, Any] = editor.show("audio").value
    id = _known(shown, name)
    editor.delete(f"audio.{id}")
    media.collect(desk.data)
    if desk.as_json:
        print_json({"id": id})
    else:
        desk.screen.line(f"audio.{id} is taken out.")
        show_pending(editor.pending(), desk.screen)


def _find(there: dict[str, Any], name: str) -> str | None:
    """The id of the recording called so, by its id or its name."""
    return next((id for id, each in there.items() if name in (id, each.get("name"))), None)


def _known(there: dict[str, Any], name: str) -> str:
    """The same; raises NotFound."""
    id = _find(there, name)
    if id is None:
        raise NotFound(f"There is no recording {name}", close(name, there) or "`holdfast audio list` lists them")
    return id


def _users(document: Mapping[str, Any], id: str) -> list[str]:
    return [path_of(loc) for loc in uses(document, "audio", id)]


def _id(name: str) -> str:
    """`Grüße, Frühling` -> `grusse-fruhling`. Raises HoldfastError where nothing is left."""
    plain = unicodedata.normalize("NFKD", name.lower().replace("ß", "ss")).encode("ascii", "ignore").decode()
    id = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].strip("-")
    if not id:
        raise HoldfastError(f"{name!r} has no letter or digit to make an id of", "choose a name with some of a to z", code="value")
    return id
