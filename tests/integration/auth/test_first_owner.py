"""The first owner's account and key."""

import asyncio
from datetime import timedelta

import pytest

from services.auth import first_owner
from services.auth.keyring import Keyring
from services.auth.records.tickets import VerifyTicket
from shared.database import Database
from shared.identities import ServiceIdentity
from shared.settings import SettingsError
from tests.integration.auth.material import MOMENT, OTHER_KEY, OWNER_KEY
from tests.integration.auth.surface import Procedures
from tests.integration.database import Postgres

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
OWNER = "Owner@localhost"
ROUTER = ServiceIdentity("router", 1)


class FirstStart:
    """Auth's first start, again and again."""

    def __init__(self, database: Database, keyring: Keyring, procedures: Procedures) -> None:
        """On `database`."""
        self._database = database
        self._keyring = keyring
        self._procedures = procedures

    async def __call__(self, key: str = OWNER_KEY, login_name: str = OWNER, after: timedelta = timedelta()) -> str:
        """Start."""
        return await first_owner.ensure(self._database, self._keyring, login_name, key, now=MOMENT + after)

    async def opens(self, key: str) -> bool:
        """Whether somebody can sign in with `key`."""
        return await self._procedures.ticket_verify(ROUTER, VerifyTicket(key)) is not None


@pytest.fixture(name="start")
def fixture_start(auth_database: Database, keyring: Keyring, procedures: Procedures) -> FirstStart:
    return FirstStart(auth_database, keyring, procedures)


async def test_the_first_start_makes_the_account_and_its_key(start: FirstStart, postgres: Postgres) -> None:
    assert await start() == ""

    assert await start.opens(OWNER_KEY)
    assert postgres.audited() == [("account.created", "done"), ("api_key.created", "done")]
    assert postgres.rows("SELECT login_name, login_canonical, state FROM auth.account") == [
        (OWNER, "owner@localhost", "active")
    ]


async def test_a_later_start_changes_nothing(start: FirstStart, postgres: Postgres) -> None:
    await start()
    before = postgres.rows("SELECT key_id, account_key, key_hash, ends_at FROM auth.api_key")

    assert await start() == ""
    assert await start(login_name="OWNER@localhost") == ""

    assert postgres.rows("SELECT key_id, account_key, key_hash, ends_at FROM auth.api_key") == before
    assert len(postgres.audited()) == 2


async def test_given_several_first_starts_at_once_when_they_are_over_then_there_is_one_owner(
    start: FirstStart, postgres: Postgres
) -> None:
    await asyncio.gather(*(start() for _ in range(5)))

    assert postgres.rows("SELECT count(*) FROM auth.account") == [(1,)]
    assert postgres.rows("SELECT count(*) FROM auth.api_key") == [(1,)]
    assert len(postgres.audited()) == 2


async def test_a_new_file_makes_a_new_key_and_ends_the_old_one(start: FirstStart, postgres: Postgres) -> None:
    await start(OWNER_KEY)

    assert await start(OTHER_KEY) == ""

    assert await start.opens(OTHER_KEY)
    assert not await start.opens(OWNER_KEY)
    assert [action for action, _ in postgres.audited()][2:] == ["api_key.ended", "api_key.created"]


async def test_given_an_ended_key_in_the_file_when_auth_starts_then_it_says_so_and_the_key_stays_ended(
    start: FirstStart,
) -> None:
    await start(OWNER_KEY)
    await start(OTHER_KEY)

    assert await start(OWNER_KEY) != ""

    assert not await start.opens(OWNER_KEY)
    assert await start.opens(OTHER_KEY)


async def test_given_a_key_past_its_end_in_the_file_when_auth_starts_then_it_says_so(start: FirstStart) -> None:
    await start()

    assert await start(after=timedelta(days=91)) != ""
    assert await start(after=timedelta(days=89)) == ""


async def test_given_another_login_when_there_are_accounts_then_no_further_owner_is_made(
    start: FirstStart, postgres: Postgres
) -> None:
    await start()

    assert await start(OTHER_KEY, "somebody@example.com") != ""

    assert postgres.rows("SELECT login_name FROM auth.account") == [(OWNER,)]
    assert not await start.opens(OTHER_KEY)
    assert await start.opens(OWNER_KEY)


@pytest.mark.parametrize("key", ["", "ifk_", OWNER_KEY[:-1], OWNER_KEY + "0", OWNER_KEY.lower(), "s3cret"])
async def test_given_a_malformed_key_when_auth_starts_then_it_is_refused_and_not_repeated(
    start: FirstStart, postgres: Postgres, key: str
) -> None:
    with pytest.raises(SettingsError, match="FIRST_OWNER_KEY_FILE") as refused:
        await start(key)

    assert not key or key not in str(refused.value)
    assert postgres.rows("SELECT count(*) FROM auth.account") == [(0,)]


async def test_neither_the_key_nor_the_login_name_lies_where_it_should_not(
    start: FirstStart, postgres: Postgres
) -> None:
    await start()

    entries = str(postgres.rows("SELECT queue::text FROM audit.queue"))
    assert OWNER not in entries
    assert "localhost" not in entries
    keys = str(postgres.rows("SELECT api_key::text FROM auth.api_key"))
    assert OWNER_KEY not in keys
    assert OWNER_KEY[17:] not in keys + entries


async def test_the_key_ends_after_90_days(start: FirstStart, postgres: Postgres) -> None:
    await start()

    assert postgres.rows("SELECT ends_at - created_at FROM auth.api_key") == [(timedelta(days=90),)]
