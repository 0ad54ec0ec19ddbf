"""Every error has a status, and looks the same."""

import inspect
import json

import pytest

from services.gateway.records import HttpRefusedError
from services.gateway.rules import refusals
from shared import errors
from shared.errors import PublicError

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, PublicError) and kind is not PublicError
]


def test_every_error_of_the_vocabulary_has_a_status() -> None:
    assert set(refusals.STATUS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_is_answered_with_its_sentence_its_code_and_its_details(kind: type[PublicError]) -> None:
    answer = refusals.of_public(kind("this will not do", argument="x"))

    assert answer.status == refusals.STATUS[kind]
    code = kind.uri.rpartition(".")[2]
    assert json.loads(answer.content) == {"argument": "x", "error": "this will not do", "code": code}


@pytest.mark.parametrize("code", sorted(refusals.HTTP_STATUS))
def test_what_http_refuses_looks_the_same(code: str) -> None:
    answer = refusals.of_http(HttpRefusedError(code, "no", headers=(("allow", "GET"),), x=1))

    assert answer.status == refusals.HTTP_STATUS[code]
    assert json.loads(answer.content) == {"x": 1, "error": "no", "code": code}
    assert ("allow", "GET") in answer.headers


def test_no_code_means_two_things() -> None:
    assert not {kind.uri.rpartition(".")[2] for kind in KINDS} & set(refusals.HTTP_STATUS)


def test_whoever_has_no_valid_credential_is_told_the_scheme_and_nothing_else() -> None:
    answer = refusals.of_http(refusals.unauthorized())

    assert answer.headers == (("www-authenticate", 'Bearer realm="ironflock"'),)


def test_a_step_up_is_asked_for_as_rfc_9470_has_it() -> None:
    answer = refusals.of_public(errors.StepUpRequiredError("sign in again", max_age_s=300))

    [(name, challenge)] = answer.headers
    assert (answer.status, name) == (401, "www-authenticate")
    assert challenge == 'Bearer realm="ironflock", error="insufficient_user_authentication", max_age=300'


@pytest.mark.parametrize("kind", [errors.OverLimitError, errors.UnavailableError])
def test_what_may_be_repeated_says_when(kind: type[PublicError]) -> None:
    assert dict(refusals.of_public(kind("later")).headers) == {"retry-after": "1"}
    assert dict(refusals.of_public(kind("later", retry_after_s=7)).headers) == {"retry-after": "7"}


def test_one_of_several_is_refused_as_one_alone() -> None:
    assert refusals.item(errors.NotFoundError("there is none", x=1)) == {
        "status": 404,
        "error": "there is none",
        "code": "not_found",
        "x": 1,
    }
