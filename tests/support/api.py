"""A program that uses the API of a box under test.

    api = Api(web, "read", "write"); api.get("/users/user-201"); api.put("/users/dana", {...}, If_Match=tag)
"""

from __future__ import annotations

import itertools
import json
import ssl
from typing import Any, Self

import httpx

from appliance.site.tokens import SCOPES, Tokens
from tests.support.web import Web

ROOT = "/api/v1"
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""The box's certificate is its own."""
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE
_serial = itertools.count(1)


class Api:
    """A client with a token of its own that has `scopes` (none named: all)."""

    def __init__(self, web: Web, *scopes: str, name: str = "") -> None:
        self.name = name or f"test-{next(_serial)}"
        self.web = web
        _, self.token = Tokens(web.data).new(self.name, scopes or tuple(SCOPES), "tests")
        self.http = httpx.Client(base_url=web.url(ROOT), verify=TLS, timeout=60.0, headers={"Authorization": f"Bearer {self.token}"})

    def ask(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str) -> httpx.Response:
        """`body` as JSON; `raw` as it is. Header names with _ for -."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        content = raw
        if body is not None:
            content = json.dumps(body).encode()
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        return self.http.request(method, path, content=content, headers=sent)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("GET", path, **headers)

    def put(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.ask("PUT", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.ask("PATCH", path, body, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.ask("POST", path, body, **headers)

    def delete(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("DELETE", path, **headers)

    def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The JSON of an answer that must be a success."""
        answer = self.ask(method, path, body, **headers)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def close(self) -> None:
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def refused(answer: httpx.Response, status: int, code: str = "") -> dict[str, Any]:
    """The problem document of a refusal, which must be one by the rules."""
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:1000]}"
    assert answer.headers["Content-Type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert said["status"] == status
    assert {"type", "title", "code", "detail", "hint", "problems"} <= said.keys()
    assert said["detail"]
    if code:
        assert said["code"] == code, said
    return said
