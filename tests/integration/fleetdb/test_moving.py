"""Projects on a second real server: new ones, and one that moves there while it is written to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any, Final
from uuid import uuid4

import attrs
import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from services.fleetdb import carrying as carrying_module
from services.fleetdb import moving as moving_module
from services.fleetdb.carrying import Carrying
from services.fleetdb.connections import ForReading
from services.fleetdb.keys import Keyring
from services.fleetdb.logins import Logins
from services.fleetdb.pools import POOL_SIZE, ConnectionSettings
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.erasures import EraseDevice
from services.fleetdb.records.tables import Made
from services.fleetdb.retention import Retention
from services.fleetdb.store import carrying as store
from services.fleetdb.store import erasing
from services.fleetdb.store.catalog import belongings, own_name
from services.realms.provisioner.cluster import end_long_transactions
from services.realms.records.backends import NameBackend
from services.realms.records.clusters import AddCluster, ClusterState, UpdateCluster
from services.realms.records.moves import CreateMove, MoveState, NameMove
from services.realms.records.values import Stage
from shared.clusters import Clusters
from shared.database import Database, connection_arguments
from shared.errors import ConflictError, UnavailableError
from shared.procedures import NoArguments
from tests.harness.rights import KnownRights
from tests.harness.waiting import eventually
from tests.integration.auth.material import masters
from tests.integration.database import Postgres
from tests.integration.fleetdb.moving_site import BEFORE, FILL, InProcess, Site, all_of, begun, filled, plant, writing
from tests.integration.fleetdb.templates import NOW, at, column, rows, template
from tests.integration.fleetdb.test_provisioned import Certifying
from tests.integration.realms.provisioning import KilledError, Provisioning
from tests.integration.realms.world import ANNA, Others, Realms

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
MOST_PAUSED_MS: Final = 5_000
"""Who writes waits so long at most, as for any connection: what is not over by then is given up, and tried again."""


@pytest.fixture(scope="module", name="pair")
def fixture_pair() -> Iterator[Postgres]:
    """Two servers: the control database is on the first."""
    started = Postgres(clusters=2)
    try:
        started.start()
        migrated = started.migrate()
        assert migrated.returncode == 0, migrated.stderr
        yield started
    finally:
        started.remove()


@pytest.fixture(name="postgres")
def fixture_postgres(pair: Postgres) -> Postgres:
    pair.clear()
    return pair


@pytest_asyncio.fixture(name="site")
async def fixture_site(postgres: Postgres) -> AsyncIterator[Site]:
    rights = KnownRights()
    async with AsyncExitStack() as stack:
        realms_database: Database = await stack.enter_async_context(postgres.database("svc_realms"))
        fleetdb_database: Database = await stack.enter_async_context(postgres.database("svc_fleetdb"))
        world = Realms(realms_database, rights, Others(rights))
        keyring = Keyring(masters("m1"), fleetdb_database)
        certifying = Certifying(Provisioning(postgres))
        logins = Logins(fleetdb_database, keyring, certifying, lambda: certifying.provisioning.now)
        where = ConnectionSettings("localhost", postgres.port, postgres.ca, others=Clusters(postgres.clusters))
        site = Site(postgres, world, logins, stack, InProcess(world), where, keyring=keyring, database=fleetdb_database)
        site.begin()
        world.let_place()
        await world.placement.cluster_add(ANNA, AddCluster("second", "south", 100))
        await site.provision()
        await world.app("press")
        yield site
        await site.connections.close()


async def test_a_new_project_is_made_and_written_to_in_the_region_that_was_asked_for(site: Site) -> None:
    backend = await plant(site, "south")
    assert (backend.cluster, site.has_left(backend, "first")) == ("second", True)

    table = (await site.tables(backend))["measured"]
    await site.writing.append(backend, table, rows(table, [{"tsp": at(1), "v": 7}]))

    assert site.values(backend, "second") == [7]
    listed = (await site.world.placement.cluster_list(ANNA, NoArguments())).clusters
    second = listed[1]
    assert (second.name, second.projects, second.host, second.port) == (
        "second", 1, "localhost", site.postgres.second_port,
    )  # fmt: skip


async def test_a_project_moves_while_it_is_written_to_and_every_row_is_there_once(site: Site) -> None:
    backend = await filled(site)

    async with writing(site, backend) as writers:
        asked = await site.move()
        assert asked.state is MoveState.MOVING
        ended = await site.moved(asked.move_key)

    moved = await site.backend()
    assert (ended.state, moved.cluster, moved.placed) == (MoveState.DONE, "second", 2)
    assert site.values(moved, "second") == all_of(writers)
    assert site.has_left(moved, "first")
    (figures,) = ended.backends
    assert figures.paused_ms is not None
    assert 0 < figures.paused_ms < MOST_PAUSED_MS
    assert BEFORE < (figures.rows_carried or 0) <= len(all_of(writers))
    assert [tag for tag, _ in site.postgres.audited() if tag.startswith("project.move")] == [
        "project.move_asked",
        "project.moved",
    ]


async def test_who_is_killed_on_the_way_goes_on_and_no_row_is_lost_or_there_twice(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend, carried = await filled(site), store.carry
    kill_after: list[int] = [1, 1, 2]
    monkeypatch.setattr(carrying_module, "LOCK_MS", 10_000)

    async def carry(*arguments: Any) -> int:
        count: int = await carried(*arguments)
        if kill_after:
            kill_after[0] -= 1
            if kill_after[0] == 0:
                del kill_after[0]
                raise KilledError
        return count

    monkeypatch.setattr(store, "carry", carry)
    site.realms.before_switch, site.realms.after_switch = [KilledError()], [KilledError()]
    asked = await site.move()
    table, acknowledged, kills = (await site.tables(backend))["measured"], list[int](), 0
    for number in range(1_000_000, 1_000_040):
        try:
            await site.provision()
            await site.moving.keep_up()
        except KilledError:
            kills += 1
            await site.begin_again()
        now = await site.backend()
        await site.writing.append(now, table, rows(table, [{"tsp": at(1), "v": number}]))
        acknowledged.append(number)
        if now.cluster == "second":
            break
    ended = await site.moved(asked.move_key)

    assert (kills, ended.state) == (5, MoveState.DONE)
    moved = await site.backend()
    assert site.values(moved, "second") == [*range(1, BEFORE + 1), *acknowledged]
    assert site.has_left(moved, "first")


async def test_an_answer_that_was_not_heard_is_asked_for_until_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving_module, "PAUSE_S", 0.01)
    backend = await filled(site, 10)
    site.realms.before_switch, site.realms.after_switch = [UnavailableError("x")], [UnavailableError("y")]

    async with writing(site, backend, 1) as writers:
        ended = await site.moved((await site.move()).move_key)

    assert ended.state is MoveState.DONE
    assert site.values(await site.backend(), "second") == all_of(writers, 10)


async def test_where_a_transaction_does_not_end_the_move_is_given_up_and_work_goes_on_where_it_was(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving_module, "GIVE_BACK_S", 0.05)
    monkeypatch.setattr(moving_module, "TRIES", 2)
    monkeypatch.setattr(moving_module, "BACK_OFF_S", 0.0)
    backend = await filled(site, 10)

    async with site.connections.transaction(backend) as long:
        await long.execute("SELECT count(*) FROM measured")
        async with writing(site, backend, 1) as writers:
            ended = await site.moved((await site.move()).move_key)

    assert (ended.state, ended.backends[0].problem) == (MoveState.GIVEN_UP, "TimeoutError")
    stayed = await site.backend()
    assert (stayed.cluster, site.values(stayed, "first")) == ("first", all_of(writers, 10))
    shown = await site.world.moving.project_meant("plant")
    assert shown.cluster == "first"
    with site.postgres.connect_second(dbname=stayed.database) as superuser:
        assert (
            superuser.execute(b"SELECT FROM information_schema.tables WHERE table_schema LIKE 's\\_%'").fetchall() == []
        )


async def test_who_only_reads_does_not_hold_a_move_up(site: Site) -> None:
    backend = await filled(site, 10)

    async with ForReading(site.connections).connection(backend) as reading:
        await reading.execute("SELECT count(*) FROM measured")
        ended = await site.moved((await site.move()).move_key)

    assert (ended.state, site.values(await site.backend(), "second")) == (MoveState.DONE, list(range(1, 11)))


async def test_who_waited_behind_readers_until_a_move_came_to_its_end_writes_nothing_and_is_told(site: Site) -> None:
    backend = await filled(site, 10)
    table = (await site.tables(backend))["measured"]
    async with AsyncExitStack() as readers:
        for _ in range(POOL_SIZE):
            await readers.enter_async_context(ForReading(site.connections).connection(backend))
        append = site.writing.append(backend, table, rows(table, [{"tsp": at(1), "v": 11}]))
        waiting = asyncio.create_task(append)

        async def is_waiting() -> bool:
            (pool,) = site.connections._pools.values()
            return pool.connections.get_stats()["requests_waiting"] == 1

        await eventually(is_waiting, 5, "the writer waits for a connection")
        async with site.connections.held(backend.backend_key, 0.1):
            await readers.aclose()
            with pytest.raises(UnavailableError):
                await waiting

    assert site.values(backend, "first") == list(range(1, 11))


async def test_what_came_during_the_first_walk_is_carried_in_pieces(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PIECE", 10)
    backend, carried, pieces = await filled(site, 5), store.carry, list[int]()

    async def carry(*arguments: Any) -> int:
        pieces.append(await carried(*arguments))
        return pieces[-1]

    monkeypatch.setattr(store, "carry", carry)
    move, carrying = await begun(site)
    await carrying.prepare()
    await carrying.carry()
    async with site.connections.connection(backend) as connection:
        await connection.execute(FILL, [35])
    await carrying.carry()

    assert [each for each in pieces if each] == [5, 10, 10, 10, 5]
    assert len(site.values(move.target, "second")) == 40


async def test_an_index_that_was_cut_off_is_made_again(site: Site) -> None:
    backend = await filled(site, 10)
    async with site.connections.connection(backend) as connection:
        (name,) = await belongings(connection, backend.schema, "measured")
    unfinished = own_name("measured", f"{store.UNFINISHED}_{name}")
    with site.postgres.connect(dbname=backend.database) as superuser:
        superuser.execute(
            sql.SQL("CREATE INDEX {} ON {} USING brin (_row)").format(
                sql.Identifier(unfinished), sql.Identifier(backend.schema, own_name("measured", name))
            )
        )
    _, carrying = await begun(site)

    await carrying.prepare()
    await carrying.prepare()

    with site.postgres.connect(dbname=backend.database) as superuser:
        found = superuser.execute(
            b"SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            b" JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'brin'"
        ).fetchall()
    assert (own_name("measured", f"{store.SEARCHED}_{name}"), True) in found
    assert unfinished not in [index for index, _ in found]


async def test_a_table_that_got_a_column_between_two_tries_is_carried_over_from_the_beginning(site: Site) -> None:
    backend = await filled(site, 10)
    move, carrying = await begun(site)
    await carrying.prepare()
    await carrying.carry()
    async with site.connections.connection(backend) as connection:
        await connection.execute("ALTER TABLE measured ADD w bigint")
        await connection.execute("UPDATE measured SET w = v")

    again = Carrying(carrying._ends)
    await again.prepare()
    await again.carry()

    with site.postgres.connect_second(dbname=backend.database) as superuser:
        query = sql.SQL("SELECT v, w FROM {} ORDER BY v").format(sql.Identifier(backend.schema, "measured"))
        assert superuser.execute(query).fetchall() == [(v, v) for v in range(1, 11)]
    last = Carrying(carrying._ends)
    await last.prepare()
    assert await last.carry() == 0  # what is the same stays
    assert move.target.cluster == "second"


SUMMED: Final = template(
    {
        "tablename": "measured",
        "columns": [column("v", "bigint"), column("token", "string", secret=True)],
        "downsample": {"bucket": "1 hour", "keepFor": "30 days"},
    }
)


async def test_sums_that_changed_between_two_tries_are_on_the_target_as_they_are_now(site: Site) -> None:
    backend = attrs.evolve(await plant(site), template=SUMMED)
    made = Made(await site.tables(backend), ())
    retention, table = Retention(site.connections), made.tables["measured"]
    hour = NOW.replace(minute=0, second=0)
    await site.writing.append(backend, table, rows(table, [{"tsp": hour.isoformat(), "v": 1}]))
    await retention.tend(backend, made, NOW)
    move, carrying = await begun(site)
    await carrying.prepare()
    await carrying.carry()
    await site.writing.append(backend, table, rows(table, [{"tsp": hour.isoformat(), "v": 3}]))
    await retention.tend(backend, made, NOW)

    again = Carrying(carrying._ends)
    await again.prepare()
    await again.carry()

    assert sums(site, backend, "first") == sums(site, backend, "second") == [(2, 3)]
    assert move.target.cluster == "second"


def sums(site: Site, backend: Backend, cluster: str) -> list[tuple[Any, ...]]:
    """Of each bucket how many rows it has, and the greatest value."""
    connect = site.postgres.connect_second if cluster == "second" else site.postgres.connect
    with connect(dbname=backend.database) as superuser:
        query = sql.SQL("SELECT v_count, v_max FROM {} ORDER BY tsp").format(
            sql.Identifier(backend.schema, "measured_ds")
        )
        return [(int(count), int(most)) for count, most in superuser.execute(query).fetchall()]


async def test_what_was_sealed_anew_between_two_tries_is_where_the_backend_has_come_to(site: Site) -> None:
    backend = attrs.evolve(await plant(site), template=SUMMED)
    tables = await site.tables(backend)
    await site.writing.append(backend, tables["measured"], rows(tables["measured"], [{"tsp": at(1), "token": "x"}]))
    move, carrying = await begun(site)
    await carrying.prepare()
    await carrying.carry()
    site.postgres.run("UPDATE fleetdb.data_key SET created_at = now() - interval '400 days'")
    assert site.database is not None
    site.keyring = Keyring(masters("m1"), site.database)
    await site.begin_again()
    assert await site.resealing.reseal(backend, tables.values()) == 1

    ended = await site.moved(move.move_key)

    assert ended.state is MoveState.DONE
    moved = attrs.evolve(await site.backend(), template=SUMMED)
    assert await site.resealing.reseal(moved, tables.values()) == 1
    assert await site.resealing.reseal(moved, tables.values()) == 0


async def test_how_many_rows_of_a_device_were_deleted_goes_along(site: Site) -> None:
    backend, request = await filled(site, 10), uuid4()
    asked = EraseDevice(request, 1, backend.project_key, 1)
    async with site.connections.transaction(backend) as connection:
        await erasing.begin(connection, backend.schema)
        assert await erasing.erase_page(connection, backend.schema, "measured", asked)

    assert (await site.moved((await site.move()).move_key)).state is MoveState.DONE

    moved = await site.backend()
    async with site.connections.transaction(moved) as connection:
        assert await erasing.erase_page(connection, moved.schema, "measured", asked)
        assert await erasing.erased_list(connection, moved.schema, request) == {"measured": 10}


async def test_tables_keep_their_keys_and_numbers_and_go_back_too(site: Site) -> None:
    backend = await filled(site, 10)
    states = (await site.tables(backend))["states"]
    await site.writing.append(backend, states, rows(states, [{"tsp": at(1), "name": "a", "v": 1}]))
    assert (await site.moved((await site.move()).move_key)).state is MoveState.DONE

    there = await site.backend()
    await site.writing.append(there, states, rows(states, [{"tsp": at(2), "name": "a", "v": 2}]))
    with site.postgres.connect_second(dbname=there.database) as superuser:
        whole = sql.Identifier(there.schema, "states")
        numbers = superuser.execute(sql.SQL("SELECT _row FROM {} ORDER BY _row").format(whole)).fetchall()
        twin = "INSERT INTO {0} (tsp, device_key, authid, name, v) SELECT tsp, 1, 'a', name, 3 FROM {0} LIMIT 1"
        with pytest.raises(psycopg.errors.UniqueViolation):
            superuser.execute(sql.SQL(twin).format(whole))
    assert numbers == [(1,), (2,)]

    assert (await site.moved((await site.move("first")).move_key)).state is MoveState.DONE

    back = await site.backend()
    assert (back.cluster, back.placed, site.values(back, "first", "states")) == ("first", 3, [1, 2])
    assert site.has_left(back, "second")


async def test_what_an_uninstalled_app_has_left_goes_along(site: Site) -> None:
    backend = await filled(site, 10)
    await site.connections.forget(backend.backend_key)
    await site.world.uninstall()
    await site.provision()

    ended = await site.moved((await site.move()).move_key)
    await site.world.install(app="press")
    await site.provision()

    moved = await site.backend()
    assert (ended.state, moved.cluster) == (MoveState.DONE, "second")
    assert site.values(moved, "second") == list(range(1, 11))
    async with site.connections.connection(moved) as connection:
        await connection.execute("SELECT FROM measured")


async def test_what_timescaledb_keeps_is_not_moved(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(site, 10)

    async def has(_: object) -> bool:
        return True

    monkeypatch.setattr(carrying_module, "has_timescale", has)
    ended = await site.moved((await site.move()).move_key)

    assert (ended.state, ended.backends[0].problem) == (MoveState.GIVEN_UP, carrying_module.HYPERTABLES)
    assert (await site.backend()).cluster == "first"


async def test_a_cluster_is_emptied_one_project_after_the_other(site: Site) -> None:
    backend = await filled(site, 10)
    await site.world.project("mill", region="south")
    await site.world.placement.cluster_add(ANNA, AddCluster("third", "default", 100))
    await site.world.placement.cluster_update(ANNA, UpdateCluster("first", ClusterState.DRAINING))
    await site.world.moving.drain()
    assert await site.listed() == []  # nowhere to go

    site.postgres.run("UPDATE realms.cluster SET region = 'default' WHERE name = 'second'")
    await site.world.moving.drain()
    await site.world.moving.drain()
    (move,) = await site.listed()
    ended = await site.moved(move.move_key)
    await site.world.moving.drain()

    moved = await site.backend()
    assert (ended.state, moved.cluster) == (MoveState.DONE, "second")
    assert site.values(moved, "second") == list(range(1, 11))
    assert site.has_left(backend, "first")
    assert len(await site.listed()) == 1
    listed = (await site.world.placement.cluster_list(ANNA, NoArguments())).clusters
    assert [(each.name, each.projects) for each in listed] == [("first", 0), ("second", 2), ("third", 0)]


async def test_meanwhile_nothing_else_is_done_to_it(site: Site) -> None:
    backend = await filled(site, 10)
    asked = await site.move()

    for call in (
        site.world.backends.backend_rotate(ANNA, NameBackend("plant", "press", Stage.PROD)),
        site.world.uninstall(),
        site.world.moves.move_create(ANNA, CreateMove("plant", "first")),
    ):
        with pytest.raises(ConflictError):
            await call

    left = await site.world.moves.move_abandon(ANNA, NameMove(asked.move_key))
    assert [each.problem for each in left.backends] == ["abandoned"]
    ended = await site.moved(asked.move_key)
    assert (ended.state, (await site.backend()).cluster) == (MoveState.GIVEN_UP, "first")
    assert site.values(backend, "first") == list(range(1, 11))
    await site.world.backends.backend_rotate(ANNA, NameBackend("plant", "press", Stage.PROD))


INDEXING: Final = "SELECT count(*) FROM pg_stat_progress_create_index WHERE command = 'CREATE INDEX CONCURRENTLY'"


async def test_a_move_is_abandoned_while_an_index_is_made_which_nobody_ends_for_taking_long(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving_module, "LOOK_S", 0.05)
    backend = await filled(site, 10)
    asked = await site.move()
    await site.provision()

    async def is_made() -> bool:
        return bool(site.postgres.rows(INDEXING) == [(1,)])

    with site.postgres.connect(dbname=backend.database) as superuser, superuser.transaction():
        # A transaction that is open keeps an index from being finished, as a partition does that is very large.
        superuser.execute(sql.SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE").format(first_partition(backend, superuser)))
        carrying = asyncio.create_task(site.moving.keep_up())
        await eventually(is_made, 30, "the index is being made")
        async with await psycopg.AsyncConnection.connect(
            **connection_arguments(site.postgres.settings("provisioner"))
        ) as provisioner:
            assert await end_long_transactions(provisioner, 0.0) == 0
        assert await is_made()

        await site.world.moves.move_abandon(ANNA, NameMove(asked.move_key))
        await asyncio.wait_for(carrying, 30)

        assert site.postgres.rows(INDEXING) == [(0,)]
    ended = await site.moved(asked.move_key)
    assert (ended.state, site.values(await site.backend(), "first")) == (MoveState.GIVEN_UP, list(range(1, 11)))


def first_partition(backend: Backend, superuser: psycopg.Connection[Any]) -> sql.Identifier:
    """One of the partitions of the backend's table."""
    query = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename LIKE '%%measured%%' ORDER BY 1 DESC"
    ((name,), *_) = superuser.execute(query, [backend.schema]).fetchall()
    return sql.Identifier(backend.schema, name)


@pytest.mark.soak
@pytest.mark.parametrize("before", [10_000, 100_000, 1_000_000])
async def test_how_long_a_move_and_its_pause_take(
    site: Site, before: int, record_property: Callable[[str, object], None]
) -> None:
    backend, clock = await filled(site, before), asyncio.get_running_loop().time

    async with writing(site, backend, 8) as writers:
        began = clock()
        ended = await site.moved((await site.move()).move_key)
        took_s = clock() - began

    assert site.values(await site.backend(), "second") == all_of(writers, before)
    (figures,) = ended.backends
    record_property(
        "octets_of_an_empty_database", site.postgres.rows("SELECT pg_database_size('ironflock_project')")[0][0]
    )
    assert figures.paused_ms is not None
    assert 0 < figures.paused_ms < MOST_PAUSED_MS
    meanwhile = sum(len(each.acknowledged) for each in writers)
    record_property("took_s", round(took_s, 2))
    record_property("paused_ms", figures.paused_ms)
    record_property("rows_written_meanwhile", meanwhile)
    print(  # noqa: T201 - the figures
        f"\n{before} rows: {took_s:.1f} s, paused for {figures.paused_ms} ms, {meanwhile} rows written meanwhile"
    )
