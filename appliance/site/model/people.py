"""Users, their devices, groups of both, and mailboxes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from appliance.site.model.base import E164, Digits, Extension, Id, Name, Part, SipUser, Text

HOUSE_FLOW = "house"
"""The flow every new user dials through; always there, and an ordinary flow in everything else (row E6)."""


class ForwardStep(Part):
    """One line of a forwarding or follow-me list: exactly one of `user` and `number` (as a person of this site dials it)."""

    user: Id | None = None
    number: Digits | E164 | None = None
    delay_seconds: int = Field(default=0, ge=0, le=300)
    """After the list was begun; steps with the same delay ring together."""
    ring_seconds: int = Field(default=20, ge=5, le=300)


class Forwarding(Part):
    """What becomes of calls to a user (rows A5, A6). Applied where a call reaches the user by extension or number, and in Dial steps that ask for it (K5)."""

    no_answer: tuple[ForwardStep, ...] = ()
    busy: tuple[ForwardStep, ...] = ()
    follow_me: tuple[ForwardStep, ...] = ()
    follow_me_on: bool = False
    """While on, the user's own devices do not ring and the other lists do not count."""
    voicemail: bool = True
    """The last resort, where the user has a mailbox."""


class User(Part):
    """A person, or (mode `flow`) a name for a flow. Calling `extension` rings all active devices of the user (rows K4, T1)."""

    name: Name
    extension: Extension
    mode: Literal["softphone", "sip_phone", "flow"] = "sip_phone"
    """`flow`: has no devices; who calls it runs its flow, with this user's settings (row E12)."""
    flow: Id | Literal[""] = HOUSE_FLOW
    """What runs when the user dials (row E5); "" : dialling goes nowhere, and the caller hears why (row E6)."""
    main_device: Id | None = None
    """Of several devices the one whose own extension is the main extension (row T4)."""
    customer: Text = ""
    """Whose telephone this is, where one box serves several (row E1)."""
    email: Text = ""
    mobile: E164 | None = None
    outbound_number: E164 | None = None
    """Presented on outside calls instead of the site's main number (row T2)."""
    call_waiting: bool = True
    ring_seconds: int = 30
    forwarding: Forwarding = Forwarding()
    enabled: bool = True


class Device(Part):
    """Anything that registers: a desk phone, a softphone, a door station. Without `owner` it stands alone (row K2). Its SIP password is in the vault."""

    name: Text = ""
    owner: Id | None = None
    sip_user: SipUser
    extension: Extension | None = None
    """Its own number; needed where there is no owner."""
    location: Id | None = None
    """The emergency response location it stands in; None: the site's default."""
    mac: Text = ""
    max_contacts: int = 4
    enabled: bool = True


class Group(Part):
    """Users and devices that are dialled like a user (row K7): they ring together."""

    name: Name
    extension: Extension | None = None
    users: tuple[Id, ...] = ()
    devices: tuple[Id, ...] = ()
    ring_seconds: int = Field(default=30, ge=5, le=600)


class Mailbox(Part):
    """A voicemail box. A user owns any number of them (row K3); the first one written is where the user's forwarding ends."""

    name: Name
    owner: Id | None = None
    extension: Extension | None = None
    """Dialled to hear the messages: from a device of the owner at once, from elsewhere with the PIN (in the vault)."""
    email: Text = ""
    """Gets each new message, by the mail server of the alerts; "": nobody."""
    email_sound: bool = True
    """What was said goes along as a WAV file."""
    greeting: Id | None = None
    """An audio object; None: the greeting recorded by phone, else a spoken one."""
    max_message_seconds: int = Field(default=180, ge=5, le=900)
    max_messages: int = Field(default=100, ge=1, le=1000)
