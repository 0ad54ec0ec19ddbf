"""Realms, with nothing in it."""

import pytest

from shared.database import Database
from tests.harness.rights import KnownRights
from tests.integration.realms.world import Others, Realms


@pytest.fixture(name="rights")
def fixture_rights() -> KnownRights:
    return KnownRights()


@pytest.fixture(name="others")
def fixture_others(rights: KnownRights) -> Others:
    return Others(rights)


@pytest.fixture(name="world")
def fixture_world(realms_database: Database, rights: KnownRights, others: Others) -> Realms:
    return Realms(realms_database, rights, others)
