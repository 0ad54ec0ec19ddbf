"""What the platform says of rights, in words."""

import pytest

from deploy.flockctl.answers import in_words, until, why
from shared.rights.records import Rule


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_has_its_words(rule: Rule) -> None:
    said = why({"rule": rule.value, "grant_key": 17})

    assert "{" not in said
    assert "_" not in said
    assert ("17" in said) == (rule in {Rule.GRANT, Rule.GROUP, Rule.VISIT})


def test_a_rule_of_a_later_release_is_shown_by_its_name() -> None:
    assert why({"rule": "full_moon", "grant_key": None}) == "full_moon"


def test_an_answer_says_until_when() -> None:
    answer = {"allowed": True, "rule": "grant", "grant_key": 17, "until": "2026-12-24T12:00:00Z"}

    assert in_words(answer).startswith("yes: grant 17, until 2026-12-2")
    assert in_words({**answer, "allowed": False, "rule": "locked", "until": None}).startswith("no: a lock")
    assert until(None) == "-"
