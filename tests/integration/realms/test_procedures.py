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
    SetOwner,
    ShowProject,
)
from services.realms.telling import Telling
from shared.bus import Bus
from shared.database import Database
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidArgumentError,
    NotAuthorizedError,
    NotFoundError,
    UnavailableError,
)
from shared.flags import AssetKind
from shared.identities import Person, ServiceIdentity
from shared.procedures import declared, public_errors
from tests.harness.rights import MEMBER, KnownRights, project
from tests.integration.database import Postgres
from tests.unit.shared.memory_router import call_details
from tests.unit.shared.surface import everywhere

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ANNA, BERT = Person(5, 11, "key-1"), Person(6, 12)
DEVICES = ServiceIdentity("devices", 1)


class Others:
    """Auth, which knows of everybody but Bert that they have a second factor; privileges, which believes realms."""

    def __init__(self, rights: KnownRights) -> None:
        self.rights = rights
        self.is_away = False
        self.told: list[dict[str, Any]] = []

    async def call(self, procedure: str, **said: Any) -> bool | None:
        if procedure == "ironflock.auth.account.has_factor":
            return bool(said["account_key"] != BERT.account_key)
        assert procedure == "ironflock.privileges.domain.put"
        if self.is_away:
            raise UnavailableError("away")
        self.told.append(said)
        self.rights.own(said["owner_account_key"], said["key"])
        return None


@pytest.fixture(name="rights")
def fixture_rights() -> KnownRights:
    return KnownRights()


@pytest.fixture(name="others")
def fixture_others(rights: KnownRights) -> Others:
    return Others(rights)


@pytest.fixture(name="realms")
def fixture_realms(realms_database: Database, rights: KnownRights, others: Others) -> Procedures:
    bus = cast("Bus", others)
    return Procedures(realms_database, Factors(bus), rights, Telling(bus, realms_database))


async def create(realms: Procedures, name: str, person: Person = ANNA) -> Project:
    created: Project = await realms.project_create(person, CreateProject(name))
    return created


async def test_a_project_is_created_for_the_caller_and_recorded(realms: Procedures, postgres: Postgres) -> None:
    created = await realms.project_create(ANNA, CreateProject("  Plant  ", " the\nfirst "))

    assert (created.name, created.description, created.owner_account_key) == ("Plant", "the\nfirst", 5)
    assert abs((datetime.now(UTC) - created.created_at).total_seconds()) < 60  # noqa: TID251 - the same machine's clock
    rows = postgres.rows("SELECT service, action, actor, asset, project, before, after, source FROM audit.queue")
    assert rows == [
        (
            "svc_realms",
            "project.created",
            {"kind": "person", "key": 5, "credential": "key-1", "on_behalf_of": None},
            {"kind": "project", "key": created.project_key},
            created.project_key,
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
    created = await create(realms, "Plant")

    assert await realms.project_show(ANNA, ShowProject(wanted)) == created
    assert await realms.project_show(ANNA, ShowProject(created.project_key)) == created
    assert await realms.project_resolve(DEVICES, ResolveProject(5, wanted)) == created


async def test_pages_of_250_projects_hold_each_once(
    realms: Procedures, postgres: Postgres, rights: KnownRights
) -> None:
    postgres.run(
        "INSERT INTO realms.project (name, name_canonical, owner_account_key)"
        " SELECT 'p' || n, 'p' || n, CASE WHEN n % 2 = 0 THEN 5 ELSE 6 END FROM generate_series(1, 500) n"
    )
    for owner in (5, 6):
        rows = postgres.rows("SELECT project_key FROM realms.project WHERE owner_account_key = %s", owner)
        rights.own(owner, *(key for (key,) in rows))
    seen: list[str] = []
    cursor: str | None = None
    pages = 0
    while pages == 0 or cursor is not None:
        page = await realms.project_list(ANNA, ListProjects(cursor=cursor, limit=100))
        seen += [each.name for each in page.projects]
        cursor, pages = page.next, pages + 1

    assert pages == 3
    assert seen == [f"p{number}" for number in range(2, 501, 2)]


async def test_a_page_is_not_moved_by_what_comes_and_goes(realms: Procedures, postgres: Postgres) -> None:
    for number in range(1, 6):
        await create(realms, f"p{number}")
    first = await realms.project_list(ANNA, ListProjects(limit=2))
    postgres.run("DELETE FROM realms.project WHERE name IN ('p1', 'p2')")

    second = await realms.project_list(ANNA, ListProjects(cursor=first.next, limit=2))

    assert [each.name for each in second.projects] == ["p3", "p4"]


async def test_given_a_foreign_cursor_when_a_page_is_asked_for_then_it_is_refused(realms: Procedures) -> None:
    with pytest.raises(InvalidArgumentError):
        await realms.project_list(ANNA, ListProjects(cursor="x"))


async def test_a_service_gets_what_an_account_has_to_do_with(realms: Procedures, rights: KnownRights) -> None:
    mine = [await create(realms, name) for name in ("b", "a")]
    theirs = await create(realms, "other", BERT)

    for name in ("devices", "audit"):
        assert await realms.project_reachable(ServiceIdentity(name, 1), AccountKey(5)) == mine
    assert await realms.project_reachable(DEVICES, AccountKey(99)) == []
    rights.hold(5, project(theirs.project_key), MEMBER)
    assert await realms.project_reachable(DEVICES, AccountKey(5)) == [*mine, theirs]
    assert await realms.project_resolve(DEVICES, ResolveProject(5, "other")) == theirs


async def test_a_description_which_may_be_long_is_not_told_to_services(realms: Procedures) -> None:
    await realms.project_create(ANNA, CreateProject("plant", "x" * 1_000))

    (found,) = await realms.project_reachable(DEVICES, AccountKey(5))

    assert found.description == ""


@pytest.mark.parametrize("name", ["auth", "realms", "gateway", "privileges", "router", ""])
async def test_no_service_but_devices_and_audit_asks_for_others(realms: Procedures, name: str) -> None:
    await create(realms, "plant")
    with pytest.raises(NotAuthorizedError):
        await realms.project_resolve(ServiceIdentity(name, 1), ResolveProject(5, "plant"))
    with pytest.raises(NotAuthorizedError):
        await realms.project_reachable(ServiceIdentity(name, 1), AccountKey(5))


async def test_a_member_sees_a_project_by_read_and_no_more(realms: Procedures, rights: KnownRights) -> None:
    key = (await create(realms, "plant")).project_key
    rights.hold(6, project(key), MEMBER)
    for wanted in (key, "plant"):
        with pytest.raises(NotFoundError):
            await realms.project_show(BERT, ShowProject(wanted))
    assert (await realms.project_list(BERT, ListProjects())).projects == []
    rights.give(6, key, AssetKind.PROJECT, key, "READ")

    assert (await realms.project_show(BERT, ShowProject("plant"))).project_key == key
    assert [each.project_key for each in (await realms.project_list(BERT, ListProjects())).projects] == [key]
    with pytest.raises(NotAuthorizedError, match="GRANT"):
        await realms.project_require_factor(BERT, RequireFactor("plant", required=False))
    rights.give(6, key, AssetKind.PROJECT, key, "GRANT")
    await realms.project_require_factor(BERT, RequireFactor("plant", required=False))


async def test_two_projects_of_one_name_are_told_apart_by_their_keys(realms: Procedures, rights: KnownRights) -> None:
    mine, theirs = await create(realms, "plant"), await create(realms, "Plant", BERT)
    rights.give(5, theirs.project_key, AssetKind.PROJECT, theirs.project_key, "READ")

    with pytest.raises(ConflictError):
        await realms.project_show(ANNA, ShowProject("plant"))
    for each in (mine, theirs):
        assert await realms.project_show(ANNA, ShowProject(each.project_key)) == each


async def test_while_rights_are_silent_nobody_reads_and_creating_goes_on(
    realms: Procedures, rights: KnownRights
) -> None:
    await create(realms, "plant")
    rights.is_silent = True

    with pytest.raises(UnavailableError):
        await realms.project_show(ANNA, ShowProject("plant"))
    with pytest.raises(UnavailableError):
        await realms.project_list(ANNA, ListProjects())
    await create(realms, "mill")


async def test_a_new_project_is_told_to_privileges_at_once(realms: Procedures, others: Others) -> None:
    created = await create(realms, "Plant")

    said = {"kind": "project", "key": created.project_key, "name": "Plant", "owner_account_key": 5}
    assert others.told == [said]


async def test_given_privileges_away_when_a_project_is_created_then_it_is_there_and_told_later(
    realms: Procedures, others: Others, realms_database: Database
) -> None:
    others.is_away = True

    created = await create(realms, "plant")

    with pytest.raises(NotFoundError):
        await realms.project_show(ANNA, ShowProject("plant"))
    others.is_away = False
    await Telling(cast("Bus", others), realms_database).keep_up()
    assert await realms.project_show(ANNA, ShowProject("plant")) == created


async def test_privileges_alone_says_who_owns_a_project(realms: Procedures, postgres: Postgres) -> None:
    key = (await create(realms, "plant")).project_key
    for name in ("auth", "realms", "devices", "audit", "gateway", "router", ""):
        with pytest.raises(NotAuthorizedError):
            await realms.project_set_owner(ServiceIdentity(name, 1), SetOwner(key, 6))
    privileges = ServiceIdentity("privileges", 1)

    for _ in range(2):
        await realms.project_set_owner(privileges, SetOwner(key, 6))

    assert postgres.rows("SELECT owner_account_key FROM realms.project") == [(6,)]
    await create(realms, "plant")
    with pytest.raises(AlreadyExistsError):
        await realms.project_set_owner(privileges, SetOwner(key, 5))
    with pytest.raises(NotFoundError):
        await realms.project_set_owner(privileges, SetOwner(key + 1_000, 5))
    assert postgres.rows("SELECT owner_account_key FROM realms.project ORDER BY 1") == [(5,), (6,)]


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


async def test_a_project_can_ask_for_a_second_factor(
    realms: Procedures, postgres: Postgres, rights: KnownRights
) -> None:
    found = await create(realms, "Plant")
    asked = await realms.project_require_factor(ANNA, RequireFactor("plant", required=True))
    await realms.project_require_factor(ANNA, RequireFactor("plant", required=True))

    assert asked.requires_factor
    assert postgres.audited()[1:] == [("project.factor_requirement_changed", "done")]
    wanted = ResolveProject(ANNA.account_key, found.project_key)
    assert (await realms.project_resolve(DEVICES, wanted)).requires_factor
    rights.own(6, found.project_key)
    with pytest.raises(NotAuthorizedError, match="second factor"):
        await realms.project_resolve(DEVICES, ResolveProject(BERT.account_key, found.project_key))
    assert await realms.project_reachable(DEVICES, AccountKey(BERT.account_key)) == []
    assert (await realms.project_show(BERT, ShowProject("plant"))).requires_factor
    await realms.project_require_factor(BERT, RequireFactor("plant", required=False))
    assert len(await realms.project_reachable(DEVICES, AccountKey(BERT.account_key))) == 1


async def test_whoever_has_no_second_factor_asks_it_of_nobody(realms: Procedures, postgres: Postgres) -> None:
    await create(realms, "Mill", BERT)

    with pytest.raises(ConflictError):
        await realms.project_require_factor(BERT, RequireFactor("mill", required=True))
    with pytest.raises(NotFoundError):
        await realms.project_require_factor(ANNA, RequireFactor("mill", required=True))

    assert postgres.rows("SELECT requires_factor FROM realms.project") == [(False,)]
