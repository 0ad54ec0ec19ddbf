"""Codes and statuses that scripts rely on."""

import pytest
from autobahn.wamp.exception import ApplicationError

from deploy.flockctl.bus import _refusal, _refused_call
from deploy.flockctl.errors import AwayError, CommandError, ExitStatus, OutcomeUnknownError, from_public
from shared import errors as platform
from shared.errors import NotFoundError, UnavailableError


def test_exit_statuses_stay_what_they_are() -> None:
    assert {status.name: status.value for status in ExitStatus} == {
        "DONE": 0,
        "REFUSED": 1,
        "USAGE": 2,
        "UNAVAILABLE": 3,
        "NO": 4,
        "INTERRUPTED": 130,
    }


def test_the_platforms_refusals_keep_code_and_details() -> None:
    found = from_public(NotFoundError("no such device", device="press-1"))

    assert (found.code, found.status, found.details) == ("not_found", ExitStatus.REFUSED, {"device": "press-1"})
    assert isinstance(from_public(UnavailableError("away")), AwayError)


def test_what_the_platform_does_not_know_itself_is_not_taken_for_not_done() -> None:
    found = from_public(platform.OutcomeUnknownError("lost while it committed", table="devices"))

    assert isinstance(found, OutcomeUnknownError)
    assert (found.code, found.message, found.status, found.details) == (
        "outcome_unknown",
        "lost while it committed",
        ExitStatus.UNAVAILABLE,
        {"table": "devices"},
    )


@pytest.mark.parametrize(
    ("uri", "kind", "code"),
    [
        ("wamp.error.no_such_procedure", AwayError, "unavailable"),
        ("ironflock.error.unavailable", AwayError, "unavailable"),
        ("ironflock.error.outcome_unknown", OutcomeUnknownError, "outcome_unknown"),
        ("wamp.error.canceled", OutcomeUnknownError, "outcome_unknown"),
        ("wamp.close.transport_lost", OutcomeUnknownError, "outcome_unknown"),
        ("wamp.error.not_authorized", CommandError, "not_authorized"),
        ("wamp.error.invalid_argument", CommandError, "invalid_argument"),
        ("ironflock.error.internal", CommandError, "internal"),
        ("example.error.unheard_of", CommandError, "unexpected_answer"),
    ],
)
def test_an_error_of_the_bus_is_what_it_means_for_a_command(uri: str, kind: type[CommandError], code: str) -> None:
    found = _refused_call(ApplicationError(uri, "text", code="x", message="text"))

    assert isinstance(found, kind)
    assert found.code == code


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("wamp.error.authentication_failed", "not_authenticated"),
        ("wamp.error.not_authorized", "not_authenticated"),
        ("ironflock.error.unavailable", "unavailable"),
        ("wamp.error.no_such_realm", "unavailable"),
    ],
)
def test_a_refused_join_is_the_keys_fault_or_the_platforms(reason: str, code: str) -> None:
    assert _refusal(reason, "text").code == code


@pytest.mark.parametrize("reason", ["ironflock.error.unavailable", "wamp.error.no_such_realm"])
def test_the_platforms_own_sentence_is_passed_on(reason: str) -> None:
    assert "the database is away" in _refusal(reason, "the database is away").message
    assert _refusal(reason, "").message
