"""Which passwords are good enough."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.rules.passwords import MAX_LENGTH, MIN_LENGTH, is_common, known_of, normalized, require_good
from shared.errors import InvalidArgumentError

COMMON = {"letmein", "sunshine", "dragon", "qwertyuiop", "iloveyou", "monkey"}
LOGIN = "anna.meier@plant.example"


@pytest.mark.parametrize(
    "password",
    [
        "quietly nine lamps hum",
        "möwen fliegen über den hafen",
        "правильная лошадь батарея",
        "🦔🦔 hedgehogs cross 7 roads",
        "x7#Kq!vR2$mZp9&",
        "correct horse battery staple",
    ],
)
def test_a_long_one_of_ones_own_is_good(password: str) -> None:
    assert require_good(password, login_name=LOGIN, common=COMMON) == normalized(password)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short",
        "x7#Kq!vR2$mZp9",
        "aaaaaaaaaaaaaaaaaaaa",
        "12345678901234567890",
        "letmeinsunshine",
        "letmein sunshine 1234!!",
        "DragonDragonDragon",
        "IronFlock-2026-2026",
        "annameier@plant.example"[:0] + "anna.meier@plant.example",
        "meierironflock2026",
        "passwordpassword",
        "has a null \x00 inside it",
        "x" * (MAX_LENGTH + 1),
    ],
)
def test_what_is_guessed_first_is_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        require_good(password, login_name=LOGIN, common=COMMON)

    assert refused.value.details()["argument"] == "password"
    assert not password or password not in refused.value.message


@given(st.text(min_size=MIN_LENGTH, max_size=64))
def test_every_form_of_a_password_is_the_same_one(text: str) -> None:
    assert normalized(normalized(text)) == normalized(text)


@given(st.text(max_size=300))
def test_any_text_is_judged(text: str) -> None:
    kept = normalized(text)
    with suppress(InvalidArgumentError):
        kept = require_good(text, login_name=LOGIN, common=COMMON)
        assert MIN_LENGTH <= len(kept) <= MAX_LENGTH

    assert kept == normalized(text)


def test_what_everybody_knows_of_a_person_is_known() -> None:
    assert {"anna.meier@plant.example", "anna", "meier", "plant", "ironflock"} <= known_of(LOGIN)
    assert is_common("annaplant2026", known_of(LOGIN), COMMON)
