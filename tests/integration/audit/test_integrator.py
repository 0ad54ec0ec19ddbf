"""The integrator: nothing lost, nothing twice, no fork, whatever happens around it and to it."""

import asyncio
import threading
from typing import Any

import psycopg
import pytest

from services.audit.proofs import BrokenLogError
from services.audit.settings import LogKeys
from services.audit.signing import Notary
from services.audit.store import log as store
from shared.errors import UnavailableError
from shared.tlog.note import Signer
from tests.integration.audit.world import ORIGIN, SIGNER, World, record_on, salts, until

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


class CrashError(Exception):
    """The process ends here."""


async def test_an_empty_log_has_a_signed_head(world: World) -> None:
    await world.settle()

    report = await world.verified()
    assert report.is_well
    assert (await world.head()).size == 0


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 600])
async def test_what_is_recorded_becomes_part_of_a_log_that_verifies(world: World, count: int) -> None:
    world.postgres.run("SET ROLE NONE")
    with world.postgres.connect("svc_devices") as connection, connection.transaction():
        ids = [record_on(connection) for _ in range(count)]

    await world.settle()

    report = await world.verified()
    assert (report.findings, report.entries) == ((), count)
    assert world.entries() == list(enumerate(ids))
    assert world.postgres.rows("SELECT count(*) FROM audit.queue") == [(0,)]


async def test_a_log_that_grows_batch_by_batch_continues_each_head(world: World) -> None:
    await world.settle()
    for count in (1, 3, 250, 7, 300):
        last = await world.head()
        await world.recorded(count)

        report = await world.verified(last)
        assert report.findings == ()
        assert report.continues_last_head or last.size == 0


async def test_given_writers_at_once_when_some_roll_back_then_every_committed_entry_is_there_once(
    world: World,
) -> None:
    committed: list[int] = []
    rolled_back: list[int] = []
    held = world.postgres.connect("svc_devices")
    held.execute("BEGIN")
    late = record_on(held)
    writers = [threading.Thread(target=write, args=(world, number, committed, rolled_back)) for number in range(8)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        await world.integrator.step(salts)
        await asyncio.sleep(0)
    await world.settle()
    before = [entry_id for _, entry_id in world.entries()]
    assert late not in before

    held.execute("COMMIT")
    held.close()
    await world.settle()

    ids = [entry_id for _, entry_id in world.entries()]
    assert ids == [*before, late]
    assert sorted(ids) == sorted([*committed, late])
    assert not set(ids) & set(rolled_back)
    assert (await world.verified()).findings == ()


def write(world: World, number: int, committed: list[int], rolled_back: list[int]) -> None:
    with world.postgres.connect("svc_devices") as connection:
        for turn in range(40):
            fails = (turn + number) % 10 == 0
            with connection.transaction(force_rollback=fails):
                entry_id = record_on(connection, after={"turn": turn, "writer": number})
            (rolled_back if fails else committed).append(entry_id)


def crash(*_: Any, **__: Any) -> Any:
    raise CrashError


STEPS = ["is_waiting", "pending", "size", "integrate", "sign", "write", "publish", "ring"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("is_first", [True, False])
async def test_given_a_crash_at_any_step_when_it_starts_again_then_each_entry_is_there_once(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str, is_first: bool
) -> None:
    await world.settle()
    if not is_first:
        await world.recorded(300)
    last = await world.head()
    ids = world.record(5)
    if is_first:
        world.restarted()
    owners: dict[str, Any] = {"sign": world.notary, "write": world.heads, "ring": world.bell}
    with monkeypatch.context() as patch:
        patch.setattr(owners.get(step, store), step, crash)
        with pytest.raises(CrashError):
            await world.integrator.step(salts)

    world.restarted()
    await world.settle()

    report = await world.verified(last if last.size else None)
    assert report.findings == ()
    assert [entry_id for _, entry_id in world.entries()][-5:] == ids
    assert len(world.entries()) == report.entries == (await world.head()).size


async def test_given_a_commit_of_unknown_outcome_when_it_goes_on_then_nothing_is_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.settle()
    world.record(5)
    monkeypatch.setattr(world.integrator, "_publish", crash)  # the batch is committed, the head is not published
    with pytest.raises(CrashError):
        await world.integrator.step(salts)
    assert (await world.head()).size == 0

    world.restarted()
    await world.settle()

    assert (await world.head()).size == 5
    assert (await world.verified()).findings == ()


async def test_two_integrators_grow_one_log(world: World) -> None:
    first = world.integrator
    second = world.restarted()
    for _ in range(4):
        world.record(20)
        await asyncio.gather(first.step(salts), second.step(salts), return_exceptions=True)
    await world.settle()

    assert len(world.entries()) == 80
    assert (await world.verified()).findings == ()


async def test_given_a_second_integrator_when_one_is_at_work_then_it_finds_nothing(world: World) -> None:
    await world.settle()
    world.record(3)
    with world.postgres.connect("svc_audit") as other:
        other.execute("BEGIN")
        assert len(other.execute("SELECT * FROM audit.pending(10)").fetchall()) == 3

        assert not await world.integrator.step(salts)

        assert world.entries() == []


async def test_writers_never_wait_for_the_integrator(world: World) -> None:
    await world.settle()
    world.record(3)
    with world.postgres.connect("svc_audit") as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM audit.pending(10)").fetchall()
        with world.postgres.connect("svc_devices", options="-c lock_timeout=100") as writer:
            record_on(writer)


async def test_an_entry_from_before_the_check_that_has_no_encoding_holds_nobody_up(world: World) -> None:
    await world.settle()
    world.as_superuser(
        """INSERT INTO audit.queue (recorded_at, service, action, aspect, actor, asset, source, outcome, after)
        SELECT clock_timestamp(), 'svc_devices', 'device.renamed', 'name',
        '{"kind": "person", "key": 5, "credential": null, "on_behalf_of": null}', '{"kind": "device", "key": 7}',
        '{"session": null, "address": null, "request": null}', 'done', '{"number": 9007199254740993}'""",
    )

    ids = await world.recorded(3)

    assert [entry_id for _, entry_id in world.entries()] == ids
    assert world.postgres.rows("SELECT count(*) FROM audit.queue") == [(1,)]


async def test_given_a_cut_tail_when_it_goes_on_then_nothing_is_signed(world: World) -> None:
    await world.recorded(10)
    last = await world.head()
    world.as_superuser("DELETE FROM audit.leaf WHERE leaf_index >= 8", "DELETE FROM audit.entry WHERE leaf_index >= 8")
    world.record(5)

    for integrator in (world.integrator, world.restarted()):
        with pytest.raises(BrokenLogError):
            await integrator.step(salts)

    assert (await world.head()) == last
    assert [finding.code for finding in (await world.verified(last)).findings][:1] == ["missing_entry"]


async def test_given_an_older_backup_when_it_starts_then_nothing_is_signed_until_the_head_is_moved_away(
    world: World,
) -> None:
    await world.recorded(5)
    tables = ("entry", "leaf", "tile", "checkpoint")
    world.as_superuser(*(f"CREATE TABLE public.backup_{name} AS TABLE audit.{name}" for name in tables))
    try:
        await world.recorded(5)
        last = await world.head()
        for name in tables:
            world.as_superuser(
                f"DELETE FROM audit.{name}",  # noqa: S608
                f"INSERT INTO audit.{name} OVERRIDING SYSTEM VALUE SELECT * FROM public.backup_{name}",  # noqa: S608
            )
    finally:
        world.as_superuser(*(f"DROP TABLE public.backup_{name}" for name in tables))
    world.record(6)

    with pytest.raises(BrokenLogError, match="some are lost"):
        await world.restarted().step(salts)
    codes = [finding.code for finding in (await world.verified(last)).findings]
    world.head_file.unlink()
    await world.settle()

    assert codes == ["older_than_last_head"]
    assert (await world.head()).size == 11
    assert (await world.verified(last)).findings[0].code in ("forked", "first_difference")


async def test_given_a_changed_tile_when_it_starts_then_nothing_is_signed(world: World) -> None:
    await world.recorded(5)
    world.as_superuser("UPDATE audit.tile SET hashes = overlay(hashes PLACING '\\x00' FROM 33)")

    with pytest.raises(BrokenLogError):
        await world.restarted().step(salts)


async def test_given_a_second_key_when_it_starts_then_both_sign_the_head(world: World) -> None:
    await world.recorded(3)
    successor = Signer.from_seed(ORIGIN, b"n" * 32)
    keys = (SIGNER.verifier_key, successor.verifier_key)
    world.notary = Notary(ORIGIN, LogKeys((SIGNER, successor), keys))
    world.restarted()

    await world.settle()

    for key in keys:
        world.notary = Notary(ORIGIN, LogKeys((successor,), (key,)))
        report = await world.verified()
        assert (report.findings, report.entries) == ((), 3)


async def test_given_a_database_that_goes_away_when_it_is_back_then_the_loop_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise UnavailableError("away")

    monkeypatch.setattr("services.audit.integrator.RETRY_S", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr(world.database, "run", away)
        patch.setattr(world.database, "transaction", away)
        running = asyncio.create_task(world.integrator.run(salts))
        await until(lambda: "log" in str(world.health.report()))
        assert not world.health.ready()
    world.record(2)

    await until(lambda: len(world.entries()) == 2 and world.health.ready())

    running.cancel()


async def test_the_functions_refuse_what_does_not_continue_the_log(world: World) -> None:
    (entry_id,) = world.record()
    await world.settle()
    world.record()
    wrong: list[tuple[str, list[Any]]] = [
        ("SELECT audit.integrate(0, %s, %s, %s, '{}', '{}', '{}', '{}')", [[entry_id], [b"s" * 32], [b"c" * 32]]),
        ("SELECT audit.integrate(1, %s, %s, %s, '{}', '{}', '{}', '{}')", [[entry_id], [b"s" * 32], [b"c" * 32]]),
        ("SELECT audit.integrate(1, '{}', '{}', '{}', '{0}', '{0}', '{0}', %s)", [[b"h" * 32]]),
        ("SELECT audit.integrate(1, '{}', '{}', '{}', '{0}', '{0}', '{5}', %s)", [[b"h" * 32]]),
        ("SELECT audit.publish(0, %s, 'x')", [b"r" * 32]),
        ("SELECT audit.publish(1, %s, 'x')", [b"r" * 32]),
        ("SELECT audit.publish(2, %s, 'x')", [b"r" * 32]),
    ]
    with world.postgres.connect("svc_audit") as connection:
        for statement, values in wrong:
            with pytest.raises(psycopg.IntegrityError):
                connection.execute(statement.encode(), values)
    assert (await world.verified()).findings == ()
