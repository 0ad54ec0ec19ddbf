"""Direct SQL on the running platform: a key as the password, a real client, entries in the log, the end of a right."""

from typing import Any

import psycopg
import pytest

from tests.harness.accounts import Stranger
from tests.harness.clients import Account
from tests.harness.rest import RestClient
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.real
IMAGE = f"registry.example.com/weather@sha256:{'0' * 64}"
TABLE = {
    "tablename": "measurements",
    "columns": [{"id": "tsp", "dataType": "timestamp"}, {"id": "degrees", "dataType": "numeric"}],
}


class Plant:
    """A project of the first owner's with an app that has a table; the stranger is nobody there yet."""

    def __init__(self, ironflock: RunningPlatform, owner: Account, stranger: Stranger) -> None:
        self.ironflock = ironflock
        self.owner = RestClient(ironflock, owner.api_key)
        self.owner_key = owner.api_key
        self.stranger = stranger
        self.project = self._made("/swarms", {"name": f"sql-{stranger.account_key}"}, "project_key")
        self.app = self._made("/apps", {"name": f"sql-{stranger.account_key}"}, "app_key")
        release = {"version": "1.0", "image": IMAGE, "data_template": {"data": {"tables": [TABLE]}}}
        assert self.owner.ask("POST", f"/apps/{self.app}/releases", release).status == 201
        at = f"/swarms/{self.project}/apps/{self.app}"
        assert self.owner.ask("PUT", at, {"stage": "PROD", "version": "1.0"}).status == 200
        self.realm = f"realm-{self.project}-{self.app}-prod"

    def _made(self, where: str, what: dict[str, Any], key: str) -> int:
        return int(self.owner.ask("POST", where, what).json[key])

    def connect(self, api_key: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="localhost", hostaddr="127.0.0.1", port=self.ironflock.ports.sql, dbname=self.realm, user="anybody",
            password=api_key, sslmode="verify-full", sslrootcert=str(self.ironflock.state.ca_certificate),
            connect_timeout=10, autocommit=True,
        )  # fmt: skip

    def refusal(self, api_key: str) -> str:
        with pytest.raises(psycopg.OperationalError) as refused:
            self.connect(api_key)
        return str(refused.value)

    def has_table(self) -> bool:
        try:
            with self.connect(self.owner_key) as connection:
                connection.execute("SELECT FROM measurements")
        except psycopg.Error:
            return False
        return True

    def backend_key(self) -> int:
        """As the audit log names it."""
        return int(wait_until(self._backend_keys, 30, "it is in the log")[0])

    def _backend_keys(self) -> list[int]:
        entries = self.owner.ask("GET", f"/audit/entries?project={self.project}&limit=200").json["entries"]
        return [entry["asset"]["key"] for entry in entries if entry["action"] == "backend.provisioned"]

    def let_in(self, backend_key: int, *flags: str) -> None:
        """The stranger becomes a member, with flags on the backend."""
        who = {"account": self.stranger.login_name}
        asked = self.owner.ask("POST", f"/swarms/{self.project}/invitations", who).json["invitation_key"]
        theirs = RestClient(self.ironflock, self.stranger.account.api_key)
        assert theirs.ask("POST", f"/swarm-invitations/{asked}/accept").status == 204
        given = {**who, "kind": "data_backend", "key": backend_key, "flags": list(flags)}
        # Privileges is told of the backend beside, once it is there.
        wait_until(lambda: self.owner.ask("POST", "/grants", given).status == 204, 30, "it can be given")

    def keep_out(self, backend_key: int, flag: str) -> None:
        who = f"account={self.stranger.account_key}&kind=data_backend&key={backend_key}&flags={flag}"
        assert self.owner.ask("DELETE", f"/grants?{who}").status == 204

    def logged(self) -> list[str]:
        entries = self.owner.ask("GET", f"/audit/entries?project={self.project}&limit=200").json["entries"]
        return [entry["action"] for entry in entries]


def test_people_read_by_sql_for_as_long_as_they_may(
    ironflock: RunningPlatform, owner: Account, stranger: Stranger
) -> None:
    plant = Plant(ironflock, owner, stranger)
    wait_until(plant.has_table, 60, "the table is there, and its owner reads it")

    with plant.connect(plant.owner_key) as connection:
        listed = connection.execute("SELECT table_name::text FROM information_schema.tables").fetchall()
        assert {"measurements", "error-logs"} <= {name for (name,) in listed}
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO measurements (tsp) VALUES (now())")
    assert "there is no such data backend" in plant.refusal(stranger.account.api_key)
    assert "opens nothing" in plant.refusal("ifk_wrong")

    backend = plant.backend_key()
    plant.let_in(backend, "READ", "CONNECT")
    with plant.connect(stranger.account.api_key) as connection:
        connection.execute("SELECT count(*) FROM measurements")
        plant.keep_out(backend, "CONNECT")
        with pytest.raises(psycopg.OperationalError, match="this needs CONNECT"):
            connection.execute("SELECT pg_sleep(30)")
    wait_until(lambda: {"sql.opened", "sql.asked", "sql.closed"} <= set(plant.logged()), 30, "it is in the log")
