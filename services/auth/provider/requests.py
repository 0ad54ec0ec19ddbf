"""A request at one of the provider's endpoints, as it came and as Authlib takes it; and the answer."""

import json
from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen
from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Error, OAuth2Payload, OAuth2Request

from services.auth.records.sessions import Source

FORM: Final = "application/x-www-form-urlencoded"


@frozen
class Call:
    """A request; `fields` are those of the form or of the query, each with all its values."""

    method: str
    path: str
    fields: Mapping[str, tuple[str, ...]] = field(repr=False)
    authorization: str = field(repr=False)
    source: Source

    def one(self, name: str) -> str:
        """The value of a field; empty where it is not there."""
        return self.fields.get(name, ("",))[0]


@frozen
class Answered:
    """An answer: JSON, or where to send the browser."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)

    @property
    def location(self) -> str:
        """Where a browser goes from here; empty where it stays."""
        return next((value for name, value in self.headers if name.lower() == "location"), "")

    @property
    def content(self) -> dict[str, Any]:
        """The body of a JSON answer."""
        content: dict[str, Any] = json.loads(self.body)
        return content


class _Payload(OAuth2Payload):
    """The fields, each once, and each with all its values."""

    def __init__(self, call: Call) -> None:
        self.data = {name: values[0] for name, values in call.fields.items()}
        self.datalist = {name: list(values) for name, values in call.fields.items()}

    data: dict[str, str] = {}  # noqa: RUF012 - set for each; Authlib declares properties
    datalist: dict[str, list[str]] = {}  # noqa: RUF012


class Request(OAuth2Request):
    """The request as Authlib takes it."""

    def __init__(self, call: Call) -> None:
        """Of `call`."""
        headers = {"Authorization": call.authorization} if call.authorization else {}
        super().__init__(call.method, f"https://provider{call.path}", headers=headers)
        self.payload = _Payload(call)

    @property
    def form(self) -> dict[str, str]:
        """The fields, each once."""
        fields: dict[str, str] = self.payload.data
        return fields

    args = form


def refuse_repeated(call: Call) -> None:
    """Refuse a field that is there twice, or empty of meaning (RFC 6749 section 3.2).

    Raises:
        InvalidRequestError: One is.
    """
    if any(len(values) > 1 for values in call.fields.values()):
        raise InvalidRequestError("A parameter is there more than once.")
    if any("\0" in value for values in call.fields.values() for value in values):
        raise InvalidRequestError("A parameter has characters that none may have.")


def answered(status: int, body: Any, headers: list[tuple[str, str]]) -> Answered:
    """What Authlib answers with, as octets."""
    octets = json.dumps(body).encode() if isinstance(body, dict) else str(body).encode()
    return Answered(status, tuple(headers), octets)


def refused(error: OAuth2Error) -> Answered:
    """The answer of a refusal."""
    return answered(*error())
