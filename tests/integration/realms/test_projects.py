"""Projects on a real database, for people and for services."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from autobahn.wamp.exception import ApplicationError

from services.realms.assembly import Parts, assemble
from services.realms.procedures.projects import ProjectProcedures
from services.realms.procedures.services import ServiceProcedures
from services.realms.records.projects import (
    AccountKey,
    AskTunnelRules,
    CreateProject,
    ListProjects,
    NameProject,
    Project,
    RequireFactor,
    RequireSameAddress,
    ResolveProject,
    SetLegacyMode,
    SetOwner,
)
from services.realms.records.values import LegacyMode
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
from shared.rights.records import LockKind
from tests.harness.rights import MEMBER, KnownRights, project
from tests.integration.database import Postgres
from tests.integration.realms.world import ANNA, BERT, DEVICES, TUNNELS, Others
from tests.unit.shared.memory_router import call_details
from tests.unit.shared.surface import everywhere

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


class Surface(ProjectProcedures, ServiceProcedures):
    """What people and services may ask about projects."""

    def __init__(self, parts: Parts) -> None:
        ProjectProcedures.__init__(self, parts)
        ServiceProcedures.__init__(self, parts)


@pytest.fixture(name="realms")
def fixture_realms(realms_database: Database, rights: KnownRights, others: Others) -> Surface:
    return Surface(assemble(cast("Bus", others), realms_database, rights))


async def create(realms: Surface, name: str, person: Person = ANNA) -> Project:
    created: Project = await realms.project_create(person, CreateProject(name))
    return created


async def test_a_project_is_created_for_the_caller_and_recorded(realms: Surface, postgres: Postgres) -> None:
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
            {"name": "Plant", "description": "the\nfirst", "cluster": "first", "cell": "first"},
            {"session": 11, "address": None, "request": None},
        )
    ]


@pytest.mark.parametrize("twin", ["plant", " PLANT ", "pl\u00e4nt".replace("\u00e4", "a"), "\uff30lant"])
async def test_given_a_twin_when_it_is_created_then_it_is_refused_and_nothing_changed(
    realms: Surface, postgres: Postgres, twin: str
) -> None:
    await create(realms, "Plant")

    with pytest.raises(AlreadyExistsError) as refused:
        await create(realms, twin)

    assert refused.value.details()["name"] == twin.strip()
    assert postgres.rows("SELECT name FROM realms.project") == [("Plant",)]
    assert len(postgres.audited()) == 1


async def test_two_owners_may_use_one_name(realms: Surface) -> None:
    first, second = await create(realms, "plant"), await create(realms, "plant", BERT)

    assert first.project_key != second.project_key


async def test_given_many_of_one_name_at_once_when_they_are_over_then_one_has_won(
    realms: Surface, postgres: Postgres
) -> None:
    results = await asyncio.gather(*(create(realms, "plant") for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(result, Project) for result in results) == 1
    assert sum(isinstance(result, AlreadyExistsError) for result in results) == 7
    assert len(postgres.audited()) == 1


@pytest.mark.parametrize("name", ["", " ", "7", "a\x00b", "a\u202eb", "x" * 101, "\ud800"])
async def test_given_an_unfit_name_when_it_is_created_then_it_is_refused(
    realms: Surface, postgres: Postgres, name: str
) -> None:
    with pytest.raises(InvalidArgumentError):
        await create(realms, name)

    assert postgres.rows("SELECT count(*) FROM realms.project") == [(0,)]


async def test_what_is_foreign_looks_as_if_it_were_not_there(realms: Surface) -> None:
    mine = await create(realms, "plant")
    missing = mine.project_key + 1_000_000
    refusals = []

    lookups: list[Callable[[int | str], Awaitable[Project]]] = [
        lambda wanted: realms.project_show(BERT, NameProject(wanted)),
        lambda wanted: realms.project_resolve(DEVICES, ResolveProject(6, wanted)),
    ]
    for lookup in lookups:
        for wanted in (mine.project_key, "plant", missing, "other", "\x00", "a\ud800b", "", "x" * 400):
            with pytest.raises(NotFoundError) as refused:
                await lookup(wanted)
            refusals.append(refused.value.details())

    assert all(refusal == refusals[0] for refusal in refusals)


@pytest.mark.parametrize("wanted", ["Plant", "plant", " PLANT\u00a0"])
async def test_a_project_is_found_by_key_and_by_any_form_of_its_name(realms: Surface, wanted: str) -> None:
    created = await create(realms, "Plant")

    assert await realms.project_show(ANNA, NameProject(wanted)) == created
    assert await realms.project_show(ANNA, NameProject(created.project_key)) == created
    assert await realms.project_resolve(DEVICES, ResolveProject(5, wanted)) == created


async def test_pages_of_250_projects_hold_each_once(realms: Surface, postgres: Postgres, rights: KnownRights) -> None:
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


async def test_a_page_is_not_moved_by_what_comes_and_goes(realms: Surface, postgres: Postgres) -> None:
    for number in range(1, 6):
        await create(realms, f"p{number}")
    first = await realms.project_list(ANNA, ListProjects(limit=2))
    postgres.run("DELETE FROM realms.project WHERE name IN ('p1', 'p2')")

    second = await realms.project_list(ANNA, ListProjects(cursor=first.next, limit=2))

    assert [each.name for each in second.projects] == ["p3", "p4"]


async def test_given_a_foreign_cursor_when_a_page_is_asked_for_then_it_is_refused(realms: Surface) -> None:
    with pytest.raises(InvalidArgumentError):
        await realms.project_list(ANNA, ListProjects(cursor="x"))


async def test_a_service_gets_what_an_account_has_to_do_with(realms: Surface, rights: KnownRights) -> None:
    mine = [await create(realms, name) for name in ("b", "a")]
    theirs = await create(realms, "other", BERT)

    for name in ("devices", "audit"):
        assert await realms.project_reachable(ServiceIdentity(name, 1), AccountKey(5)) == mine
    assert await realms.project_reachable(DEVICES, AccountKey(99)) == []
    rights.hold(5, project(theirs.project_key), MEMBER)
    assert await realms.project_reachable(DEVICES, AccountKey(5)) == [*mine, theirs]
    assert await realms.project_resolve(DEVICES, ResolveProject(5, "other")) == theirs


async def test_a_description_which_may_be_long_is_not_told_to_services(realms: Surface) -> None:
    await realms.project_create(ANNA, CreateProject("plant", "x" * 1_000))

    (found,) = await realms.project_reachable(DEVICES, AccountKey(5))

    assert found.description == ""


@pytest.mark.parametrize("name", ["auth", "realms", "gateway", "privileges", "router", ""])
async def test_no_service_but_devices_and_audit_asks_for_others(realms: Surface, name: str) -> None:
    await create(realms, "plant")
    with pytest.raises(NotAuthorizedError):
        await realms.project_resolve(ServiceIdentity(name, 1), ResolveProject(5, "plant"))
    with pytest.raises(NotAuthorizedError):
        await realms.project_reachable(ServiceIdentity(name, 1), AccountKey(5))


async def test_a_member_sees_a_project_by_read_and_no_more(realms: Surface, rights: KnownRights) -> None:
    key = (await create(realms, "plant")).project_key
    rights.hold(6, project(key), MEMBER)
    for wanted in (key, "plant"):
        with pytest.raises(NotFoundError):
            await realms.project_show(BERT, NameProject(wanted))
    assert (await realms.project_list(BERT, ListProjects())).projects == []
    rights.give(6, key, AssetKind.PROJECT, key, "READ")

    assert (await realms.project_show(BERT, NameProject("plant"))).project_key == key
    assert [each.project_key for each in (await realms.project_list(BERT, ListProjects())).projects] == [key]
    with pytest.raises(NotAuthorizedError, match="GRANT"):
        await realms.project_require_factor(BERT, RequireFactor("plant", required=False))
    rights.give(6, key, AssetKind.PROJECT, key, "GRANT")
    await realms.project_require_factor(BERT, RequireFactor("plant", required=False))


async def test_two_projects_of_one_name_are_told_apart_by_their_keys(realms: Surface, rights: KnownRights) -> None:
    mine, theirs = await create(realms, "plant"), await create(realms, "Plant", BERT)
    rights.give(5, theirs.project_key, AssetKind.PROJECT, theirs.project_key, "READ")

    with pytest.raises(ConflictError):
        await realms.project_show(ANNA, NameProject("plant"))
    for each in (mine, theirs):
        assert await realms.project_show(ANNA, NameProject(each.project_key)) == each


async def test_while_rights_are_silent_nobody_reads_and_creating_goes_on(realms: Surface, rights: KnownRights) -> None:
    await create(realms, "plant")
    rights.is_silent = True

    with pytest.raises(UnavailableError):
        await realms.project_show(ANNA, NameProject("plant"))
    with pytest.raises(UnavailableError):
        await realms.project_list(ANNA, ListProjects())
    await create(realms, "mill")


async def test_a_new_project_is_told_to_privileges_at_once(realms: Surface, others: Others) -> None:
    created = await create(realms, "Plant")

    said = {"kind": "project", "key": created.project_key, "name": "Plant", "owner_account_key": 5}
    assert others.told == [said]


async def test_given_privileges_away_when_a_project_is_created_then_it_is_there_and_told_later(
    realms: Surface, others: Others, realms_database: Database
) -> None:
    others.is_away = True

    created = await create(realms, "plant")

    with pytest.raises(NotFoundError):
        await realms.project_show(ANNA, NameProject("plant"))
    others.is_away = False
    await Telling(cast("Bus", others), realms_database).keep_up()
    assert await realms.project_show(ANNA, NameProject("plant")) == created


async def test_privileges_alone_says_who_owns_a_project(realms: Surface, postgres: Postgres) -> None:
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
    realms: Surface, uri: str, arguments: dict[str, Any]
) -> None:
    found = {declaration.uri: (declaration, method) for declaration, method in declared(realms)}

    with pytest.raises(ApplicationError) as refused:
        await public_errors(*found[uri], None, everywhere)(details=call_details("user", "5"), **arguments)

    assert refused.value.error == "wamp.error.invalid_argument"


async def test_a_project_on_the_wire_is_plain(realms: Surface) -> None:
    found = {declaration.uri: (declaration, method) for declaration, method in declared(realms)}
    invoke = public_errors(*found["ironflock.realms.project.create"], None, everywhere)

    answer = await invoke(details=call_details("user", "5"), name="plant")

    assert set(answer) == set(Project.__annotations__)
    assert (answer["legacy_mode"], answer["legacy_until"]) == ("strict", None)
    assert datetime.fromisoformat(answer["created_at"]).tzinfo is not None


async def test_a_project_can_ask_for_a_second_factor(realms: Surface, postgres: Postgres, rights: KnownRights) -> None:
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
    assert (await realms.project_show(BERT, NameProject("plant"))).requires_factor
    await realms.project_require_factor(BERT, RequireFactor("plant", required=False))
    assert len(await realms.project_reachable(DEVICES, AccountKey(BERT.account_key))) == 1


async def test_tunnel_clients_come_from_where_their_agents_do_until_somebody_lets_them(
    realms: Surface, postgres: Postgres, rights: KnownRights
) -> None:
    key = (await create(realms, "Plant")).project_key
    assert (await realms.project_tunnel_rules(TUNNELS, AskTunnelRules(key))).requires_same_address

    changed = await realms.project_require_same_address(ANNA, RequireSameAddress("plant", required=False))
    await realms.project_require_same_address(ANNA, RequireSameAddress("plant", required=False))

    assert not changed.requires_same_address
    assert not (await realms.project_tunnel_rules(TUNNELS, AskTunnelRules(key))).requires_same_address
    assert postgres.audited()[1:] == [("project.same_address_requirement_changed", "done")]
    with pytest.raises(NotFoundError):
        await realms.project_tunnel_rules(TUNNELS, AskTunnelRules(key + 1))
    with pytest.raises(NotAuthorizedError):
        await realms.project_tunnel_rules(DEVICES, AskTunnelRules(key))
    rights.give(6, key, AssetKind.PROJECT, key, "READ", "UPDATE")
    with pytest.raises(NotAuthorizedError):
        await realms.project_require_same_address(BERT, RequireSameAddress(key, required=True))


async def test_whoever_has_no_second_factor_asks_it_of_nobody(realms: Surface, postgres: Postgres) -> None:
    await create(realms, "Mill", BERT)

    with pytest.raises(ConflictError):
        await realms.project_require_factor(BERT, RequireFactor("mill", required=True))
    with pytest.raises(NotFoundError):
        await realms.project_require_factor(ANNA, RequireFactor("mill", required=True))

    assert postgres.rows("SELECT requires_factor FROM realms.project") == [(False,)]


async def test_old_containers_are_let_in_by_the_owner_until_an_end(realms: Surface, postgres: Postgres) -> None:
    key = (await create(realms, "Plant")).project_key
    ends_at = datetime.now(UTC) + timedelta(days=30)  # noqa: TID251 - the same machine's clock

    asked = SetLegacyMode("plant", LegacyMode.OWN_REALM_ONLY, ends_at)
    changed = await realms.project_set_legacy_mode(ANNA, asked)
    assert await realms.project_set_legacy_mode(ANNA, asked) == changed

    assert (changed.legacy_mode, changed.legacy_until) == (LegacyMode.OWN_REALM_ONLY, ends_at)
    assert await realms.project_show(ANNA, NameProject(key)) == changed
    assert postgres.audited()[1:] == [("project.legacy_mode_changed", "done")]
    (after,) = postgres.rows("SELECT after FROM audit.queue WHERE action = 'project.legacy_mode_changed'")[0]
    assert after["legacy_mode"] == "own_realm_only"
    back = await realms.project_set_legacy_mode(ANNA, SetLegacyMode(key, LegacyMode.STRICT))
    assert (back.legacy_mode, back.legacy_until) == (LegacyMode.STRICT, None)


async def test_nobody_else_lets_old_containers_in(realms: Surface, postgres: Postgres, rights: KnownRights) -> None:
    key = (await create(realms, "Plant")).project_key
    ends_at = datetime.now(UTC) + timedelta(days=30)  # noqa: TID251 - the same machine's clock
    asked = SetLegacyMode(key, LegacyMode.DUAL, ends_at)

    with pytest.raises(NotFoundError):
        await realms.project_set_legacy_mode(BERT, asked)
    rights.give(6, key, AssetKind.PROJECT, key, "READ", "GRANT", "UPDATE", "DELETE")
    with pytest.raises(NotAuthorizedError, match="owner"):
        await realms.project_set_legacy_mode(BERT, asked)
    for unfit in (
        SetLegacyMode(key, LegacyMode.DUAL),
        SetLegacyMode(key, LegacyMode.STRICT, ends_at),
        SetLegacyMode(key, LegacyMode.DUAL, ends_at - timedelta(days=31)),
    ):
        with pytest.raises(InvalidArgumentError):
            await realms.project_set_legacy_mode(ANNA, unfit)
    rights.lock(LockKind.PROJECT, key)
    with pytest.raises(NotAuthorizedError, match="lock"):
        await realms.project_set_legacy_mode(ANNA, asked)

    assert postgres.rows("SELECT legacy_mode, legacy_until FROM realms.project") == [("strict", None)]
