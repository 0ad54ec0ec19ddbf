"""Apps' credentials: what the router is told of a join, how they rotate, and who is served."""

import asyncio
import base64
import hmac
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from attrs import evolve

from services.auth.apps import Apps
from services.auth.keyring import Keyring
from services.auth.locks import Locks
from services.auth.procedures.app_credentials import AppCredentialProcedures
from services.auth.records.app_credentials import (
    FindAppCredential,
    FoundAppCredential,
    NameAppCredential,
    Reason,
    RotateAppCredential,
)
from services.auth.records.devices import DeviceKey, DeviceSecrets, IssueDeviceCredential
from shared.database import Database
from shared.errors import NotAuthorizedError, NotFoundError, UnavailableError
from shared.identities import ServiceIdentity
from shared.procedures import declared
from shared.project_cells import CELL, ProjectCells
from shared.rights.records import LockKind
from tests.harness.rights import KnownRights
from tests.integration.auth.neighbours import Neighbours
from tests.integration.auth.surface import Procedures
from tests.integration.database import Postgres

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICES, ROUTER = ServiceIdentity("devices", 1), ServiceIdentity("router", 1)
SERIAL = UUID("06a0bf96-a539-4d6a-8471-ac7adc67616e")
INSTALLED = "ironflock.devices.app.installed"
STANDING = "ironflock.realms.app.standing"
OWN, FOREIGN = "realm-2-26-dev", "realm-2-77-dev"
WEATHER = {"name": "weather", "type": "APP"}


class Platform:
    """Auth's procedures for apps; devices and realms answer as a test says: device 42 of project 2 has app 26."""

    def __init__(self, procedures: Procedures, apps: AppCredentialProcedures, neighbours: Neighbours) -> None:
        self.credentials = procedures
        self.apps = apps
        self.neighbours = neighbours
        self.installed: dict[str, Any] = {
            "device_key": 42,
            "project_key": 2,
            "apps": [{"app_key": 26, "stage": "DEV"}, {"app_key": 5, "stage": "PROD"}],
        }
        self.standing: dict[str, Any] = {
            "is_realm_installed": True,
            "provider": WEATHER,
            "grants": ["weather"],
            "legacy_mode": "strict",
        }
        self.secrets = DeviceSecrets("", "")
        answers = neighbours.router.answers
        answers[INSTALLED] = lambda *, serial_number: self.installed if serial_number == str(SERIAL) else None
        answers[STANDING] = lambda **_: self.standing

    async def flash(self, project_key: int = 2) -> None:
        """New secrets for the device."""
        order = IssueDeviceCredential(uuid4(), 42, project_key, SERIAL)
        self.secrets = await self.credentials.device_credential_issue(DEVICES, order)

    async def find(
        self, realm: str = OWN, authid: str = f"app-26-dev-e1@{SERIAL}", *, is_proven: bool = True
    ) -> FoundAppCredential:
        """What the router is told, where it has seen the proof or has not."""
        asked = FindAppCredential(realm, authid, is_proven)
        found: FoundAppCredential = await self.apps.app_credential_find(ROUTER, asked)
        return found

    async def rotate(self) -> int:
        """The epoch of app 26 from now on."""
        return int((await self.apps.app_credential_rotate(DEVICES, RotateAppCredential(42, 26, "DEV", 5))).epoch)

    def secret(self, epoch: int = 1, app_key: int = 26, stage: str = "DEV") -> str:
        """What the agent derives."""
        message = f"ironflock/app-cred/v1|{SERIAL}|{app_key}|{stage}|{epoch}"
        return base64.b64encode(hmac.digest(self.secrets.app_cred_key.encode(), message.encode(), "sha256")).decode()

    def asked(self, procedure: str) -> list[dict[str, Any]]:
        """With what another service was asked."""
        return [kwargs for name, _, kwargs in self.neighbours.router.calls if name == procedure]


@pytest_asyncio.fixture
async def platform(
    auth_database: Database, keyring: Keyring, procedures: Procedures, neighbours: Neighbours, rights: KnownRights
) -> Platform:
    await neighbours.join()
    cells = ProjectCells(neighbours.bus)
    apps = AppCredentialProcedures(auth_database, keyring, Locks(rights), Apps(neighbours.bus, cells))
    made = Platform(procedures, apps, neighbours)
    await made.flash()
    return made


async def test_an_app_joins_its_own_realm_as_its_device_without_realms_being_asked(platform: Platform) -> None:
    found = await platform.find()

    assert found == FoundAppCredential(Reason.APP, "app", platform.secret(), str(SERIAL), 42, 2, "first")
    assert platform.asked(STANDING) == []
    assert platform.secret() not in repr(found)


async def test_an_app_joins_a_foreign_realm_as_a_reader(platform: Platform) -> None:
    found = await platform.find(FOREIGN)

    assert found == FoundAppCredential(Reason.APP_READER, "app_reader", platform.secret(), str(SERIAL), 42, 2, "first")
    whose = {"app_key": 26, "stage": "DEV"}
    assert platform.asked(STANDING) == [{"project_key": 2, "realm_app_key": 77, "realm_stage": "DEV", **whose}]


async def test_an_older_sdk_joins_by_its_serial_number_where_the_project_lets_it(platform: Platform) -> None:
    assert await platform.find(OWN, str(SERIAL)) == FoundAppCredential(
        Reason.LEGACY_DENIED, None, None, str(SERIAL), 42, 2
    )
    platform.standing["legacy_mode"] = "dual"

    assert await platform.find(OWN, str(SERIAL)) == FoundAppCredential(
        Reason.APP, "app", str(SERIAL), str(SERIAL), 42, 2, "first"
    )
    assert (await platform.find(FOREIGN, str(SERIAL))).role == "app_reader"
    assert platform.asked(STANDING)[-1] == {
        "project_key": 2,
        "realm_app_key": 77,
        "realm_stage": "DEV",
        "app_key": None,
        "stage": None,
        "app_keys": [5, 26],
    }


@pytest.mark.parametrize(
    ("realm", "authid", "reason"),
    [
        ("realm-2-26-prod", f"app-26-dev-e1@{SERIAL}", "not_installed_realm_stage"),
        ("realm-2-26-prod", f"app-26-prod-e1@{SERIAL}", "not_installed"),
    ],
)
async def test_whoever_only_lacks_the_installation_can_prove_who_it_is(
    platform: Platform, realm: str, authid: str, reason: str
) -> None:
    found = await platform.find(realm, authid)

    assert (found.reason, found.role) == (reason, None)
    assert found.secret == platform.secret(stage="PROD" if "prod-e" in authid else "DEV")


@pytest.mark.parametrize(
    ("realm", "authid", "reason"),
    [
        ("", f"app-26-dev-e1@{SERIAL}", "missing_args"),
        ("realm1", f"app-26-dev-e1@{SERIAL}", "bad_realm"),
        ("realm-3-26-dev", f"app-26-dev-e1@{SERIAL}", "unknown_device"),
        (OWN, "app-26-dev-e1@00000000-0000-4000-8000-000000000000", "unknown_device"),
        (OWN, "app-26-dev-e1@\x00", "unknown_device"),
        (OWN, "\ud800", "unknown_device"),
        (OWN, "a" * 256, "unknown_device"),
        (OWN, f"app-26-dev-e2@{SERIAL}", "stale_epoch"),
        (OWN, f"app-{'9' * 200}-dev-e1@{SERIAL}", "not_installed"),
        (FOREIGN, f"app-26-dev-e{'9' * 200}@{SERIAL}", "stale_epoch"),
    ],
)
async def test_nobody_else_is_told_anything(platform: Platform, realm: str, authid: str, reason: str) -> None:
    found = await platform.find(realm, authid)

    assert (found.reason, found.role) == (reason, None)
    assert found.secret is None or reason == "not_installed"


@pytest.mark.parametrize(("kind", "key"), [(LockKind.DEVICE, 42), (LockKind.PROJECT, 2)])
async def test_what_is_locked_is_nobody(platform: Platform, rights: KnownRights, kind: LockKind, key: int) -> None:
    rights.lock(kind, key)
    assert await platform.find() == FoundAppCredential(Reason.UNKNOWN_DEVICE)
    rights.unlock()
    rights.lock(kind, key + 1)

    assert (await platform.find()).reason == Reason.APP


async def test_new_secrets_of_the_device_are_new_credentials_of_its_apps(platform: Platform) -> None:
    before = (await platform.find()).secret
    await platform.flash()

    assert before != (await platform.find()).secret == platform.secret()


async def test_a_device_that_goes_elsewhere_is_nobody_until_both_services_know_where_it_is(platform: Platform) -> None:
    platform.installed |= {"project_key": 9, "apps": []}  # claimed: its new secrets are not made yet

    assert (await platform.find()).reason == Reason.UNKNOWN_DEVICE
    assert (await platform.find("realm-9-26-dev")).reason == Reason.UNKNOWN_DEVICE
    await platform.flash(9)
    assert (await platform.find("realm-9-26-dev")).reason == Reason.NOT_INSTALLED
    assert (await platform.find()).reason == Reason.UNKNOWN_DEVICE


async def test_a_decommissioned_device_is_nobody(platform: Platform) -> None:
    await platform.credentials.device_credential_end(DEVICES, DeviceKey(42))

    assert await platform.find() == FoundAppCredential(Reason.UNKNOWN_DEVICE)
    for call in (
        platform.apps.app_credential_derive(DEVICES, NameAppCredential(42, 26, "DEV")),
        platform.apps.app_credential_rotate(DEVICES, RotateAppCredential(42, 26, "DEV", 5)),
    ):
        with pytest.raises(NotFoundError):
            await call


async def test_a_device_without_secrets_lets_no_app_in(platform: Platform, postgres: Postgres) -> None:
    postgres.run("DELETE FROM auth.device_credential")

    assert (await platform.find()).reason == Reason.NO_APP_CRED_KEY
    with pytest.raises(NotFoundError):
        await platform.apps.app_credential_derive(DEVICES, NameAppCredential(42, 26, "DEV"))
    with pytest.raises(NotFoundError):
        await platform.rotate()


async def test_a_rotated_credential_opens_for_fifteen_minutes_beside_the_new_one(
    platform: Platform, postgres: Postgres
) -> None:
    assert await platform.rotate() == 2
    for epoch in (1, 2):
        found = await platform.find(OWN, f"app-26-dev-e{epoch}@{SERIAL}")
        assert (found.reason, found.secret) == (Reason.APP, platform.secret(epoch))
    assert (await platform.find(OWN, f"app-26-dev-e3@{SERIAL}")).reason == Reason.STALE_EPOCH

    postgres.run("UPDATE auth.app_credential SET rotated_at = rotated_at - interval '15 minutes'")

    assert (await platform.find(OWN, f"app-26-dev-e1@{SERIAL}")).reason == Reason.STALE_EPOCH
    assert (await platform.find(OWN, f"app-26-dev-e2@{SERIAL}")).reason == Reason.APP


async def test_rotating_again_ends_the_one_before_the_last_at_once(platform: Platform) -> None:
    assert [await platform.rotate(), await platform.rotate()] == [2, 3]

    reasons = [(await platform.find(OWN, f"app-26-dev-e{epoch}@{SERIAL}")).reason for epoch in (1, 2, 3)]

    assert reasons == [Reason.STALE_EPOCH, Reason.APP, Reason.APP]


async def test_a_credential_rotates_for_one_app_in_one_stage(platform: Platform) -> None:
    platform.installed["apps"].append({"app_key": 26, "stage": "PROD"})
    await platform.rotate()

    assert (await platform.find("realm-2-26-prod", f"app-26-prod-e1@{SERIAL}")).reason == Reason.APP
    assert (await platform.find("realm-2-26-prod", f"app-26-prod-e2@{SERIAL}")).reason == Reason.STALE_EPOCH
    assert (await platform.find("realm-2-5-prod", f"app-5-prod-e1@{SERIAL}")).reason == Reason.APP


async def test_many_rotations_at_once_are_as_many_epochs(platform: Platform) -> None:
    epochs = await asyncio.gather(*(platform.rotate() for _ in range(6)))

    assert sorted(epochs) == [2, 3, 4, 5, 6, 7]


async def test_a_rotation_is_recorded_with_whose_wish_it_was(platform: Platform, postgres: Postgres) -> None:
    rotated = await platform.apps.app_credential_rotate(DEVICES, RotateAppCredential(42, 26, "DEV", 5))

    rows = postgres.rows(
        "SELECT service, actor ->> 'key', actor ->> 'on_behalf_of', asset, project, before, after FROM audit.queue"
        " WHERE action = 'app_credential.rotated'"
    )
    which = {"app_key": 26, "stage": "DEV"}
    asset = {"kind": "device", "key": 42}
    assert rows == [("svc_auth", "devices", "5", asset, 2, {**which, "epoch": 1}, {**which, "epoch": 2})]
    (row,) = postgres.rows("SELECT rotated_at + interval '15 minutes', epoch FROM auth.app_credential")
    assert row == (rotated.overlap_until, rotated.epoch)


async def test_what_is_derived_is_what_lets_in(platform: Platform) -> None:
    await platform.rotate()

    credential = await platform.apps.app_credential_derive(DEVICES, NameAppCredential(42, 26, "DEV"))

    assert credential.authid == f"app-26-dev-e2@{SERIAL}"
    assert credential.secret == (await platform.find(OWN, credential.authid)).secret
    assert credential.secret not in repr(credential)
    other = await platform.apps.app_credential_derive(DEVICES, NameAppCredential(42, 9, "PROD"))
    assert (other.authid, other.secret) == (f"app-9-prod-e1@{SERIAL}", platform.secret(1, 9, "PROD"))


async def test_while_devices_is_away_nobody_is_refused_nor_let_in(platform: Platform) -> None:
    platform.neighbours.goes(INSTALLED)

    with pytest.raises(UnavailableError):
        await platform.find(FOREIGN)


@pytest.mark.parametrize("authid", [f"app-26-dev-e1@{SERIAL}", str(SERIAL)], ids=["app", "legacy"])
async def test_while_realms_is_away_whoever_it_would_be_asked_for_reads_so_for_a_proof_alone(
    platform: Platform, authid: str
) -> None:
    platform.neighbours.goes(STANDING)

    found = await platform.find(FOREIGN, authid)

    secret = platform.secret() if "@" in authid else authid
    assert (found.reason, found.role, found.secret) == (Reason.UNSETTLED, None, secret)


async def test_whoever_has_proved_nothing_learns_nothing_from_a_realms_that_is_away(platform: Platform) -> None:
    platform.neighbours.goes(CELL)
    let_in = FoundAppCredential(Reason.APP, "app", platform.secret(), str(SERIAL), 42, 2, "")

    assert await platform.find(is_proven=False) == let_in
    assert await platform.find() == let_in  # the router says to whoever proves it that the platform is away
    platform.neighbours.router.answers[CELL] = lambda *, project_key: {"name": "first", "endpoint": None}
    assert await platform.find() == evolve(let_in, cell="first")
    assert await platform.find(is_proven=False) == evolve(let_in, cell="first")


ORDERS = {
    "ironflock.auth.app_credential.find": (FindAppCredential(OWN, str(SERIAL)), "router"),
    "ironflock.auth.app_credential.derive": (NameAppCredential(42, 26, "DEV"), "devices"),
    "ironflock.auth.app_credential.rotate": (RotateAppCredential(42, 26, "DEV", 5), "devices"),
}


async def test_every_procedure_is_tried_here(platform: Platform) -> None:
    assert {declaration.uri for declaration, _ in declared(platform.apps)} == set(ORDERS)


@pytest.mark.parametrize("uri", ORDERS)
async def test_no_service_but_the_one_is_served(platform: Platform, postgres: Postgres, uri: str) -> None:
    method = next(method for declaration, method in declared(platform.apps) if declaration.uri == uri)
    order, served = ORDERS[uri]

    for name in {"router", "auth", "realms", "devices", "gateway", "audit", "privileges", ""} - {served}:
        with pytest.raises(NotAuthorizedError):
            await method(ServiceIdentity(name, 1), order)
    assert postgres.rows("SELECT count(*) FROM auth.app_credential") == [(0,)]
    await method(ServiceIdentity(served, 1), order)
