"""The one vocabulary of refusals: every error that may leave the platform, with a stable URI and a sentence.

An error names a state, not an act. WAMP's own URI where WAMP defines one; ours are `ironflock.error.<reason>`. On the
wire an error carries `args = [message]` and `kwargs = {"code", "message", ...}`; `code` is the URI's last segment.
What is not in this file never reaches a caller: it becomes `internal` with an incident id (see `shared.procedures`).
"""

from typing import Any, ClassVar


class PublicError(Exception):
    """Never raised itself: the base of every refusal that a caller may see."""

    uri: ClassVar[str]

    def __init__(self, message: str, **details: Any) -> None:
        """Refuse with `message`, a sentence that says what to do, and `details`, JSON values for programs."""
        if type(self) is PublicError:
            raise TypeError("raise one of the refusals, not their base")
        super().__init__(message)
        self.message = message
        self._details = details

    @property
    def code(self) -> str:
        """The stable code, for example `not_found`."""
        return self.uri.rpartition(".")[2]

    def details(self) -> dict[str, Any]:
        """The keyword arguments of the WAMP error."""
        return {**self._details, "code": self.code, "message": self.message}


class InvalidArgumentError(PublicError):
    """An argument is missing, unknown, malformed or out of range; nothing was changed."""

    uri = "wamp.error.invalid_argument"


class NotAuthorizedError(PublicError):
    """The caller is known, and may not do this."""

    uri = "wamp.error.not_authorized"


class NotFoundError(PublicError):
    """There is no such thing, or the caller may not know that there is: the two look the same."""

    uri = "ironflock.error.not_found"


class AlreadyExistsError(PublicError):
    """The name is taken; names that differ only by case, outer blanks or Unicode form are the same name."""

    uri = "ironflock.error.already_exists"


class ConflictError(PublicError):
    """The thing is in a state in which this cannot be done now."""

    uri = "ironflock.error.conflict"


class ExpiredError(PublicError):
    """The credential or offer is past its end."""

    uri = "ironflock.error.expired"


class OverLimitError(PublicError):
    """Too much of it: try later, or with less."""

    uri = "ironflock.error.over_limit"


class SignInRefusedError(PublicError):
    """Login name and password, or what stands for them, do not open anything; why is not said."""

    uri = "ironflock.error.sign_in_refused"


class FactorRejectedError(PublicError):
    """The code, or the passkey, is not the right one, or was used before."""

    uri = "ironflock.error.factor_rejected"


class StepUpRequiredError(PublicError):
    """This needs a factor that was shown lately: sign in again (RFC 9470); `max_age_s` says how lately."""

    uri = "ironflock.error.step_up_required"


class NotSupportedError(PublicError):
    """The platform does not do this, or not yet."""

    uri = "ironflock.error.not_supported"


class UnavailableError(PublicError):
    """A part of the platform that this needs is away; nothing was changed, and the call may be repeated."""

    uri = "ironflock.error.unavailable"


class CalleeAwayError(UnavailableError):
    """Nobody answers to that here: where there is another cell, it may be asked for there."""


class CellAwayError(UnavailableError):
    """A cell of the installation is away; in all others it was done, and nobody there needs to notice."""


class OutcomeUnknownError(PublicError):
    """A part of the platform went away before it answered: the change may have happened; look before you repeat."""

    uri = "ironflock.error.outcome_unknown"


class InternalError(PublicError):
    """Something of ours went wrong; the incident id finds it in the log."""

    uri = "ironflock.error.internal"


_BY_URI: dict[str, type[PublicError]] = {
    error.uri: error
    for error in (
        InvalidArgumentError,
        NotAuthorizedError,
        NotFoundError,
        AlreadyExistsError,
        ConflictError,
        ExpiredError,
        OverLimitError,
        SignInRefusedError,
        FactorRejectedError,
        StepUpRequiredError,
        NotSupportedError,
        UnavailableError,
        OutcomeUnknownError,
        InternalError,
    )
}
_CALLEE_AWAY = frozenset(
    {
        "wamp.error.no_such_procedure",
        "wamp.error.no_available_callee",
        "wamp.error.no_eligible_callee",
    }
)
_CALLEE_LOST = frozenset({"wamp.error.canceled", "wamp.close.transport_lost"})


def from_wire(uri: str, message: str, details: dict[str, Any]) -> PublicError | None:
    """The refusal that another part of the platform answered with, or None where it is none of ours."""
    if uri in _CALLEE_AWAY:
        return CalleeAwayError("a part of the platform is away; nothing was changed, try again in a moment")
    if uri in _CALLEE_LOST:
        return OutcomeUnknownError("a part of the platform went away before it answered; look before you repeat")
    kind = _BY_URI.get(uri)
    rest = {name: value for name, value in details.items() if name not in ("code", "message")}
    return None if kind is None else kind(message, **rest)
