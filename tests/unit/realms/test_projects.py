"""Which projects somebody has to do with, and how long old containers are let in."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.realms.records.values import LegacyMode
from services.realms.rules.projects import check_legacy, touched
from shared.errors import InvalidArgumentError
from shared.flags import AssetKind
from shared.rights.records import INSTALLATION, Domain, DomainKind, Grant, Held, Holdings, Standing

NOW = 1_000.0
ends = st.none() | st.integers(900, 1_100).map(float)
grants = st.builds(
    Grant, st.just(1), st.just("READ"), st.just(AssetKind.DEVICE), st.just(3), ends, is_visit=st.booleans()
)
standings = st.builds(
    Standing, is_owner=st.booleans(), is_member=st.booleans(), grants=st.lists(grants, max_size=3).map(tuple)
)


@given(st.dictionaries(st.integers(1, 9), standings))
def test_they_are_those_that_one_owns_is_in_or_visits_now(known: dict[int, Standing]) -> None:
    held = tuple(Held(Domain(DomainKind.PROJECT, key), standing) for key, standing in known.items())

    found = touched(Holdings(5, 1, held), now=NOW)

    assert found == sorted(
        key
        for key, standing in known.items()
        if standing.is_owner
        or standing.is_member
        or [each for each in standing.grants if each.is_visit and each.ends_at is not None and each.ends_at > NOW]
    )


def test_apps_and_the_installation_are_no_projects() -> None:
    owner = Standing(is_owner=True, is_member=False)
    held = (Held(INSTALLATION, owner), Held(Domain(DomainKind.APP, 3), owner))

    assert touched(Holdings(5, 1, held), now=NOW) == []


BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


@given(st.sampled_from(LegacyMode), st.none() | st.integers(-400, 400))
def test_every_mode_but_strict_ends_within_a_year(mode: LegacyMode, days: int | None) -> None:
    ends_at = None if days is None else BEGIN + timedelta(days=days)
    is_fit = days is None if mode is LegacyMode.STRICT else days is not None and 0 < days <= 366

    try:
        check_legacy(mode, ends_at, BEGIN)
    except InvalidArgumentError:
        assert not is_fit
    else:
        assert is_fit
