"""A data folder as a box leaves it, for the tests of backups: site, vault, state, recordings, certificates, journal."""

from __future__ import annotations

from pathlib import Path

from appliance.emergency.journal import Journal
from appliance.site.model.site import Site
from appliance.site.store import SiteStore
from appliance.site.vault import Vault
from appliance.state.bindings import BindingsRepository
from appliance.state.callbacks import CallbacksRepository
from appliance.state.database import migrate, open_engine
from appliance.state.records import BindingRecord, CallbackRecord

JOURNAL_BYTES = 4096


def make_data(data: Path, name: str = "Harbour", *, revisions: int = 3, journal: tuple[str, ...] = ("first",), messages: int = 2) -> Path:
    """A stopped box's folder; every part of it can be told from another `name`'s."""
    store = SiteStore(data / "site")
    for number in range(revisions):
        store.save(Site(name=f"{name} {number + 1}"), author="tester", comment="", now=1000.0 + number)
    (data / "site" / "candidate.json").write_text(f'{{"name": "{name} pending"}}')
    vault = Vault(data)
    vault.put({"devices.a.secret": f"{name}-secret"})
    vault.reveal("devices.a.secret", "tester", revisions)
    migrate(data / "state" / "state.db")
    (data / "state" / "names.json").write_text("{}")
    (data / "state" / "phones.json").write_text(f'{{"let in by": "{name}"}}')
    for number in range(messages):
        file = data / "voicemail" / "dana" / f"m{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"{name} says {number} ".encode() * 10_000)
    for folder, file in (("media", "00ff.wav"), ("tls", "sip.crt"), ("web", "first.json")):
        (data / folder).mkdir()
        (data / folder / file).write_text(f"{folder} of {name}")
    (data / "speech").mkdir()
    (data / "speech" / "cached.wav").write_text("said before")
    (data / "run").mkdir()
    (data / "run" / "supervisor.json").write_text("{}")
    (data / "lock").touch()
    write_journal(data, *journal)
    return data


def write_journal(data: Path, *entries: str) -> None:
    made = Journal(data / "state" / "emergency.journal", JOURNAL_BYTES)
    made.start()
    for entry in entries:
        made.append({"entry": entry}).result(10)
    assert made.close(10)


def put_state(data: Path, bindings: tuple[BindingRecord, ...] = (), windows: tuple[CallbackRecord, ...] = ()) -> None:
    """Write rows as the engine does."""
    engine = open_engine(data / "state" / "state.db")
    with engine.begin() as connection:
        for record in windows:
            CallbacksRepository.write(connection, [record])
    if bindings:
        from appliance.state.records import BindingChange, ChangeKind

        BindingsRepository(engine).apply([BindingChange(ChangeKind.ADDED, record) for record in bindings])
    engine.dispose()


def tree(folder: Path, *besides: str) -> dict[str, bytes]:
    """Every file below `folder` with its content, but for paths that begin with one of `besides`."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in sorted(found.items()) if not name.startswith(besides)}
