"""Our own answers to web visitors: small pages for browsers, JSON for programs. Pure."""

import json
from html import escape
from http import HTTPStatus
from typing import Final

from attrs import frozen

from services.tunnels.rules.heads import Headers
from services.tunnels.rules.visitors import STATUS_OF_REFUSALS
from shared.errors import PublicError, SignInRefusedError

CUT: Final = {
    "right_ended": "You may not come to this device any more.",
    "credential_ended": "What you were signed in with has ended. Sign in again.",
    "not_public": "This is not open to everybody any more.",
    "hard_end": "Your visit has lasted as long as a visit may. Come again.",
    "idle": "Nothing happened for a while, so your visit has ended. Come again.",
    "closed": "Somebody who may do so has ended your visit.",
    "withdrawn": "This tunnel is not there any more.",
    "device_ended": "This device is not reached any more.",
    "unheard": "Nobody could say whether you still may come. Try again soon.",
    "not_recorded": "Your visit is to be recorded, and that is not possible now.",
    "service_stopped": "This service is being restarted. Try again soon.",
}
_SAFE: Final = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


@frozen
class Answer:
    """A whole answer of ours."""

    status: int
    headers: Headers
    body: bytes


def refusal(error: PublicError, *, is_page: bool, status: int | None = None, more: Headers | None = None) -> Answer:
    """Why somebody is not let in."""
    number = status or STATUS_OF_REFUSALS.get(type(error), 503)
    headers = list(more or [])
    if isinstance(error, SignInRefusedError):
        headers.append((b"www-authenticate", b"Bearer"))
    if is_page:
        return _page(number, error.message, headers)
    body = json.dumps(error.details()).encode() + b"\n"
    return Answer(number, [(b"content-type", b"application/json"), *_SAFE, *headers], body)


def failure(status: int, code: str, sentence: str, *, is_page: bool) -> Answer:
    """What went wrong on the way to the device."""
    if is_page:
        return _page(status, sentence, [])
    body = json.dumps({"error": sentence, "code": code}).encode() + b"\n"
    return Answer(status, [(b"content-type", b"application/json"), *_SAFE], body)


def redirect(location: str, more: Headers) -> Answer:
    """Go there, by GET."""
    return Answer(303, [(b"location", location.encode()), *_SAFE, *more], b"")


def _page(status: int, sentence: str, headers: Headers) -> Answer:
    title = HTTPStatus(status).phrase
    body = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"></head>\n'
        f"<body><main><h1>{escape(title)}</h1><p>{escape(sentence)}</p>"
        '<p><a href="">Try again</a></p></main></body></html>\n'
    )
    return Answer(status, [(b"content-type", b"text/html; charset=utf-8"), *_SAFE, *headers], body.encode())
