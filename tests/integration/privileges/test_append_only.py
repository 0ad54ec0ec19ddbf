"""What was is not changed: the service's own login cannot."""

import psycopg
import pytest

from services.privileges.records.services import ForgetAsset
from shared.flags import AssetKind
from tests.integration.database import Postgres
from tests.integration.privileges.world import DEVICES, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


@pytest.mark.parametrize("table", ["change", "gone"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET kind = 'x'", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}", "ALTER TABLE {} ADD x int"],
)
async def test_the_service_cannot_change_its_history(
    privileges: Privileges, postgres: Postgres, table: str, statement: str
) -> None:
    await privileges.project()
    await privileges.device(3)
    await privileges.services.asset_forget(DEVICES, ForgetAsset(AssetKind.DEVICE, 3))
    name = f"privileges.{table}"
    before = postgres.rows(f"SELECT * FROM {name}")  # noqa: S608
    assert before

    with postgres.connect("svc_privileges") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.format(name).encode())

    assert postgres.rows(f"SELECT * FROM {name}") == before  # noqa: S608


@pytest.mark.parametrize("login", ["svc_auth", "svc_realms", "svc_devices", "svc_audit", "svc_gateway"])
async def test_no_other_service_sees_the_tables(privileges: Privileges, postgres: Postgres, login: str) -> None:
    await privileges.project()

    with postgres.connect(login) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT 1 FROM privileges.change")
