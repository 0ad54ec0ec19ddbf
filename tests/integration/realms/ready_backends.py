"""A plant with an app whose backend is ready, and a provisioner that works when the test says so."""

from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec

from services.realms.records.backends import (
    Backend,
    ListBackends,
    NameBackend,
)
from services.realms.records.values import Stage
from shared.identities import ServiceIdentity
from tests.integration.database import Postgres
from tests.integration.realms.provisioning import Provisioning, pem_of
from tests.integration.realms.world import ANNA, Realms

FLEETDB = ServiceIdentity("fleetdb", 1)
PROD = Stage.PROD
CHANGED = "ironflock.realms.backend.changed"


@pytest.fixture(name="provisioning")
def fixture_provisioning(postgres: Postgres) -> Provisioning:
    return Provisioning(postgres)


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(world: Realms, provisioning: Provisioning) -> Realms:
    """A plant with the app Press, whose backend is ready."""
    await world.project()
    await world.app("Press")
    await world.release()
    await world.install()
    await provisioning.run()
    return world


async def listed(world: Realms) -> list[Backend]:
    found: list[Backend] = (await world.backends.backend_list(FLEETDB, ListBackends())).backends
    return found


async def rotate(world: Realms, by: Any = ANNA, project: int | str = "plant") -> int:
    return int((await world.backends.backend_rotate(by, NameBackend(project, "press", PROD))).epoch)


def told(world: Realms) -> list[tuple[str, int]]:
    return [(said["state"], said["epoch"]) for topic, said in world.published if topic == CHANGED]


def logins_that_open(postgres: Postgres) -> int:
    """Of the one backend."""
    ((number,),) = postgres.rows(
        "SELECT count(*) FROM pg_auth_members m JOIN pg_roles l ON l.oid = m.member JOIN pg_roles o ON o.oid = m.roleid"
        " WHERE o.rolname = (SELECT owner_name FROM realms.backend) AND l.rolcanlogin AND l.rolname <> 'provisioner'"
    )
    return int(number)


def new_key() -> str:
    return pem_of(ec.generate_private_key(ec.SECP256R1()))
