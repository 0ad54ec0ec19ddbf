"""Data backends for people and for fleetdb, on a real database with a provisioner."""

import asyncio
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.realms import backends as module
from services.realms.records.backends import (
    CertifyBackend,
    DropBackend,
    FindBackend,
    ListBackends,
    ListOfProject,
    ListRealms,
    SettleBackend,
)
from services.realms.records.projects import RequireFactor
from services.realms.records.values import Stage
from shared.errors import (
    ConflictError,
    InvalidArgumentError,
    NotAuthorizedError,
    NotFoundError,
    UnavailableError,
)
from shared.flags import AssetKind
from tests.integration.database import Postgres
from tests.integration.realms.provisioning import Provisioning, pem_of
from tests.integration.realms.ready_backends import (
    FLEETDB,
    PROD,
    fixture_plant,
    fixture_provisioning,
    listed,
    new_key,
    told,
)
from tests.integration.realms.world import ANNA, BERT, DEVICES, Realms, refused

__all__ = ["fixture_plant", "fixture_provisioning"]


pytestmark = [pytest.mark.asyncio, pytest.mark.real]


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
        plant.backends.backend_of_project(DEVICES, ListOfProject(1)),
    ):
        assert (await refused(call))["uri"] == NotAuthorizedError.uri


async def test_of_a_project_every_backend_is_told_whose_rows_are_there(
    plant: Realms, provisioning: Provisioning
) -> None:
    (backend,) = await listed(plant)

    async def standing() -> list[tuple[str, str]]:
        found = (await plant.backends.backend_of_project(FLEETDB, ListOfProject(backend.project_key))).backends
        assert [(each.backend_key, each.app_key, each.stage) for each in found] in (
            [],
            [(backend.backend_key, backend.app_key, PROD)],
        )
        return [(each.app_name, each.state.value) for each in found]

    assert await standing() == [("Press", "ready")]
    assert (await plant.backends.backend_of_project(FLEETDB, ListOfProject(backend.project_key + 1))).backends == []
    await plant.uninstall()
    await provisioning.run()
    assert await standing() == [("Press", "closed")]
    await plant.backends.backend_drop(ANNA, DropBackend("plant", "press", PROD, "press"))
    assert await standing() == [("Press", "dropped")]
    await provisioning.run()
    assert await standing() == []


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


async def test_the_realms_of_a_project_are_seen_by_who_sees_it(plant: Realms) -> None:
    await plant.install(stage=Stage.DEV)
    (backend,) = await listed(plant)
    key, app = backend.project_key, backend.app_key

    found = (await plant.backends.realm_list(ANNA, ListRealms("plant"))).realms

    assert [(each.realm, each.app_name, each.state, each.epoch) for each in found] == [
        (f"realm-{key}-{app}-dev", "Press", "wanted", 1),
        (f"realm-{key}-{app}-prod", "Press", "ready", 1),
    ]
    assert (await refused(plant.backends.realm_list(BERT, ListRealms(key))))["uri"] == NotFoundError.uri
    plant.rights.give(6, key, AssetKind.PROJECT, key, "READ")
    assert len((await plant.backends.realm_list(BERT, ListRealms(key))).realms) == 2
    await plant.projects.project_require_factor(ANNA, RequireFactor(key, required=True))
    with pytest.raises(NotAuthorizedError, match="second factor"):
        await plant.backends.realm_list(BERT, ListRealms(key))
    await plant.uninstall()
    assert [each.stage for each in (await plant.backends.realm_list(ANNA, ListRealms("plant"))).realms] == [Stage.DEV]


async def test_on_the_wire_they_are_plain(plant: Realms) -> None:
    answer = await plant.on_the_wire("ironflock.realms.realm.list", {"project": "plant"})
    assert set(answer["realms"][0]) == {"realm", "app_key", "app_name", "stage", "state", "epoch"}

    rotated = await plant.on_the_wire(
        "ironflock.realms.backend.rotate", {"project": "plant", "app": "PRESS", "stage": "PROD"}
    )
    assert set(rotated) == {"backend_key", "epoch"}
