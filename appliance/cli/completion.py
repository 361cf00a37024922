"""holdfast completion: what the Tab key knows, in bash, zsh, fish and in Holdfast's own shell."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from appliance.control.client import default_data
from appliance.errors import HoldfastError

if TYPE_CHECKING:
    from appliance.site.editing import Editor

# The site's models are loaded where something is completed: this file comes along with every command.

VARIABLE = "_HOLDFAST_COMPLETE"
PART = "part"
"""A completion that goes on: no blank after it."""

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes the Tab key work in SHELL. For bash: `source <(holdfast completion bash)`."""
    from appliance.cli.main import main  # noqa: PLC0415 - main knows all commands, this one among them

    click.echo(SHELLS[shell](main, {}, "holdfast", VARIABLE).source())


class _Bash(BashComplete):
    """click's, without a blank after what goes on."""

    source_template = BashComplete.source_template.replace(
        """elif [[ $type == 'plain' ]]; then""",
        f"""elif [[ $type == '{PART}' ]]; then
            COMPREPLY+=($value)
            compopt -o nospace
        elif [[ $type == 'plain' ]]; then""",
    )

    def source(self) -> str:
        # click asks which bash it runs under, and forks for it; every bash of the last fifteen years will do.
        return ShellComplete.source(self)


class _Zsh(ZshComplete):
    source_template = ZshComplete.source_template.replace(
        """if [[ "$type" == "plain" ]]; then""",
        f"""if [[ "$type" == "{PART}" ]]; then
            compadd -U -S '' -- "$key"
        elif [[ "$type" == "plain" ]]; then""",
    )


SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": FishComplete}


def completions(command: click.Command, words: list[str], incomplete: str) -> list[CompletionItem]:
    """What may follow `words` of a command line, beginning with `incomplete`; for Holdfast's own shell."""
    return ShellComplete(command, {}, "holdfast", VARIABLE).get_completions(words, incomplete)


# ---- what stands in the site -------------------------------------------------------------------------------------


def from_site(find: Callable[[dict[str, Any]], Iterable[tuple[str, str]]]) -> Completer:
    """Completes with what `find` takes from the candidate: (word, help). Nothing where there is no site, and never an error: this runs at every Tab."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(word, help=said or None) for word, said in find(_candidate(context)) if word.startswith(incomplete)]

    return complete


def complete_path(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The next step of a path: `us` -> `users.`, `users.d` -> `users.dana`, `users.dana.` -> its fields."""
    from appliance.site.model.site import Site  # noqa: PLC0415
    from appliance.site.paths import KINDS  # noqa: PLC0415
    from appliance.site.secrets import SLOTS  # noqa: PLC0415
    from appliance.site.wording import path_of  # noqa: PLC0415

    here: Any = _candidate(context)
    above, _point, last = incomplete.rpartition(".")
    for step in above.split(".") if above else ():
        here = here.get(step) if isinstance(here, dict) else None
    names = list(here) if isinstance(here, dict) else []
    if not above:
        names = list(dict.fromkeys((*names, *Site.model_fields)))
    elif above.count(".") == 1 and names:
        names += [slot.field for slot in SLOTS if slot.kind == above.partition(".")[0] and slot.at(above.partition(".")[2])]
    found = []
    for name in names:
        word = path_of((*above.split("."), name) if above else (name,))
        if word.startswith(incomplete):
            inside = here.get(name) if isinstance(here, dict) else None
            found.append(CompletionItem(word, type="plain", help=_said(inside)))
            if isinstance(inside, dict) and (inside or (not above and name in KINDS)):
                found.append(CompletionItem(f"{word}.", type=PART))
    # One that can only go on goes on by itself; the whole of it can still be written.
    return found[1:] if len(found) == 2 and found[1].type == PART and last and found[0].value == incomplete else found


def complete_trunk(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    trunks = _objects(_candidate(context), "trunks")
    return [CompletionItem(key, help=str(held.get("name") or "") or None) for key, held in trunks.items() if key.startswith(incomplete)]


def complete_revision(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    try:
        editor = _editor(context)
        entries = editor.history(50) if editor is not None else ()
    except (HoldfastError, OSError):
        return []
    return [CompletionItem(str(entry.number), help=entry.comment or None) for entry in entries if str(entry.number).startswith(incomplete)]


def complete_sample(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from appliance.site import samples  # noqa: PLC0415

    return [CompletionItem(name, help=samples.about(name)) for name in samples.names() if name.startswith(incomplete)]


def _extensions(site: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for kind in ("users", "devices", "groups", "mailboxes"):
        for held in _objects(site, kind).values():
            if held.get("extension"):
                yield str(held["extension"]), str(held.get("name") or "")
    for held in _objects(site, "flows").values():
        for extension in held.get("extensions") or ():
            yield str(extension), str(held.get("name") or "")


def _named(kind: str) -> Callable[[dict[str, Any]], Iterator[tuple[str, str]]]:
    def find(site: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for key, held in _objects(site, kind).items():
            yield key, str(held.get("name") or "")

    return find


complete_extension = from_site(_extensions)
complete_flow = from_site(_named("flows"))
complete_user = from_site(_named("users"))
complete_number = from_site(lambda site: [(str(held.get("number")), str(held.get("name") or "")) for held in _objects(site, "numbers").values()])
complete_schedule = from_site(_named("schedules"))
complete_audio = from_site(_named("audio"))


def _objects(site: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    found = site.get(kind)
    return {key: held for key, held in found.items() if isinstance(held, dict)} if isinstance(found, dict) else {}


def _said(value: Any) -> str | None:
    """A word about what stands there."""
    if isinstance(value, dict):
        return str(value["name"]) if isinstance(value.get("name"), str) else None
    return str(value)[:40] if isinstance(value, str | int) and value != "" else None


def _candidate(context: click.Context) -> dict[str, Any]:
    try:
        editor = _editor(context)
        value = editor.show("").value if editor is not None else {}
    except (HoldfastError, OSError):
        return {}
    return value if isinstance(value, dict) else {}


def _editor(context: click.Context) -> Editor | None:
    """None where there is no site yet: looking at one would make it."""
    from appliance.site.editing import Editor  # noqa: PLC0415

    data = context.params.get("data") or default_data(os.environ)
    return Editor(data, "completion") if (data / "site").is_dir() else None
