"""Releases of apps on a real database."""

from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError

from services.realms.records.apps import CreateRelease, ListReleases, NameRelease, PublishApp
from services.realms.records.installs import FindContents
from shared.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    NotAuthorizedError,
    NotFoundError,
    NotSupportedError,
)
from shared.releases import NOTHING, Contents, PortRule, VariableTemplate
from tests.integration.database import Postgres
from tests.integration.realms.world import ANNA, AUTH, BERT, DEVICES, IMAGE, Realms, refused

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
TEMPLATE = {
    "data": {"tables": [{"tablename": "t", "columns": [{"id": "tsp", "dataType": "timestamp"}], "more": {"n": 1.5}}]},
    "of another release": [None, True, "\u20ac"],
}


async def test_a_release_is_kept_as_it_came_and_recorded(world: Realms, postgres: Postgres) -> None:
    app = await world.app()

    release = await world.releases.release_create(ANNA, CreateRelease("press", "1.0-RC", IMAGE, TEMPLATE))

    assert (release.app_key, release.version, release.image) == (app.app_key, "1.0-RC", IMAGE)
    assert release.has_data_template
    assert postgres.rows("SELECT data_template FROM realms.release") == [(TEMPLATE,)]
    ((action, asset, after),) = postgres.rows(
        "SELECT action, asset, after FROM audit.queue WHERE action <> 'app.created'"
    )
    assert (action, asset) == ("app_release.created", {"kind": "app", "key": app.app_key})
    assert after == {"version": "1.0-RC", "image": IMAGE, "release_key": release.release_key}


async def test_a_version_is_one_in_an_app(world: Realms, postgres: Postgres) -> None:
    await world.app()
    await world.app("saw")
    await world.release("press", "1.0-rc")
    await world.release("saw", "1.0-rc")

    with pytest.raises(AlreadyExistsError):
        await world.release("press", "1.0-RC")

    assert postgres.rows("SELECT count(*) FROM realms.release") == [(2,)]
    assert len(postgres.audited()) == 4


async def test_nothing_is_built(world: Realms, postgres: Postgres) -> None:
    await world.app()

    with pytest.raises(NotSupportedError) as never:
        await world.releases.release_create(ANNA, CreateRelease("press", "1.0"))
    with pytest.raises(InvalidArgumentError):
        await world.releases.release_create(ANNA, CreateRelease("press", "1.0", "registry.example.com/press:1.0"))

    assert never.value.details()["code"] == "not_supported"
    assert postgres.rows("SELECT 1 FROM realms.release") == []


async def test_releases_are_made_with_the_flag_and_seen_with_read(world: Realms) -> None:
    key = (await world.app()).app_key
    made = await world.release()

    for wanted in ("press", key, key + 1_000, "nothing"):
        assert (await refused(world.release(wanted, "2.0", by=BERT)))["uri"] == NotFoundError.uri
        assert (await refused(world.releases.release_list(BERT, ListReleases(wanted))))["uri"] == NotFoundError.uri
    world.give_on_app(BERT, key, "READ", "UPDATE")
    with pytest.raises(NotAuthorizedError, match="RELEASE"):
        await world.release("press", "2.0", by=BERT)
    assert (await world.releases.release_list(BERT, ListReleases("press"))).releases == [made]
    world.give_on_app(BERT, key, "READ", "RELEASE")
    assert (await world.release("press", "2.0", by=BERT)).version == "2.0"


async def test_a_public_app_is_released_by_nobody_else(world: Realms) -> None:
    await world.app()
    await world.apps.app_publish(ANNA, PublishApp("press", is_public=True))

    with pytest.raises(NotAuthorizedError):
        await world.release("press", "2.0", by=BERT)
    assert (await world.releases.release_list(BERT, ListReleases("press"))).releases == []


async def test_pages_hold_each_release_once(world: Realms) -> None:
    await world.app()
    for number in range(5):
        await world.release("press", f"1.{number}")
    first = await world.releases.release_list(ANNA, ListReleases("press", limit=3))
    second = await world.releases.release_list(ANNA, ListReleases("press", first.next, 3))

    assert [each.version for each in (*first.releases, *second.releases)] == [f"1.{number}" for number in range(5)]
    assert second.next is None


async def test_a_release_is_never_changed(world: Realms, postgres: Postgres) -> None:
    await world.app()
    await world.release()

    with postgres.connect("svc_realms") as connection:
        for statement in ("UPDATE realms.release SET image = 'x'", "DELETE FROM realms.release"):
            with pytest.raises(Exception, match="permission denied"):
                connection.execute(statement.encode())


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"version": ""},
        {"version": "a b"},
        {"version": 1},
        {"version": "1.0", "image": ""},
        {"version": "1.0", "image": "press"},
        {"version": "1.0", "image": IMAGE, "data_template": "data: {}"},
        {"version": "1.0", "image": IMAGE, "data_template": []},
        {"version": "1.0", "image": IMAGE, "data_template": {}},
        {"version": "1.0", "image": IMAGE, "data_template": {"data": {"tables": [{"tablename": "T"}]}}},
        {"version": "1.0", "image": IMAGE, "data_template": {"data": {}, "x": "a\x00"}},
        {"version": "1.0", "image": IMAGE, "data_template": {"data": {}, "x": float("nan")}},
        {"version": "1.0", "image": IMAGE, "data_template": {"data": {}, "x": 2**53}},
        {"version": "1.0", "image": IMAGE, "data_template": {"data": {}, "x": b"octets"}},
        {"version": "1.0", "image": IMAGE, "data_template": {"data": {}, 1: "x"}},
        {"version": "1.0", "image": IMAGE, "build": True},
        {"version": "1.0", "image": IMAGE, "environment": {"A": "bare text"}},
        {"version": "1.0", "image": IMAGE, "environment": {"APP_KEY": {}}},
        {"version": "1.0", "image": IMAGE, "environment": {"A": {"is_secret": True, "default": "x"}}},
        {"version": "1.0", "image": IMAGE, "ports": [{"port": "80"}]},
        {"version": "1.0", "image": IMAGE, "ports": [{"port": 80}, {"port": 80}]},
        {"version": "1.0", "image": IMAGE, "compose": {"services": {"web": "text"}}},
        {"version": "1.0", "image": IMAGE, "compose": {"services": {"web": {"image": "a", "cpus": 0.5}}}},
    ],
    ids=repr,
)
async def test_given_unfit_arguments_when_people_call_then_the_refusal_is_clear(
    world: Realms, postgres: Postgres, more: dict[str, Any]
) -> None:
    await world.app()

    with pytest.raises(ApplicationError) as error:
        await world.on_the_wire("ironflock.realms.release.create", {"app": "press", **more})

    assert error.value.error == "wamp.error.invalid_argument"
    assert postgres.rows("SELECT 1 FROM realms.release") == []


async def test_one_release_is_shown_with_its_template(world: Realms) -> None:
    await world.app()
    made = await world.releases.release_create(ANNA, CreateRelease("press", "1.0-RC", IMAGE, TEMPLATE))

    found = await world.releases.release_show(ANNA, NameRelease("press", "1.0-rc"))

    assert (found.release_key, found.version, found.data_template) == (made.release_key, "1.0-RC", TEMPLATE)
    for version in ("1.0", "", "\x00", "x" * 400, "\ud800"):
        with pytest.raises(NotFoundError):
            await world.releases.release_show(ANNA, NameRelease("press", version))
    with pytest.raises(NotFoundError):
        await world.releases.release_show(BERT, NameRelease("press", "1.0-rc"))
    await world.apps.app_publish(ANNA, PublishApp("press", is_public=True))
    assert await world.releases.release_show(BERT, NameRelease("press", "1.0-rc")) == found


COMPOSE = {"services": {"web": {"image": "registry.example.com/web:1", "privileged": True}}}


async def test_a_release_keeps_what_it_asks_for_and_devices_are_told_it(world: Realms, postgres: Postgres) -> None:
    await world.app()
    variables = {"MODE": VariableTemplate(default="fast", choices=["fast", "slow"])}
    asked = CreateRelease("press", "1.0", IMAGE, None, variables, [PortRule(80, "web")], COMPOSE)

    made = await world.releases.release_create(ANNA, asked)
    plain = await world.release("press", "1.1")

    assert (made.has_compose, plain.has_compose) == (True, False)
    shown = await world.releases.release_show(ANNA, NameRelease("press", "1.0"))
    assert (shown.environment, shown.ports, shown.compose) == (variables, [PortRule(80, "web")], COMPOSE)
    assert shown.needs_develop == ["services.web.privileged"]
    assert (await world.releases.release_show(ANNA, NameRelease("press", "1.1"))).needs_develop == []
    assert [each.has_compose for each in (await world.releases.release_list(ANNA, ListReleases("press"))).releases] == [
        True,
        False,
    ]
    contents = await world.services.release_contents(DEVICES, FindContents(made.release_key))
    assert contents == Contents(variables, [PortRule(80, "web")], COMPOSE)
    assert await world.services.release_contents(DEVICES, FindContents(plain.release_key)) == NOTHING
    with pytest.raises(NotFoundError):
        await world.services.release_contents(DEVICES, FindContents(plain.release_key + 1_000))
    with pytest.raises(NotAuthorizedError):
        await world.services.release_contents(AUTH, FindContents(made.release_key))


async def test_nothing_is_built_by_a_compose_document(world: Realms, postgres: Postgres) -> None:
    await world.app()
    building = {"services": {"web": {"image": "a", "build": "."}}}

    with pytest.raises(NotSupportedError, match="nothing is built here"):
        await world.releases.release_create(ANNA, CreateRelease("press", "1.0", IMAGE, compose=building))

    assert postgres.rows("SELECT 1 FROM realms.release") == []
