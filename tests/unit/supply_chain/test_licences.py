"""Every part has a licence that we may use it under."""

import pytest

from deploy.supply_chain import licences, locks
from deploy.supply_chain.__main__ import HERE, LOCKS
from deploy.supply_chain.licences import UNKNOWN, Licensed, Policy, is_allowed, licensed, refused

POLICY = Policy(frozenset({"MIT", "BSD", "Mozilla (MPL)"}), {"odd": "looked at"})


@pytest.mark.parametrize(
    ("licence", "is_one"),
    [
        ("MIT", True),
        ("Mozilla (MPL)", True),
        ("MIT AND BSD", True),
        ("MIT AND GPL", False),
        ("GPL OR MIT", True),
        ("GPL OR AGPL", False),
        (UNKNOWN, False),
        ("", False),
    ],
)
def test_of_alternatives_one_is_allowed_and_of_what_holds_together_all(licence: str, *, is_one: bool) -> None:
    assert is_allowed(licence, POLICY) is is_one


def test_a_package_that_was_looked_at_may_stay() -> None:
    assert refused([Licensed("odd", "GPL"), Licensed("other", "GPL")], POLICY) == [Licensed("other", "GPL")]


def test_every_part_of_the_platform_is_allowed_and_nothing_is_reviewed_that_is_not_there() -> None:
    policy = licences.read(HERE / "licences.toml")
    parts = licensed({name for name, _ in locks.pins((LOCKS / "runtime.txt").read_text(encoding="utf-8"))})

    assert len(parts) > 100
    assert refused(parts, policy) == []
    needed = {each.name for each in parts if not is_allowed(each.licence, policy)}
    assert policy.reviewed.keys() == needed
