"""Realms' procedures on a real database."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from autobahn.wamp.exception import ApplicationError

from services.realms.factors import Factors
from services.realms.procedures import Procedures
from services.realms.records import (
    AccountKey,
    CreateProject,
    ListProjects,
    Project,
    RequireFactor,
    ResolveProject,
    ShowProject,
)
from shared.bus import Bus
from shared.database import Database
from shared.errors import AlreadyExistsError, ConflictError, InvalidArgumentError, NotAuthorizedError, NotFoundError
from shared.identities import Person, ServiceIdentity
from shared.procedures import declared, public_errors
from tests.integration.database import Postgres
from tests.unit.shared.memory_router import call_details
from tests.unit.shared.surface import everywhere

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ANNA, BERT = Person(5, 11, "key-1"), Person(6, 12)
DEVICES = ServiceIdentity("devices", 1)


class Auth:
    """Knows of everybody but Bert that they have a second factor."""

    async def call(self, procedure: str, *, account_key: int) -> bool:
        assert procedure == "ironflock.auth.account.has_factor"
        return account_key != BERT.account_key


@pytest.fixture(name="realms")
def fixture_realms(realms_database: Database) -> Procedures:
    return Procedures(realms_database, Factors(cast("Bus", Auth())))


async def create(realms: Procedures, name: str, person: Person = ANNA) -> Project:
    project: Project = await realms.project_create(person, CreateProject(name))
    return project


async def test_a_project_is_created_for_the_caller_and_recorded(realms: Procedures, postgres: Postgres) -> None:
    project = await realms.project_create(ANNA, CreateProject("  Plant  ", " the\nfirst "))

    assert (project.name, project.description, project.owner_account_key) == ("Plant", "the\nfirst", 5)
    assert abs((datetime.now(UTC) - project.created_at).total_seconds()) < 60  # noqa: TID251 - the same machine's clock
    rows = postgres.rows("SELECT service, action, actor, asset, project, before, after, source FROM audit.queue")
    assert rows == [
        (
            "svc_realms",
            "project.created",
            {"kind": "person", "key": 5, "credential": "key-1", "on_behalf_of": None},
            {"kind": "project", "key": project.project_key},
            project.project_key,
            None,
            {"name": "Plant", "description": "the\nfirst"},
            {"session": 11, "address": None, "request": None},
        )
    ]


@pytest.mark.parametrize("twin", ["plant", " PLANT ", "pl\u00e4nt".replace("\u00e4", "a"), "\uff30lant"])
async def test_given_a_twin_when_it_is_created_then_it_is_refused_and_nothing_changed(
    realms: Procedures, postgres: Postgres, twin: str
) -> None:
    await create(realms, "Plant")

    with pytest.raises(AlreadyExistsError) as refused:
        await create(realms, twin)

    assert refused.value.details()["name"] == twin.strip()
    assert postgres.rows("SELECT name FROM realms.project") == [("Plant",)]
    assert len(postgres.audited()) == 1


async def test_two_owners_may_use_one_name(realms: Procedures) -> None:
    first, second = await create(realms, "plant"), await create(realms, "plant", BERT)

    assert first.project_key != second.project_key


async def test_given_many_of_one_name_at_once_when_they_are_over_then_one_has_won(
    realms: Procedures, postgres: Postgres
) -> None:
    results = await asyncio.gather(*(create(realms, "plant") for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(result, Project) for result in results) == 1
    assert sum(isinstance(result, AlreadyExistsError) for result in results) == 7
    assert len(postgres.audited()) == 1


@pytest.mark.parametrize("name", ["", " ", "7", "a\x00b", "a\u202eb", "x" * 101, "\ud800"])
async def test_given_an_unfit_name_when_it_is_created_then_it_is_refused(
    realms: Procedures, postgres: Postgres, name: str
) -> None:
    with pytest.raises(InvalidArgumentError):
        await create(realms, name)

    assert postgres.rows("SELECT count(*) FROM realms.project") == [(0,)]


async def test_what_is_foreign_looks_as_if_it_were_not_there(realms: Procedures) -> None:
    mine = await create(realms, "plant")
    missing = mine.project_key + 1_000_000
    refusals = []

    lookups: list[Callable[[int | str], Awaitable[Project]]] = [
        lambda wanted: realms.project_show(BERT, ShowProject(wanted)),
        lambda wanted: realms.project_resolve(DEVICES, ResolveProject(6, wanted)),
    ]
    for lookup in lookups:
        for wanted in (mine.project_key, "plant", missing, "other", "\x00", "a\ud800b", "", "x" * 400):
            with pytest.raises(NotFoundError) as refused:
                await lookup(wanted)
            refusals.append(refused.value.details())

    assert all(refusal == refusals[0] for refusal in refusals)


@pytest.mark.parametrize("wanted", ["Plant", "plant", " PLANT\u00a0"])
async def test_a_project_is_found_by_key_and_by_any_form_of_its_name(realms: Procedures, wanted: str) -> None:
    project = await create(realms, "Plant")

    assert await realms.project_show(ANNA, ShowProject(wanted)) == project
    assert await realms.project_show(ANNA, ShowProject(project.project_key)) == project
    assert await realms.project_resolve(DEVICES, ResolveProject(5, wanted)) == project


async def test_pages_of_250_projects_hold_each_once(realms: Procedures, postgres: Postgres) -> None:
    postgres.run(
        "INSERT INTO realms.project (name, name_canonical, owner_account_key)"
        " SELECT 'p' || n, 'p' || n, CASE WHEN n % 2 = 0 THEN 5 ELSE 6 END FROM generate_series(1, 500) n"
    )
    seen: list[str] = []
    cursor: str | None = None
    pages = 0
    while pages == 0 or cursor is not None:
        page = await realms.project_list(ANNA, ListProjects(cursor=cursor, limit=100))
        seen += [project.name for project in page.projects]
        cursor, pages = page.next, pages + 1

    assert pages == 3
    assert seen == [f"p{number}" for number in range(2, 501, 2)]


async def test_a_page_is_not_moved_by_what_comes_and_goes(realms: Procedures, postgres: Postgres) -> None:
    for number in range(1, 6):
        await create(realms, f"p{number}")
    first = await realms.project_list(ANNA, ListProjects(limit=2))
    postgres.run("DELETE FROM realms.project WHERE name IN ('p1', 'p2')")

    second = await realms.project_list(ANNA, ListProjects(cursor=first.next, limit=2))

    assert [project.name for project in second.projects] == ["p3", "p4"]


async def test_given_a_foreign_cursor_when_a_page_is_asked_for_then_it_is_refused(realms: Procedures) -> None:
    with pytest.raises(InvalidArgumentError):
        await realms.project_list(ANNA, ListProjects(cursor="x"))


async def test_a_service_gets_what_an_account_owns(realms: Procedures) -> None:
    mine = [await create(realms, name) for name in ("b", "a")]
    await create(realms, "other", BERT)

    for service in (DEVICES, ServiceIdentity("auth", 1)):
        assert await realms.project_owned(service, AccountKey(5)) == mine
    assert await realms.project_owned(DEVICES, AccountKey(99)) == []


@pytest.mark.parametrize("name", ["auth", "realms", "gateway", "router", ""])
async def test_no_service_but_devices_asks_for_others(realms: Procedures, name: str) -> None:
    with pytest.raises(NotAuthorizedError):
        await realms.project_resolve(ServiceIdentity(name, 1), ResolveProject(5, "plant"))


@pytest.mark.parametrize("name", ["realms", "gateway", "router", ""])
async def test_no_service_but_auth_and_devices_asks_what_others_own(realms: Procedures, name: str) -> None:
    with pytest.raises(NotAuthorizedError):
        await realms.project_owned(ServiceIdentity(name, 1), AccountKey(5))


@pytest.mark.parametrize(
    ("uri", "arguments"),
    [
        ("ironflock.realms.project.create", {}),
        ("ironflock.realms.project.create", {"name": 7}),
        ("ironflock.realms.project.create", {"name": "x" * 10**6}),
        ("ironflock.realms.project.create", {"name": "a", "description": "x" * 10**6}),
        ("ironflock.realms.project.create", {"name": "a", "owner_account_key": 6}),
        ("ironflock.realms.project.list", {"limit": 0}),
        ("ironflock.realms.project.list", {"limit": 10**9}),
        ("ironflock.realms.project.list", {"cursor": "x" * 201}),
        ("ironflock.realms.project.show", {}),
        ("ironflock.realms.project.show", {"project": 0}),
        ("ironflock.realms.project.show", {"project": -1}),
        ("ironflock.realms.project.show", {"project": 2**53}),
        ("ironflock.realms.project.show", {"project": 10**400}),
        ("ironflock.realms.project.show", {"project": 1.0}),
        ("ironflock.realms.project.show", {"project": True}),
        ("ironflock.realms.project.show", {"project": None}),
        ("ironflock.realms.project.show", {"project": ["plant"]}),
    ],
)
async def test_given_unfit_arguments_when_people_call_then_the_refusal_is_clear(
    realms: Procedures, uri: str, arguments: dict[str, Any]
) -> None:
    found = {declaration.uri: (declaration, method) for declaration, method in declared(realms)}

    with pytest.raises(ApplicationError) as refused:
        await public_errors(*found[uri], None, everywhere)(details=call_details("user", "5"), **arguments)

    assert refused.value.error == "wamp.error.invalid_argument"


async def test_a_project_on_the_wire_is_plain(realms: Procedures) -> None:
    found = {declaration.uri: (declaration, method) for declaration, method in declared(realms)}
    invoke = public_errors(*found["ironflock.realms.project.create"], None, everywhere)

    answer = await invoke(details=call_details("user", "5"), name="plant")

    assert set(answer) == {"project_key", "name", "description", "owner_account_key", "created_at", "requires_factor"}
    assert datetime.fromisoformat(answer["created_at"]).tzinfo is not None


async def test_a_project_can_ask_for_a_second_factor(realms: Procedures, postgres: Postgres) -> None:
    project = await create(realms, "Plant")
    asked = await realms.project_require_factor(ANNA, RequireFactor("plant", required=True))
    await realms.project_require_factor(ANNA, RequireFactor("plant", required=True))

    assert asked.requires_factor
    assert postgres.audited()[1:] == [("project.factor_requirement_changed", "done")]
    wanted = ResolveProject(ANNA.account_key, project.project_key)
    assert (await realms.project_resolve(DEVICES, wanted)).requires_factor
    postgres.run(f"UPDATE realms.project SET owner_account_key = {BERT.account_key}")  # noqa: S608
    with pytest.raises(NotAuthorizedError, match="second factor"):
        await realms.project_resolve(DEVICES, ResolveProject(BERT.account_key, project.project_key))
    assert await realms.project_owned(DEVICES, AccountKey(BERT.account_key)) == []
    assert len(await realms.project_owned(ServiceIdentity("auth", 1), AccountKey(BERT.account_key))) == 1
    assert (await realms.project_show(BERT, ShowProject("plant"))).requires_factor
    await realms.project_require_factor(BERT, RequireFactor("plant", required=False))
    assert len(await realms.project_owned(DEVICES, AccountKey(BERT.account_key))) == 1


async def test_whoever_has_no_second_factor_asks_it_of_nobody(realms: Procedures, postgres: Postgres) -> None:
    await create(realms, "Mill", BERT)

    with pytest.raises(ConflictError):
        await realms.project_require_factor(BERT, RequireFactor("mill", required=True))
    with pytest.raises(NotFoundError):
        await realms.project_require_factor(ANNA, RequireFactor("mill", required=True))

    assert postgres.rows("SELECT requires_factor FROM realms.project") == [(False,)]
