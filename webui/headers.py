"""What every answer carries for the browser: nothing from outside, nothing inline, nothing kept, nobody frames it."""

from __future__ import annotations

import secrets

from flask import Flask, Response, g

# No Strict-Transport-Security: with a certificate the browser does not know it would shut people out for good when the certificate changes.
FIXED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), payment=(), usb=(), microphone=(self)",
}


def set_up(app: Flask) -> None:
    app.after_request(_add)
    app.jinja_env.globals["csp_nonce"] = csp_nonce


def csp_nonce() -> str:
    """For the rare `<style nonce>` or `<script nonce>` of a page; style attributes are never allowed: use a class, or `data-vars` (holdfast.js)."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(12)
    return str(g.nonce)


def _add(answer: Response) -> Response:
    nonce = f" 'nonce-{g.nonce}'" if "nonce" in g else ""
    policy = (
        f"default-src 'self'; script-src 'self'{nonce}; style-src 'self'{nonce}; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    for name, value in {"Content-Security-Policy": policy, **FIXED}.items():
        answer.headers.setdefault(name, value)
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer
