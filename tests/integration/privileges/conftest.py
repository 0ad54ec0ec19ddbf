"""Privileges, with nothing in it."""

from collections.abc import Iterator

import pytest

from services.privileges.store import history
from shared.database import Database
from tests.integration.privileges.world import Privileges


@pytest.fixture(name="privileges")
def fixture_privileges(privileges_database: Database) -> Iterator[Privileges]:
    moment = history.moment
    try:
        yield Privileges(privileges_database)
    finally:
        history.moment = moment
