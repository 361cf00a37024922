"""The editor on a data folder: what is written stays, stale writes see both values, commits count whole, what is unconfirmed goes back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.errors import Conflict, DocumentError, HoldfastError, StateError
from appliance.site.canonical import canonical
from appliance.site.diff import Change
from appliance.site.editing import Editor
from appliance.site.model.site import Site
from appliance.site.paths import find, put, version_of
from appliance.site.store import SiteStore
from appliance.site.vault import Vault
from tests.support.documents import ids, objects
from tests.support.sites import make_site, secret

TRUNK = {"name": "Acme", "host": "192.0.2.9", "emergency_armed": True}


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose revision 2 is a site of two phones and a trunk; 1 is the sample."""
    folder = tmp_path_factory.mktemp("pattern") / "data"
    editor = Editor(folder, "first")
    editor.replace({**make_site(2), "trunks": {"acme": TRUNK}})
    assert editor.commit("the first").revision == 2
    return folder


@pytest.fixture
def data(tmp_path: Path, pattern: Path) -> Path:
    """The pattern's own copy for one test."""
    return shutil.copytree(pattern, tmp_path / "data")


@pytest.fixture
def editor(data: Path) -> Editor:
    return Editor(data, "tester")


def sentences(changes: tuple[Change, ...]) -> list[str]:
    return [change.sentence for change in changes]


def refused(call: Any, *args: Any, **options: Any) -> HoldfastError:
    with pytest.raises(HoldfastError) as caught:
        call(*args, **options)
    assert caught.value.hint
    return caught.value


# ---- the candidate ---------------------------------------------------------------------------------------------------


def test_what_is_set_is_shown_pending_and_not_in_force(editor: Editor, data: Path) -> None:
    written = editor.set("users.user-201.extension", "210")
    assert (written.path, written.value, written.problems) == ("users.user-201.extension", "210", ())
    assert editor.show("users.user-201.extension").value == "210"
    assert editor.show("users.user-201").version == written.version
    assert sentences(editor.pending()) == ["extension of User 201: 201 -> 210"]
    assert SiteStore(data / "site").current()[1].users["user-201"].extension == "201"
    assert Editor(data, "another").show("users.user-201.extension").value == "210"


def test_a_value_that_does_not_fit_is_kept_and_told(editor: Editor) -> None:
    written = editor.set("users.user-201.extension", 210)
    assert written.value == 210
    assert [(problem.path, problem.hint) for problem in written.problems] == [("users.user-201.extension", 'put it in quotes: "210"')]
    assert editor.show("users.user-201.extension").value == 210
    assert editor.set("users.new", {"name": "New"}).problems[0].path == "users.new.extension"
    assert editor.set("users.new.extension", "299").problems == ()
    assert editor.set("interfaces[0].address", "10.0.0.1").problems == ()
    assert editor.set("site.name", "x" * 100).problems[0].path == "name"


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("user.dana", {}, "not-found"),
        ("users.user-201.extenson", "5", "not-found"),
        ("users.user-201.name.x", "5", "not-found"),
        ("interfaces[3]", {}, "not-found"),
        ("..", 5, "not-found"),
        ("users.user-201.name", {1, 2}, "document"),
        ("users.user-201.name", float("nan"), "document"),
        ("", "a site", "document"),
        ("", {"users": {"dana": {"name": "D"}}}, "document"),
        ("devices.phone-201.secret", "short", "document"),
        ("devices.nobody.secret", "long-enough-77", "not-found"),
        ("devices.phone-201", {"owner": "user-201", "sip_user": "201", "secret": "201"}, "document"),
    ],
)
def test_what_has_no_place_is_refused_and_changes_nothing(editor: Editor, path: str, value: Any, code: str) -> None:
    before = editor.show()
    assert refused(editor.set, path, value).code == code
    assert editor.show() == before
    assert editor.pending() == ()


def test_deleting_takes_out_objects_fields_and_entries(editor: Editor) -> None:
    editor.set("outbound.allowed_countries", ["+44", "+49"])
    assert editor.delete("outbound.allowed_countries[0]").value == "+49"
    assert editor.show("outbound.allowed_countries").value == ["+49"]
    assert editor.delete("outbound").value == Site().outbound.model_dump(mode="json")
    assert editor.delete("main_number").value is None
    assert editor.delete("users.user-201").version == 0
    assert refused(editor.show, "users.user-201").code == "not-found"
    assert refused(editor.delete, "users.user-201").code == "not-found"
    assert editor.delete("users.user-202.extension").problems[0].sentence == "is missing"
    house = editor.delete("flows.house")
    assert house.value["name"] == "House dialling"  # always there (row E6)


def test_discard_takes_back_what_is_named_and_no_more(editor: Editor) -> None:
    before = editor.show().value
    editor.set("users.user-201.name", "Dana")
    editor.set("users.user-201.extension", "210")
    editor.set("users.new", {"name": "New", "extension": "299", "password": "sesame-opens-77"})
    editor.set("devices.phone-201.secret", "quite-another-99")
    editor.set("name", "Another")
    assert refused(editor.discard, ["users.user-202"]).code == "not-found"
    assert "users.new as a whole" in refused(editor.discard, ["users.new.name"]).hint
    assert sentences(editor.discard(["users.user-201.name", "site"])) == ["name of User 201: User 201 -> Dana", "name of the site: Test site -> Another"]
    assert sentences(editor.discard(["users"])) == [
        "extension of User 201: 201 -> 210",
        "user New: added (extension 299)",
        "password of New: made, hidden",
    ]
    assert sentences(editor.pending()) == ["password of User 201 (phone-201): changed, hidden"]
    editor.discard(["devices.phone-201.secret"])
    assert editor.pending() == ()
    assert editor.show().value == before
    editor.set("name", "Once more")
    assert len(editor.discard()) == 1
    assert editor.pending() == editor.discard() == ()


def test_a_whole_site_takes_the_candidates_place_or_none_of_it(editor: Editor, data: Path) -> None:
    document = make_site(3)
    document["users"]["user-201"]["extension"] = "203"
    error = refused(editor.replace, document)
    assert isinstance(error, DocumentError)
    assert {problem.path for problem in error.problems} == {"users.user-203.extension"}
    assert editor.pending() == ()
    assert Vault(data).staged() == frozenset()
    editor.replace({**make_site(3), "trunks": {"acme": TRUNK}})
    assert sentences(editor.pending()) == [
        "user User 203: added (extension 203)",
        "device User 203 (phone-203): added (SIP user name 203)",
        "password of User 203 (phone-203): made, hidden",
    ]


def test_a_damaged_candidate_is_put_aside_by_discard_alone(editor: Editor, data: Path) -> None:
    editor.set("name", "Typed")
    (data / "site" / "candidate.json").write_bytes(b'{"document": {"na')
    for call in (editor.show, editor.pending, editor.check, editor.commit):
        error = refused(call)
        assert isinstance(error, StateError)
        assert error.code == "candidate"
    editor.discard()
    assert editor.show("name").value == "Test site"
    assert (data / "site" / "candidate.damaged").read_bytes() == b'{"document": {"na'
    assert SiteStore(data / "site").current()[1].name == "Test site"


# ---- alone -------------------------------------------------------------------------------------------------------

FORWARDING = "users.user-201.forwarding"


def test_alone_takes_nothing_else_along(editor: Editor, data: Path) -> None:
    editor.set("users.user-202.name", "Pending")
    editor.set("users.user-202.password", "correct horse")
    waits = sentences(editor.pending())
    made = Editor(data, "Dana (201)").commit_alone(FORWARDING, {"follow_me_on": True}, "own")
    revision, site = SiteStore(data / "site").current()
    assert (revision.number, revision.author, revision.comment) == (made.revision, "Dana (201)", "own")
    assert (site.users["user-201"].forwarding.follow_me_on, site.users["user-202"].name) == (True, "User 202")
    assert sentences(editor.pending()) == waits
    assert "users.user-202.password" not in Vault(data).names(revision.number)
    assert editor.commit("the rest").revision == made.revision + 1
    assert "users.user-202.password" in Vault(data).names(made.revision + 1)
    # What is in force already makes no revision.
    assert editor.commit_alone(FORWARDING, {"follow_me_on": True}).revision == made.revision + 1


def test_alone_without_a_candidate_and_with_a_damaged_one(editor: Editor, data: Path) -> None:
    first = editor.commit_alone(FORWARDING, {"follow_me_on": True}).revision
    assert editor.pending() == ()
    assert not (data / "site" / "candidate.json").exists()
    (data / "site" / "candidate.json").write_bytes(b'{"document": {"na')
    assert editor.commit_alone(FORWARDING, {"voicemail": False}).revision == first + 1
    assert (data / "site" / "candidate.json").read_bytes() == b'{"document": {"na', "what somebody may still want to look at"


def test_alone_is_refused_with_mistakes_conflicts_and_during_a_trial(editor: Editor) -> None:
    before = editor.history()[0].number
    for value in ({"busy": [{"user": "nobody"}]}, {"busy": [{"number": "911"}]}, {"busy": 5}):
        assert isinstance(refused(lambda value=value: editor.commit_alone(FORWARDING, value)), DocumentError)
    assert isinstance(refused(lambda: editor.commit_alone(FORWARDING, {}, "", 17)), Conflict)
    editor.set("name", "Tried")
    editor.commit("try", 5)
    error = refused(lambda: editor.commit_alone(FORWARDING, {"follow_me_on": True}))
    assert (error.code, "in 5 min" in error.hint) == ("on-trial", True)
    assert editor.waiting() is not None
    assert editor.history()[0].number == before + 1


def test_a_candidate_of_an_older_release_gets_the_fields_it_did_not_know(editor: Editor, data: Path) -> None:
    editor.set("name", "Typed")
    file = data / "site" / "candidate.json"
    raw = json.loads(file.read_bytes())
    del raw["document"]["schedules"], raw["document"]["users"]["user-201"]["forwarding"]
    file.write_text(json.dumps({**raw, "form": "older"}))
    assert editor.show("users.user-201.forwarding.voicemail").value is True
    assert sentences(editor.pending()) == ["name of the site: Test site -> Typed"]


# ---- two editors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["ann", "bob"])
def test_the_second_of_two_writers_sees_both_values(data: Path, first: str) -> None:
    """Both read, both write, in either order: the first write counts, the second learns what the first one wrote."""
    ann, bob = Editor(data, "ann"), Editor(data, "bob")
    read = {"ann": ann.show("users.user-201").version, "bob": bob.show("users.user-201").version}
    early, late = (ann, bob) if first == "ann" else (bob, ann)
    second = "bob" if first == "ann" else "ann"
    early.set("users.user-201.name", first, read[first])
    with pytest.raises(Conflict) as caught:
        late.set("users.user-201.name", second, read[second])
    conflict = caught.value
    assert (conflict.base, conflict.theirs, conflict.yours) == ("User 201", first, second)
    assert conflict.version == late.show("users.user-201").version
    assert json.loads(json.dumps(conflict.as_dict()))["theirs"] == first
    late.set("users.user-201.name", second, conflict.version)
    assert early.show("users.user-201.name").value == second


def test_writes_to_different_objects_do_not_meet(data: Path) -> None:
    ann, bob = Editor(data, "ann"), Editor(data, "bob")
    a, b = ann.show("users.user-201").version, bob.show("users.user-202").version
    ann.set("users.user-201.name", "Ann's", a)
    bob.set("users.user-202.name", "Bob's", b)
    assert sentences(ann.pending()) == ["name of User 201: User 201 -> Ann's", "name of User 202: User 202 -> Bob's"]


def test_a_conflict_knows_what_was_read_after_commits_too(data: Path) -> None:
    ann, bob = Editor(data, "ann"), Editor(data, "bob")
    read = bob.show("users.user-201").version
    ann.set("users.user-201.name", "One")
    ann.commit()
    ann.set("users.user-201.name", "Two")
    ann.set("users.user-201.name", "Three")
    with pytest.raises(Conflict) as caught:
        bob.set("users.user-201.name", "Bob's", read)
    assert (caught.value.base, caught.value.theirs) == ("User 201", "Three")
    with pytest.raises(Conflict) as caught:
        bob.delete("users.user-201", 12345)
    assert caught.value.base is None
    assert caught.value.yours is None


def test_making_deleting_and_importing_conflict_like_any_write(data: Path) -> None:
    ann, bob = Editor(data, "ann"), Editor(data, "bob")
    whole, known = bob.show().version, bob.show("users.user-201").version
    ann.set("users.new", {"name": "Ann's", "extension": "299"}, 0)
    with pytest.raises(Conflict) as caught:
        bob.set("users.new", {"name": "Bob's", "extension": "298"}, 0)
    assert caught.value.theirs["name"] == "Ann's"
    with pytest.raises(Conflict):
        bob.replace(make_site(2), whole)
    ann.delete("users.user-201", known)
    with pytest.raises(Conflict) as caught:
        bob.set("users.user-201.name", "Bob's", known)
    assert (caught.value.theirs, caught.value.version) == (None, 0)
    assert caught.value.base == "User 201"


def test_a_commit_of_what_was_not_seen_is_a_conflict(data: Path) -> None:
    ann, bob = Editor(data, "ann"), Editor(data, "bob")
    ann.set("name", "Ann's")
    seen = ann.check().version
    bob.set("users.user-201.name", "Bob's")
    with pytest.raises(Conflict):
        ann.commit(expected=seen)
    assert len(ann.pending()) == 2
    assert ann.commit(expected=ann.check().version).revision == 3


def test_house_dialling_comes_back_beside_a_flow_that_does_not_fit(editor: Editor) -> None:
    editor.set("flows.broken", {"name": 7})
    editor.delete("flows.house")
    assert list(editor.show("flows").value) == ["house", "broken"]


# ---- properties ------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_accepted_write_is_lost(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Random writes by two editors give the same document as the same writes in memory."""
    editors = [Editor(tmp_path_factory.mktemp("data"), "a")]
    editors.append(Editor(editors[0]._data, "b"))
    model = editors[0].show().value
    for _ in range(data.draw(st.integers(1, 6))):
        editor = data.draw(st.sampled_from(editors))
        kind = data.draw(st.sampled_from(["users", "groups", "flows", "schedules", "locations"]))
        path = f"{kind}.{data.draw(ids())}"
        loc = tuple(path.split("."))
        if find(model, loc, None) is not None and data.draw(st.booleans()):
            editor.delete(path)
            model = canonical({**model, kind: {key: value for key, value in model[kind].items() if key != loc[1]}})
        else:
            value = data.draw(st.one_of(objects(kind), st.sampled_from([5, None, [], {"name": 7}, {"nonsense": True}])))
            editor.set(path, value)
            model = canonical(put(model, loc, value))
    assert editors[0].show().value == editors[1].show().value == model
    assert editors[0].show().version == version_of(model)
    editors[1].discard()
    assert editors[0].pending() == ()


# ---- commit ----------------------------------------------------------------------------------------------------------


def test_a_commit_is_a_revision_with_author_and_comment(editor: Editor, data: Path) -> None:
    editor.set("users.user-201.extension", "210")
    made = editor.commit("moved Dana")
    assert (made.revision, made.waiting) == (3, None)
    assert sentences(made.changes) == ["extension of User 201: 201 -> 210"]
    newest, older, *_ = editor.history()
    assert (newest.number, newest.author, newest.comment, newest.current) == (3, "tester", "moved Dana", True)
    assert (older.number, older.author, older.current) == (2, "first", False)
    assert SiteStore(data / "site").current()[1].users["user-201"].extension == "210"
    assert sentences(editor.diff(3, 2)) == ["extension of User 201: 210 -> 201"]
    editor.set("name", "X")
    assert sentences(editor.diff(2)) == ["name of the site: Test site -> X", "extension of User 201: 201 -> 210"]
    assert refused(editor.diff, 77).code == "not-found"


def test_a_commit_with_mistakes_lists_them_all_and_keeps_everything(editor: Editor, data: Path) -> None:
    editor.set("users.user-201.extension", "911")
    editor.set("users.user-202.flow", "nowhere")
    editor.set("flows.house.steps.dial.exits.busy", "lost")
    editor.set("flows.house.steps.dial.settings", {"targets": []})
    pending = editor.pending()
    error = refused(editor.commit, "no")
    assert isinstance(error, DocumentError)
    places = {problem.path for problem in error.problems}
    assert places >= {"users.user-201.extension", "users.user-202.flow", "flows.house.steps.dial.exits.busy"}
    assert any(place.startswith("flows.house.steps.dial.settings") for place in places)
    assert set(editor.check().problems) == set(error.problems)
    assert editor.pending() == pending
    assert SiteStore(data / "site").current_number() == 2


def test_a_commit_after_which_no_emergency_call_would_leave_is_refused(editor: Editor) -> None:
    editor.delete("trunks.acme")
    error = refused(editor.commit)
    assert isinstance(error, DocumentError)
    assert any("911" in str(problem) or "emergency" in str(problem) for problem in error.problems)
    assert sentences(editor.pending()) == ["trunk Acme: removed (host 192.0.2.9)"]


def test_nothing_to_commit_is_said(editor: Editor) -> None:
    assert refused(editor.commit).code == "nothing-to-commit"
    editor.set("name", "Other")
    editor.set("name", "Test site")
    assert refused(editor.commit).code == "nothing-to-commit"
    for minutes in (-1, 1441):
        assert refused(editor.commit, "x", minutes).code == "minutes"


@pytest.mark.row("T4")
def test_what_a_commit_sets_right_is_seen_before_and_after(editor: Editor) -> None:
    editor.set("devices.soft", {"owner": "user-201", "sip_user": "soft", "extension": "301"})
    editor.set("users.user-201.main_device", "soft")
    checked = editor.check()
    assert sentences(checked.normalised) == ["extension of User 201: 201 -> 301"]
    assert "extension of User 201: 201 -> 301" in sentences(checked.changes)
    assert sentences(editor.commit().changes) == sentences(checked.changes)
    assert editor.pending() == ()
    assert editor.show("users.user-201.extension").value == "301"


# ---- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_waits_for_the_commit_and_is_seen_nowhere(editor: Editor, data: Path) -> None:
    vault = Vault(data)
    assert vault.values(2)["devices.phone-201.secret"] == secret("201")
    editor.set("devices.phone-201.secret", "quite-another-99")
    assert sentences(editor.pending()) == ["password of User 201 (phone-201): changed, hidden"]
    assert vault.values(2)["devices.phone-201.secret"] == secret("201")
    made = editor.commit("a new password")
    assert sentences(made.changes) == ["password of User 201 (phone-201): changed, hidden"]
    assert vault.values(3)["devices.phone-201.secret"] == "quite-another-99"
    assert editor.pending() == ()
    for file in (data / "site").rglob("*"):
        assert not file.is_file() or b"quite-another-99" not in file.read_bytes()
    assert "quite-another-99" not in json.dumps(editor.show().value)
    editor.rollback(2)
    assert vault.values(4)["devices.phone-201.secret"] == "quite-another-99"


def test_a_secret_set_to_what_it_is_or_set_and_dropped_is_no_change(editor: Editor) -> None:
    editor.set("devices.phone-201.secret", "quite-another-99")
    editor.set("devices.phone-201.secret", secret("201"))
    assert editor.pending() == ()
    editor.set("devices.phone-201.secret", "quite-another-99")
    editor.delete("devices.phone-201.secret")
    editor.set("devices.phone-201.secret", secret("201"))
    assert editor.pending() == ()


@pytest.mark.row("E3")
def test_the_sign_in_password_never_registers_a_phone(editor: Editor) -> None:
    editor.set("users.user-201.password", "sesame-opens-77")
    editor.commit()
    error = refused(editor.set, "devices.phone-201.secret", "sesame-opens-77")
    assert isinstance(error, DocumentError)
    assert [problem.path for problem in error.problems] == ["devices.phone-201.secret"]
    assert isinstance(refused(editor.set, "users.user-201.password", secret("201")), DocumentError)
    assert editor.set("devices.phone-202.secret", "sesame-opens-77").problems == ()  # somebody else's phone
    assert len(editor.pending()) == 1


@pytest.mark.row("E3")
def test_new_devices_get_secrets_and_removed_ones_go(editor: Editor, data: Path) -> None:
    editor.set("devices.soft", {"owner": "user-201", "sip_user": "soft"})
    assert "password of User 201 (soft): made, hidden" in sentences(editor.check().changes)
    editor.commit()
    first = Vault(data).values(3)["devices.soft.secret"]
    assert len(first) >= 20
    editor.delete("devices.soft.secret")
    assert sentences(editor.pending()) == ["password of User 201 (soft): removed"]
    editor.commit()
    second = Vault(data).values(4)["devices.soft.secret"]
    assert second not in {first, ""}
    # The same id again is another device.
    editor.delete("devices.soft")
    editor.commit()
    editor.set("devices.soft", {"owner": "user-202", "sip_user": "soft"})
    editor.commit()
    assert Vault(data).values(6)["devices.soft.secret"] not in {first, second}


def test_a_trunks_secret_is_needed_and_counts_when_staged(editor: Editor, data: Path) -> None:
    editor.set("trunks.acme.username", "account")
    assert [problem.path for problem in editor.check().problems] == ["trunks.acme.secret"]
    editor.set("trunks.acme.secret", "given-by-the-carrier")
    assert editor.check().problems == ()
    editor.commit()
    editor.delete("trunks.acme.secret")
    assert [problem.path for problem in editor.check().problems] == ["trunks.acme.secret"]
    editor.delete("trunks.acme.username")
    editor.commit()
    assert "trunks.acme.secret" not in Vault(data).values(4)


# ---- on condition, back, rollback ------------------------------------------------------------------------------------


def test_an_unconfirmed_commit_is_kept_or_taken_back(editor: Editor, data: Path) -> None:
    assert editor.waiting() is None
    assert refused(editor.confirm).code == refused(editor.undo).code == "nothing-to-confirm"
    editor.set("name", "Tried")
    made = editor.commit("try", 10)
    assert made.waiting is not None
    assert (made.waiting.revision, made.waiting.previous, made.waiting.minutes) == (3, 2, 10)
    assert 595 < made.waiting.seconds_left <= 600
    assert Editor(data, "x").waiting() is not None
    back = editor.undo()
    assert (back.revision, sentences(back.changes)) == (4, ["name of the site: Tried -> Test site"])
    assert editor.waiting() is None
    assert sentences(editor.pending()) == ["name of the site: Test site -> Tried"]  # nothing typed is lost
    assert editor.history()[0].comment == "taken back unconfirmed; this is revision 2 again"
    editor.commit("again", 10)
    assert editor.confirm() == 5
    assert editor.waiting() is None
    assert editor.show("name").value == "Tried"


def test_commits_on_condition_in_a_row_go_back_together_and_a_plain_one_confirms(editor: Editor) -> None:
    editor.set("name", "One")
    editor.commit("", 10)
    editor.set("name", "Two")
    made = editor.commit("", 20)
    assert made.waiting is not None
    assert (made.waiting.revision, made.waiting.previous) == (4, 2)
    editor.undo()
    assert SiteStore(editor._data / "site").current()[1].name == "Test site"
    assert sentences(editor.pending()) == ["name of the site: Test site -> Two"]
    editor.commit("", 10)
    editor.set("name", "For good")
    editor.commit()
    assert editor.waiting() is None


def test_what_was_undone_and_comes_again_keeps_its_secrets(editor: Editor, data: Path) -> None:
    editor.set("devices.soft", {"owner": "user-201", "sip_user": "soft"})
    editor.commit("", 10)
    given = Vault(data).values(3)["devices.soft.secret"]
    editor.undo()
    editor.commit("again")
    assert Vault(data).values(5)["devices.soft.secret"] == given


def test_the_edits_made_after_an_unconfirmed_commit_survive_its_end(editor: Editor) -> None:
    editor.set("name", "Tried")
    editor.commit("", 10)
    editor.set("users.user-201.name", "Dana")
    editor.set("devices.phone-201.secret", "quite-another-99")
    editor.undo()
    assert sentences(editor.pending()) == [
        "name of the site: Test site -> Tried",
        "name of User 201: User 201 -> Dana",
        "password of Dana (phone-201): changed, hidden",
    ]


def test_rollback_makes_an_old_site_current_again(editor: Editor, data: Path) -> None:
    editor.set("name", "Third")
    editor.set("users.user-202", {"name": "Lee", "extension": "222"})
    editor.commit()
    editor.set("name", "Pending")
    assert refused(editor.rollback, 2).code == "pending"
    assert editor.show("name").value == "Pending"
    made = editor.rollback(2, discard=True)
    assert (made.revision, editor.pending()) == (4, ())
    assert sentences(made.changes) == ["name of the site: Third -> Test site", "name of Lee: Lee -> User 202", "extension of User 202: 222 -> 202"]
    assert SiteStore(data / "site").read(2) == SiteStore(data / "site").current()[1]
    assert [entry.number for entry in editor.history()][:3] == [4, 3, 2]
    assert refused(editor.rollback, 99).code == "not-found"


def test_rollback_to_a_site_without_emergency_calls_is_refused(editor: Editor) -> None:
    assert isinstance(refused(editor.rollback, 1), DocumentError)  # the sample has no trunk
    assert editor.history()[0].number == 2


# ---- administrators --------------------------------------------------------------------------------------------------


def administrators(data: Path) -> dict[str, str]:
    return {key: person.role for key, person in SiteStore(data / "site").current()[1].administrators.items()}


@pytest.fixture
def demoted(editor: Editor, data: Path) -> Editor:
    """Revision 3: two administrators; the candidate makes one of them an installer, and changes the name."""
    for key in ("dana", "sam"):
        editor.set(f"administrators.{key}", {"name": key, "password": "correct horse"})
    editor.commit()
    editor.set("administrators.sam.role", "installer")
    editor.set("name", "Tried")
    return editor


def test_nobody_becomes_administrator_by_a_rollback(demoted: Editor, data: Path) -> None:
    demoted.commit()
    made = Editor(data, "sam").rollback(3, "mine again")
    assert sentences(made.changes) == ["name of the site: Tried -> Test site"]
    assert administrators(data) == {"dana": "administrator", "sam": "installer"}
    assert demoted.history()[0].comment == "mine again; administrators stay as they were"
    demoted.rollback(2)  # of before there were any
    assert administrators(data) == {"dana": "administrator", "sam": "installer"}


def test_nobody_becomes_administrator_by_an_undo_or_by_a_commit_on_top(demoted: Editor, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demoted.commit("", 10)
    back = Editor(data, "sam").undo()
    assert sentences(back.changes) == ["name of the site: Tried -> Test site"]
    assert administrators(data)["sam"] == "installer"
    demoted.discard()
    demoted.set("administrators.sam.role", "administrator")
    demoted.commit()
    demoted.set("administrators.sam.role", "installer")
    demoted.commit("", 10)
    theirs = Editor(data, "sam")
    theirs.set("name", "On top")
    theirs.commit("", 1)
    overdue(monkeypatch)
    assert theirs.waiting() is None
    assert theirs.show("name").value == "On top"
    assert SiteStore(data / "site").current()[1].name == "Test site"
    assert administrators(data)["sam"] == "installer"


def test_what_nobody_confirms_goes_back_whole(demoted: Editor, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demoted.commit("", 10)
    overdue(monkeypatch)
    assert demoted.waiting() is None
    assert administrators(data) == {"dana": "administrator", "sam": "administrator"}


def test_no_commit_leaves_the_box_without_an_administrator(demoted: Editor, data: Path) -> None:
    demoted.set("administrators.dana.enabled", False)
    error = refused(demoted.commit)
    assert isinstance(error, DocumentError)
    assert error.problems[0].path == "administrators.dana"
    demoted.set("administrators.sam.role", "administrator")
    demoted.commit()
    assert administrators(data)["sam"] == "administrator"


def overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of what is unconfirmed is over."""
    monkeypatch.setattr("appliance.site.confirm.Condition.seconds_left", lambda *_: 0.0)
