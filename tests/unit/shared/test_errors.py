"""The vocabulary of refusals."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import (
    CalleeAwayError,
    CellAwayError,
    InternalError,
    NotFoundError,
    OutcomeUnknownError,
    PublicError,
    UnavailableError,
    from_wire,
)

KINDS = PublicError.__subclasses__()
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True).filter(lambda name: name not in ("self", "code", "message"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_refusal_has_a_sentence_and_a_stable_uri(kind: type[PublicError]) -> None:
    assert kind.__doc__ is not None
    assert kind.__doc__.strip().endswith(".")
    assert kind.__doc__ != PublicError.__doc__
    assert re.fullmatch(r"(wamp|ironflock)\.error\.[a-z_]+", kind.uri)


def test_no_two_refusals_share_a_uri_or_a_code() -> None:
    assert len({kind.uri for kind in KINDS}) == len(KINDS)
    assert len({kind("x").code for kind in KINDS}) == len(KINDS)


def test_the_uris_are_those_of_the_contract() -> None:
    assert {kind.uri for kind in KINDS} == {
        "wamp.error.invalid_argument",
        "wamp.error.not_authorized",
        *(
            f"ironflock.error.{reason}"
            for reason in (
                "not_found",
                "already_exists",
                "conflict",
                "expired",
                "over_limit",
                "sign_in_refused",
                "factor_rejected",
                "step_up_required",
                "not_supported",
                "unavailable",
                "outcome_unknown",
                "internal",
            )
        ),
    }


def test_the_base_refuses_to_be_raised() -> None:
    with pytest.raises(TypeError):
        PublicError("no")


@given(st.sampled_from(KINDS), st.text(), st.dictionaries(names, plain, max_size=4))
def test_from_wire_inverts_details(kind: type[PublicError], message: str, details: dict[str, object]) -> None:
    refusal = kind(message, **details)

    back = from_wire(refusal.uri, message, refusal.details())

    assert type(back) is kind
    assert back is not None
    assert back.message == str(back) == message
    assert back.details() == refusal.details() == {**details, "code": kind.uri.rpartition(".")[2], "message": message}


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("wamp.error.no_such_procedure", CalleeAwayError),
        ("wamp.error.no_available_callee", CalleeAwayError),
        ("wamp.error.canceled", OutcomeUnknownError),
        ("wamp.close.transport_lost", OutcomeUnknownError),
    ],
)
def test_a_callee_that_is_away_is_unavailable_and_one_that_was_lost_may_have_acted(
    uri: str, kind: type[PublicError]
) -> None:
    assert type(from_wire(uri, "secret marker", {"x": 1})) is kind
    assert "marker" not in str(from_wire(uri, "secret marker", {}))


@pytest.mark.parametrize("kind", [CalleeAwayError, CellAwayError])
def test_what_only_we_tell_apart_is_unavailable_to_a_caller(kind: type[UnavailableError]) -> None:
    assert kind("away").details() == UnavailableError("away").details()
    assert kind.uri == UnavailableError.uri


def test_who_repeats_what_is_unavailable_does_not_repeat_what_may_have_happened() -> None:
    assert not issubclass(OutcomeUnknownError, UnavailableError)


@pytest.mark.parametrize("uri", ["wamp.error.runtime_error", "ironflock.error.other", ""])
def test_another_error_is_none_of_ours(uri: str) -> None:
    assert from_wire(uri, "text", {}) is None


def test_details_cannot_change_code_and_message() -> None:
    assert NotFoundError("text", code="other").details() == {"code": "not_found", "message": "text"}
    assert InternalError("text", incident="ab").details()["incident"] == "ab"
