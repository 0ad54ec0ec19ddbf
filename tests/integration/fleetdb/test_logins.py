"""The keys of data logins: made once, sealed, certified, renewed in time."""

import datetime as dt
from collections.abc import Callable

import pytest
from attrs import evolve

from services.fleetdb.keys import Keyring
from services.fleetdb.logins import Logins
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.logins import Certified
from shared.database import Database
from shared.errors import UnavailableError
from tests.integration.database import Postgres
from tests.integration.fleetdb.certified import Certifier

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


@pytest.fixture
def certified(make_backend: Callable[..., Backend], authority: Certifier) -> Backend:
    backend = make_backend()
    authority.logins[backend.backend_key, 1] = backend.login
    return backend


@pytest.fixture
def logins(fleetdb_database: Database, keyring: Keyring, authority: Certifier) -> Logins:
    return Logins(fleetdb_database, keyring, authority, lambda: authority.now)


async def test_a_login_is_made_once_and_is_there_after_a_restart(
    logins: Logins, certified: Backend, fleetdb_database: Database, keyring: Keyring, authority: Certifier
) -> None:
    made = await logins.login_of(certified)

    restarted = Logins(fleetdb_database, keyring, authority, lambda: authority.now)
    assert await restarted.login_of(certified) == made
    assert authority.asked == [(certified.backend_key, 1)]


async def test_the_private_key_lies_nowhere_in_clear(logins: Logins, certified: Backend, postgres: Postgres) -> None:
    made = await logins.login_of(certified)

    ((stored,),) = postgres.rows("SELECT private_key FROM fleetdb.backend_login")
    assert b"PRIVATE KEY" in made.private_key
    assert b"PRIVATE KEY" not in stored
    assert "PRIVATE KEY" not in repr(made)


async def test_a_sealed_key_of_another_backend_opens_nothing(
    logins: Logins, certified: Backend, make_backend: Callable[..., Backend], postgres: Postgres
) -> None:
    await logins.login_of(certified)
    other = make_backend()
    postgres.run("UPDATE fleetdb.backend_login SET backend_key = %s", other.backend_key)

    with pytest.raises(Exception, match="does not belong"):
        await logins.login_of(other)


@pytest.mark.parametrize(("days", "count"), [(19, 1), (21, 2), (31, 2)])
async def test_it_is_renewed_when_two_thirds_are_over(
    logins: Logins, certified: Backend, authority: Certifier, days: int, count: int
) -> None:
    first = await logins.login_of(certified)
    authority.now += dt.timedelta(days=days)

    second = await logins.login_of(certified)

    assert len(authority.asked) == count
    assert (second == first) == (count == 1)


async def test_given_realms_is_away_when_it_is_due_then_the_old_one_serves_to_its_end(
    logins: Logins, certified: Backend, authority: Certifier
) -> None:
    first = await logins.login_of(certified)
    authority.is_away = True
    authority.now += dt.timedelta(days=29)

    assert await logins.login_of(certified) == first

    authority.now += dt.timedelta(days=1)
    with pytest.raises(UnavailableError, match="realms is away"):
        await logins.login_of(certified)


async def test_one_that_is_doubted_is_made_anew_at_most_every_ten_minutes(
    logins: Logins, certified: Backend, authority: Certifier
) -> None:
    key = certified.backend_key
    first = await logins.login_of(certified)

    logins.doubt(key)
    second = await logins.login_of(certified)
    for _ in range(3):
        logins.doubt(key)
        assert await logins.login_of(certified) == second
    assert (second != first, len(authority.asked)) == (True, 2)

    authority.now += dt.timedelta(minutes=11)
    authority.is_away = True
    logins.doubt(key)
    assert await logins.login_of(certified) == second
    assert len(authority.asked) == 3


async def test_a_certificate_of_another_name_or_key_is_not_taken(
    logins: Logins, certified: Backend, authority: Certifier, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    authority.logins[certified.backend_key, 1] = "l_other"
    with pytest.raises(UnavailableError, match="not the one"):
        await logins.login_of(certified)

    authority.logins[certified.backend_key, 1] = certified.login
    answer = Certified(authority.sign(certified.login, authority.key.public_key()), authority.now)

    async def another(*_: object) -> Certified:
        return answer

    monkeypatch.setattr(Certifier, "certify", another)
    with pytest.raises(UnavailableError, match="not the one"):
        await logins.login_of(certified)
    answer = Certified("nonsense", authority.now)
    with pytest.raises(UnavailableError, match="cannot be read"):
        await logins.login_of(certified)
    assert postgres.rows("SELECT * FROM fleetdb.backend_login") == []


async def test_settling_forgets_earlier_logins_and_forgetting_all(
    logins: Logins, certified: Backend, authority: Certifier, postgres: Postgres
) -> None:
    await logins.login_of(certified)
    newer = evolve(certified, epoch=2, login="l_newer")
    authority.logins[certified.backend_key, 2] = "l_newer"
    await logins.login_of(newer)

    await logins.settle(newer)

    assert authority.told == [(certified.backend_key, 2)]
    assert postgres.rows("SELECT epoch FROM fleetdb.backend_login") == [(2,)]
    await logins.forget(certified.backend_key)
    assert postgres.rows("SELECT epoch FROM fleetdb.backend_login") == []
