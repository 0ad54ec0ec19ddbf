"""Secret columns: sealed at their place, opened there alone, sealed anew under a new data key."""

from typing import Any

import pytest
import pytest_asyncio
from attrs import evolve

from services.fleetdb import resealing as resealing_module
from services.fleetdb.errors import Refusal
from services.fleetdb.keys import Keyring
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import DEVICE, TIME, Column, Table
from services.fleetdb.resealing import Resealing
from services.fleetdb.secrets import Secrets
from shared.database import Database
from tests.integration.auth.material import masters
from tests.integration.database import Postgres
from tests.integration.fleetdb.plain import PlainConnections

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
COLUMNS = {
    TIME: Column(TIME, "timestamp", "args[0].tsp"),
    "name": Column("name", "string", "args[0].name"),
    "token": Column("token", "string", "args[0].token", is_secret=True),
    "pin": Column("pin", "string", "args[0].pin", is_secret=True),
}
TABLE = Table("accounts", COLUMNS)
ENTITIES = Table("accounts", COLUMNS, entity_key=("name",))
BULLETS = "\u2022" * 8


@pytest.fixture
def secrets(keyring: Keyring) -> Secrets:
    return Secrets(keyring)


async def test_secret_values_are_sealed_and_the_others_are_not(secrets: Secrets, backend: Backend) -> None:
    sealed = await secrets.seal(backend, TABLE, {"name": "a", "token": "s3cret", "pin": None})

    assert sealed["name"] == "a"
    assert sealed["pin"] is None
    assert sealed["token"].startswith(await secrets.prefix())
    assert "s3cret" not in sealed["token"]


@pytest.mark.parametrize("clear", ["", "s3cret", "\u2603 \U0001f600", "x" * 100_000, "__secret", "\u2022" * 7])
async def test_what_is_sealed_opens_to_itself(secrets: Secrets, backend: Backend, clear: str) -> None:
    rows: list[dict[str, Any]] = [await secrets.seal(backend, TABLE, {"token": clear}), {"name": "b"}, {"token": None}]

    await secrets.open(backend, TABLE, rows)

    assert rows == [{"token": clear}, {"name": "b"}, {"token": None}]


async def test_the_same_secret_never_looks_the_same(secrets: Secrets, backend: Backend) -> None:
    sealed = [(await secrets.seal(backend, TABLE, {"token": "s3cret"}))["token"] for _ in range(20)]

    assert len(set(sealed)) == 20


async def test_in_another_place_it_opens_nothing(secrets: Secrets, backend: Backend) -> None:
    token = (await secrets.seal(backend, TABLE, {"token": "s3cret"}))["token"]
    other_backend, other_table = evolve(backend, backend_key=backend.backend_key + 1), evolve(TABLE, name="others")

    assert await secrets.opened(backend, TABLE, "pin", token) is None
    assert await secrets.opened(other_backend, TABLE, "token", token) is None
    assert await secrets.opened(backend, other_table, "token", token) is None
    assert await secrets.opened(backend, TABLE, "token", token) == "s3cret"


@pytest.mark.parametrize("stored", ["ifsec:1:nokey:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "ifsec:1:k:AA"])
async def test_what_does_not_open_is_none_and_the_others_are_there(
    secrets: Secrets, backend: Backend, stored: str
) -> None:
    good = await secrets.seal(backend, TABLE, {"token": "s3cret"})
    rows = [{"token": stored}, dict(good)]

    await secrets.open(backend, TABLE, rows)

    assert rows == [{"token": None}, {"token": "s3cret"}]


async def test_what_was_stored_before_its_column_became_secret_is_read_as_it_is(
    secrets: Secrets, backend: Backend
) -> None:
    assert await secrets.opened(backend, TABLE, "token", "from before") == "from before"


@pytest.mark.parametrize("text", ["ifsec:1:k:AAAA", "ifsec:", "ifsec:2:whatever"])
async def test_a_sealed_value_is_not_taken_for_a_secret(secrets: Secrets, backend: Backend, text: str) -> None:
    with pytest.raises(Refusal) as refused:
        await secrets.seal(backend, ENTITIES, {"name": "a", "token": text})

    assert refused.value.uri == "sys.dataservice.error.secret_ciphertext_rejected"
    assert await secrets.seal(backend, ENTITIES, {"name": text}) == {"name": text}


@pytest.mark.parametrize("kept", ["__secret__", BULLETS])
async def test_what_stands_for_the_old_value_needs_entities(secrets: Secrets, backend: Backend, kept: str) -> None:
    assert await secrets.seal(backend, ENTITIES, {"token": kept, "name": kept}) == {"name": kept}
    by_device = evolve(ENTITIES, entity_key=(DEVICE, "name"))
    assert await secrets.seal(backend, by_device, {"token": kept, "name": "a", "pin": None}) == {
        "name": "a",
        "pin": None,
    }

    for table, values in ((TABLE, {"name": "a"}), (ENTITIES, {}), (by_device, {"name": None})):
        with pytest.raises(Refusal) as refused:
            await secrets.seal(backend, table, {**values, "token": kept})
        assert refused.value.uri == "sys.dataservice.error.secret_sentinel_unresolvable"


@pytest_asyncio.fixture
async def stored(backend: Backend, connections: PlainConnections, secrets: Secrets) -> Backend:
    """A backend with a table of ten rows: sealed ones, one from before, NULLs, and one that opens nothing."""
    async with connections.transaction(backend) as connection:
        await connection.execute(
            "CREATE TABLE accounts (tsp timestamptz, name text, token text, pin text,"
            " _row bigint GENERATED ALWAYS AS IDENTITY)"
        )
        for number in range(8):
            values = await secrets.seal(backend, TABLE, {"token": f"t{number}", "pin": f"p{number}"})
            await connection.execute(
                "INSERT INTO accounts VALUES (now(), 'a', %s, %s)", [values["token"], values["pin"] if number else None]
            )
        await connection.execute("INSERT INTO accounts VALUES (now(), 'b', 'from before', NULL)")
        await connection.execute("INSERT INTO accounts VALUES ('-infinity', 'c', 'ifsec:1:lost:AAAA', NULL)")
    return backend


async def opened(secrets: Secrets, backend: Backend, connections: PlainConnections) -> list[dict[str, Any]]:
    async with connections.connection(backend) as connection:
        cursor = await connection.execute("SELECT token, pin FROM accounts ORDER BY _row")
        rows = [{"token": token, "pin": pin} for token, pin in await cursor.fetchall()]
    await secrets.open(backend, TABLE, rows)
    return rows


async def test_after_a_new_data_key_every_value_is_sealed_anew_and_opens(
    stored: Backend,
    connections: PlainConnections,
    secrets: Secrets,
    fleetdb_database: Database,
    *,
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resealing_module, "PAGE", 3)
    before = await opened(secrets, stored, connections)
    postgres.run("UPDATE fleetdb.data_key SET created_at = now() - interval '400 days'")
    newer = Secrets(Keyring(masters("m1"), fleetdb_database))
    resealing = Resealing(fleetdb_database, connections, newer)

    assert await resealing.reseal(stored, [TABLE]) == 10
    assert await resealing.reseal(stored, [TABLE]) == 0

    postgres.run("DELETE FROM fleetdb.data_key WHERE created_at < now() - interval '300 days'")
    restarted = Secrets(Keyring(masters("m1"), fleetdb_database))
    assert await opened(restarted, stored, connections) == before
    prefix = await restarted.prefix()
    async with connections.connection(stored) as connection:
        cursor = await connection.execute(
            "SELECT count(*) FROM accounts WHERE starts_with(token, %s) AND (pin IS NULL OR starts_with(pin, %s))",
            [prefix, prefix],
        )
        assert await cursor.fetchone() == (9,)


async def test_a_column_that_became_secret_is_sealed(
    stored: Backend, connections: PlainConnections, secrets: Secrets, fleetdb_database: Database
) -> None:
    resealing = Resealing(fleetdb_database, connections, secrets)
    assert await resealing.reseal(stored, [TABLE]) == 2  # the one from before, and the one that opens nothing
    now_secret = evolve(TABLE, columns={**COLUMNS, "name": evolve(COLUMNS["name"], is_secret=True)})

    assert await resealing.reseal(stored, [now_secret]) == 10

    async with connections.connection(stored) as connection:
        cursor = await connection.execute("SELECT count(*) FROM accounts WHERE NOT starts_with(name, 'ifsec:1:')")
        assert await cursor.fetchone() == (0,)
