"""holdfast shell: Holdfast's own prompt, also as a login shell over SSH. It runs Holdfast's commands and nothing else."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import click

from appliance.cli.completion import PART, completions
from appliance.cli.output import complain, plain
from appliance.cli.site_edit import RESTRICTED
from appliance.errors import HoldfastError

PROMPT = "holdfast> "
HISTORY = ".holdfast_history"
HISTORY_LINES = 1000
_SECRET_WORDS = (".secret", ".pin", ".password", "secret set", "passphrase")


@click.command()
def shell() -> None:
    """A prompt of its own: history, completion with Tab, all commands without the leading word. `exit` leaves it."""
    sys.exit(converse())


def login(argv: Sequence[str]) -> int:
    """Be a login shell: `-c COMMAND` (what sshd passes on) runs one command, else a prompt. No way leads from here to another program."""
    os.environ[RESTRICTED] = "1"
    if len(argv) == 3 and argv[1] == "-c":
        return run_line(argv[2])
    if len(argv) > 1:
        click.echo("This is Holdfast's shell: it takes -c COMMAND, or nothing", err=True)
        return 2
    return converse()


def converse() -> int:
    """Read commands until `exit` or the end of input; the exit code of the last one."""
    code = 0
    live = sys.stdin.isatty()
    if live:
        click.echo(f"Holdfast {version('holdfast')}. `help` lists the commands, `exit` leaves.")
    with _keyboard(live):
        while True:
            try:
                line = input(PROMPT if live else "")
            except EOFError:
                if live:
                    click.echo()
                return code
            except KeyboardInterrupt:
                click.echo()
                continue
            if line.strip() in {"exit", "quit", "logout"}:
                return code
            if line.strip():
                code = run_line(line)


def run_line(line: str) -> int:
    """Run one command line; its exit code. Nothing it does ends the shell."""
    try:
        words = shlex.split(line)
    except ValueError:
        complain(HoldfastError("A quote is not closed", "begin and end text with the same quote", code="usage"))
        return 2
    if words[:1] == ["holdfast"]:
        words = words[1:]
    if not words:
        return 0
    if words[0] in {"help", "?"}:
        words = [*words[1:], "--help"]
    elif words[-1] == "?":
        words = [*words[:-1], "--help"]
    return run(words)


def run(words: list[str]) -> int:
    """Run a command by its words, as the command line does, and return its exit code."""
    from appliance.cli.main import main  # noqa: PLC0415 - main knows this command, too

    try:
        result = main.main(args=words, prog_name="holdfast", standalone_mode=False)
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return 130
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 1 if left.code else 0
    except BrokenPipeError:
        return 141
    return result if isinstance(result, int) else 0


# ---- the keyboard ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _keyboard(live: bool) -> Iterator[None]:
    """History and completion at the prompt. Ctrl-Z and Ctrl-\\ do nothing: there is no shell below to come back to."""
    if not live:
        yield
        return
    import readline  # noqa: PLC0415 - asks for the terminal's size when it is loaded

    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTSTP, signal.SIGQUIT)}
    file = Path.home() / HISTORY
    with contextlib.suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(HISTORY_LINES)
    readline.set_auto_history(True)
    readline.set_completer_delims(" \t\n")
    readline.set_completer(_complete)
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        _keep(file)
        for number, handler in before.items():
            signal.signal(number, handler)


def _keep(file: Path) -> None:
    """Write the history, readable by its owner alone and without lines that hold a secret."""
    import readline  # noqa: PLC0415

    for index in range(readline.get_current_history_length(), 0, -1):
        if any(word in (readline.get_history_item(index) or "") for word in _SECRET_WORDS):
            readline.remove_history_item(index - 1)
    with contextlib.suppress(OSError):
        file.touch(mode=0o600)
        readline.write_history_file(file)


def _complete(text: str, state: int) -> str | None:
    """readline's completer: the `state`-th completion of the word at the cursor."""
    import readline  # noqa: PLC0415

    if state == 0:
        try:
            _found[:] = complete_line(readline.get_line_buffer()[: readline.get_begidx()], text)
        except Exception:  # noqa: BLE001 - a fault at the Tab key must not end the shell
            _found.clear()
    return _found[state] if state < len(_found) else None


_found: list[str] = []


def complete_line(before: str, word: str) -> list[str]:
    """What may stand at the end of a line: `before` and the beginning of a word."""
    from appliance.cli.main import main  # noqa: PLC0415

    try:
        words = shlex.split(before)
    except ValueError:
        return []
    if words[:1] == ["holdfast"]:
        words = words[1:]
    found = [item.value if item.type == PART else f"{item.value} " for item in completions(main, words, word) if item.type in {PART, "plain"}]
    if not words:
        found += [f"{name} " for name in ("help", "exit") if name.startswith(word)]
    return [plain(each) for each in found]
