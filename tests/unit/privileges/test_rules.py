"""What privileges decides by itself: what may be given, to whom, and how history is read."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from services.privileges import rules
from services.privileges.records.history import What
from services.privileges.records.questions import Answer
from services.privileges.rows import ChangeRow, GrantRow, Line, MemberRow
from shared.errors import ConflictError, InvalidArgumentError, NotAuthorizedError, PublicError
from shared.flags import FLAGS, AssetKind
from shared.rights.records import Asset, Decision, Default, DomainKind, Grant, LockKind, Rule, Standing
from shared.rights.rules import decide, may_give

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEVICE, PROJECT = AssetKind.DEVICE, AssetKind.PROJECT
kinds = st.sampled_from(AssetKind)
ends = st.none() | st.integers(-600, 600).map(lambda minutes: NOW + timedelta(minutes=minutes))
flags_of_device = st.lists(st.sampled_from(list(FLAGS[DEVICE])), min_size=1, max_size=4)


def passes(check: Any, *arguments: Any, **more: Any) -> bool:
    try:
        check(*arguments, **more)
    except PublicError:
        return False
    return True


@given(st.booleans(), st.sampled_from(Rule), st.none() | st.integers(1, 9), st.none() | st.integers(0, 2**33))
def test_an_answer_is_the_decision_with_a_date(allowed: bool, rule: Rule, key: int | None, until: int | None) -> None:
    answer = rules.answer(Decision(allowed, rule, key, until))

    assert (answer.allowed, answer.rule, answer.grant_key) == (allowed, rule, key)
    assert answer.until == (None if until is None else datetime.fromtimestamp(until, UTC))


@given(kinds, st.text(max_size=8) | st.sampled_from(["READ", "GRANT"]))
def test_of_nothing_is_what_a_stranger_is_told_of_something(kind: AssetKind, flag: str) -> None:
    stranger = Standing(is_owner=False, is_member=False)

    assert rules.of_nothing(kind, flag) == decide(stranger, flag, Asset(kind, 7), now=NOW.timestamp())
    assert not rules.of_nothing(kind, flag).allowed


@given(kinds, st.lists(st.sampled_from(["READ", "GRANT", "MEMBERS", "FLY", "read", ""]), max_size=6))
def test_flags_are_those_of_the_table_each_once(kind: AssetKind, flags: list[str]) -> None:
    if set(flags) <= FLAGS[kind].keys():
        assert rules.check_flags(kind, flags) == list(dict.fromkeys(flags))
    else:
        with pytest.raises(InvalidArgumentError) as refused:
            rules.check_flags(kind, flags)
        assert all(flag in str(refused.value) for flag in FLAGS[kind])


@given(ends)
def test_an_end_lies_in_the_future(end: datetime | None) -> None:
    assert passes(rules.check_end, end, NOW) == (end is None or end > NOW)


@given(kinds)
def test_there_are_defaults_for_what_is_in_a_project(kind: AssetKind) -> None:
    is_inside = kind not in (AssetKind.APP, AssetKind.INSTALLATION)

    assert passes(rules.check_kind_of_default, kind) == is_inside


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    given_flags = draw(st.lists(st.tuples(st.sampled_from(list(FLAGS[DEVICE])), ends), max_size=8))
    grants = tuple(
        Grant(at, flag, DEVICE, 3, None if end is None else end.timestamp())
        for at, (flag, end) in enumerate(given_flags, 1)
    )
    return Standing(is_owner=draw(st.booleans()), is_member=draw(st.booleans()), grants=grants)


@given(standings(), flags_of_device, ends)
def test_all_of_what_is_given_the_giver_holds_for_as_long(
    giver: Standing, flags: list[str], end: datetime | None
) -> None:
    asset = Asset(DEVICE, 3)
    seconds = None if end is None else end.timestamp()
    expected = all(may_give(giver, flag, asset, ends_at=seconds, now=NOW.timestamp()).allowed for flag in flags)

    assert passes(rules.check_giving, giver, flags, asset, ends_at=end, now=NOW) == expected


def test_a_refusal_to_give_names_the_flag_and_until_when_it_is_held() -> None:
    end = NOW + timedelta(hours=1)
    giver = Standing(
        is_owner=False,
        is_member=True,
        grants=(Grant(1, "GRANT", DEVICE, 3, None), Grant(2, "READ", DEVICE, 3, end.timestamp())),
    )
    with pytest.raises(NotAuthorizedError) as refused:
        rules.check_giving(giver, ["READ"], Asset(DEVICE, 3), ends_at=None, now=NOW)

    assert (refused.value.details()["flag"], refused.value.details()["until"]) == ("READ", end.isoformat())


@given(
    st.builds(Standing, is_owner=st.booleans(), is_member=st.booleans()),
    flags_of_device,
    st.none() | st.integers(-1, 9 * 24).map(lambda hours: NOW + timedelta(hours=hours)),
    st.booleans(),
)
def test_a_member_is_given_flags_and_somebody_outside_visits(
    receiver: Standing,
    flags: list[str],
    end: datetime | None,
    is_visit: bool,
) -> None:
    is_short = end is not None and NOW < end <= NOW + timedelta(days=7)
    fits = (is_short and "GRANT" not in flags and not receiver.is_member) if is_visit else receiver.is_member

    passed = passes(rules.check_receiver, receiver, flags, DEVICE, ends_at=end, is_visit=is_visit, now=NOW)

    assert passed == (fits and not receiver.is_owner)


@pytest.mark.parametrize("kind", [AssetKind.APP, AssetKind.INSTALLATION])
def test_outside_of_projects_there_are_neither_members_nor_visits(kind: AssetKind) -> None:
    stranger = Standing(is_owner=False, is_member=False)
    rules.check_receiver(stranger, ["GRANT"], kind, ends_at=None, is_visit=False, now=NOW)
    with pytest.raises(InvalidArgumentError):
        rules.check_receiver(stranger, ["READ"], kind, ends_at=NOW + timedelta(days=1), is_visit=True, now=NOW)
    with pytest.raises(ConflictError):
        rules.check_receiver(evolve(stranger, is_owner=True), ["READ"], kind, ends_at=None, is_visit=False, now=NOW)


def fact(line: Line, key: int = 1) -> ChangeRow:
    return ChangeRow(
        change_key=key, at=NOW, what=line.what, is_on=line.is_on, domain_kind=DomainKind.PROJECT, domain_key=1,
        account_key=line.account_key, kind=line.kind, asset_key=line.asset_key, flag=line.flag,
        grant_key=line.grant_key, ends_at=line.ends_at, is_visit=line.is_visit, groups=sorted(line.groups),
        by_account_key=None, reason="",
    )  # fmt: skip


@given(st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_the_history_tells_the_standing(owns: bool, belongs: bool, has: bool, is_public: bool) -> None:
    end = NOW + timedelta(hours=1)
    lines = [
        *([rules.owner_line(6, is_on=True)] if owns else []),
        *([rules.member_line(6, is_on=True)] if belongs else []),
        *([Line(What.GRANT, True, 6, "device", 3, "READ", 9, end)] if has else []),
        *([Line(What.PUBLIC, True)] if is_public else []),
        rules.default_line(DEVICE, "OPERATE", end, is_on=True),
        rules.owner_line(7, is_on=True),
        rules.member_line(7, is_on=True),
        Line(What.GRANT, True, 7, "device", 3, "DELETE", 10),
    ]

    found = rules.standing_from([fact(line, at) for at, line in enumerate(lines)], 6)

    assert found == Standing(
        is_owner=owns,
        is_member=belongs,
        grants=(Grant(9, "READ", DEVICE, 3, end.timestamp()),) if has else (),
        defaults=(Default("OPERATE", DEVICE, end.timestamp()),) if belongs else (),
        is_public_app=is_public,
    )


def test_lines_say_what_begins_and_ends() -> None:
    assert rules.asset_line(DEVICE, 3, frozenset({8}), is_on=False) == Line(
        What.ASSET, False, kind="device", asset_key=3, groups=frozenset({8})
    )
    assert rules.lock_line(LockKind.PERSON, "6", NOW, is_on=True) == Line(What.LOCK, True, 6, "person", 6, ends_at=NOW)
    assert rules.lock_line(LockKind.API_KEY, "k", None, is_on=True) == Line(What.LOCK, True, kind="api_key")
    assert rules.lock_line(LockKind.PROJECT, "1", None, is_on=False) == Line(
        What.LOCK, False, kind="project", asset_key=1
    )


def test_flags_of_devices_are_those_that_a_group_confers() -> None:
    assert {flag for flag in FLAGS[AssetKind.GROUP] if rules.is_of_devices(flag)} == FLAGS[DEVICE].keys()
    assert not rules.is_of_devices("MEMBERS")
    assert set(rules.OF_A_NEW_GROUP) <= FLAGS[AssetKind.GROUP].keys()


def visit(account_key: int, end: datetime | None) -> GrantRow:
    return GrantRow(1, account_key, DEVICE, 3, "READ", end, is_visit=True, given_by=5, given_at=NOW)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 99).map(lambda hours: NOW + timedelta(hours=hours)))))
def test_a_visitor_stays_until_the_last_visit_ends(visits: list[tuple[int, datetime]]) -> None:
    found = rules.ends_of_visits(visit(key, end) for key, end in visits)

    assert found == {key: max(end for other, end in visits if other == key) for key, _ in visits}


def test_the_owner_stands_first_then_members_then_visitors() -> None:
    end = NOW + timedelta(days=1)
    listed = rules.members(5, [MemberRow(7, NOW), MemberRow(6, NOW)], {9: end, 8: end}, {5: "anna", 7: "carl"})

    assert [(each.account_key, each.login_name, each.is_owner, each.is_visitor) for each in listed] == [
        (5, "anna", True, False),
        (7, "carl", False, False),
        (6, "", False, False),
        (8, "", False, True),
        (9, "", False, True),
    ]
    assert [(each.since, each.ends_at) for each in listed] == [
        (None, None), (NOW, None), (NOW, None), (None, end), (None, end),
    ]  # fmt: skip
    assert [each.account_key for each in rules.members(None, [MemberRow(6, NOW)], {}, {})] == [6]


def test_an_answer_has_no_end_where_the_decision_has_none() -> None:
    assert rules.answer(Decision(allowed=True, rule=Rule.OWNER)) == Answer(
        allowed=True, rule=Rule.OWNER, grant_key=None, until=None
    )
