"""The database login of a backend is rotated by one command while containers write: no row is lost or there twice."""

from typing import Any, Final

import pytest

from tests.e2e.sdk.conftest import Site, make_site
from tests.e2e.sdk.writing import Writer
from tests.harness.clients import Account
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

pytestmark = [pytest.mark.real, pytest.mark.soak]
VERSION: Final = "1.10.1"
RETIRED_WITHIN_S: Final = 90.0
ROTATIONS: Final = 2


def backend_of(site: Site) -> tuple[int, str, str | None]:
    """Epoch, login and the login before of the site's backend."""
    with site.platform.database() as connection:
        query = "SELECT epoch, login_name, old_login_name FROM realms.backend WHERE project_key = %s"
        (row,) = connection.execute(query, [site.project]).fetchall()
    return int(row[0]), str(row[1]), row[2]


def sessions_of(site: Site, login: str) -> int:
    """How many sessions the login has in the database."""
    with site.platform.database() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
        (row,) = connection.execute(query, [login]).fetchall()
    return int(row[0])


def test_rotating_the_login_of_a_backend_loses_no_row(ironflock: RunningPlatform) -> None:
    site = make_site(ironflock, Account(ironflock, ironflock.owner_key))
    rotate: dict[str, Any] = {"project": site.project, "app": site.app, "stage": "DEV"}
    with site.container(VERSION) as one, site.container(VERSION, 1) as other:
        for container in (one, other):
            container.do("start")
        writers = [Writer(container, first) for container, first in ((one, 0), (other, 1_000_000))]
        try:
            for _ in range(ROTATIONS):
                epoch, login, _ = backend_of(site)
                done = len(writers[0].acknowledged)
                site.owner.call("ironflock.realms.backend.rotate", **rotate)
                wait_until(lambda: backend_of(site)[0] == epoch + 1, 30.0, "there is a new login")  # noqa: B023
                wait_until(lambda: backend_of(site)[2] is None, RETIRED_WITHIN_S, "the old login has ended")
                wait_until(lambda: len(writers[0].acknowledged) > done + 5, 30.0, "rows are written")  # noqa: B023
                assert sessions_of(site, login) == 0
        finally:
            for writer in writers:
                writer.end()

        assert [writer.refused for writer in writers] == [[], []]
        acknowledged = [number for writer in writers for number in writer.acknowledged]
        rows = one.do("getHistory", "readings", {"limit": 10_000})
    assert sorted(row["count"] for row in rows) == sorted(acknowledged)
    assert sessions_of(site, backend_of(site)[1]) > 0
