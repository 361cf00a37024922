"""holdfast flow: which flows there are, what one does step by step, and what would become of a call."""

from __future__ import annotations

from typing import Any

import click
from rich.text import Text

from appliance.cli.completion import complete_extension, complete_flow, complete_number, complete_revision, complete_user
from appliance.cli.local import Desk, edits
from appliance.cli.output import Screen, duration, plain, print_json
from appliance.cli.times import moment_of
from appliance.errors import Conflict, HoldfastError, NotFound
from appliance.site.leads import Leads
from appliance.site.sentences import Names
from appliance.site.store import SiteStore
from appliance.site.wording import close, path_of, quoted
from appliance.site.working import run_job

DOINGS = ("answers", "no-answer", "busy", "unreachable")
REVISION = click.option("--revision", type=click.IntRange(1), shell_complete=complete_revision, help="By an earlier revision, instead of the candidate.")


@click.group()
def flow() -> None:
    """Look at flows, and try what becomes of a call, without a telephone."""


@flow.command("list")
@REVISION
@edits
def list_(desk: Desk, revision: int | None) -> None:
    """List the flows, and what leads to each."""
    document = _document(desk, revision)
    rows = [_row(key, held, document) for key, held in _objects(document, "flows")]
    if desk.as_json:
        print_json({"flows": rows})
        return
    columns = ("Flow", "Name", "Steps", "Extensions", "Numbers", "Dialled through by")
    cells = [(r["id"], r["name"], r["steps"], ", ".join(r["extensions"]), ", ".join(r["numbers"]), _few(r["users"])) for r in rows]
    desk.screen.table(columns, cells)


@flow.command()
@click.argument("flow", shell_complete=complete_flow)
@REVISION
@edits
def show(desk: Desk, flow: str, revision: int | None) -> None:
    """Show FLOW as numbered steps, each with the ways out of it."""
    found = run_job("outline", {"document": _document(desk, revision), "flow": flow})
    if desk.as_json:
        print_json(found)
        return
    screen = desk.screen
    screen.line(f"{found['name']} ({found['id']})" + (f", called by {', '.join(found['extensions'])}" if found["extensions"] else ""), "bold")
    for step in found["steps"]:
        never = "" if step["reached"] else "  (never reached)"
        screen.text(Text.assemble(f"{step['number']:>3} ", (plain(step["title"]), "bold"), f"  {plain(step['id'])}{never}"))
        if step["settings"]:
            screen.line(f"      {step['settings']}")
        for way in step["exits"]:
            screen.line(f"      {way['label']} -> {_led(way)}")
        for problem in step["problems"]:
            screen.line(f"      ! {_wrong(problem)}")
    for problem in found["problems"]:
        screen.line(f"! {_wrong(problem)}")


def _wrong(problem: dict[str, str]) -> str:
    return f"{problem['path']} {problem['sentence']}" + (f"; {problem['hint']}" if problem["hint"] else "")


def _led(way: dict[str, Any]) -> str:
    """Where an exit leads, in words."""
    if way["number"]:
        return f"{way['number']} {way['leads_to']}"
    if way["leads_to"]:
        return f"{way['leads_to']}, which is no step"
    return "nowhere: it must lead somewhere" if way["state"] == "missing" else "the call ends"


@flow.command()
@click.argument("kind", required=False, default="")
@edits
def kinds(desk: Desk, kind: str) -> None:
    """List the kinds of steps there are; with KIND, what a step of it asks for."""
    found = run_job("kinds", {})["kinds"]
    chosen = [each for each in found if each["type"] == kind] if kind else found
    if not chosen:
        raise NotFound(f"There is no kind of step {quoted(kind)}", close(kind, [each["type"] for each in found]))
    if desk.as_json:
        print_json({"kinds": chosen})
    elif not kind:
        desk.screen.table(("Kind", "Name", "What it does"), [(each["type"], each["title"], each["help"]) for each in chosen])
    else:
        desk.screen.line(f"{chosen[0]['title']} ({kind}): {chosen[0]['help']}", "bold")
        desk.screen.table(("Setting", "What", "Needed"), [row for field in chosen[0]["fields"] for row in _settings(field, "")])


@flow.command()
@click.argument("id")
@click.argument("name")
@click.option("--from", "like", metavar="STARTER", default="empty", show_default=True, help="What it begins with: empty, ring, hours, menu.")
@click.option("--copy", metavar="FLOW", shell_complete=complete_flow, help="Begin with a copy of FLOW instead.")
@edits
def new(desk: Desk, id: str, name: str, like: str, copy: str | None) -> None:
    """Make the flow ID called NAME in the candidate. What a starter leaves open, `holdfast flow show` names."""
    if copy is not None:
        held = dict(desk.editor.show(path_of(("flows", copy))).value)
        held["extensions"] = []  # the original keeps them
    else:
        starters = {each["id"]: each["flow"] for each in run_job("kinds", {})["starters"]}
        if like not in starters:
            raise NotFound(f"There is nothing to begin with called {quoted(like)}", close(like, starters))
        held = starters[like]
    try:
        written = desk.editor.set(path_of(("flows", id)), {**held, "name": name}, 0)
    except Conflict:
        raise HoldfastError(f"There is a flow {quoted(id)} already", "choose another id", code="conflict") from None
    if desk.as_json:
        print_json({"id": id, "value": written.value, "version": written.version})
    else:
        desk.screen.line(f"The flow {id} is made, not committed. See it with `holdfast flow show {id}`.")


def _settings(field: dict[str, Any], above: str) -> list[tuple[str, str, str]]:
    """The rows of a setting, and of what is in it."""
    name = f"{above}{field['name']}"
    inner = [row for each in field.get("fields", ()) for row in _settings(each, f"{name}[].")]
    return [(name, field["help"] or field["label"], "yes" if field["required"] else "no"), *inner]


@flow.command()
@click.argument("number", shell_complete=complete_number)
@REVISION
@edits
def leads(desk: Desk, number: str, revision: int | None) -> None:
    """Show where a call to the incoming NUMBER can lead, hop by hop: an outline of what is saved."""
    document = _document(desk, revision)
    there = dict(_objects(document, "numbers"))
    found = next((held for key, held in there.items() if number in (key, held.get("number"))), None)
    if found is None:
        hint = close(number, {str(held.get("number")) for held in there.values()})
        raise NotFound(f"There is no incoming number {quoted(number)}", hint or "`holdfast site show numbers` lists them")
    names, levels = Names(document), Leads(document).behind(found.get("destination"))
    if desk.as_json:
        stops = [[{"kind": stop.kind, "id": stop.id, "words": stop.words(names), "lost": stop.lost} for stop in level] for level in levels]
        print_json({"number": found.get("number"), "levels": stops})
        return
    for index, level in enumerate(levels):
        for stop in level:
            desk.screen.line(f"{'  ' * index}{'then ' if index else ''}{stop.words(names)}", "yellow" if stop.lost else "")


@flow.command()
@click.argument("number", default="", shell_complete=complete_extension)
@click.option("--in", "within", metavar="FLOW", shell_complete=complete_flow, help="The call begins in FLOW, whatever leads to it; NUMBER may be left out.")
@click.option("--as", "user", metavar="USER", shell_complete=complete_user, help="Who dials NUMBER; without, it is called from outside.")
@click.option("--from", "caller", metavar="NUMBER", default="", help="The number a call from outside comes from.")
@click.option("--at", metavar="TIME", help="When, in the site's time: 18:30, 2026-12-24, 2026-12-24T18:30; else now.")
@click.option("--keys", default="", metavar="KEYS", help="Keys the caller presses as they are asked for: 12#.")
@click.option("--if", "people", multiple=True, metavar="WHO=WHAT", help=f"What a user, device or outside number does: {', '.join(DOINGS)}. May be repeated.")
@click.option("--others", type=click.Choice(DOINGS), default="answers", show_default=True, help="What everybody else does.")
@click.option("--no-internet", is_flag=True, help="As while the connection to the outside is down.")
@REVISION
@edits
def simulate(
    desk: Desk,
    number: str,
    within: str | None,
    user: str | None,
    caller: str,
    at: str | None,
    keys: str,
    people: tuple[str, ...],
    others: str,
    no_internet: bool,
    revision: int | None,
) -> None:
    """Show what would become of a call to NUMBER, by the real steps, in no time. Nothing rings."""
    document = _document(desk, revision)
    situation = {
        "number": number,
        "flow": within,
        "user": user,
        "caller": caller,
        "keys": keys,
        "others": others,
        "internet": not no_internet,
        "at": moment_of(at, document).isoformat() if at else None,
        "people": dict(map(_assumed, people)),
    }
    found = run_job("simulate", {"document": document, "situation": situation})
    if desk.as_json:
        print_json(found)
    else:
        _walk(found, desk.screen)


def _walk(found: dict[str, Any], screen: Screen) -> None:
    for index, visit in enumerate(found["visits"], 1):
        where = f"  {plain(visit['flow'])}.{plain(visit['step'])}"
        screen.text(Text.assemble(f"{index:>3} {duration(visit['at_s']):>10}  ", (plain(visit["kind"]), "bold"), where))
        for said in visit["said"]:
            screen.line(f"                  hears: {said}")
        for rang in visit["rang"]:
            screen.line(f"                  rings: {rang}")
        if visit["exit"] or visit["leads_to"]:
            screen.line(f"                  {' -> '.join(word for word in (visit['exit'], visit['leads_to']) if word)}")
    screen.line(found["end"], "bold")


def _assumed(text: str) -> tuple[str, str]:
    who, sign, what = text.partition("=")
    if not sign or what not in DOINGS:
        raise HoldfastError(f"{plain(text)} is not WHO=WHAT", f"for example dana=busy; what may be {', '.join(DOINGS)}", code="situation")
    return who, what


def _document(desk: Desk, revision: int | None) -> dict[str, Any]:
    if revision is not None:
        return SiteStore(desk.data / "site").read(revision).model_dump(mode="json")
    found: dict[str, Any] = desk.editor.show("").value
    return found


def _row(key: str, held: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    leads = {"kind": "flow", "target": key}
    numbers = [str(number.get("number")) for _, number in _objects(document, "numbers") if number.get("destination") == leads]
    users = [user for user, fields in _objects(document, "users") if fields.get("flow") == key]
    steps, extensions = held.get("steps"), held.get("extensions")
    return {
        "id": key,
        "name": str(held.get("name", "")),
        "steps": len(steps) if isinstance(steps, dict) else 0,
        "extensions": [str(each) for each in extensions] if isinstance(extensions, list) else [],
        "numbers": numbers,
        "users": users,
    }


def _objects(document: dict[str, Any], kind: str) -> list[tuple[str, dict[str, Any]]]:
    """The objects of a kind that are objects: a candidate may hold anything."""
    found = document.get(kind)
    return [(key, held) for key, held in found.items() if isinstance(held, dict)] if isinstance(found, dict) else []


def _few(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 5 else f"{', '.join(names[:3])} and {len(names) - 3} more"
