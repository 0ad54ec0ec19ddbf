"""Data keys of a service: made once, rewrapped when the master key changes, refused without it."""

import asyncio

import pytest

from services.auth.keyring import Keyring
from shared.database import Database
from shared.secrets import SecretsError
from tests.integration.auth.material import masters
from tests.integration.database import Postgres

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_given_many_first_starts_at_once_when_they_have_loaded_then_there_is_one_key(
    auth_database: Database, postgres: Postgres
) -> None:
    keyrings = [Keyring(masters("m1"), auth_database, masters("p1")) for _ in range(6)]

    await asyncio.gather(*(keyring.load() for keyring in keyrings))

    assert postgres.rows("SELECT count(*) FROM auth.data_key") == [(1,)]
    sealed = await keyrings[0].seal("s3cret", "place")
    assert [await keyring.open(sealed, "place") for keyring in keyrings] == ["s3cret"] * 6


async def test_a_value_opens_after_a_restart_and_at_its_place_only(auth_database: Database) -> None:
    sealed = await Keyring(masters("m1"), auth_database, masters("p1")).seal("s3cret", "place")
    restarted = Keyring(masters("m1"), auth_database, masters("p1"))

    assert await restarted.open(sealed, "place") == "s3cret"
    with pytest.raises(SecretsError):
        await restarted.open(sealed, "other place")


async def test_no_two_sealings_are_alike(auth_database: Database) -> None:
    keyring = Keyring(masters("m1"), auth_database, masters("p1"))
    assert await keyring.seal("s3cret", "place") != await keyring.seal("s3cret", "place")


async def test_after_a_rotation_of_the_master_key_the_old_one_is_needed_no_more(
    auth_database: Database, postgres: Postgres
) -> None:
    sealed = await Keyring(masters("m1"), auth_database, masters("p1")).seal("s3cret", "place")

    assert await Keyring(masters("m2", "m1"), auth_database, masters("p1")).open(sealed, "place") == "s3cret"

    assert postgres.rows("SELECT DISTINCT master_key_id FROM auth.data_key") == [("m2",)]
    assert await Keyring(masters("m2"), auth_database, masters("p1")).open(sealed, "place") == "s3cret"


async def test_given_no_master_key_for_it_when_the_service_starts_then_it_is_refused_and_nothing_changed(
    auth_database: Database, postgres: Postgres
) -> None:
    await Keyring(masters("m1"), auth_database, masters("p1")).load()
    before = postgres.rows("SELECT * FROM auth.data_key")

    with pytest.raises(SecretsError, match="m1"):
        await Keyring(masters("m2"), auth_database, masters("p1")).load()

    assert postgres.rows("SELECT * FROM auth.data_key") == before


async def test_given_another_key_under_the_same_id_when_the_service_starts_then_it_is_refused(
    auth_database: Database,
) -> None:
    await Keyring(masters("m1"), auth_database, masters("p1")).load()
    wrong = masters("m1")
    wrong = type(wrong)("m1", {"m1": bytes(32)})

    with pytest.raises(SecretsError):
        await Keyring(wrong, auth_database, masters("p1")).load()


async def test_a_key_that_is_old_gets_a_successor_and_still_opens(auth_database: Database, postgres: Postgres) -> None:
    old = Keyring(masters("m1"), auth_database, masters("p1"))
    sealed = await old.seal("s3cret", "place")
    postgres.run("UPDATE auth.data_key SET created_at = now() - interval '400 days'")

    new = Keyring(masters("m1"), auth_database, masters("p1"))

    assert await new.open(sealed, "place") == "s3cret"
    assert postgres.rows("SELECT count(*) FROM auth.data_key") == [(2,)]
    assert await old.open(await new.seal("later", "place"), "place") == "later"


async def test_the_data_key_lies_nowhere_in_clear(auth_database: Database, postgres: Postgres) -> None:
    keyring = Keyring(masters("m1"), auth_database, masters("p1"))
    sealer = await keyring.load()
    rows = postgres.rows("SELECT * FROM auth.data_key")

    assert len(rows) == 1
    assert "m1......" not in str(rows)
    assert len(rows[0][2]) == 40  # RFC 3394: eight octets longer than the key
    assert "s3cret" not in repr(sealer)
