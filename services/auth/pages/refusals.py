"""Refusals that only pages have (each is one of the vocabulary), and the status of each (RFC 9110, RFC 6585)."""

from typing import Final

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


class NoPageError(NotFoundError):
    """There is no such page."""

    uri = "ironflock.auth.error.no_page"


class MethodNotAllowedError(NotSupportedError):
    """There is such a page, and it is not asked for in this way."""

    uri = "ironflock.auth.error.method_not_allowed"


class NotOurFormError(NotAuthorizedError):
    """A form that no page of ours sent from this browser, or one that is too old."""

    uri = "ironflock.auth.error.not_our_form"


_STATUS: Final[dict[type[PublicError], int]] = {
    NoPageError: 404,
    MethodNotAllowedError: 405,
    NotOurFormError: 403,
    InvalidArgumentError: 422,
    NotAuthorizedError: 403,
    NotFoundError: 404,
    AlreadyExistsError: 409,
    ConflictError: 409,
    ExpiredError: 410,
    OverLimitError: 429,
    SignInRefusedError: 403,
    FactorRejectedError: 403,
    StepUpRequiredError: 403,
    NotSupportedError: 501,
    UnavailableError: 503,
    CalleeAwayError: 503,
    CellAwayError: 503,
    OutcomeUnknownError: 503,
    InternalError: 500,
}


def status_of(error: PublicError) -> int:
    """The status that a page which says `error` has."""
    return _STATUS[type(error)]
