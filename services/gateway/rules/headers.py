"""What the headers of a request say: the credential, the kinds of content, the idempotency key."""

import re
from typing import Final

from services.gateway.records import JSON_TYPE, Asked, HttpRefusedError
from services.gateway.rules.refusals import unauthorized

MAX_CREDENTIAL: Final = 4096
MAX_KEY: Final = 255
KEY_FORM: Final = r'^("[!#-\[\]-~][ !#-\[\]-~]*"|[!#-+\--~]+)$'
_BEARER: Final = re.compile(r"bearer[ \t]+([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE | re.ASCII)
_QUALITY: Final = re.compile(r"q=0(\.0{0,3})?", re.IGNORECASE | re.ASCII)
_KEY: Final = re.compile(KEY_FORM, re.ASCII)
ACCEPTED: Final = frozenset({"*/*", "application/*", JSON_TYPE})


def credential(asked: Asked) -> str:
    """The one credential of the request (RFC 6750, section 2.1); blanks around it are forgiven.

    Raises:
        HttpRefusedError: None, more than one, of another scheme, or none by its form.
    """
    values = asked.header("authorization")
    found = _BEARER.fullmatch(values[0].strip()) if len(values) == 1 else None
    if found is None or len(found[1]) > MAX_CREDENTIAL:
        raise unauthorized()
    return found[1]


def check_accept(asked: Asked) -> None:
    """Let pass who takes JSON (RFC 9110, section 12.5.1); no header at all means that anything will do.

    Raises:
        HttpRefusedError: JSON is not among what is accepted.
    """
    ranges = [each for value in asked.header("accept") for each in value.split(",") if each.strip()]
    if ranges and not any(_accepts(each) for each in ranges):
        raise HttpRefusedError("not_acceptable", f"the answer is {JSON_TYPE}, which the request does not accept")


def check_content(asked: Asked) -> None:
    """Let pass a body of JSON.

    Raises:
        HttpRefusedError: The body is something else, is encoded, or does not say what it is.
    """
    kinds, encodings = asked.header("content-type"), asked.header("content-encoding")
    parts = [part.strip().lower() for part in kinds[0].split(";")] if len(kinds) == 1 else [""]
    is_plain = all(part.replace('"', "") == "charset=utf-8" for part in parts[1:])
    if parts[0] != JSON_TYPE or not is_plain or any(each.strip().lower() != "identity" for each in encodings):
        what = f"send a body with 'Content-Type: {JSON_TYPE}', not compressed; {{}} where nothing is to be said"
        raise HttpRefusedError("unsupported_media_type", what)


def idempotency_key(asked: Asked) -> str | None:
    """The request's key, with or without the quotes of a structured field; None where there is none.

    Source: draft-ietf-httpapi-idempotency-key-header.

    Raises:
        HttpRefusedError: More than one, empty, too long, or not printable ASCII.
    """
    values = asked.header("idempotency-key")
    if not values:
        return None
    value = values[0].strip()
    if len(values) > 1 or _KEY.fullmatch(value) is None or len(value) > MAX_KEY:
        raise HttpRefusedError("malformed", f"Idempotency-Key must be one text of 1 to {MAX_KEY} printable characters")
    return value.strip('"')


def _accepts(media_range: str) -> bool:
    kind, *parameters = (part.strip() for part in media_range.lower().split(";"))
    return kind in ACCEPTED and not any(_QUALITY.fullmatch(part) for part in parameters)
