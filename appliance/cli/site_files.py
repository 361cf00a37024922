"""holdfast site import, export and check FILE: the site as a file, plain or sealed with its secrets."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from appliance.cli.changes import change_dicts, count, problem_dicts, show_changes, show_pending, show_problems, show_sentences, show_warnings
from appliance.cli.completion import complete_sample
from appliance.cli.in_force import finish
from appliance.cli.local import Desk, edits
from appliance.cli.output import print_json
from appliance.cli.passphrase import PASSPHRASE_OPTION, known_passphrase, new_passphrase
from appliance.errors import DocumentError, HoldfastError, Problem, StateError
from appliance.site import samples
from appliance.site.document import MAX_BYTES, dump_json, dump_toml, parse, parse_json, read_file
from appliance.site.editing import Committed
from appliance.site.install import install
from appliance.site.model.site import Site
from appliance.site.sealing import MAGIC, seal, unseal
from appliance.site.secrets import split
from appliance.site.store import SiteStore
from appliance.site.vault import Vault
from appliance.site.working import run_job

SEALED = ".sealed"
PURPOSE = "site-export"
FILE = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=FILE, required=False)
@edits
def check(desk: Desk, file: Path | None) -> None:
    """List every mistake in the candidate, or in the site file FILE, and what a commit would change. Changes nothing; exit code 1 with a mistake."""
    with desk.slow("Checking the site"):
        found = _checked(desk) if file is None else _checked_file(desk, file)
    if desk.as_json:
        print_json(found)
    else:
        _show(desk, found, file.name if file is not None else "The candidate")
    if found["problems"]:
        sys.exit(1)


@click.command("import")
@click.argument("file", type=FILE, required=False)
@click.option("--sample", metavar="NAME", shell_complete=complete_sample, help="A sample site instead of a file (`holdfast site samples`).")
@click.option("--commit", "at_once", is_flag=True, help="Put it into force at once, or, with any mistake in it, change nothing.")
@click.option("-m", "--comment", default="", help="Why, for the history; the file's name by default.")
@click.option("--discard", is_flag=True, help="Drop what was changed and not committed.")
@PASSPHRASE_OPTION
@edits
def import_(desk: Desk, file: Path | None, sample: str | None, at_once: bool, comment: str, discard: bool, passphrase_file: Path | None) -> None:
    """Make the site file FILE (TOML, JSON or a sealed export) the candidate. Secrets in it go to the vault."""
    if (file is None) == (sample is None):
        raise click.UsageError("Name a FILE, or a sample with --sample.")
    editor = desk.editor
    raw = _read(file, passphrase_file) if file is not None else samples.read(str(sample))
    comment = comment or (f"imported from {file.name}" if file is not None else f"the sample {sample}")
    if at_once and _nothing_readable(desk):
        finish(desk, _anew(desk, raw, comment))
        return
    pending = editor.pending()
    if pending and not discard:
        lost = f"{count(len(pending), 'change')} not committed would be lost"
        raise HoldfastError(lost, "`holdfast site commit` or `discard` first, or import with --discard", code="pending")
    editor.replace(raw)
    if at_once:
        with desk.slow("Checking the site"):
            try:
                made = editor.commit(comment)
            except HoldfastError:
                editor.discard()  # all of the file or nothing of it
                raise
        finish(desk, made)
        return
    changes = editor.pending()
    if desk.as_json:
        print_json({"changes": change_dicts(changes)})
    else:
        show_changes(changes, desk.screen)
        desk.screen.line("The file is what is in force already." if not changes else "")
        show_pending(changes, desk.screen)


def _nothing_readable(desk: Desk) -> bool:
    """Whether there are revisions and none of them can be read: there is nothing to edit, and one way out."""
    store = SiteStore(desk.data / "site")
    if store.current_number() is None:
        return False
    try:
        store.current()
    except StateError:
        return True
    return False


def _anew(desk: Desk, raw: dict[str, Any], comment: str) -> Committed:
    """Put the file into force where there is nothing to compare it with."""
    store, vault = SiteStore(desk.data / "site"), Vault(desk.data)
    site, secrets = parse(raw, vault.names(store.current_number() or 0))
    with desk.slow("Checking the site"):
        found = run_job("check", {"document": site.model_dump(mode="json"), "before": None, "media": _recordings(desk), "secrets": sorted(secrets)})
    if found["problems"]:
        raise DocumentError("the site document has mistakes", tuple(_problems(found["problems"])))
    right = Site.model_validate(found["document"]) if found["document"] is not None else site
    made = install(store, vault, right, secrets, author=desk.author, comment=comment)
    return Committed(made.number, (), tuple(_problems(found["warnings"])))


@click.command("samples")
@edits
def samples_(desk: Desk) -> None:
    """List sample sites to begin from: `holdfast site import --sample NAME`."""
    found = {name: samples.about(name) for name in samples.names()}
    if desk.as_json:
        print_json({"samples": [{"name": name, "about": about} for name, about in found.items()]})
    else:
        desk.screen.table(("Sample", "What it shows"), list(found.items()))


@click.command()
@click.argument("file", type=FILE, required=False)
@click.option("--revision", type=click.IntRange(1), help="That of an earlier revision; else what is in force.")
@click.option("--secrets", is_flag=True, help="With all secrets, sealed under a passphrase.")
@PASSPHRASE_OPTION
@edits
def export(desk: Desk, file: Path | None, revision: int | None, secrets: bool, passphrase_file: Path | None) -> None:
    """Write the site in force to FILE (TOML, or JSON by its name), or to the screen as TOML. Without secrets, unless it is sealed."""
    store = SiteStore(desk.data / "site")
    current, site = store.current()
    if revision is not None and revision != current.number:
        site = store.read(revision)
    if secrets:
        if file is None:
            raise click.UsageError("A sealed export needs a FILE.")
        passphrase = new_passphrase(passphrase_file)
        held = Vault(desk.data).reveal_all(desk.author, current.number)
        with desk.slow("Sealing"):
            data = seal(json.dumps(_joined(site.model_dump(mode="json"), held)).encode(), passphrase, PURPOSE)
    else:
        as_json = desk.as_json if file is None else file.suffix.lower() == ".json"
        data = (dump_json(site) if as_json else dump_toml(site)).encode()
        if file is None:
            click.echo(data.decode(), nl=False)
            return
    _write(file, data)
    if desk.as_json:
        print_json({"file": str(file), "bytes": len(data), "sealed": secrets})
    else:
        desk.screen.line(f"{file}: {'sealed, with all secrets' if secrets else 'without secrets'}.")


def _checked(desk: Desk) -> dict[str, Any]:
    found = desk.editor.check()
    shape = {"problems": problem_dicts(found.problems), "warnings": problem_dicts(found.warnings), "changes": change_dicts(found.changes)}
    return {**shape, "normalised": change_dicts(found.normalised), "proof": dict(found.proof), "version": found.version}


def _checked_file(desk: Desk, file: Path) -> dict[str, Any]:
    """A file as it would be committed on this box, or on a new one where there is none here."""
    document, secrets, weak = split(read_file(file))
    store = SiteStore(desk.data / "site")
    number = store.current_number()
    before = store.current()[1].model_dump(mode="json") if number is not None else None
    # A secret with a mistake is there: it is not reported as missing, too.
    known = {*Vault(desk.data).names(number or 0), *secrets, *(problem.path for problem in weak)}
    found: dict[str, Any] = run_job("check", {"document": document, "before": before, "media": _recordings(desk), "secrets": sorted(known)})
    # Against nothing, everything is a change.
    changes = found["changes"] if before is not None else []
    return {**found, "problems": [*problem_dicts(weak), *found["problems"]], "changes": changes}


def _recordings(desk: Desk) -> list[str]:
    return [path.stem for path in (desk.data / "media").glob("*.wav")]


def _show(desk: Desk, found: dict[str, Any], what: str) -> None:
    screen = desk.screen
    show_problems(_problems(found["problems"]), screen)
    show_warnings(_problems(found["warnings"]), screen)
    if found["problems"]:
        return
    screen.line(f"{what} is good{_summary(found.get('document'))}.")
    changes = [str(change["sentence"] or change["path"]) for change in found["changes"]]
    if changes:
        screen.line("It changes:")
        show_sentences(changes, screen)
    cases = found["proof"].get("cases")
    if cases:
        screen.line(f"Emergency proof: {cases} calls tried, all leave.")


def _summary(document: dict[str, Any] | None) -> str:
    """What a file holds: `: 6 users, 4 devices, 1 trunk`."""
    kinds = {"user": "users", "device": "devices", "flow": "flows", "number": "numbers", "trunk": "trunks", "location": "locations"}
    held = [count(len(document[kind]), word) for word, kind in kinds.items()] if document is not None else []
    return f": {', '.join(held)}" if held else ""


def _problems(shapes: list[dict[str, str]]) -> list[Problem]:
    return [Problem(shape["path"], shape["sentence"], shape["hint"]) for shape in shapes]


# ---- files -------------------------------------------------------------------------------------------------------


def _read(file: Path, passphrase_file: Path | None) -> dict[str, Any]:
    """A raw document with the secrets it brings, from a plain file or a sealed one."""
    try:
        with file.open("rb") as opened:
            sealed = opened.read(len(MAGIC)) == MAGIC
            data = MAGIC + opened.read(MAX_BYTES) if sealed else b""
    except OSError:
        return read_file(file)  # which says what is wrong with it
    if not sealed:
        return read_file(file)
    return parse_json(file, unseal(data, known_passphrase(passphrase_file), PURPOSE).decode())


def _joined(document: dict[str, Any], secrets: dict[str, str]) -> dict[str, Any]:
    """The document with its secrets where a site file has them."""
    for name, value in secrets.items():
        kind, _, rest = name.partition(".")
        key, _, field = rest.rpartition(".")
        if key in document.get(kind, {}):
            document[kind][key][field] = value
    return document


def _write(file: Path, data: bytes) -> None:
    """All or nothing, readable by its owner alone; what was there goes only when the new one is whole."""
    try:
        handle, new = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(handle, "wb") as opened:
                opened.write(data)
                opened.flush()
                os.fsync(opened.fileno())
            Path(new).replace(file)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(new).unlink()
            raise
    except OSError as error:
        raise HoldfastError(f"{file} cannot be written: {error.strerror or error}", "check the path, its owner and the free space", code="file") from error
