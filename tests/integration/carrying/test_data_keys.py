"""Where a service has sealed nothing yet, its first data key is made as it makes it itself."""

import pytest

from deploy.carrying.sealed_values import ensured_sealer, sealed
from deploy.local.state import StateFolder
from shared.keyring import DataKeys
from shared.secrets import parse_master_keys
from tests.integration.database import Postgres

pytestmark = pytest.mark.asyncio


async def test_what_is_sealed_before_a_service_sealed_anything_opens_there(postgres: Postgres) -> None:
    file = StateFolder(postgres.folder / "state").devices_master_keys
    with postgres.connect() as connection:
        octets = sealed(ensured_sealer(connection, "devices", file), b"open sesame", "here")
        ensured_sealer(connection, "devices", file)

    assert postgres.rows("SELECT count(*) FROM devices.data_key") == [(1,)]
    async with postgres.database("svc_devices") as database:
        keys = DataKeys(parse_master_keys(file.read_text()), database, "devices")
        assert await keys.open(octets, "here") == "open sesame"
