"""The table of refusals: with which status each is answered, and how it looks."""

from typing import Any, Final

import msgspec

from services.gateway.records import Answer, Headers, HttpRefusedError
from shared.errors import (
    AlreadyExistsError,
    CalleeAwayError,
    CellAwayError,
    ConflictError,
    ExpiredError,
    FactorRejectedError,
    InternalError,
    InvalidArgumentError,
    NotAuthorizedError,
    NotFoundError,
    NotSupportedError,
    OutcomeUnknownError,
    OverLimitError,
    PublicError,
    SignInRefusedError,
    StepUpRequiredError,
    UnavailableError,
)

STATUS: Final[dict[type[PublicError], int]] = {
    SignInRefusedError: 401,
    StepUpRequiredError: 401,
    FactorRejectedError: 403,
    NotAuthorizedError: 403,
    NotFoundError: 404,
    AlreadyExistsError: 409,
    ConflictError: 409,
    ExpiredError: 409,
    InvalidArgumentError: 422,
    NotSupportedError: 422,
    OverLimitError: 429,
    InternalError: 500,
    UnavailableError: 503,
    CalleeAwayError: 503,
    CellAwayError: 503,
    OutcomeUnknownError: 504,
}
HTTP_STATUS: Final = {
    "malformed": 400,
    "unauthorized": 401,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "in_progress": 409,
    "answer_not_kept": 409,
    "unsupported_media_type": 415,
    "key_reused": 422,
}
REALM: Final = 'Bearer realm="ironflock"'
RETRY_S: Final = 1
NOTHING_CHANGED: Final = frozenset({429, 503})
"""After these the request may be sent again as it is: an answer of this kind is not kept."""


def unauthorized() -> HttpRefusedError:
    """The one refusal of credentials: what is wrong with them is not said (RFC 6750)."""
    return HttpRefusedError(
        "unauthorized", "this needs a credential that is valid: send one as 'Authorization: Bearer ...'"
    )


def of_http(error: HttpRefusedError) -> Answer:
    """The answer to a request that HTTP refuses."""
    status = HTTP_STATUS[error.code]
    challenge: Headers = (("www-authenticate", REALM),) if status == HTTP_STATUS["unauthorized"] else ()
    return Answer(status, _content(error.message, error.code, error.details), (*error.headers, *challenge))


def of_public(error: PublicError) -> Answer:
    """The answer where a procedure, or our own rules, refused."""
    status = STATUS[type(error)]
    details = _details(error)
    return Answer(status, _content(error.message, error.code, details), _headers(error, details))


def item(error: PublicError | HttpRefusedError) -> dict[str, Any]:
    """The refusal of one of several calls in one request."""
    if isinstance(error, HttpRefusedError):
        details, status = error.details, HTTP_STATUS[error.code]
    else:
        details, status = _details(error), STATUS[type(error)]
    return {**details, "status": status, "error": error.message, "code": error.code}


def _details(error: PublicError) -> dict[str, Any]:
    return {name: value for name, value in error.details().items() if name not in ("code", "message")}


def _headers(error: PublicError, details: dict[str, Any]) -> Headers:
    if isinstance(error, StepUpRequiredError):
        # RFC 9470, section 3
        age = details.get("max_age_s")
        wanted = f", max_age={int(age)}" if isinstance(age, int | float) else ""
        return (("www-authenticate", f'{REALM}, error="insufficient_user_authentication"{wanted}'),)
    if isinstance(error, SignInRefusedError):
        return (("www-authenticate", REALM),)
    if STATUS[type(error)] in NOTHING_CHANGED:
        return (("retry-after", str(details.get("retry_after_s", RETRY_S))),)
    return ()


def _content(message: str, code: str, details: dict[str, Any]) -> bytes:
    return msgspec.json.encode({**details, "error": message, "code": code})
