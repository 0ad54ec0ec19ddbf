"""`python -m deploy.rotating KIND SERVICE`: what a rotation does to what is stored, with what a service's pod has.

master-keys SERVICE  every data key of the service is wrapped by the active master key
person-keys auth     the keys of people are sealed by the active one
signing-keys auth    auth makes the next key for tokens at its next start

It logs in as the service does, and can no more than that. Of the first two it prints the file, as the operator's folder
has it, and the key that seals everything now: `python -m deploy.installation FOLDER --anew KIND --finish` reads that.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import shared.unspoken  # noqa: F401 - before what it speaks of

# isort: split
import psycopg
from attrs import frozen

from deploy.local.person_keys import PersonKeysError, reseal
from deploy.local.processes import WITH_MASTER_KEYS
from deploy.local.resealing import have_signing_key_followed, rewrap_all
from deploy.migrate.__main__ import connect
from shared.database import database_settings
from shared.identities import service_role
from shared.secrets import MasterKeys, Sealer, SecretsError, parse_master_keys
from shared.settings import Settings, SettingsError

Connection = psycopg.Connection[Any]


@frozen
class Task:
    """What is done, and in the pods of which services; it returns what is to be said."""

    do: Callable[[Connection, Settings, str], str]
    services: tuple[str, ...] = ("auth",)


def _master_keys(connection: Connection, settings: Settings, service: str) -> str:
    masters = _keys(settings, "MASTER_KEYS")
    rewrap_all(connection, service, masters)
    return f"master-keys/{service} {masters.active}\n"


def _person_keys(connection: Connection, settings: Settings, _service: str) -> str:
    keys = _keys(settings, "PERSON_KEYS")
    reseal(connection, Sealer(keys.keys, keys.active))
    return f"person-keys {keys.active}\n"


def _signing_keys(connection: Connection, _settings: Settings, _service: str) -> str:
    have_signing_key_followed(connection)
    return ""


TASKS: Final[Mapping[str, Task]] = {
    "master-keys": Task(_master_keys, WITH_MASTER_KEYS),
    "person-keys": Task(_person_keys),
    "signing-keys": Task(_signing_keys),
}


def main(arguments: list[str]) -> int:
    """Do it and return the exit status."""
    asked = _parser().parse_args(arguments)
    settings, login = Settings(asked.service.upper(), os.environ), service_role(asked.service)
    try:
        with connect(database_settings(settings, login, settings.path("CA_FILE"))) as connection:
            sys.stdout.write(TASKS[asked.kind].do(connection, settings, asked.service))
    except (SettingsError, SecretsError, PersonKeysError, psycopg.Error) as error:
        sys.stderr.write(f"rotating: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.rotating", description="a rotation, in a service's pod")
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    for name, task in TASKS.items():
        kinds.add_parser(name).add_argument("service", choices=task.services)
    return parser


def _keys(settings: Settings, name: str) -> MasterKeys:
    return parse_master_keys(settings.secret(name))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
