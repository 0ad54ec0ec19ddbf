"""Data backends for people and for fleetdb, on a real database with a provisioner."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.realms import backends as module
from services.realms.records.backends import (
    Backend,
    CertifyBackend,
    FindBackend,
    ListBackends,
    NameBackend,
    SettleBackend,
)
from services.realms.records.projects import NameProject, RequireFactor
from services.realms.records.values import Stage
from shared.errors import (
    ConflictError,
    InvalidArgumentError,
    NotAuthorizedError,
    NotFoundError,
    PublicError,
    UnavailableError,
)
from shared.flags import AssetKind
from shared.identities import ServiceIdentity
from shared.rights.records import LockKind
from tests.harness.rights import MEMBER
from tests.harness.rights import project as in_project
from tests.integration.database import Postgres
from tests.integration.realms.provisioning import Countdown, KilledError, Login, Provisioning, pem_of
from tests.integration.realms.world import ANNA, BERT, DEVICES, Realms, refused

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
FLEETDB = ServiceIdentity("fleetdb", 1)
PROD = Stage.PROD
CHANGED = "ironflock.realms.backend.changed"


@pytest.fixture(name="provisioning")
def fixture_provisioning(postgres: Postgres) -> Provisioning:
    return Provisioning(postgres)


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(world: Realms, provisioning: Provisioning) -> Realms:
    """A plant with the app Press, whose backend is ready."""
    await world.project()
    await world.app("Press")
    await world.release()
    await world.install()
    await provisioning.run()
    return world


async def listed(world: Realms) -> list[Backend]:
    found: list[Backend] = (await world.backends.backend_list(FLEETDB, ListBackends())).backends
    return found


async def rotate(world: Realms, by: Any = ANNA, project: int | str = "plant") -> int:
    return int((await world.backends.backend_rotate(by, NameBackend(project, "press", PROD))).epoch)


def told(world: Realms) -> list[tuple[str, int]]:
    return [(said["state"], said["epoch"]) for topic, said in world.published if topic == CHANGED]


def logins_that_open(postgres: Postgres) -> int:
    """Of the one backend."""
    ((number,),) = postgres.rows(
        "SELECT count(*) FROM pg_auth_members m JOIN pg_roles l ON l.oid = m.member JOIN pg_roles o ON o.oid = m.roleid"
        " WHERE o.rolname = (SELECT owner_name FROM realms.backend) AND l.rolcanlogin AND l.rolname <> 'provisioner'"
    )
    return int(number)


def new_key() -> str:
    return pem_of(ec.generate_private_key(ec.SECP256R1()))


async def test_fleetdb_is_told_all_of_what_it_needs(plant: Realms, postgres: Postgres) -> None:
    (backend,) = await listed(plant)

    ((schema, login, database),) = postgres.rows(
        "SELECT schema_name, login_name, database_name FROM realms.backend"
        " JOIN realms.project_database USING (project_key)"
    )
    assert (backend.schema, backend.login, backend.database) == (schema, login, database)
    assert (backend.app_name, backend.stage, backend.epoch, backend.providers) == ("press", PROD, 1, [])
    assert backend.template == {"data": {}, "consumes": []}
    asked = FindBackend(backend.project_key, backend.app_key, PROD)
    found = await plant.backends.backend_find(FLEETDB, asked)
    assert (found.backend, found.state) == (backend, "ready")


async def test_it_is_found_as_far_as_it_is(world: Realms, provisioning: Provisioning) -> None:
    project, app = await world.project(), await world.app()
    asked = FindBackend(project, app.app_key, PROD)

    async def state() -> str:
        return str((await world.backends.backend_find(FLEETDB, asked)).state)

    assert await state() == "absent"
    await world.install()
    assert (await state(), await listed(world)) == ("wanted", [])
    await provisioning.run()
    assert await state() == "ready"
    await world.uninstall()
    assert (await state(), await listed(world)) == ("absent", [])


async def test_the_list_goes_on_behind_a_key(plant: Realms, provisioning: Provisioning) -> None:
    await plant.install(stage=Stage.DEV)
    await provisioning.run()
    first, second = await listed(plant)

    assert (await plant.backends.backend_list(FLEETDB, ListBackends(limit=1))).backends == [first]
    assert (await plant.backends.backend_list(FLEETDB, ListBackends(first.backend_key))).backends == [second]
    assert (await plant.backends.backend_list(FLEETDB, ListBackends(second.backend_key))).backends == []


async def test_nobody_but_fleetdb_asks(plant: Realms) -> None:
    (backend,) = await listed(plant)
    key = backend.backend_key
    for call in (
        plant.backends.backend_list(DEVICES, ListBackends()),
        plant.backends.backend_find(DEVICES, FindBackend(1, 1, PROD)),
        plant.backends.backend_certify(DEVICES, CertifyBackend(key, 1, new_key())),
        plant.backends.backend_settled(DEVICES, SettleBackend(key, 1)),
    ):
        assert (await refused(call))["uri"] == NotAuthorizedError.uri


async def test_another_release_and_other_access_are_told(plant: Realms) -> None:
    await plant.announcing.keep_up()
    assert told(plant) == [("ready", 1)]
    await plant.app("saw")
    await plant.release("press", "2.0", "saw")

    await plant.install(version="2.0")
    assert told(plant)[1:] == [("ready", 1)]
    await plant.grant("saw")
    assert told(plant)[2:] == [("ready", 1)]
    assert (await listed(plant))[0].providers == ["saw"]
    await plant.revoke("saw")
    assert (told(plant)[3:], (await listed(plant))[0].providers) == ([("ready", 1)], [])


async def test_privileges_is_told_of_it_with_who_installed_it(plant: Realms) -> None:
    (backend,) = await listed(plant)
    plant.others.is_away = True
    with pytest.raises(UnavailableError):
        await plant.telling.keep_up()
    plant.others.is_away = False

    for _ in range(2):
        await plant.telling.keep_up()

    assert plant.others.assets == [
        {
            "kind": "data_backend",
            "key": backend.backend_key,
            "project_key": backend.project_key,
            "revision": 1,
            "creator_account_key": ANNA.account_key,
        }
    ]


async def test_a_certificate_opens_the_login_for_its_key_alone(plant: Realms, provisioning: Provisioning) -> None:
    (backend,) = await listed(plant)
    key = new_key()

    async with provisioning.working():
        answer = await plant.backends.backend_certify(FLEETDB, CertifyBackend(backend.backend_key, 1, key))

    certificate = x509.load_pem_x509_certificate(answer.certificate.encode())
    certificate.verify_directly_issued_by(provisioning.authority.certificate)
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert (name.value, list(usage)) == (backend.login, [ExtendedKeyUsageOID.CLIENT_AUTH])
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_after_utc == answer.ends_at
    assert timedelta(days=29) < answer.ends_at - provisioning.now <= timedelta(days=30)
    assert plant.backends is not None


async def test_a_certificate_leaves_no_job_behind(
    plant: Realms, provisioning: Provisioning, postgres: Postgres
) -> None:
    (backend,) = await listed(plant)
    async with provisioning.working():
        await plant.backends.backend_certify(FLEETDB, CertifyBackend(backend.backend_key, 1, new_key()))

    assert postgres.rows("SELECT FROM realms.provision_job WHERE kind = 'certify'") == []


@pytest.mark.parametrize(
    "unfit",
    [
        "",
        "x",
        "\x00",
        "\ud800",
        pem_of(ec.generate_private_key(ec.SECP384R1())),
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ],
    ids=["empty", "text", "nul", "surrogate", "P-384", "garbage"],
)
async def test_what_is_no_public_key_of_the_kind_is_refused(plant: Realms, postgres: Postgres, unfit: str) -> None:
    (backend,) = await listed(plant)

    with pytest.raises(InvalidArgumentError):
        await plant.backends.backend_certify(FLEETDB, CertifyBackend(backend.backend_key, 1, unfit))

    assert postgres.rows("SELECT FROM realms.provision_job WHERE kind = 'certify'") == []


async def test_keys_of_other_kinds_are_refused(plant: Realms) -> None:
    (backend,) = await listed(plant)
    for key in (ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65_537, 2_048)):
        with pytest.raises(InvalidArgumentError):
            await plant.backends.backend_certify(
                FLEETDB,
                CertifyBackend(backend.backend_key, 1, pem_of(key)),  # type: ignore[arg-type]
            )


async def test_there_is_no_certificate_of_what_is_not_so(plant: Realms) -> None:
    (backend,) = await listed(plant)
    for key, epoch, refusal in (
        (backend.backend_key, 2, ConflictError),
        (backend.backend_key + 1, 1, NotFoundError),
    ):
        with pytest.raises(refusal):
            await plant.backends.backend_certify(FLEETDB, CertifyBackend(key, epoch, new_key()))
    await plant.uninstall()
    with pytest.raises(NotFoundError):
        await plant.backends.backend_certify(FLEETDB, CertifyBackend(backend.backend_key, 1, new_key()))
    await plant.install()
    with pytest.raises(ConflictError, match="being made"):
        await plant.backends.backend_certify(FLEETDB, CertifyBackend(backend.backend_key, 1, new_key()))


async def test_while_the_provisioner_is_away_a_certificate_is_refused_in_time(
    plant: Realms, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CERTIFIED_WITHIN_S", 0.3)
    (backend,) = await listed(plant)

    with pytest.raises(UnavailableError, match="provisioner"):
        await plant.backends.backend_certify(FLEETDB, CertifyBackend(backend.backend_key, 1, new_key()))

    assert postgres.rows("SELECT FROM realms.provision_job WHERE kind = 'certify'") == []


async def test_health_knows_whether_the_provisioner_was_at_work(plant: Realms, postgres: Postgres) -> None:
    await plant.provided.check()
    postgres.run("UPDATE realms.provisioner SET alive_at = now() - interval '1 minute'")

    with pytest.raises(UnavailableError, match="provisioner"):
        await plant.provided.check()


async def test_what_was_installed_before_there_were_backends_gets_one(
    world: Realms, provisioning: Provisioning, postgres: Postgres
) -> None:
    project, app = await world.project(), await world.app()
    for stage in ("DEV", "PROD"):
        postgres.run(
            "INSERT INTO realms.install (project_key, app_key, stage) VALUES (%s, %s, %s)", project, app.app_key, stage
        )

    await asyncio.gather(*(world.provided.keep_up() for _ in range(3)))

    rows = postgres.rows("SELECT stage, state, creator_account_key FROM realms.backend ORDER BY stage")
    assert rows == [("DEV", "wanted", 5), ("PROD", "wanted", 5)]
    assert postgres.rows("SELECT count(*) FROM realms.provision_job") == [(2,)]
    await provisioning.run()
    await world.provided.keep_up()
    assert (len(await listed(world)), provisioning.undone()) == (2, [])


async def test_a_rotation_makes_another_login_and_both_open_until_it_is_settled(
    plant: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path
) -> None:
    (before,) = await listed(plant)
    old = Login.of(provisioning, tmp_path, before.backend_key)
    with old.connect() as session:
        session.execute("CREATE TABLE t (a bigint)")
        session.execute("INSERT INTO t VALUES (1)")

    assert await rotate(plant) == 2
    await provisioning.run()

    (after,) = await listed(plant)
    new = Login.of(provisioning, tmp_path, before.backend_key)
    assert (after.epoch, after.schema, after.database) == (2, before.schema, before.database)
    assert after.login not in (before.login, "")
    with new.connect() as session, old.connect() as beside:
        session.execute("INSERT INTO t VALUES (2)")
        beside.execute("INSERT INTO t VALUES (3)")
        session.execute("ALTER TABLE t ADD COLUMN b text")
    await plant.backends.backend_settled(FLEETDB, SettleBackend(before.backend_key, 2))
    await provisioning.run()
    assert (new.opens(), old.opens()) == (True, False)
    assert postgres.rows("SELECT FROM pg_roles WHERE rolname = %s", before.login) == []
    with new.connect() as session:
        assert session.execute("SELECT a FROM t ORDER BY a").fetchall() == [(1,), (2,), (3,)]
    await plant.announcing.keep_up()
    assert told(plant) == [("ready", 1), ("ready", 2)]
    tags = [entry for entry in postgres.audited() if entry[0].startswith("backend.rot")]
    assert tags == [
        ("backend.rotation_asked", "done"),
        ("backend.rotated", "intended"),
        ("backend.rotated", "done"),
    ]


async def test_sessions_of_the_old_login_end_with_it(
    plant: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path
) -> None:
    (backend,) = await listed(plant)
    session = Login.of(provisioning, tmp_path, backend.backend_key).connect()
    await rotate(plant)
    await provisioning.run()
    session.execute("SELECT 1")
    postgres.run("UPDATE realms.backend SET rotated_at = now() - interval '61 seconds'")

    await provisioning.run()  # nobody has said that it is settled

    with pytest.raises(Exception, match=r"terminat|closed"):
        session.execute("SELECT 1")
    assert postgres.rows("SELECT old_login_name FROM realms.backend") == [(None,)]


async def test_what_is_said_to_be_settled_too_early_or_twice_ends_nothing(
    plant: Realms, provisioning: Provisioning, tmp_path: Path
) -> None:
    (backend,) = await listed(plant)
    for epoch in (1, 2, 3):
        await plant.backends.backend_settled(FLEETDB, SettleBackend(backend.backend_key, epoch))
    await plant.backends.backend_settled(FLEETDB, SettleBackend(backend.backend_key + 1, 1))
    await rotate(plant)
    await provisioning.run()
    await plant.backends.backend_settled(FLEETDB, SettleBackend(backend.backend_key, 1))
    await provisioning.run()

    assert Login(provisioning, tmp_path, backend.database, backend.login).opens()
    for _ in range(2):
        await plant.backends.backend_settled(FLEETDB, SettleBackend(backend.backend_key, 2))
        await provisioning.run()
    assert Login.of(provisioning, tmp_path, backend.backend_key).opens()


async def test_what_its_holder_left_behind_does_not_keep_an_old_login_open(
    plant: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path
) -> None:
    (backend,) = await listed(plant)
    old = Login.of(provisioning, tmp_path, backend.backend_key)
    with old.connect() as session:
        session.execute("SET ROLE NONE")
        session.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
    await rotate(plant)
    await provisioning.run()
    await plant.backends.backend_settled(FLEETDB, SettleBackend(backend.backend_key, 2))

    await provisioning.run()

    assert not old.opens()
    assert provisioning.undone() == []
    assert await rotate(plant) == 3


async def test_one_rotation_after_the_other(plant: Realms, provisioning: Provisioning) -> None:
    (backend,) = await listed(plant)
    results = await asyncio.gather(*(rotate(plant) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results if result != 2] == [ConflictError] * 4
    await provisioning.run()
    with pytest.raises(ConflictError, match="rotated already"):
        await rotate(plant)
    await plant.backends.backend_settled(FLEETDB, SettleBackend(backend.backend_key, 2))
    await provisioning.run()

    assert await rotate(plant) == 3


async def test_killed_after_any_statement_a_rotation_is_ended_by_the_next(
    plant: Realms, provisioning: Provisioning, postgres: Postgres, tmp_path: Path
) -> None:
    (backend,) = await listed(plant)
    number, is_over = 0, False
    while not is_over:
        number += 1
        await rotate(plant)
        try:
            await provisioning.run(Countdown(number))
            is_over = True
        except KilledError:
            await provisioning.run()
        (now,) = await listed(plant)
        assert (now.epoch, provisioning.undone()) == (number + 1, [])
        await plant.backends.backend_settled(FLEETDB, SettleBackend(backend.backend_key, number + 1))
        try:
            await provisioning.run(Countdown(number))
        except KilledError:
            await provisioning.run()
        assert Login.of(provisioning, tmp_path, backend.backend_key).opens()
        assert provisioning.undone() == []
        assert logins_that_open(postgres) == 1

    assert number > 15


async def test_a_backend_that_is_closed_while_it_is_rotated_opens_by_its_own_login_again(
    plant: Realms, provisioning: Provisioning, tmp_path: Path
) -> None:
    (backend,) = await listed(plant)
    await rotate(plant)
    await plant.uninstall()
    await provisioning.run()
    assert provisioning.undone() == []

    await plant.install()
    await provisioning.run()

    assert Login.of(provisioning, tmp_path, backend.backend_key).opens()
    assert await rotate(plant) == (await listed(plant))[0].epoch + 1


async def test_who_may_rotate_it(plant: Realms, postgres: Postgres) -> None:
    (backend,) = await listed(plant)
    key = backend.project_key

    async def answer(by: Any = BERT, **named: Any) -> str:
        try:
            await rotate(plant, by, **named)
        except PublicError as error:
            return error.uri
        return "done"

    assert await answer(project=key) == NotFoundError.uri
    plant.rights.hold(6, in_project(key), MEMBER)
    assert await answer(project=key) == NotFoundError.uri
    plant.rights.give(6, key, AssetKind.PROJECT, key, "READ", "INSTALL_APPS", "UPDATE", "GRANT")
    assert await answer(project=key) == NotFoundError.uri
    plant.rights.give(6, key, AssetKind.DATA_BACKEND, backend.backend_key, "READ", "WRITE", "CONNECT")
    assert await answer(project=key) == NotAuthorizedError.uri
    plant.rights.lock(LockKind.PROJECT, key)
    assert await answer(ANNA, project=key) == NotAuthorizedError.uri
    assert postgres.rows("SELECT next_login_name FROM realms.backend") == [(None,)]


async def test_who_may_change_the_backend_rotates_it(plant: Realms) -> None:
    (backend,) = await listed(plant)
    plant.rights.hold(6, in_project(backend.project_key), MEMBER)
    plant.rights.give(6, backend.project_key, AssetKind.DATA_BACKEND, backend.backend_key, "READ", "UPDATE")

    assert await rotate(plant, BERT, backend.project_key) == 2


async def test_what_is_not_there_is_not_rotated(plant: Realms) -> None:
    for app, stage in (("saw", PROD), ("press", Stage.DEV), (10**9, PROD), ("\x00", PROD)):
        with pytest.raises(NotFoundError):
            await plant.backends.backend_rotate(ANNA, NameBackend("plant", app, stage))
    await plant.uninstall()
    with pytest.raises(NotFoundError):
        await rotate(plant)


async def test_the_realms_of_a_project_are_seen_by_who_sees_it(plant: Realms) -> None:
    await plant.install(stage=Stage.DEV)
    (backend,) = await listed(plant)
    key, app = backend.project_key, backend.app_key

    found = (await plant.backends.realm_list(ANNA, NameProject("plant"))).realms

    assert [(each.realm, each.app_name, each.state, each.epoch) for each in found] == [
        (f"realm-{key}-{app}-dev", "Press", "wanted", 1),
        (f"realm-{key}-{app}-prod", "Press", "ready", 1),
    ]
    assert (await refused(plant.backends.realm_list(BERT, NameProject(key))))["uri"] == NotFoundError.uri
    plant.rights.give(6, key, AssetKind.PROJECT, key, "READ")
    assert len((await plant.backends.realm_list(BERT, NameProject(key))).realms) == 2
    await plant.projects.project_require_factor(ANNA, RequireFactor(key, required=True))
    with pytest.raises(NotAuthorizedError, match="second factor"):
        await plant.backends.realm_list(BERT, NameProject(key))
    await plant.uninstall()
    assert [each.stage for each in (await plant.backends.realm_list(ANNA, NameProject("plant"))).realms] == [Stage.DEV]


async def test_on_the_wire_they_are_plain(plant: Realms) -> None:
    answer = await plant.on_the_wire("ironflock.realms.realm.list", {"project": "plant"})
    assert set(answer["realms"][0]) == {"realm", "app_key", "app_name", "stage", "state", "epoch"}

    rotated = await plant.on_the_wire(
        "ironflock.realms.backend.rotate", {"project": "plant", "app": "PRESS", "stage": "PROD"}
    )
    assert set(rotated) == {"backend_key", "epoch"}
