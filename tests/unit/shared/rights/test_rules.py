"""The rule about rights against its oracle, and what it says of itself."""

from math import inf
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from shared.flags import FLAGS, AssetKind
from shared.rights.records import VISIT_LIFE_S, Asset, Default, Grant, Rule, Standing
from shared.rights.rules import decide, explain, flags_to_enter, may_give, may_visit
from tests.unit.shared.rights.oracle import TABLE, Given, World

NOW = 1_000.0
PEOPLE, KEYS = st.integers(1, 4), st.integers(1, 3)
ENDS = st.one_of(st.none(), st.sampled_from([NOW - 1, NOW, NOW + 0.5, NOW + 100]))
EVERY_FLAG = sorted({flag for flags in TABLE.values() for flag in flags} | {"UNKNOWN", "read", ""})
FLAG = st.sampled_from(EVERY_FLAG)
PLACE = st.tuples(st.sampled_from(list(AssetKind)), KEYS)
GIVEN = st.builds(Given, person=PEOPLE, flag=FLAG, asset=PLACE, ends_at=ENDS, is_visit=st.booleans())
WORLD = st.builds(
    World,
    owner=PEOPLE,
    members=st.frozensets(PEOPLE),
    given=st.lists(GIVEN, max_size=12).map(tuple),
    defaults=st.lists(st.tuples(st.sampled_from(list(AssetKind)), FLAG, ENDS), max_size=4).map(tuple),
    groups=st.dictionaries(KEYS, st.frozensets(KEYS)),
    app_owner=PEOPLE,
    is_app_public=st.booleans(),
)
PRESS, LINE = Asset(AssetKind.DEVICE, 7, frozenset({3})), Asset(AssetKind.GROUP, 3)
MEMBER = Standing(is_owner=False, is_member=True)


def standing_of(world: World, person: int, kind: AssetKind) -> Standing:
    """What the service would read of `person` for an asset of `kind`."""
    is_app, is_installation = kind is AssetKind.APP, kind is AssetKind.INSTALLATION
    is_inside = not is_app and not is_installation
    return Standing(
        is_owner=person == (world.app_owner if is_app else world.owner) and not is_installation,
        is_member=is_inside and person in world.members,
        grants=tuple(
            Grant(number, each.flag, each.asset[0], each.asset[1], each.ends_at, is_visit=each.is_visit)
            for number, each in enumerate(world.given)
            if each.person == person
        ),
        defaults=tuple(Default(flag, of_kind, end) for of_kind, flag, end in world.defaults) if is_inside else (),
        is_public_app=is_app and world.is_app_public,
    )


def asset_of(world: World, place: tuple[AssetKind, int]) -> Asset:
    kind, key = place
    groups = {group for group, devices in world.groups.items() if key in devices} if kind is AssetKind.DEVICE else set()
    return Asset(kind, key, frozenset(groups))


@given(world=WORLD, person=PEOPLE, flag=FLAG, place=PLACE)
def test_that_an_app_is_public_may_be_said_by_the_app_itself(
    world: World, person: int, flag: str, place: tuple[AssetKind, int]
) -> None:
    standing = evolve(standing_of(world, person, place[0]), is_public_app=False)
    asset = evolve(asset_of(world, place), is_public=world.is_app_public)

    assert decide(standing, flag, asset, now=NOW).allowed is world.has(person, flag, place, NOW)


def grant(flag: str, asset: Asset = PRESS, **changes: Any) -> Grant:
    return Grant(
        **{"grant_key": 1, "flag": flag, "kind": asset.kind, "asset_key": asset.key, "ends_at": None, **changes}
    )


def holding(*grants: Grant, is_member: bool = True) -> Standing:
    return Standing(is_owner=False, is_member=is_member, grants=grants)


def test_the_table_is_that_of_the_model() -> None:
    assert {kind: set(flags) for kind, flags in FLAGS.items()} == TABLE


@given(world=WORLD, person=PEOPLE, flag=FLAG, place=PLACE)
def test_the_rule_says_what_the_oracle_says(world: World, person: int, flag: str, place: tuple[AssetKind, int]) -> None:
    decision = decide(standing_of(world, person, place[0]), flag, asset_of(world, place), now=NOW)

    assert decision.allowed is world.has(person, flag, place, NOW)


@given(world=WORLD, person=PEOPLE, flag=FLAG, place=PLACE)
def test_a_yes_lasts_as_long_as_it_says(world: World, person: int, flag: str, place: tuple[AssetKind, int]) -> None:
    decision = decide(standing_of(world, person, place[0]), flag, asset_of(world, place), now=NOW)

    if decision.allowed and decision.until is not None:
        assert world.has(person, flag, place, decision.until - 0.25)
        assert not world.has(person, flag, place, decision.until)
    elif decision.allowed:
        assert world.has(person, flag, place, NOW + 10**9)


@given(world=WORLD, person=PEOPLE, place=PLACE)
def test_an_explanation_is_the_decisions_about_every_flag(
    world: World, person: int, place: tuple[AssetKind, int]
) -> None:
    standing, asset = standing_of(world, person, place[0]), asset_of(world, place)

    assert explain(standing, asset, now=NOW) == {
        flag: decide(standing, flag, asset, now=NOW) for flag in TABLE[place[0]]
    }


@given(world=WORLD, giver=PEOPLE, flag=FLAG, place=PLACE, ends_at=ENDS)
def test_nobody_gives_what_they_do_not_hold_nor_for_longer(
    world: World, giver: int, flag: str, place: tuple[AssetKind, int], ends_at: float | None
) -> None:
    decision = may_give(standing_of(world, giver, place[0]), flag, asset_of(world, place), ends_at=ends_at, now=NOW)

    if decision.allowed:
        last = NOW + 10**9 if ends_at is None else max(NOW, ends_at - 0.25)
        assert world.has(giver, "GRANT", place, NOW)
        held = evolve(world, defaults=()) if place[0] is AssetKind.GROUP and flag in TABLE[AssetKind.DEVICE] else world
        assert held.has(giver, flag, place, last)


@given(flag=FLAG, ends_at=st.one_of(st.none(), st.floats(NOW - 10, NOW + 2 * VISIT_LIFE_S)))
def test_a_visit_ends_within_seven_days_and_gives_nothing_on(flag: str, ends_at: float | None) -> None:
    end = inf if ends_at is None else ends_at

    assert may_visit(flag, ends_at=ends_at, now=NOW) is (flag != "GRANT" and NOW < end <= NOW + VISIT_LIFE_S)


@pytest.mark.parametrize(
    ("standing", "flag", "rule"),
    [
        (Standing(is_owner=True, is_member=False), "MAINTAIN", Rule.OWNER),
        (Standing(is_owner=True, is_member=False), "FLY", Rule.UNKNOWN_FLAG),
        (holding(grant("READ")), "READ", Rule.GRANT),
        (holding(grant("READ", LINE)), "READ", Rule.GROUP),
        (holding(grant("MEMBERS", LINE)), "MEMBERS", Rule.UNKNOWN_FLAG),
        (holding(grant("READ"), is_member=False), "READ", Rule.NO_MEMBER),
        (holding(grant("READ", is_visit=True, ends_at=NOW + 1), is_member=False), "READ", Rule.VISIT),
        (holding(grant("READ", is_visit=True), is_member=False), "READ", Rule.NO_MEMBER),
        (holding(grant("READ", ends_at=NOW)), "READ", Rule.NO_GRANT),
        (
            Standing(is_owner=False, is_member=True, defaults=(Default("READ", AssetKind.DEVICE, None),)),
            "READ",
            Rule.DEFAULT,
        ),
        (MEMBER, "READ", Rule.NO_GRANT),
    ],
)
def test_a_decision_names_its_rule(standing: Standing, flag: str, rule: Rule) -> None:
    assert decide(standing, flag, PRESS, now=NOW).rule is rule


def test_of_two_reasons_the_one_that_lasts_longer_is_named() -> None:
    brief, endless = grant("READ", ends_at=NOW + 1), grant("READ", LINE, grant_key=2)

    decision = decide(holding(brief, endless), "READ", PRESS, now=NOW)

    assert (decision.rule, decision.grant_key, decision.until) == (Rule.GROUP, 2, None)


def test_a_device_enters_a_group_with_every_flag_that_the_group_confers() -> None:
    mover = holding(grant("MEMBERS", LINE), grant("GRANT"), grant("READ"))

    assert flags_to_enter(mover, PRESS, LINE, {"READ": None}, now=NOW) == set()
    assert flags_to_enter(mover, PRESS, LINE, {"READ": None, "DEVELOP": NOW + 1}, now=NOW) == {"DEVELOP"}
    assert flags_to_enter(holding(grant("READ")), PRESS, LINE, {"READ": None}, now=NOW) == {"MEMBERS", "GRANT"}


def test_a_device_does_not_enter_a_group_that_confers_a_flag_for_longer_than_the_mover_holds_it() -> None:
    mover = holding(grant("MEMBERS", LINE), grant("GRANT"), grant("READ", ends_at=NOW + 5))

    assert flags_to_enter(mover, PRESS, LINE, {"READ": NOW + 5}, now=NOW) == set()
    assert flags_to_enter(mover, PRESS, LINE, {"READ": NOW + 6}, now=NOW) == {"READ"}
    assert flags_to_enter(mover, PRESS, LINE, {"READ": None}, now=NOW) == {"READ"}


def test_what_is_held_on_a_group_by_a_default_is_not_given_on_to_its_devices() -> None:
    defaults = (Default("READ", AssetKind.GROUP, None), Default("MEMBERS", AssetKind.GROUP, None))
    giver = Standing(is_owner=False, is_member=True, grants=(grant("GRANT", LINE),), defaults=defaults)

    assert decide(giver, "READ", LINE, now=NOW).allowed
    assert not may_give(giver, "READ", LINE, ends_at=None, now=NOW).allowed
    assert may_give(giver, "MEMBERS", LINE, ends_at=None, now=NOW).allowed
