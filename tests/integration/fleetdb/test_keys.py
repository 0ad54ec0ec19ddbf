"""Fleetdb's data keys are its own."""

import pytest

from services.fleetdb.keys import Keyring
from tests.integration.database import Postgres

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_its_keys_are_in_its_own_schema_under_its_own_name(keyring: Keyring, postgres: Postgres) -> None:
    sealed = await keyring.seal("s3cret", "place")

    ((name,),) = postgres.rows("SELECT key_id FROM fleetdb.data_key")
    assert name.startswith("fleetdb-")
    assert await keyring.open(sealed, "place") == "s3cret"
    assert postgres.rows("SELECT count(*) FROM auth.data_key") == [(0,)]
