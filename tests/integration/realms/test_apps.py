"""Apps on a real database."""

import asyncio
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError

from services.realms.records.apps import App, CreateApp, ListApps, NameApp, PublishApp, RenameApp
from shared.errors import AlreadyExistsError, InvalidArgumentError, NotAuthorizedError, NotFoundError, UnavailableError
from shared.rights.records import LockKind
from tests.integration.database import Postgres
from tests.integration.realms.world import ANNA, BERT, CARL, Others, Realms, refused

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def seen(world: Realms, person: Any = BERT) -> list[str]:
    return [app.name for app in (await world.apps.app_list(person, ListApps())).apps]


async def test_an_app_is_created_for_the_caller_recorded_and_told(
    world: Realms, postgres: Postgres, others: Others
) -> None:
    app = await world.apps.app_create(ANNA, CreateApp("  Press ", " the\nfirst "))

    assert (app.name, app.description, app.owner_account_key, app.is_public) == ("Press", "the\nfirst", 5, False)
    rows = postgres.rows("SELECT service, action, aspect, actor, asset, project, before, after FROM audit.queue")
    assert rows == [
        (
            "svc_realms",
            "app.created",
            "existence",
            {"kind": "person", "key": 5, "credential": "key-1", "on_behalf_of": None},
            {"kind": "app", "key": app.app_key},
            None,
            None,
            {"name": "Press", "description": "the\nfirst"},
        )
    ]
    assert others.told == [
        {"kind": "app", "key": app.app_key, "name": "Press", "owner_account_key": 5, "is_public": False, "revision": 1}
    ]
    assert await world.apps.app_show(ANNA, NameApp(app.app_key)) == app
    assert await world.apps.app_show(ANNA, NameApp("\uff30RESS")) == app


@pytest.mark.parametrize("twin", ["press", " PRESS "])
async def test_a_name_is_one_in_the_installation(world: Realms, postgres: Postgres, twin: str) -> None:
    await world.app("Press")

    for person in (ANNA, BERT):
        with pytest.raises(AlreadyExistsError) as already:
            await world.app(twin, person)
        assert already.value.details()["name"] == twin.strip()

    assert postgres.rows("SELECT name FROM realms.app") == [("Press",)]
    assert postgres.audited() == [("app.created", "done")]


async def test_given_many_of_one_name_at_once_when_they_are_over_then_one_has_won(
    world: Realms, postgres: Postgres
) -> None:
    results = await asyncio.gather(*(world.app("press") for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(result, App) for result in results) == 1
    assert sum(isinstance(result, AlreadyExistsError) for result in results) == 7
    assert len(postgres.audited()) == 1


@pytest.mark.parametrize(
    "name", ["", " ", "7", "*", "a b", "a\x00b", "a\u202eb", "x" * 64, "\ud800", "pl\u00e4nt", "../x", "'; DROP TABLE"]
)
async def test_given_an_unfit_name_when_it_is_said_then_nothing_changes(
    world: Realms, postgres: Postgres, name: str
) -> None:
    app = await world.app("press")
    with pytest.raises(InvalidArgumentError):
        await world.app(name)
    with pytest.raises(InvalidArgumentError):
        await world.apps.app_rename(ANNA, RenameApp(app.app_key, name))

    assert postgres.rows("SELECT name FROM realms.app") == [("press",)]


async def test_what_is_foreign_looks_as_if_it_were_not_there(world: Realms) -> None:
    mine = await world.app()
    refusals = []

    for wanted in (mine.app_key, "press", mine.app_key + 1_000, "other", "\x00", "a\ud800b", "", "x" * 400, "*"):
        refusals.append(await refused(world.apps.app_show(BERT, NameApp(wanted))))
        refusals.append(await refused(world.apps.app_rename(BERT, RenameApp(wanted, "mine"))))
        refusals.append(await refused(world.apps.app_publish(BERT, PublishApp(wanted, is_public=True))))

    assert all(refusal == refusals[0] for refusal in refusals)
    assert refusals[0]["uri"] == NotFoundError.uri


async def test_each_flag_opens_what_it_says(world: Realms) -> None:
    key = (await world.app()).app_key
    world.give_on_app(BERT, key, "READ")

    assert (await world.apps.app_show(BERT, NameApp("press"))).app_key == key
    assert await seen(world) == ["press"]
    with pytest.raises(NotAuthorizedError, match="UPDATE"):
        await world.apps.app_rename(BERT, RenameApp("press", "mine"))
    world.give_on_app(BERT, key, "READ", "UPDATE")
    assert (await world.apps.app_rename(BERT, RenameApp("press", "Saw"))).name == "Saw"
    with pytest.raises(NotAuthorizedError, match="owner"):
        await world.apps.app_publish(BERT, PublishApp("saw", is_public=True))


async def test_a_public_app_is_everybody_s_to_see(world: Realms, postgres: Postgres, others: Others) -> None:
    key = (await world.app()).app_key
    await world.app("saw")

    for _ in range(2):
        assert (await world.apps.app_publish(ANNA, PublishApp("press", is_public=True))).is_public

    assert await seen(world) == ["press"]
    assert (await world.apps.app_show(BERT, NameApp("press"))).is_public
    assert await seen(world, ANNA) == ["press", "saw"]
    with pytest.raises(NotAuthorizedError):
        await world.apps.app_rename(BERT, RenameApp("press", "mine"))
    assert [said["is_public"] for said in others.told if said["key"] == key] == [False, True]
    await world.apps.app_publish(ANNA, PublishApp(key, is_public=False))
    assert await seen(world) == []
    assert [tag for tag, _ in postgres.audited()][2:] == ["app.published", "app.unpublished"]


async def test_a_lock_on_a_person_closes_public_apps_too(world: Realms) -> None:
    await world.app()
    await world.apps.app_publish(ANNA, PublishApp("press", is_public=True))
    world.rights.lock(LockKind.PERSON, BERT.account_key)

    assert await seen(world) == []
    with pytest.raises(NotFoundError):
        await world.apps.app_show(BERT, NameApp("press"))


async def test_given_privileges_away_when_an_app_is_published_then_it_is_told_later(
    world: Realms, others: Others
) -> None:
    app = await world.app()
    others.is_away = True
    await world.apps.app_publish(ANNA, PublishApp("press", is_public=True))
    assert len(others.told) == 1
    others.is_away = False

    await world.telling.keep_up()

    assert others.told[1:] == [
        {"kind": "app", "key": app.app_key, "name": "press", "owner_account_key": 5, "is_public": True, "revision": 2}
    ]


async def test_a_rename_is_recorded_told_and_refused_where_the_name_is_taken(
    world: Realms, postgres: Postgres, others: Others
) -> None:
    await world.app("saw", BERT)
    app = await world.app()
    with pytest.raises(AlreadyExistsError):
        await world.apps.app_rename(ANNA, RenameApp("press", "SAW"))
    for _ in range(2):
        assert (await world.apps.app_rename(ANNA, RenameApp(app.app_key, "Press"))).name == "Press"

    rows = postgres.rows("SELECT before, after FROM audit.queue WHERE action = 'app.renamed'")
    assert rows == [({"name": "press"}, {"name": "Press"})]
    assert others.told[-1]["name"] == "Press"


async def test_pages_hold_each_once_with_what_is_public_among_them(world: Realms, postgres: Postgres) -> None:
    postgres.run(
        "INSERT INTO realms.app (name, name_canonical, owner_account_key, is_public)"
        " SELECT 'a' || n, 'a' || n, 7, n % 3 = 0 FROM generate_series(1, 90) n"
    )
    for (key,) in postgres.rows("SELECT app_key FROM realms.app WHERE name IN ('a1', 'a2')"):
        world.give_on_app(BERT, key, "READ")
    names: list[str] = []
    cursor: str | None = None
    while not names or cursor is not None:
        page = await world.apps.app_list(BERT, ListApps(cursor, 7))
        names += [app.name for app in page.apps]
        cursor = page.next

    assert names == ["a1", "a2", *(f"a{number}" for number in range(3, 91, 3))]
    with pytest.raises(InvalidArgumentError):
        await world.apps.app_list(BERT, ListApps("x"))


async def test_while_rights_are_silent_no_app_is_told_from_another(world: Realms) -> None:
    await world.app()
    world.rights.is_silent = True

    for wanted in ("press", "nothing"):
        with pytest.raises(UnavailableError):
            await world.apps.app_show(ANNA, NameApp(wanted))
    with pytest.raises(UnavailableError):
        await world.apps.app_list(ANNA, ListApps())


@pytest.mark.parametrize(
    ("uri", "arguments"),
    [
        ("app.create", {}),
        ("app.create", {"name": 7}),
        ("app.create", {"name": "x" * 10**6}),
        ("app.create", {"name": "a", "description": "x" * 10**6}),
        ("app.create", {"name": "a", "description": "\x00"}),
        ("app.create", {"name": "a", "is_public": True}),
        ("app.create", {"name": "a", "owner_account_key": 6}),
        ("app.list", {"limit": 0}),
        ("app.list", {"limit": 10**9}),
        ("app.show", {}),
        ("app.show", {"app": 0}),
        ("app.show", {"app": 2**53}),
        ("app.show", {"app": 1.0}),
        ("app.show", {"app": True}),
        ("app.show", {"app": None}),
        ("app.show", {"app": ["press"]}),
        ("app.publish", {"app": "press", "is_public": 1}),
        ("app.publish", {"app": "press"}),
        ("app.rename", {"app": "press"}),
    ],
)
async def test_given_unfit_arguments_when_people_call_then_the_refusal_is_clear(
    world: Realms, uri: str, arguments: dict[str, Any]
) -> None:
    await world.app()

    with pytest.raises(ApplicationError) as error:
        await world.on_the_wire(f"ironflock.realms.{uri}", arguments)

    assert error.value.error == "wamp.error.invalid_argument"


async def test_an_app_on_the_wire_is_plain(world: Realms) -> None:
    answer = await world.on_the_wire("ironflock.realms.app.create", {"name": "press"})

    assert set(answer) == {"app_key", "name", "description", "owner_account_key", "is_public", "created_at"}
    assert (await world.on_the_wire("ironflock.realms.app.list", {})) == {"apps": [answer], "next": None}
    assert await seen(world, CARL) == []
