"""How long rows are kept, said by people and taken by fleetdb, on a real database."""

from typing import Any

import pytest
import pytest_asyncio

from services.realms.records.apps import CreateRelease
from services.realms.records.backends import Backend, ListBackends, NameBackend
from services.realms.records.retention import Retained, Retention, SetRetention
from services.realms.records.values import Stage
from shared.errors import InvalidArgumentError, NotAuthorizedError, NotFoundError, PublicError
from shared.flags import AssetKind
from shared.identities import ServiceIdentity
from shared.rights.records import LockKind
from tests.harness.rights import MEMBER
from tests.harness.rights import project as in_project
from tests.integration.database import Postgres
from tests.integration.realms.provisioning import Provisioning
from tests.integration.realms.world import ANNA, BERT, DEVICES, IMAGE, Realms, refused

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
FLEETDB = ServiceIdentity("fleetdb", 1)
PROD = Stage.PROD
DAY_S = 86_400
TAG = "backend.retention_changed"
CHANGED = "ironflock.realms.backend.changed"
TABLES = [
    {"tablename": name, "columns": [{"id": "tsp", "dataType": "timestamp"}], "dropAfter": "30 days"}
    for name in ("readings", "alarms")
]


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(world: Realms, postgres: Postgres) -> Realms:
    """A plant with the app Press, whose backend is ready and whose release has two tables."""
    await world.project()
    await world.app("Press")
    await world.releases.release_create(ANNA, CreateRelease("press", "1.0", IMAGE, {"data": {"tables": TABLES}}))
    await world.install()
    await Provisioning(postgres).run()
    await world.announcing.keep_up()
    return world


async def say(world: Realms, keep_s: int | None, table: str | None = "readings", by: Any = ANNA) -> Retention:
    found: Retention = await world.backends.backend_set_retention(
        by, SetRetention((await ready(world)).project_key, "press", PROD, table, keep_s)
    )
    return found


async def ready(world: Realms) -> Backend:
    (backend,) = (await world.backends.backend_list(FLEETDB, ListBackends())).backends
    found: Backend = backend
    return found


def kept(found: Retention) -> dict[str, int | None]:
    return {each.table: each.keep_s for each in found.tables}


def told(world: Realms) -> int:
    return sum(topic == CHANGED for topic, _ in world.published)


async def test_what_is_said_is_intended_told_and_done_once_fleetdb_works_by_it(
    plant: Realms, postgres: Postgres
) -> None:
    before = told(plant)

    said = await say(plant, 60 * DAY_S)

    backend = await ready(plant)
    assert (kept(said)["readings"], kept(said)["alarms"], said.is_in_force) == (60 * DAY_S, 30 * DAY_S, False)
    assert (backend.keeps, told(plant)) == ({"readings": 60 * DAY_S}, before + 1)
    assert backend.retention_change is not None
    assert postgres.audited()[-1] == (TAG, "intended")
    for _ in range(2):
        await plant.backends.backend_retained(FLEETDB, Retained(backend.backend_key, backend.retention_change))
    assert postgres.audited().count((TAG, "done")) == 1
    assert (await ready(plant)).retention_change is None
    shown = await plant.backends.backend_retention(ANNA, NameBackend("plant", "press", PROD))
    assert (kept(shown)["readings"], shown.is_in_force) == (60 * DAY_S, True)
    assert {each.release_keep_s for each in shown.tables if each.is_set} == {30 * DAY_S}


async def test_the_log_says_who_wanted_what(plant: Realms, postgres: Postgres) -> None:
    await say(plant, 60 * DAY_S)
    await say(plant, None)
    backend = await ready(plant)
    assert backend.retention_change is not None
    await plant.backends.backend_retained(FLEETDB, Retained(backend.backend_key, backend.retention_change))

    entries = postgres.rows(
        "SELECT outcome, actor ->> 'kind', before #>> '{keep_s,readings}', after #>> '{keep_s,readings}',"
        " actor ->> 'on_behalf_of' FROM audit.queue WHERE action = %s ORDER BY id",
        TAG,
    )
    days = str(60 * DAY_S)
    assert entries == [
        ("intended", "person", None, days, None),
        ("intended", "person", days, None, None),
        ("done", "service", None, days, "5"),
        ("done", "service", None, None, "5"),
    ]


async def test_the_same_again_says_nothing(plant: Realms, postgres: Postgres) -> None:
    await say(plant, 60 * DAY_S)
    before = (told(plant), postgres.audited())

    await say(plant, 60 * DAY_S)
    await say(plant, None, "alarms")

    assert (told(plant), postgres.audited()) == before


async def test_what_is_said_later_waits_for_its_own_turn(plant: Realms) -> None:
    await say(plant, 60 * DAY_S)
    first = await ready(plant)
    assert first.retention_change is not None
    await say(plant, 90 * DAY_S)

    await plant.backends.backend_retained(FLEETDB, Retained(first.backend_key, first.retention_change))

    assert not (await plant.backends.backend_retention(ANNA, NameBackend("plant", "press", PROD))).is_in_force


async def test_it_stays_with_another_release_and_an_end_of_the_install(plant: Realms, postgres: Postgres) -> None:
    await say(plant, 60 * DAY_S, None)
    await plant.releases.release_create(ANNA, CreateRelease("press", "2.0", IMAGE, {"data": {"tables": TABLES[:1]}}))
    await plant.install(version="2.0")
    await plant.uninstall()
    await plant.install()
    await Provisioning(postgres).run()

    shown = await plant.backends.backend_retention(ANNA, NameBackend("plant", "press", PROD))

    assert kept(shown) == {"readings": 60 * DAY_S, "error-logs": None, "device-location": None}


@pytest.mark.parametrize("keep_s", [1, 7 * DAY_S - 1, 100 * 365 * DAY_S + 1])
async def test_nonsense_is_refused_and_changes_nothing(plant: Realms, postgres: Postgres, keep_s: int) -> None:
    before = postgres.audited()
    with pytest.raises(InvalidArgumentError):
        await say(plant, keep_s)
    with pytest.raises(NotFoundError):
        await say(plant, 60 * DAY_S, "nothing")

    assert (postgres.audited(), (await ready(plant)).keeps) == (before, {})


async def test_who_may_see_and_say_it(plant: Realms) -> None:
    backend = await ready(plant)
    key = backend.project_key

    async def answers() -> tuple[str, str]:
        found = []
        for call in (
            plant.backends.backend_retention(BERT, NameBackend(key, "press", PROD)),
            say(plant, 60 * DAY_S, by=BERT),
        ):
            try:
                await call
                found.append("done")
            except PublicError as error:
                found.append(error.uri)
        return found[0], found[1]

    absent, forbidden = NotFoundError.uri, NotAuthorizedError.uri
    assert await answers() == (absent, absent)
    plant.rights.hold(6, in_project(key), MEMBER)
    plant.rights.give(6, key, AssetKind.PROJECT, key, "READ", "INSTALL_APPS", "UPDATE", "DELETE")
    assert await answers() == (absent, absent)
    plant.rights.give(6, key, AssetKind.DATA_BACKEND, backend.backend_key, "READ", "WRITE", "CONNECT")
    assert await answers() == ("done", forbidden)
    plant.rights.give(6, key, AssetKind.DATA_BACKEND, backend.backend_key, "UPDATE")
    assert await answers() == ("done", "done")
    plant.rights.lock(LockKind.PROJECT, key)
    assert await answers() == ("done", forbidden)


async def test_nobody_but_fleetdb_says_that_it_is_done(plant: Realms, postgres: Postgres) -> None:
    await say(plant, 60 * DAY_S)
    backend = await ready(plant)
    assert backend.retention_change is not None
    done = Retained(backend.backend_key, backend.retention_change)

    assert (await refused(plant.backends.backend_retained(DEVICES, done)))["uri"] == NotAuthorizedError.uri
    await plant.backends.backend_retained(FLEETDB, Retained(backend.backend_key + 1, done.change_key))

    assert (TAG, "done") not in postgres.audited()
