"""Questions about rights, asked of a real database: about oneself and others, now and then, page by page."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from services.privileges.records.grants import ListGrants, SetDefaults
from services.privileges.records.history import ChangePage, ChangeView, ListChanges, What
from services.privileges.records.locks import CreateLock
from services.privileges.records.members import NameMember
from services.privileges.records.questions import Answer, Check, CheckMany, Explain, ListAssets, ListPeople
from shared.errors import InvalidArgumentError, NotAuthorizedError, NotFoundError
from shared.flags import FLAGS, AssetKind
from shared.identities import Person
from shared.procedures import NoArguments
from shared.rights.records import LockKind, Rule
from tests.integration.database import Postgres
from tests.integration.privileges.world import ANNA, BERT, CARL, DORA, NAMES, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICE, GROUP, PROJECT = AssetKind.DEVICE, AssetKind.GROUP, AssetKind.PROJECT
Ask = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(privileges: Privileges) -> Privileges:
    """Anna's plant with device 3, and Bert and Carl in it."""
    await privileges.project()
    await privileges.device(3)
    await privileges.member(BERT)
    await privileges.member(CARL)
    return privileges


async def every(ask: Ask, of: str, person: Person, request: type[Any], *arguments: Any, **more: Any) -> list[Any]:
    """All pages, of two each."""
    found: list[Any] = []
    cursor: str | None = None
    for _ in range(200):
        page = await ask(person, request(*arguments, **more, cursor=cursor, limit=2))
        found += getattr(page, of)
        cursor = page.next
        if cursor is None:
            return found
        assert len(getattr(page, of)) == 2
    raise AssertionError("the pages have no end")


async def test_the_table_of_flags_is_there_for_everybody(plant: Privileges) -> None:
    table = (await plant.questions.flag_list(DORA, NoArguments())).flags

    assert {(each.kind, each.flag): each.meaning for each in table} == {
        (kind, flag): meaning for kind, flags in FLAGS.items() for flag, meaning in flags.items()
    }


async def test_about_oneself_everybody_may_ask(plant: Privileges) -> None:
    for account in (None, 6, "bert@plant.example"):
        assert (await plant.check(BERT, "READ", DEVICE, 3, account=account)).rule is Rule.NO_GRANT
    explained = await plant.questions.flag_explain(BERT, Explain(DEVICE, 3))
    assert (explained.account_key, explained.kind, explained.key) == (6, DEVICE, 3)
    assert explained.flags.keys() == FLAGS[DEVICE].keys()


async def test_about_others_whoever_has_grant_there(plant: Privileges) -> None:
    asked: list[Callable[[Person], Awaitable[Any]]] = [
        lambda person: plant.check(person, "READ", DEVICE, 3, account=7),
        lambda person: plant.questions.flag_explain(person, Explain(DEVICE, 3, account=7)),
        lambda person: plant.questions.person_list(person, ListPeople(DEVICE, 3, "READ")),
        lambda person: plant.grants.grant_list(person, ListGrants(DEVICE, 3)),
    ]
    for ask in asked:
        for stranger in (BERT, DORA):
            with pytest.raises(NotFoundError):
                await ask(stranger)
    await plant.give(BERT, DEVICE, 3, "READ")
    for ask in asked:
        with pytest.raises(NotAuthorizedError):
            await ask(BERT)
    await plant.give(BERT, DEVICE, 3, "GRANT")
    for ask in asked:
        await ask(BERT)
        await ask(ANNA)


async def test_what_is_not_there_looks_as_if_one_had_nothing_to_do_with_it(plant: Privileges) -> None:
    for key in (3, 4):
        assert await plant.check(DORA, "READ", DEVICE, key) == Answer(
            allowed=False, rule=Rule.NO_MEMBER, grant_key=None, until=None
        )
    seen = [(await plant.questions.flag_explain(DORA, Explain(DEVICE, key))).flags for key in (3, 4)]
    assert seen[0] == seen[1]
    refusals = []
    for key in (3, 4):
        for refused_ask in (
            plant.check(DORA, "READ", DEVICE, key, account=6),
            plant.questions.person_list(DORA, ListPeople(DEVICE, key, "READ")),
            plant.questions.change_list(DORA, ListChanges(DEVICE, key)),
            plant.grants.grant_list(DORA, ListGrants(DEVICE, key)),
        ):
            with pytest.raises(NotFoundError) as refused:
                await refused_ask
            refusals.append(str(refused.value))
    assert len(set(refusals)) == 1


async def test_a_flag_that_is_not_in_the_table_is_a_refusal(plant: Privileges) -> None:
    assert (await plant.check(ANNA, "FLY", DEVICE, 3)).rule is Rule.UNKNOWN_FLAG
    assert (await plant.questions.asset_list(ANNA, ListAssets(DEVICE, "FLY"))).keys == []
    assert (await plant.questions.person_list(ANNA, ListPeople(DEVICE, 3, "FLY"))).people == []


async def test_who_could_do_what_then(plant: Privileges) -> None:
    begin = plant.clock.now
    plant.clock.turn(minutes=1)
    await plant.give(BERT, DEVICE, 3, "READ", ends_at=plant.clock.now + timedelta(minutes=5))
    given = plant.clock.now
    plant.clock.turn(minutes=1)
    made = await plant.locks.lock_create(
        ANNA, CreateLock(LockKind.PROJECT, "1", plant.clock.turn(minutes=1) + timedelta(minutes=1))
    )
    locked = plant.clock.now
    assert made.created_at == locked
    plant.clock.turn(minutes=10)
    await plant.members.member_remove(ANNA, NameMember(1, 6))
    gone = plant.clock.now
    plant.clock.turn(minutes=10)

    assert not await plant.has(BERT, "READ", DEVICE, 3, at=begin)
    answer = await plant.check(BERT, "READ", DEVICE, 3, at=given)
    assert (answer.allowed, answer.rule, answer.until) == (True, Rule.GRANT, given + timedelta(minutes=5))
    assert await plant.has(BERT, "READ", DEVICE, 3, at=given + timedelta(minutes=4))
    assert not await plant.has(BERT, "READ", DEVICE, 3, at=given + timedelta(minutes=5))
    assert (await plant.check(ANNA, "OPERATE", DEVICE, 3, at=locked)).rule is Rule.LOCKED
    assert await plant.has(ANNA, "OPERATE", DEVICE, 3, at=locked + timedelta(minutes=1))
    assert (await plant.check(BERT, "READ", DEVICE, 3, at=gone - timedelta(seconds=1))).rule is Rule.NO_GRANT
    assert (await plant.check(BERT, "READ", DEVICE, 3, at=gone)).rule is Rule.NO_MEMBER
    explained = await plant.questions.flag_explain(ANNA, Explain(DEVICE, 3, account=6, at=given))
    assert [flag for flag, each in explained.flags.items() if each.allowed] == ["READ"]


async def test_the_time_to_ask_about_has_passed(plant: Privileges) -> None:
    later = plant.clock.now + timedelta(seconds=1)
    with pytest.raises(InvalidArgumentError):
        await plant.check(ANNA, "READ", DEVICE, 3, at=later)
    with pytest.raises(InvalidArgumentError):
        await plant.questions.flag_explain(ANNA, Explain(DEVICE, 3, at=later))
    with pytest.raises(InvalidArgumentError):
        await plant.questions.flag_check_many(ANNA, CheckMany([Check(DEVICE, 3, "READ", at=later)]))
    assert await plant.has(ANNA, "READ", DEVICE, 3, at=plant.clock.now)
    assert not await plant.has(ANNA, "READ", DEVICE, 3, at=plant.clock.now - timedelta(days=1))


async def test_a_thousand_checks_in_one_call_are_answered_in_their_order(plant: Privileges) -> None:
    for key in range(4, 14):
        await plant.device(key)
        await plant.give(BERT, DEVICE, key, "READ")
    checks = [Check(DEVICE, 3 + n % 12, "READ", account=6 if n % 2 else 7) for n in range(1_000)]

    answers = (await plant.questions.flag_check_many(ANNA, CheckMany(checks))).answers

    assert [each.allowed for each in answers] == [check.account == 6 and 4 <= check.key <= 13 for check in checks]


async def test_a_batch_tells_nobody_of_others_where_they_may_not_ask(plant: Privileges) -> None:
    await plant.give(CARL, DEVICE, 3, "READ")
    now = plant.clock.now
    about_carl = [Check(DEVICE, 3, "READ", account=7), Check(DEVICE, 3, "READ", account=7, at=now)]
    for stranger in (BERT, DORA):
        answers = (await plant.questions.flag_check_many(stranger, CheckMany(about_carl))).answers
        assert {(each.allowed, each.rule) for each in answers} == {(False, Rule.NO_MEMBER)}
    await plant.give(BERT, DEVICE, 3, "READ")
    with pytest.raises(NotAuthorizedError):
        await plant.questions.flag_check_many(BERT, CheckMany(about_carl))
    answers = (await plant.questions.flag_check_many(ANNA, CheckMany(about_carl))).answers
    assert [each.allowed for each in answers] == [True, True]
    nobody = CheckMany([Check(DEVICE, 3, "READ", account="no@plant.example")])
    (answer,) = (await plant.questions.flag_check_many(ANNA, nobody)).answers
    assert (answer.allowed, answer.rule) == (False, Rule.NO_MEMBER)


async def test_lists_of_assets_are_paged_to_their_end(plant: Privileges) -> None:
    await plant.put(GROUP, 9)
    for key in range(10, 21):
        await plant.device(key, groups=[9] if key % 3 == 0 else [])
    await plant.give(BERT, GROUP, 9, "READ")
    await plant.give(BERT, DEVICE, 13, "READ")
    await plant.give(BERT, DEVICE, 14, "READ", ends_at=plant.clock.now + timedelta(hours=1))
    ask = plant.questions.asset_list

    assert await every(ask, "keys", BERT, ListAssets, DEVICE, "READ") == [12, 13, 14, 15, 18]
    assert await every(ask, "keys", ANNA, ListAssets, DEVICE, "READ") == [3, *range(10, 21)]
    assert await every(ask, "keys", DORA, ListAssets, DEVICE, "READ") == []
    assert await every(ask, "keys", ANNA, ListAssets, DEVICE, "READ", account=6) == [12, 13, 14, 15, 18]
    await plant.give(CARL, DEVICE, 13, "READ", "GRANT")
    assert await every(ask, "keys", CARL, ListAssets, DEVICE, "READ", account="bert@plant.example") == [13]
    plant.clock.turn(hours=1)
    assert await every(ask, "keys", BERT, ListAssets, DEVICE, "READ") == [12, 13, 15, 18]
    await plant.grants.default_set(ANNA, SetDefaults(1, DEVICE, ["READ"]))
    assert await every(ask, "keys", BERT, ListAssets, DEVICE, "READ") == [3, *range(10, 21)]
    with pytest.raises(InvalidArgumentError):
        await ask(BERT, ListAssets(DEVICE, "READ", cursor="x"))


async def test_what_a_lock_keeps_from_somebody_is_listed_where_it_is_asked_for(plant: Privileges) -> None:
    await plant.give(BERT, DEVICE, 3, "OPERATE")
    await plant.locks.lock_create(ANNA, CreateLock(LockKind.PROJECT, "1"))
    ask = plant.questions.asset_list

    assert (await ask(BERT, ListAssets(DEVICE, "OPERATE"))).keys == []
    assert (await ask(BERT, ListAssets(DEVICE, "OPERATE", despite_locks=True))).keys == [3]
    # Of others it is told to whoever has GRANT there now, as ever.
    assert (await ask(ANNA, ListAssets(DEVICE, "OPERATE", BERT.account_key, despite_locks=True))).keys == []


async def test_lists_of_people_and_grants_are_paged_to_their_end(plant: Privileges, postgres: Postgres) -> None:
    NAMES.update({key: f"p{key}@plant.example" for key in range(20, 27)})
    try:
        for key in range(20, 27):
            await plant.member(Person(key, key))
            await plant.give(Person(key, key), DEVICE, 3, "READ")
        await plant.give(DORA, DEVICE, 3, "READ", is_visit=True, ends_at=plant.clock.now + timedelta(hours=1))
        people = await every(plant.questions.person_list, "people", ANNA, ListPeople, DEVICE, 3, "READ")
        grants = await every(plant.grants.grant_list, "grants", ANNA, ListGrants, DEVICE, 3)
    finally:
        for key in range(20, 27):
            del NAMES[key]

    assert [(each.account_key, each.rule) for each in people] == [
        (5, Rule.OWNER),
        (8, Rule.VISIT),
        *((key, Rule.GRANT) for key in range(20, 27)),
    ]
    assert [each.login_name for each in people[:3]] == ["anna@plant.example", "dora@plant.example", "p20@plant.example"]
    assert [each.account_key for each in grants] == [*range(20, 27), 8]
    assert postgres.rows("SELECT count(*) FROM privileges.held_flag") == [(8,)]
    await plant.grants.default_set(ANNA, SetDefaults(1, DEVICE, ["MAINTAIN"]))
    by_default = await every(plant.questions.person_list, "people", ANNA, ListPeople, DEVICE, 3, "MAINTAIN")
    assert [each.account_key for each in by_default] == [5, 6, 7, *range(20, 27)]


async def changes(plant: Privileges, person: Person, *arguments: Any, **more: Any) -> list[ChangeView]:
    return await every(plant.questions.change_list, "changes", person, ListChanges, *arguments, **more)


async def test_the_history_is_told_by_asset_project_and_person_newest_first(plant: Privileges) -> None:
    await plant.device(4)
    plant.clock.turn(minutes=1)
    await plant.give(BERT, DEVICE, 3, "READ", "OPERATE", reason="night shift")
    await plant.give(CARL, DEVICE, 4, "READ")
    plant.clock.turn(minutes=1)
    await plant.members.member_remove(ANNA, NameMember(1, 6, "left"))

    of_device = await changes(plant, ANNA, DEVICE, 3)
    of_project = await changes(plant, ANNA, PROJECT, 1)
    of_bert = await changes(plant, ANNA, PROJECT, 1, account=6)

    assert [(each.what, each.is_on) for each in of_device] == [
        (What.GRANT, False), (What.GRANT, False), (What.GRANT, True), (What.GRANT, True), (What.ASSET, True),
    ]  # fmt: skip
    newest, first = of_device[0], of_device[3]
    assert (newest.reason, newest.by_account_key, newest.at) == ("left", 5, plant.clock.now)
    assert (first.account_key, first.kind, first.key, first.flag) == (6, "device", 3, "READ")
    assert first.reason == "night shift"
    keys = [each.change_key for each in of_project]
    assert keys == sorted(keys, reverse=True)
    assert {each.change_key for each in (*of_device, *of_bert)} < set(keys)
    assert (of_bert[0].what, of_bert[0].is_on) == (What.MEMBER, False)
    assert {each.account_key for each in of_bert} == {6}
    assert await changes(plant, BERT) == of_bert == await changes(plant, BERT, account="bert@plant.example")


async def test_the_history_of_things_is_for_whoever_has_audit(plant: Privileges) -> None:
    refused: list[tuple[Person, Any]] = [(BERT, NotFoundError), (DORA, NotFoundError)]
    for person, error in refused:
        for place in ((PROJECT, 1), (DEVICE, 3)):
            with pytest.raises(error):
                await changes(plant, person, *place)
    await plant.give(BERT, PROJECT, 1, "READ", "GRANT")
    with pytest.raises(NotAuthorizedError):
        await changes(plant, BERT, DEVICE, 3)
    await plant.give(BERT, PROJECT, 1, "AUDIT")

    assert await changes(plant, BERT, DEVICE, 3) == await changes(plant, ANNA, DEVICE, 3) != []


@pytest.mark.parametrize(
    "request_", [ListChanges(account=6), ListChanges(DEVICE), ListChanges(key=3), ListChanges(cursor="x")]
)
async def test_what_is_asked_of_the_history_is_said_whole(plant: Privileges, request_: ListChanges) -> None:
    with pytest.raises(InvalidArgumentError):
        await plant.questions.change_list(ANNA, request_)


async def test_what_was_in_another_project_is_its_own_to_know(plant: Privileges) -> None:
    """Carl takes device 3 into his mill: what Bert had on it in the plant is told to the plant alone."""
    await plant.project(2, CARL, "mill")
    await plant.give(BERT, DEVICE, 3, "READ")
    was = plant.clock.now
    plant.clock.turn(minutes=1)
    await plant.device(3, 2, revision=2)

    shown: ChangePage = await plant.questions.change_list(CARL, ListChanges(DEVICE, 3))
    assert [(each.what, each.is_on) for each in shown.changes] == [(What.ASSET, True)]
    about_bert = Check(DEVICE, 3, "READ", account=6, at=was)
    assert not (await plant.questions.flag_check(CARL, about_bert)).allowed
    assert not (await plant.questions.flag_check_many(CARL, CheckMany([about_bert]))).answers[0].allowed
    explained = await plant.questions.flag_explain(CARL, Explain(DEVICE, 3, account=6, at=was))
    assert not any(answer.allowed for answer in explained.flags.values())
    assert await plant.has(BERT, "READ", DEVICE, 3, at=was)  # one's own past is one's own
    told = await changes(plant, ANNA, PROJECT, 1)
    assert (What.GRANT, False) in [(each.what, each.is_on) for each in told if each.key == 3]
