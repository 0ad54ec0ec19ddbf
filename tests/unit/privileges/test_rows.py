"""Rows as the rule, the history and the audit log read them."""

from datetime import UTC, datetime

from attrs import evolve
from hypothesis import given as each_of
from hypothesis import strategies as st

from services.privileges.records.history import What
from services.privileges.rows import DomainRow, GrantRow, LockRow, Place, as_fields, given, seconds
from shared.flags import AssetKind
from shared.rights.records import Asset, Domain, DomainKind, Grant, Lock, LockKind

dates = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
keys = st.integers(1, 2**53 - 1)
rows = st.builds(
    GrantRow,
    grant_key=keys,
    account_key=keys,
    kind=st.sampled_from(AssetKind),
    asset_key=keys,
    flag=st.sampled_from(["READ", "GRANT"]),
    ends_at=st.none() | dates,
    is_visit=st.booleans(),
    given_by=st.none() | keys,
    given_at=dates,
)


@each_of(rows)
def test_a_grant_says_the_same_to_the_rule_the_history_and_the_audit_log(row: GrantRow) -> None:
    line, fields = given(row), as_fields(row)
    end = None if row.ends_at is None else row.ends_at.timestamp()

    assert row.grant == Grant(row.grant_key, row.flag, row.kind, row.asset_key, end, row.is_visit)
    assert (line.what, line.is_on, line.account_key, line.flag) == (What.GRANT, True, row.account_key, row.flag)
    assert (line.kind, line.asset_key, line.grant_key) == (row.kind.value, row.asset_key, row.grant_key)
    assert (line.ends_at, line.is_visit) == (row.ends_at, row.is_visit)
    assert fields == {
        "account_key": row.account_key,
        "flag": row.flag,
        "ends_at": row.ends_at and row.ends_at.isoformat(),
        "is_visit": row.is_visit,
    }


@each_of(rows)
def test_the_end_of_a_fact_is_that_fact_and_off(row: GrantRow) -> None:
    line = given(row)

    assert not line.off().is_on
    assert evolve(line, is_on=False) == line.off() == line.off().off()


@each_of(st.none() | dates)
def test_a_moment_in_seconds_is_that_moment(moment: datetime | None) -> None:
    found = seconds(moment)

    assert (found is None) == (moment is None)
    if found is not None:
        assert abs(datetime.fromtimestamp(found, UTC) - (moment or datetime.now(UTC))).total_seconds() < 1e-5  # noqa: TID251


def test_rows_have_their_names_in_the_rule() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    lock = LockRow(4, LockKind.DEVICE, "3", now, "why", is_operators=True, created_by=5, created_at=now)

    assert DomainRow(DomainKind.APP, 7, 5, "x", is_public=True).domain == Domain(DomainKind.APP, 7)
    place = Place(AssetKind.DEVICE, 3, Domain(DomainKind.PROJECT, 1), 9, frozenset({8}))
    assert place.asset == Asset(AssetKind.DEVICE, 3, frozenset({8}))
    assert lock.lock == Lock(4, LockKind.DEVICE, "3", now.timestamp())
