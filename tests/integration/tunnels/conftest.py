"""An edge on the reactor's thread; the service's rooms, with nothing in them."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.harness.tunnel_edge import World, edge_world
from tests.integration.database import Postgres
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.tunnels.rooms import Rooms


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tunnels"))


@pytest.fixture
def world(certificates: Certificates) -> Iterator[World]:
    with edge_world(certificates) as found:
        yield found


@pytest_asyncio.fixture(name="rooms")
async def fixture_rooms(postgres: Postgres) -> AsyncIterator[Rooms]:
    async with postgres.database("svc_tunnels") as database:
        yield Rooms(database, postgres)
