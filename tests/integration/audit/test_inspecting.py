"""Each entry is compared with its leaf: what somebody changed or took away is said."""

import asyncio

import pytest

from services.audit import inspecting
from services.audit.inspecting import inspect_chunk, inspect_forever
from shared.health import Health
from tests.integration.audit.world import World, until

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_a_log_that_nobody_touched_is_well(world: World) -> None:
    await world.recorded(20, before={"number": 1.5}, after={"name": "ä"})
    world.as_superuser("UPDATE audit.entry SET recorded_at = recorded_at - interval '9 days' WHERE leaf_index = 2")
    with world.postgres.connect("svc_audit") as connection:
        connection.execute("SELECT audit.set_retention(1, 7)")
        connection.execute("SELECT audit.redact(10)")
    health = Health("other")
    health.set("other", ok=True)

    assert await inspect_chunk(world.database, health, 0) == 20

    assert health.ready()


@pytest.mark.parametrize(
    ("tampering", "said"),
    [
        ("DELETE FROM audit.entry WHERE leaf_index = 3", "entry 3 is missing"),
        ("UPDATE audit.entry SET salt = NULL WHERE leaf_index = 3", "entry 3 is missing"),
        ("UPDATE audit.entry SET reason = 'x' WHERE leaf_index = 3", "entry 3 is not"),
        ("UPDATE audit.entry SET service = 'svc_auth' WHERE leaf_index = 3", "entry 3 is not"),
        ("""UPDATE audit.entry SET after = '{"x": 1e300}' WHERE leaf_index = 3""", "entry 3 is not"),
        ("UPDATE audit.entry SET recorded_at = NULL WHERE leaf_index = 3", "entry 3 is not"),
        ("UPDATE audit.leaf SET commitment = sha256('x') WHERE leaf_index = 3", "entry 3 is not"),
    ],
)
async def test_what_was_done_to_an_entry_is_said(world: World, tampering: str, said: str) -> None:
    await world.recorded(5)
    world.as_superuser(tampering)
    health = Health()

    await inspect_chunk(world.database, health, 0)

    assert said in str(health.report())
    assert not health.ready()


async def test_it_goes_through_all_of_the_log_again_and_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting, "CHUNK", 4)
    monkeypatch.setattr(inspecting, "CHUNK_PAUSE_S", 0.001)
    monkeypatch.setattr(inspecting, "ROUND_PAUSE_S", 0.001)
    await world.recorded(10)
    health = Health()
    running = asyncio.create_task(inspect_forever(world.database, health))

    world.as_superuser("UPDATE audit.entry SET reason = 'x' WHERE leaf_index = 9")
    await until(lambda: "entry 9" in str(health.report()))

    running.cancel()
