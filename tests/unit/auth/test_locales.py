"""In which language somebody is spoken to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.records.people import LOCALES
from services.auth.rules.locales import DEFAULT, MAX_RANGES, locale_of, preferred_locale


@pytest.mark.parametrize(
    ("accept", "locale"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("de-AT, de;q=0.9, en;q=0.1", "de"),
        ("en;q=0.2, de;q=0.9", "de"),
        ("fr, de;q=0.5", "de"),
        ("fr, it", "en"),
        ("*", "en"),
        ("en;q=0, *;q=0.5", "de"),
        ("de;q=0", "en"),
        ("de;q=nan", "en"),
        ("de;q=inf", "en"),
        ("de;q=-1", "en"),
        ("de;q=x, en;q=0.1", "en"),
        ("en, de", "en"),
        ("fr," * MAX_RANGES + "de", "en"),
        (";;;,,,=", "en"),
    ],
)
def test_what_a_browser_wants_most(accept: str, locale: str) -> None:
    assert preferred_locale(accept) == locale


@given(st.text() | st.lists(st.sampled_from(["de", "en", "fr", "*", ";q=", "0.5", ",", "-", "1e9", " "])).map("".join))
def test_whatever_is_asked_for_is_one_of_ours(accept: str) -> None:
    assert preferred_locale(accept) in LOCALES


@given(st.none() | st.text(max_size=5))
def test_a_name_that_is_none_of_ours_is_nothing(text: str | None) -> None:
    assert locale_of(text) == (text if text in LOCALES else None)
    assert locale_of(DEFAULT) == DEFAULT
