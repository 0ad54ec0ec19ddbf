"""Names and their canonical form."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidArgumentError
from shared.names import MAX_NAME_LENGTH, MAX_TEXT_LENGTH, canonical_name, clean_name, clean_text

# Source: DerivedCoreProperties.txt, Default_Ignorable_Code_Point, as far as the category alone does not tell; and the
# blank of braille.
UNSEEN = [
    "\u034f",
    "\u115f",
    "\u1160",
    "\u17b4",
    "\u180b",
    "\u180f",
    "\u2800",
    "\u3164",
    "\ufe00",
    "\ufe0f",
    "\uffa0",
    "\U000e0100",
]
CONTROLS = [
    "\x00",
    "\x1b",
    "\x7f",
    "\x9f",
    "\u00ad",
    "\u200b",
    "\u200d",
    "\u202e",
    "\u2028",
    "\u2060",
    "\ufeff",
    "\ud800",
    "\ue000",
    "\uffff",
    "a\nb",
    "a\tb",
]


@given(st.text())
def test_the_canonical_form_of_a_canonical_form_is_itself(name: str) -> None:
    assert canonical_name(canonical_name(name)) == canonical_name(name)


@pytest.mark.parametrize("plane", range(17))
def test_the_canonical_form_of_every_single_character_is_stable(plane: int) -> None:
    characters = map(chr, range(plane * 0x10000, (plane + 1) * 0x10000))

    unstable = [hex(ord(c)) for c in characters if canonical_name(canonical_name(c)) != canonical_name(c)]

    assert unstable == []


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_case_unicode_and_blank_twins_are_one_name(name: str) -> None:
    assert canonical_name(name.casefold()) == canonical_name(name)
    assert canonical_name(unicodedata.normalize("NFKC", name)) == canonical_name(name)
    assert canonical_name(unicodedata.normalize("NFD", name)) == canonical_name(name)
    assert canonical_name(f" \u00a0{name}\u3000 ") == canonical_name(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Press", "pRESS"),
        ("stra\u00dfe", "STRASSE"),
        ("\u212b", "\u00e5"),
        ("\ufb01lter", "filter"),
        ("caf\u00e9", "cafe\u0301"),
        ("press  1", "press\u00a01"),
        ("\uff30\uff32\uff25\uff33\uff33", "press"),
        ("\u0130", "i\u0307"),
    ],
)
def test_known_twins_are_one_name(one: str, other: str) -> None:
    assert canonical_name(one) == canonical_name(other)


def test_different_names_stay_different() -> None:
    assert len({canonical_name(name) for name in ["press-1", "press-2", "press 1", "press1", "pr\u00e9ss-1"]}) == 5


@given(st.text(max_size=MAX_NAME_LENGTH + 20))
def test_a_name_is_kept_in_clean_form_or_refused(name: str) -> None:
    try:
        kept = clean_name(name, what="name")
    except InvalidArgumentError:
        return
    assert kept == unicodedata.normalize("NFC", kept).strip()
    assert clean_name(kept, what="name") == kept
    assert canonical_name(kept) == canonical_name(name)
    assert canonical_name(kept)


def test_a_name_is_kept_as_it_is_shown() -> None:
    assert clean_name("  Press no. 7 (caf\u0065\u0301)  ", what="name") == "Press no. 7 (caf\u00e9)"


@pytest.mark.parametrize(
    "name", ["", "   ", "\u3000", "7", " 42 ", "\u0664\u0662", "\u00b2", "\uff11", "x" * 101, "x" * 10**6]
)
def test_given_an_unfit_name_when_it_is_cleaned_then_it_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        clean_name(name, what="name")

    assert len(refused.value.message) < 200


@pytest.mark.parametrize("character", CONTROLS)
def test_given_a_control_character_when_a_name_is_cleaned_then_it_is_refused(character: str) -> None:
    with pytest.raises(InvalidArgumentError):
        clean_name(f"press{character}1", what="name")


@pytest.mark.parametrize("character", UNSEEN)
def test_given_a_character_that_nobody_sees_when_a_name_is_cleaned_then_it_is_refused(character: str) -> None:
    for name in (f"press{character}", character):
        with pytest.raises(InvalidArgumentError):
            clean_name(name, what="name")


def test_a_name_of_the_greatest_length_is_taken() -> None:
    assert len(clean_name("x" * MAX_NAME_LENGTH, what="name")) == MAX_NAME_LENGTH


def test_a_description_may_have_lines_and_tabs_and_be_empty() -> None:
    assert clean_text(" one\n\ttwo ", what="description") == "one\n\ttwo"
    assert clean_text("", what="description") == ""


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb", "a\rb", "a\ud800b", "x" * (MAX_TEXT_LENGTH + 1)])
def test_given_an_unfit_description_when_it_is_cleaned_then_it_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError):
        clean_text(text, what="description")
