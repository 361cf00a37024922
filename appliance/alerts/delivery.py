"""Gets one message to one place, over SMTP or HTTP, without ever holding the loop; names are resolved by whoever calls."""

from __future__ import annotations

import asyncio
import importlib
import logging
import random
import socket
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from appliance.site.model.alerts import AlertMail

if TYPE_CHECKING:
    import aiosmtplib

PATIENCE_S = 30.0
"""For one delivery as a whole."""
FIRST_S, LAST_S = 4.0, 600.0
_ANSWER = 200
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # they would write web addresses into the log, which often are a secret themselves


class Undelivered(Exception):
    """`place`: whether it is the server that fails, and with it every other message; `lost`: it will never take this one."""

    def __init__(self, sentence: str, hint: str = "", *, place: bool = True, lost: bool = False) -> None:
        super().__init__(sentence)
        self.sentence, self.hint, self.place, self.lost = sentence, hint, place, lost


def retry_after_s(failures: int, chance: Callable[[], float] = random.random) -> float:
    """Seconds until the next try after the nth failure (from 1): 4 doubling to 600, less up to a half by chance."""
    return min(LAST_S, FIRST_S * 2.0 ** min(failures - 1, 20)) * (1 - chance() / 2)


def context() -> ssl.SSLContext:
    """What is trusted; reads the disk."""
    return ssl.create_default_context()


async def _ready(library: str) -> None:
    """Load a library the first time there is something to send: most boxes never need it, and a start has no time for it."""
    await asyncio.get_running_loop().run_in_executor(None, importlib.import_module, library)


async def mail(message: EmailMessage, settings: AlertMail, ip: str, password: str, trust: ssl.SSLContext, name: str, patience_s: float = PATIENCE_S) -> None:
    """Hand `message` to the server at `ip`, within `patience_s`. `name`: what the box calls itself. Raises Undelivered."""
    await _ready("aiosmtplib")
    try:
        async with asyncio.timeout(patience_s):
            await _mail(message, settings, ip, password, trust, name, patience_s)
    except TimeoutError:
        raise Undelivered(f"The mail server {settings.host} did not answer in time", "check the server, its port, and the way out") from None


async def _mail(message: EmailMessage, settings: AlertMail, ip: str, password: str, trust: ssl.SSLContext, name: str, patience_s: float) -> None:
    import aiosmtplib  # noqa: PLC0415

    host = settings.host or ip
    sock = await _connected(ip, settings.port, f"The mail server {host}")
    client = aiosmtplib.SMTP(
        hostname=host, sock=sock, use_tls=settings.security == "tls", start_tls=settings.security == "starttls", tls_context=trust, local_hostname=name,
        timeout=patience_s,
    )  # fmt: skip
    try:
        await client.connect()
        if settings.username:
            await client.login(settings.username, password)
        await client.send_message(message)
        await _politely(client)
    except aiosmtplib.SMTPAuthenticationError as error:
        raise Undelivered(
            f"The mail server {host} refused the user name or the password: {error.code} {_first(error.message)}", "write both as the mail provider gave them"
        ) from error
    except (aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
        refusal = error.recipients[0] if isinstance(error, aiosmtplib.SMTPRecipientsRefused) else error
        what = "the sender" if isinstance(error, aiosmtplib.SMTPSenderRefused) else f"the message to {message['To']}"
        # Another sender can be set, so that one alone is no reason to give up.
        lost = refusal.code >= 500 and not isinstance(error, aiosmtplib.SMTPSenderRefused)
        raise Undelivered(
            f"The mail server {host} refused {what}: {refusal.code} {_first(refusal.message)}", "check the addresses", place=False, lost=lost
        ) from error
    except (aiosmtplib.SMTPException, ssl.SSLError, OSError, ValueError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise Undelivered(
                f"The certificate of the mail server {host} is not trusted: {cause.verify_message}", "write the name that is in its certificate"
            ) from error
        hint = "another kind of encryption may be meant: 587 is usually STARTTLS, 465 TLS"
        raise Undelivered(f"The mail server {host} cannot be used: {_first(str(error)) or type(error).__name__}", hint) from error
    finally:
        client.close()  # and with it the socket, which has been the transport's since `connect`


async def _politely(client: aiosmtplib.SMTP) -> None:
    """The message is taken: what goes wrong from here on must not have it sent again."""
    import aiosmtplib  # noqa: PLC0415

    try:
        await client.quit()
    except (aiosmtplib.SMTPException, OSError):
        return


async def _connected(ip: str, port: int, what: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (ip, port))
    except OSError as error:
        sock.close()
        raise Undelivered(f"{what} cannot be reached at {ip}, port {port}: {error.strerror or error}", "check the server, its port, and the way out") from error
    except BaseException:
        sock.close()
        raise
    return sock


async def post(url: str, ip: str, body: bytes, headers: dict[str, str], trust: ssl.SSLContext) -> None:
    """POST `body` to `url`, whose host is at `ip`. Any 2xx is success; redirects are not followed. Raises Undelivered."""
    await _ready("httpx")
    import httpx  # noqa: PLC0415

    parts = urlsplit(url)
    host = parts.hostname or ""
    at = httpx.URL(url).copy_with(host=ip)
    sent = {"Host": parts.netloc.rpartition("@")[2], "Content-Type": "application/json", "User-Agent": "Holdfast", **headers}
    try:
        async with asyncio.timeout(PATIENCE_S), httpx.AsyncClient(verify=trust, trust_env=False, timeout=PATIENCE_S) as client:
            # The address is ours, the name is what the certificate must hold.
            request = client.build_request("POST", at, content=body, headers=sent, extensions={"sni_hostname": host})
            answer = await client.send(request, stream=True)
            await answer.aclose()
    except TimeoutError:
        raise Undelivered(f"The webhook at {host} did not answer in time", "check the server, and the way out") from None
    except httpx.HTTPError as error:
        words = _first(str(error)) or type(error).__name__
        if "CERTIFICATE_VERIFY_FAILED" in words:
            raise Undelivered(f"The certificate of {host} is not trusted: {words.rpartition('verify failed: ')[2]}", "use the name that is in it") from error
        raise Undelivered(f"The webhook at {host} cannot be reached: {words}", "check the address, the server, and the way out") from error
    if not answer.is_success:
        raise Undelivered(
            f"The webhook at {host} answered {answer.status_code} {answer.reason_phrase}".rstrip(), "check the address, and what its server says of it"
        )


def _first(text: str) -> str:
    lines = str(text).strip().splitlines()
    return lines[0][:_ANSWER] if lines else ""
