"""`python -m deploy.migrate`: bring every schema up to date, audit's first, then end.

Connects as login `migrate`, which may act as each schema's owner and holds nothing itself.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import shared.unspoken  # noqa: F401 - before what it speaks of

# isort: split
import psycopg

from shared.database import DatabaseSettings, by_either, connection_arguments, database_settings
from shared.migrations import MigrationError, migrate
from shared.settings import Settings, SettingsError

LOGIN: Final = "migrate"
# audit.record is called by the functions and triggers of the others.
SCHEMAS: Final = ("audit", "auth", "realms", "devices", "privileges", "gateway", "fleetdb", "tunnels")
SERVICES: Final = Path(__file__).resolve().parents[2] / "services"


def main() -> int:
    """Migrate and return the exit status."""
    try:
        with connect(migrate_settings(os.environ)) as connection:
            for schema in SCHEMAS:
                for name in migrate_schema(connection, schema):
                    sys.stdout.write(f"{schema}: applied {name}\n")
    except (SettingsError, MigrationError, psycopg.Error) as error:
        sys.stderr.write(f"migrate: {error}\n")
        return 1
    return 0


def migrate_settings(environ: Mapping[str, str]) -> DatabaseSettings:
    """The settings out of `IRONFLOCK_MIGRATE_*`.

    Raises:
        SettingsError: One is missing, malformed or unknown; the text names it.
    """
    settings = Settings("MIGRATE", environ)
    found = database_settings(settings, LOGIN, settings.path("CA_FILE"))
    settings.refuse_unknown()
    return found


def connect(settings: DatabaseSettings) -> psycopg.Connection[Any]:
    """An autocommit connection over verified TLS; a long migration is not cut off.

    By the password before, where the server does not take the new one yet.
    """
    arguments = {**connection_arguments(settings), "options": ""}
    return by_either(settings.password, lambda password: psycopg.connect(**{**arguments, "password": password}))


def migrate_schema(connection: psycopg.Connection[Any], schema: str) -> list[str]:
    """Bring one schema up to date and return the names of what ran."""
    return migrate(connection, schema=schema, owner=f"{schema}_owner", folder=SERVICES / schema / "migrations")


if __name__ == "__main__":
    sys.exit(main())
