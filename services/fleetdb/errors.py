"""What fleetdb refuses with, in the words that the published SDKs know: wire-sdk.md section 6.

They leave a call as they are: URI, positional and keyword arguments. The platform's own vocabulary (`shared.errors`)
does not hold on data realms, whose clients are published.
"""

from typing import Any, Final

RUNTIME_ERROR: Final = "wamp.error.runtime_error"

# PostgreSQL, appendix A
OUT_OF_RANGE: Final = "22003"
BAD_TIME: Final = "22007"
TIME_OUT_OF_RANGE: Final = "22008"
UNTRANSLATABLE: Final = "22P05"
BAD_TEXT: Final = "22P02"
TOO_LARGE: Final = "54000"

_TYPED: Final = "sys.dataservice.error."


class Refusal(Exception):  # noqa: N818 - a state, as in `shared.errors`
    """A call on a data realm is refused; nothing was changed."""

    def __init__(self, uri: str, *args: Any, **kwargs: Any) -> None:
        """Refuse with the error `uri`, and what the client is told beside it."""
        super().__init__(uri)
        self.uri = uri
        self.wire_args = args
        self.wire_kwargs = kwargs


def typed(code: str, detail: str, /, **kwargs: Any) -> Refusal:
    """`sys.dataservice.error.<code>` with a sentence."""
    return Refusal(_TYPED + code, detail, **kwargs)


def refused(code: str, message: str) -> Refusal:
    """As the published data backend passes on what PostgreSQL answers: `code` is an SQLSTATE."""
    return Refusal(RUNTIME_ERROR, {"name": "error", "severity": "ERROR", "code": code, "message": message})


def malformed(path: str, expected: str, **value: Any) -> Refusal:
    """A query of another form than the published one: `tests/vectors/history-query.jsonl`.

    Without `value=...` it is missing.
    """
    told = {"method": "typia.assert", "path": path, "expected": expected, **value}
    if not value:
        told["description"] = "the value is missing"
    return Refusal(RUNTIME_ERROR, told)


def not_authorized(detail: str) -> Refusal:
    """The session may not do it."""
    return Refusal("wamp.error.not_authorized", detail)


def no_such_procedure(detail: str) -> Refusal:
    """As the router says it of a procedure that nobody serves; the SDKs wait for it to come."""
    return Refusal("wamp.error.no_such_procedure", detail)
