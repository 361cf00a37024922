"""Voicemail boxes: the list with what waits in each, one with its messages and greeting, its settings, a new one, and an end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import abort, g, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from webui.areas.calls.words import length
from webui.areas.flows import AREA
from webui.engine import State
from webui.forms import Form, Number, Ref, Secret, Section, Switch, Text
from webui.forms.form import delete
from webui.i18n import gettext, lazy_gettext, sort_key
from webui.i18n import lazy_gettext as _l
from webui.later import late, later
from webui.listing import listed, marks
from webui.live import live, st
from webui.place import place
from webui.uses import used_by
from webui.voicemail import contents, serve, told

AREA.tab("mailboxes", lazy_gettext("Voicemail boxes"), 50, lambda: len(place().kind("mailboxes")))


class MailboxForm(Form):
    kind = "mailboxes"
    fields = (
        Text(name="name", label=_l("Name"), help=_l("Spoken in the greeting that the box makes."), attributes={"autocomplete": "off", "maxlength": "80"}),
        Ref(name="owner", label=_l("Owner"), kind="users", none=True, nothing=_l("Nobody: a box several people use"),
            help=_l("The lamps of the owner's phones show new messages; calls nobody answers end here.")),
        Text(name="extension", label=_l("Extension"), none=True, optional=True, attributes={"inputmode": "numeric"},
             help=_l("Dialled to hear the messages: from the owner's phones at once, from elsewhere with the PIN.")),
        Secret(name="pin", label=_l("New PIN"), optional=True,
               help=_l("4 to 10 digits. Without one, messages are heard from the owner's phones alone. Empty: as it is.")),
        Ref(name="greeting", label=_l("Greeting"), kind="audio", none=True, nothing=_l("Its own, else one the box speaks"),
            help=_l("A recording of the site goes before a greeting of its own.")),
        Section(_l("By e-mail")),
        Text(name="email", label=_l("Address"), input="email", optional=True, attributes={"autocomplete": "off"},
             help=_l("Gets each new message. The mail server is set in Settings, Alerts.")),
        Switch(name="email_sound", label=_l("Attach the sound"), on=True,
               help=_l("Without it the e-mail says who called, and when. Either way the message stays in the box.")),
        Section(_l("Limits")),
        Number(name="max_message_seconds", label=_l("Longest message"), unit=_l("seconds"), initial=180),
        Number(name="max_messages", label=_l("Most messages"), initial=100, help=_l("A full box takes no more and says so; nothing is deleted by itself.")),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    number: str
    name: str
    owner: str
    owner_name: str
    state: str
    words: str


@AREA.get("/mailboxes", endpoint="mailboxes")
def mailboxes() -> str:
    return listed("flows/mailboxes.html", _rows())


@AREA.route("/mailboxes/new", methods=["GET", "POST"])
def new_mailbox() -> Response | str:
    form = MailboxForm.new()
    if form.given is None and (owner := place().kind("users").get(request.args.get("owner", ""))) is not None:
        form["owner"].value, form["name"].value = request.args["owner"], str(owner.get("name") or "")
    if form.save():
        return redirect(url_for("flows.mailbox_settings", key=form.path.partition(".")[2]), 303)
    return render_template("flows/new-mailbox.html", form=form)


@AREA.get("/mailboxes/<key>")
def mailbox(key: str) -> str:
    _may(key)
    return _messages(key, "")


@AREA.route("/mailboxes/<key>/settings", methods=["GET", "POST"])
def mailbox_settings(key: str) -> Response | str:
    form = MailboxForm.at(f"mailboxes.{key}")
    if form.save():
        return redirect(url_for("flows.mailbox_settings", key=key), 303)
    return _settings(key, form)


@AREA.post("/mailboxes/<key>/delete")
def delete_mailbox(key: str) -> Response | tuple[str, int]:
    name = str(place().kind("mailboxes").get(key, {}).get("name") or key)
    if used_by("mailboxes", key):
        g.notice = gettext("Something still leads here. Choose something else there first.")
    elif delete(f"mailboxes.{key}", gettext("%(name)s is deleted, not applied.", name=name)):
        return redirect(url_for("flows.mailboxes"), 303)
    return _settings(key, MailboxForm.at(f"mailboxes.{key}")), 409


def _may(key: str) -> None:
    if key not in place().kind("mailboxes"):
        abort(404)


def _messages(key: str, fault: str) -> str:
    held = place().kind("mailboxes")[key]
    recording = str(place().kind("audio").get(str(held.get("greeting") or ""), {}).get("name") or "")
    inside = contents(key)
    if inside.lost is not None and late(inside.lost):
        return later(str(held.get("name") or key), "flows")
    return render_template("flows/mailbox.html", key=key, held=held, found=inside, fault=fault, told=told, length=length, recording=recording)


def _settings(key: str, form: MailboxForm) -> str:
    pin = f"mailboxes.{key}.pin"
    return render_template(
        "flows/mailbox-settings.html", key=key, form=form, held=form.held, changed=place().pending().touches(f"mailboxes.{key}"),
        pin=pin if pin in place().secrets() else "", uses=used_by("mailboxes", key),
    )  # fmt: skip


serve(AREA, "/mailboxes", _may, _messages)


@live("flows.messages")
def counts(state: State) -> Mapping[str, Markup]:
    """New and old messages of each box."""
    known = {row["mailbox"]: (row["new"], row["old"]) for row in state.messages.get("mailboxes", ())}
    return {key: waiting(known.get(key)) for key in place().kind("mailboxes")}


def waiting(count: tuple[int, int] | None) -> Markup:
    """`2 new, 5 heard`; None: nothing is known."""
    if count is None:
        return st("off", gettext("unknown"))
    new, old = count
    if not new and not old:
        return st("off", gettext("Empty"))
    return st("info", gettext("%(new)d new, %(old)d heard", new=new, old=old), "soft") if new else st("off", gettext("%(old)d heard", old=old))


def _rows() -> list[Row]:
    users, changes = place().kind("users"), marks("mailboxes")
    rows = []
    for key, held in place().kind("mailboxes").items():
        owner = str(held.get("owner") or "")
        owner_name = str(users.get(owner, {}).get("name") or owner)
        number, name = str(held.get("extension") or ""), str(held.get("name") or key)
        rows.append(Row(key, number, name, owner, owner_name, changes.get(key, ""), " ".join((key, number, name, owner, owner_name))))
    return sorted(rows, key=lambda row: sort_key(row.name))
