"""Apps in projects on a real database."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from autobahn.wamp.exception import ApplicationError

from services.realms import installing
from services.realms.records.apps import PublishApp
from services.realms.records.installs import AskStanding, FindInstall, FindRelease, Install, Provider
from services.realms.records.projects import NameProject, RequireFactor, SetLegacyMode
from services.realms.records.values import LegacyMode, Stage
from shared.errors import NotAuthorizedError, NotFoundError, OverLimitError
from shared.flags import AssetKind
from shared.identities import ServiceIdentity
from shared.rights.records import LockKind
from shared.scopes import scopes_of
from tests.harness.rights import MEMBER, project
from tests.integration.database import Postgres
from tests.integration.realms.world import (
    ACCESS,
    ANNA,
    AUTH,
    BERT,
    CARL,
    DEVICES,
    INSTALLS,
    ROUTER,
    Realms,
    refused,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEV, PROD = Stage.DEV, Stage.PROD


def told(world: Realms) -> list[tuple[str, bool]]:
    """Which stages were told to be installed, or not to be any more."""
    return [(said["stage"], said["is_installed"]) for topic, said in world.published if topic == INSTALLS]


async def test_an_app_is_installed_recorded_and_told(world: Realms, postgres: Postgres) -> None:
    key, app = await world.project(), await world.app("Press")
    release = await world.release()

    install = await world.install()

    assert (install.project_key, install.app_key, install.app_name, install.stage) == (key, app.app_key, "Press", PROD)
    assert (install.release_key, install.version) == (release.release_key, "1.0")
    assert await world.installed() == [install]
    assert world.published == [
        (INSTALLS, {"project_key": key, "app_key": app.app_key, "stage": "PROD", "is_installed": True})
    ]
    assert postgres.rows("SELECT 1 FROM realms.news") == []
    ((asset, in_project, after),) = postgres.rows(
        "SELECT asset, project, after FROM audit.queue WHERE action = 'app.installed'"
    )
    assert (asset, in_project, after) == (
        {"kind": "app", "key": app.app_key},
        key,
        {"stage": "PROD", "version": "1.0"},
    )


async def test_installed_twice_is_installed_once(world: Realms, postgres: Postgres) -> None:
    await world.project()
    await world.app()
    await world.release()
    first = await world.install()
    await world.release("press", "2.0")
    before = postgres.audited()

    assert await world.install() == first
    assert await world.install(version="1.0") == first
    assert (postgres.audited(), told(world)) == (before, [("PROD", True)])


async def test_many_at_once_install_it_once(world: Realms, postgres: Postgres) -> None:
    await world.project()
    await world.app()

    found = await asyncio.gather(*(world.install() for _ in range(8)))

    assert len({install.installed_at for install in found}) == 1
    assert [tag for tag, _ in postgres.audited()].count("app.installed") == 1
    assert told(world) == [("PROD", True)]


async def test_another_version_takes_the_place_of_what_is_there(world: Realms, postgres: Postgres) -> None:
    await world.project()
    await world.app()
    assert (await world.install()).version is None
    await world.release("press", "1.0")
    await world.release("press", "2.0")

    assert (await world.install(version="2.0")).version == "2.0"
    assert (await world.install(version="1.0")).version == "1.0"

    rows = postgres.rows("SELECT before, after FROM audit.queue WHERE action = 'app.release_changed' ORDER BY id")
    assert [(before["version"], after["version"]) for before, after in rows] == [(None, "2.0"), ("2.0", "1.0")]
    assert (await world.install(stage=DEV)).version == "2.0"
    for unknown in ("3.0", "1.00"):
        assert (await refused(world.install(version=unknown)))["uri"] == NotFoundError.uri
    assert told(world) == [("PROD", True), ("DEV", True)]


async def test_uninstalling_ends_it_at_that_stage_alone(world: Realms, postgres: Postgres) -> None:
    await world.project()
    app = await world.app()
    await world.install()
    await world.install(stage=DEV)

    await world.uninstall("plant", "PRESS")

    assert [each.stage for each in await world.installed()] == [DEV]
    assert (await refused(world.uninstall()))["uri"] == NotFoundError.uri
    await world.uninstall(app=app.app_key, stage=DEV)
    assert await world.installed() == []
    assert told(world)[2:] == [("PROD", False), ("DEV", False)]
    assert [tag for tag, _ in postgres.audited()][-2:] == ["app.uninstalled"] * 2


async def test_installing_needs_a_flag_on_the_project_and_one_on_the_app(world: Realms, postgres: Postgres) -> None:
    key, app = await world.project(), await world.app(by=CARL)
    world.rights.hold(6, project(key), MEMBER)
    world.rights.hold(5, project(key), MEMBER)

    async def tries(by: Any = BERT) -> str:
        return str((await refused(world.install(key, "press", by=by)))["uri"])

    assert await tries(CARL) == NotFoundError.uri  # the app is his, the project is not
    assert await tries() == NotFoundError.uri
    world.rights.give(6, key, AssetKind.PROJECT, key, "READ")
    assert await tries() == NotAuthorizedError.uri
    world.rights.give(6, key, AssetKind.PROJECT, key, "INSTALL_APPS")
    assert await tries() == NotFoundError.uri  # the app
    world.give_on_app(BERT, app.app_key, "READ")
    assert await tries() == NotAuthorizedError.uri
    assert postgres.rows("SELECT 1 FROM realms.install") == []
    world.give_on_app(BERT, app.app_key, "INSTALL")
    assert (await world.install(key, "press", by=BERT)).app_key == app.app_key


async def test_a_public_app_is_installed_by_everybody_in_their_projects(world: Realms) -> None:
    await world.app(by=CARL)
    await world.apps.app_publish(CARL, PublishApp("press", is_public=True))
    await world.project("mill", BERT)

    assert (await world.install("mill", by=BERT)).app_name == "press"
    await world.apps.app_publish(CARL, PublishApp("press", is_public=False))

    assert [each.app_name for each in await world.installed("mill", BERT)] == ["press"]
    assert (await refused(world.install("mill", stage=DEV, by=BERT)))["uri"] == NotFoundError.uri
    await world.uninstall("mill", by=BERT)  # what one may not see any more is still one's own to end


async def test_only_who_may_see_the_project_sees_what_is_in_it(world: Realms) -> None:
    key = await world.project()
    await world.app()
    await world.install()

    for wanted in (key, "plant", key + 1_000, "\x00"):
        assert (await refused(world.installed(wanted, BERT)))["uri"] == NotFoundError.uri
        assert (await refused(world.uninstall(wanted, by=BERT)))["uri"] == NotFoundError.uri
    world.rights.give(6, key, AssetKind.PROJECT, key, "READ")
    assert len(await world.installed(key, BERT)) == 1
    assert (await refused(world.uninstall(key, by=BERT)))["uri"] == NotAuthorizedError.uri
    assert len(await world.installed()) == 1


async def test_a_project_that_asks_for_a_second_factor_is_closed_without_one(world: Realms) -> None:
    key = await world.project()
    await world.app()
    world.rights.own(6, key)
    await world.projects.project_require_factor(ANNA, RequireFactor(key, required=True))

    for call in (world.installed(key, BERT), world.install(key, by=BERT), world.uninstall(key, by=BERT)):
        with pytest.raises(NotAuthorizedError, match="second factor"):
            await call
    for listed in (world.access.access_list(BERT, NameProject(key)), world.grant("saw", project=key, by=BERT)):
        with pytest.raises(NotAuthorizedError, match="second factor"):
            await listed


async def test_a_narrowed_credential_reaches_what_is_in_its_project_alone(world: Realms) -> None:
    key, other = await world.project(), await world.project("mill")
    await world.app()
    for project_key in (key, other):
        await world.install(project_key)
    narrow = evolve(ANNA, scopes=scopes_of([f"all@project/{key}"]))

    assert len(await world.installed(key, narrow)) == 1
    for call in (
        world.installed(other, narrow),
        world.uninstall(other, by=narrow),
        world.install(key, stage=DEV, by=narrow),  # the app is in no project
        world.asked(other, narrow),
        world.grant("saw", project=other, by=narrow),
    ):
        assert (await refused(call))["uri"] == NotFoundError.uri
    await world.uninstall(key, by=narrow)
    assert len(await world.installed(other)) == 1


async def test_a_locked_project_takes_no_apps(world: Realms) -> None:
    key = await world.project()
    await world.app()
    await world.install()
    world.rights.lock(LockKind.PROJECT, key)

    for call in (world.install(stage=DEV), world.uninstall()):
        with pytest.raises(NotAuthorizedError, match="lock"):
            await call
    assert len(await world.installed()) == 1


async def test_a_project_has_so_many_apps_and_no_more(
    world: Realms, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "MAX_INSTALLS", 2)
    await world.project()
    for name in ("a", "b"):
        await world.app(name)
    await world.install(app="a")
    await world.install(app="b")
    before = postgres.audited()

    with pytest.raises(OverLimitError):
        await world.install(app="a", stage=DEV)
    await world.install(app="a")

    assert postgres.audited() == before


async def test_what_a_release_consumes_is_asked_for(world: Realms, postgres: Postgres) -> None:
    await world.project()
    await world.app()
    await world.release("press", "1.0", "Saw", "drill")
    await world.release("press", "2.0", "drill", "*")

    await world.install(version="1.0")
    await world.install(version="1.0", stage=DEV)

    asked = await world.asked()
    assert [(each.provider, each.reason, each.is_granted) for each in asked] == [
        ("drill", "to see drill", False),
        ("saw", "to see Saw", False),
    ]
    await world.install(version="2.0")
    assert [each.provider for each in await world.asked()] == ["*", "drill", "saw"]  # DEV still asks for it
    await world.install(version="2.0", stage=DEV)
    assert [each.provider for each in await world.asked()] == ["*", "drill"]
    requested = [tag for tag, _ in postgres.audited()].count("app_access.requested")
    assert requested == 3
    await world.uninstall()
    assert [each.provider for each in await world.asked()] == ["*", "drill"]
    await world.uninstall(stage=DEV)
    assert await world.asked() == []


async def test_whoever_installs_an_app_again_is_asked_again(world: Realms, postgres: Postgres) -> None:
    await world.project()
    app = await world.app()
    await world.release("press", "1.0", "saw")
    await world.install()
    await world.grant("saw")

    await world.uninstall()
    await world.install()

    assert [(each.provider, each.is_granted) for each in await world.asked()] == [("saw", False)]
    assert [said["is_granted"] for topic, said in world.published if topic == ACCESS] == [True, False]
    tags = [tag for tag, _ in postgres.audited()]
    assert tags[-5:] == [
        "app_access.granted", "app.uninstalled", "app_access.revoked", "app.installed", "app_access.requested",
    ]  # fmt: skip
    assert all(said["app_key"] == app.app_key for _, said in world.published)


async def test_services_are_told_whether_an_app_is_installed(world: Realms) -> None:
    key, app = await world.project(), await world.app()
    await world.install()

    found = [
        await world.services.install_find(DEVICES, FindInstall(*asked))
        for asked in (
            (key, app.app_key, PROD),
            (key, app.app_key, DEV),
            (key + 1, app.app_key, PROD),
            (key, app.app_key + 1, PROD),
        )
    ]
    assert [(each.is_installed, each.app_name) for each in found] == [(True, app.name), *[(False, None)] * 3]
    for name in ("router", "auth", "audit", "gateway", "privileges", "realms", ""):
        with pytest.raises(NotAuthorizedError):
            await world.services.install_find(ServiceIdentity(name, 1), FindInstall(key, app.app_key, PROD))


async def test_devices_alone_is_told_of_releases(world: Realms) -> None:
    key, app = await world.project(), await world.app()
    await world.release("press", "1.0-RC")
    await world.install()

    found = await world.services.release_find(DEVICES, FindRelease(app.app_key, "1.0-rc"))
    installed = await world.services.install_find(DEVICES, FindInstall(key, app.app_key, PROD))

    assert found.version == "1.0-RC"
    assert (installed.release_key, installed.version) == (found.release_key, "1.0-RC")
    for version in ("2.0", "", " "):
        with pytest.raises(NotFoundError):
            await world.services.release_find(DEVICES, FindRelease(app.app_key, version))
    with pytest.raises(NotFoundError):
        await world.services.release_find(DEVICES, FindRelease(app.app_key + 1, "1.0-RC"))
    for name in ("router", "auth", "audit", "gateway", ""):
        with pytest.raises(NotAuthorizedError):
            await world.services.release_find(ServiceIdentity(name, 1), FindRelease(app.app_key, "1.0-RC"))


async def test_auth_is_told_what_decides_about_a_join(world: Realms) -> None:
    key, press = await world.project(), await world.app()
    saw, drill = await world.app("Saw"), await world.app("drill")
    await world.release("press", "1.0", "saw", "drill")
    await world.release("drill", "1.0", "*")
    for name in ("press", "saw", "drill"):
        await world.install(app=name)
    await world.grant("saw")
    await world.grant("*", "drill")

    async def standing(*asked: Any, **more: Any) -> Any:
        return await world.services.app_standing(AUTH, AskStanding(*asked, **more))

    found = await standing(key, saw.app_key, PROD, press.app_key, PROD)
    assert (found.is_realm_installed, found.provider, found.grants) == (True, Provider("saw", "APP"), ["saw"])
    assert found.legacy_mode is LegacyMode.STRICT
    assert (await standing(key, saw.app_key, DEV, press.app_key, PROD)).is_realm_installed is False
    assert (await standing(key, drill.app_key, PROD, drill.app_key, PROD)).grants == ["*"]
    assert (await standing(key, press.app_key, PROD, saw.app_key, PROD)).grants == []
    every = await standing(key, saw.app_key, PROD, app_keys=[press.app_key, drill.app_key])
    assert every.grants == ["*", "saw"]
    for nothing in (await standing(key, 10**6, PROD), await standing(key + 1_000, 10**6, PROD)):
        assert (nothing.is_realm_installed, nothing.provider, nothing.grants) == (False, None, [])
        assert nothing.legacy_mode is LegacyMode.STRICT
    for service in (ROUTER, DEVICES, ServiceIdentity("realms", 1)):
        with pytest.raises(NotAuthorizedError):
            await world.services.app_standing(service, AskStanding(key, saw.app_key, PROD))


async def test_grants_of_one_project_say_nothing_in_another(world: Realms) -> None:
    await world.project()
    press, saw = await world.app(), await world.app("saw")
    await world.release("press", "1.0", "saw")
    mill = await world.project("mill")
    for name in ("plant", "mill"):
        await world.install(name)
        await world.install(name, "saw")
    await world.grant("saw")

    found = await world.services.app_standing(AUTH, AskStanding(mill, saw.app_key, PROD, press.app_key, PROD))

    assert found.grants == []


async def test_a_legacy_mode_that_has_ended_is_strict(world: Realms, postgres: Postgres) -> None:
    key, app = await world.project(), await world.app()
    ends_at = datetime.now(UTC) + timedelta(days=1)  # noqa: TID251 - the same machine's clock
    await world.projects.project_set_legacy_mode(ANNA, SetLegacyMode(key, LegacyMode.DUAL, ends_at))
    asked = AskStanding(key, app.app_key, PROD)

    assert (await world.services.app_standing(AUTH, asked)).legacy_mode is LegacyMode.DUAL
    for end in ("clock_timestamp() - interval '1 second'", "NULL"):
        postgres.run(f"UPDATE realms.project SET legacy_until = {end}")  # noqa: S608
        assert (await world.services.app_standing(AUTH, asked)).legacy_mode is LegacyMode.STRICT


@pytest.mark.parametrize("stage", ["prod", "Prod", "", "DEV ", "TEST", 1, None])
async def test_a_stage_is_one_of_two_words(world: Realms, stage: Any) -> None:
    await world.project()
    await world.app()

    for uri in ("install.create", "install.delete"):
        with pytest.raises(ApplicationError) as error:
            await world.on_the_wire(f"ironflock.realms.{uri}", {"project": "plant", "app": "press", "stage": stage})
        assert error.value.error == "wamp.error.invalid_argument"


async def test_an_install_on_the_wire_is_plain(world: Realms) -> None:
    await world.project()
    await world.app()
    asked = {"project": "plant", "app": "press", "stage": "DEV"}

    answer = await world.on_the_wire("ironflock.realms.install.create", asked)

    assert set(answer) == set(Install.__annotations__)
    assert answer["stage"] == "DEV"
    assert await world.on_the_wire("ironflock.realms.install.list", {"project": "plant"}) == {"installs": [answer]}
    assert await world.on_the_wire("ironflock.realms.install.delete", asked) is None
