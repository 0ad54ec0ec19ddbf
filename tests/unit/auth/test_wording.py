"""The words of the pages: the same in each language, none missing, none too many."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Formatter

import pytest
from jinja2 import Environment, nodes

from services.auth.pages.wording import WORDS, Wording, every_wording
from services.auth.records.people import LOCALES, Locale
from shared import errors
from shared.errors import InternalError, InvalidArgumentError, OverLimitError, PublicError

AUTH = WORDS.parent
TEMPLATES = {file.name: file.read_text(encoding="utf-8") for file in (AUTH / "templates").iterdir()}
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ENGLISH = Wording("en")
# Words of pages that stand in this file before their pages do (the OpenID provider, API keys, other providers).
LATER = (
    "consent.",
    "device.",
    "field.user_code",
    "applications.",
    "notice.",
    "nav.",
    "amr.",
)
# Asked for by a key that `Wording` or the rendering puts together.
COMPOSED = ("ago.", "span.", "month.", "day", "language", "refused.", "invalid.")
_WHOLE = re.compile(r'"([a-z_]+(?:\.[a-z_]+)+|language)"')
_BEGUN = re.compile(r'"([a-z_.]+[._])" ~')


def said(text: str) -> set[str]:
    """Every key that a template asks for as it stands."""
    return (
        {key for key in _WHOLE.findall(text) if not key.endswith("_")}
        - set(TEMPLATES)
        - {"mark.svg", "pages.css", "page.js", "passkeys.js"}
    )


def places(wording: Wording, key: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(wording._words[key]) if name}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_language_says_the_same_with_the_same_places(locale: Locale) -> None:
    other = Wording(locale)

    assert other.keys() == ENGLISH.keys()
    for key in sorted(ENGLISH.keys()):
        assert places(other, key) == places(ENGLISH, key), key
        assert other._words[key], key


def test_no_language_repeats_another() -> None:
    german = Wording("de")
    long = {key for key in ENGLISH._words if len(ENGLISH._words[key]) > 12}

    assert {key for key in long if german._words[key] == ENGLISH._words[key]} == set()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_asks_for_words_that_there_are(name: str) -> None:
    assert said(TEMPLATES[name]) <= ENGLISH.keys()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_gives_each_word_its_values(name: str) -> None:
    for call in Environment(autoescape=True).parse(TEMPLATES[name]).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "say" and isinstance(call.args[0], nodes.Const):
            assert {each.key for each in call.kwargs} >= places(ENGLISH, call.args[0].value), call.args[0].value


def test_no_word_is_left_over() -> None:
    asked = set().union(*(said(text) for text in TEMPLATES.values()))
    begun = {each for text in TEMPLATES.values() for each in _BEGUN.findall(text)}

    assert {key for key in ENGLISH.keys() - asked if not key.startswith((*LATER, *COMPOSED, *begun))} == set()


def test_every_text_of_a_template_is_a_word() -> None:
    for name, text in TEMPLATES.items():
        bare = re.sub(
            r"\{% block (?:back|layout) %\}.*?\{% endblock %\}|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<[^>]*>",
            " ",
            text,
            flags=re.DOTALL,
        )
        assert set(re.findall(r"[A-Za-z]{3,}", bare)) <= {"IronFlock"}, name


def test_no_template_switches_escaping_off() -> None:
    for name, text in TEMPLATES.items():
        assert not re.search(r"\|\s*safe|autoescape|<style| style=|\son[a-z]+=", text), name


def every_error() -> list[type[PublicError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PublicError)]


@pytest.mark.parametrize("locale", LOCALES)
def test_every_refusal_has_its_words(locale: Locale) -> None:
    wording = Wording(locale)
    for kind in every_error():
        if kind is not PublicError:
            assert wording.has(f"refused.{kind('x').code}"), kind


def test_a_refusal_is_said_as_closely_as_it_can_be() -> None:
    assert "15 characters" in ENGLISH.refusal(InvalidArgumentError("x", argument="password", reason="too_short"))
    assert "name" in ENGLISH.refusal(InvalidArgumentError("x", argument="display_name"))
    assert ENGLISH.refusal(InvalidArgumentError("x", argument="other")) == ENGLISH.say("refused.invalid_argument")
    assert "2 min" in ENGLISH.refusal(OverLimitError("x", retry_after_s=130))
    assert "Remove" in ENGLISH.refusal(OverLimitError("x"))
    assert "abc" in ENGLISH.refusal(InternalError("x", incident="abc"))


def test_times_are_said_in_words() -> None:
    german = every_wording()["de"]

    assert ENGLISH.ago(NOW - timedelta(minutes=5), NOW) == "5 min ago"
    assert ENGLISH.ago(NOW, NOW) == "just now"
    assert ENGLISH.day(NOW) == "29 Nov 2026"
    assert german.day(NOW) != ENGLISH.day(NOW)


def test_a_word_that_is_not_there_is_our_own_mistake() -> None:
    with pytest.raises(KeyError):
        ENGLISH.say("nothing.of.this")
    with pytest.raises(KeyError):
        ENGLISH.say("refused.over_limit")


def test_every_notice_that_a_page_gives_has_its_words() -> None:
    pages = [file.read_text(encoding="utf-8") for file in (Path(AUTH) / "pages").glob("*.py")]
    given = {name for text in pages for name in re.findall(r'of_notice\("([a-z_]+)"\)', text)}

    assert given
    assert all(ENGLISH.has(f"notice.{name}") for name in given)
