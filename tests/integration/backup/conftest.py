"""A database of these tests' own: backups look at the whole cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.backup.wal import SLOT
from deploy.local.state import StateFolder
from tests.integration.database import Postgres


@pytest.fixture
def state(postgres: Postgres) -> Iterator[StateFolder]:
    """The state folder of the database, which keeps no log for backups afterwards."""
    folder = StateFolder(postgres.folder / "state")
    postgres.run("CREATE TABLE public.written (number bigint PRIMARY KEY)")
    try:
        yield folder
    finally:
        postgres.run("DROP TABLE public.written")
        for (name,) in postgres.rows("SELECT slot_name FROM pg_replication_slots"):
            assert name == SLOT
            postgres.run("SELECT pg_drop_replication_slot(%s)", name)
        (folder.root / "backup.json").unlink(missing_ok=True)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where backups go."""
    return tmp_path / "backups"
