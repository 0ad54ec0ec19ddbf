"""Who reads what: scopes, filters, pages that do not move, and that reading is recorded."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError

from services.audit.procedures.entries import EntryProcedures
from services.audit.records import ListEntries, NameEntry
from shared.audit import Action as Tag
from shared.audit import Actor, ActorKind, Asset, Draft, Entry, Personal, canonical_entry
from shared.audit import Aspect as Part
from shared.errors import InvalidArgumentError, NotAuthorizedError, NotFoundError, UnavailableError
from shared.flags import AssetKind
from shared.identities import Person
from shared.procedures import declared, public_errors
from shared.tlog.checkpoint import open_checkpoint
from shared.tlog.hashing import commitment, leaf_hash
from shared.tlog.note import decode_base64
from shared.tlog.proof import verify_inclusion
from tests.harness.rights import MEMBER, project
from tests.integration.audit.world import ANNA, BERT, MILL, PLANT, World, ids_of, person
from tests.unit.shared.memory_router import call_details
from tests.unit.shared.surface import everywhere

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


@pytest.fixture(name="procedures")
def fixture_procedures(world: World) -> EntryProcedures:
    return EntryProcedures(world.database, world.reading, world.notary, world.bell, world.rights)


async def ids(procedures: EntryProcedures, who: Person = ANNA, **asked: Any) -> list[int]:
    page = await procedures.entry_list(who, ListEntries(**asked))
    return ids_of(page.entries)


async def test_each_reads_their_own_projects_and_their_own_account(world: World, procedures: EntryProcedures) -> None:
    (plant,) = world.record()
    (mill,) = world.record(project=MILL, actor=person(6))
    (abroad,) = world.record(project=MILL)  # Anna's act in Bert's project
    (account,) = world.record(
        login="svc_auth", action="api_key.ended", asset={"kind": "account", "key": 5}, actor=person(9), project=None
    )
    await world.settle()

    assert await ids(procedures, ANNA) == [account, abroad, plant]
    assert await ids(procedures, BERT) == [abroad, mill]
    assert await ids(procedures, ANNA, project="plant") == [plant]
    assert await ids(procedures, ANNA, account=5) == [account, abroad, plant]
    assert await ids(procedures, Person(99, 1)) == []


async def test_a_member_reads_a_project_s_entries_by_audit_alone(world: World, procedures: EntryProcedures) -> None:
    (entry_id,) = await world.recorded()
    world.rights.give(6, PLANT, AssetKind.PROJECT, PLANT, "READ", "GRANT")
    with pytest.raises(NotAuthorizedError, match="AUDIT"):
        await ids(procedures, BERT, project="plant")
    assert await ids(procedures, BERT) == []
    with pytest.raises(NotFoundError):
        await procedures.entry_show(BERT, NameEntry(entry_id))
    world.rights.give(6, PLANT, AssetKind.PROJECT, PLANT, "AUDIT")

    assert await ids(procedures, BERT, project="plant") == await ids(procedures, BERT) == [entry_id]
    assert (await procedures.entry_show(BERT, NameEntry(entry_id)))["id"] == entry_id


async def test_a_member_who_sees_nothing_of_it_does_not_learn_of_it(world: World, procedures: EntryProcedures) -> None:
    world.rights.hold(6, project(PLANT), MEMBER)
    with pytest.raises(NotFoundError):
        await ids(procedures, BERT, project=PLANT)


async def test_while_rights_are_silent_nobody_reads_a_project(world: World, procedures: EntryProcedures) -> None:
    world.rights.is_silent = True
    for asked in ({"project": PLANT}, {}):
        with pytest.raises(UnavailableError):
            await ids(procedures, ANNA, **asked)


async def test_what_is_foreign_looks_as_if_it_were_not_there(world: World, procedures: EntryProcedures) -> None:
    (mill,) = await world.recorded(1, project=MILL, actor=person(6))
    refusals = []
    for asked in ({"project": MILL}, {"project": 77}, {"project": "other"}):
        with pytest.raises(NotFoundError) as refused:
            await procedures.entry_list(ANNA, ListEntries(**asked))
        refusals.append(refused.value.details())
    shown = []
    for entry_id in (mill, mill + 1000):
        for procedure in (procedures.entry_show, procedures.entry_proof):
            with pytest.raises(NotFoundError) as unknown:
                await procedure(ANNA, NameEntry(entry_id))
            shown.append(unknown.value.details())
    with pytest.raises(NotFoundError):
        await procedures.entry_list(ANNA, ListEntries(account=6))

    assert all(each == refusals[0] for each in refusals)
    assert all(each == shown[0] for each in shown)


async def test_every_filter_chooses(world: World, procedures: EntryProcedures) -> None:
    (first,) = world.record(asset={"kind": "device", "key": 8})
    (second,) = world.record(action="device.created", aspect="existence")
    (third,) = world.record(actor={**person(7), "kind": "device"}, outcome="refused")
    (fourth,) = world.record(login="svc_realms", action="project.created", asset={"kind": "app", "key": 3})
    await world.settle()
    times = dict(world.postgres.rows("SELECT id, recorded_at FROM audit.entry"))

    assert await ids(procedures, device=8) == [first]
    assert await ids(procedures, project=1, device=8) == [first]
    assert await ids(procedures, app=3) == [fourth]
    assert await ids(procedures, project=1, aspect="existence") == [second]
    assert await ids(procedures, project=1, action="device.created") == [second]
    assert await ids(procedures, project=1, actor="device:7") == [third]
    assert await ids(procedures, project=1, actor=5, aspect="name") == [fourth, first]
    assert await ids(procedures, project=1, outcome="refused") == [third]
    assert await ids(procedures, project=1, since=times[second], until=times[fourth]) == [third, second]
    tokyo = times[second].astimezone(UTC) - timedelta(microseconds=1)
    assert await ids(procedures, project=1, until=tokyo) == [first]


@pytest.mark.parametrize(
    "asked",
    [
        {"project": 1, "account": 5},
        {"device": 1, "app": 2},
        {"since": datetime(2026, 1, 1)},  # noqa: DTZ001 - that it has no zone is the point
        {"actor": "ghost:7"},
        {"actor": "device:"},
        {"cursor": "x"},
    ],
)
async def test_given_contradictions_when_they_are_asked_then_they_are_refused(
    procedures: EntryProcedures, asked: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgumentError):
        await procedures.entry_list(ANNA, ListEntries(**asked))


@pytest.mark.parametrize(
    "arguments",
    [
        {"limit": 0},
        {"limit": 1001},
        {"offset": -1},
        {"offset": 2**60},
        {"aspect": "a\x00b"},
        {"aspect": "Robert'); DROP TABLE"},
        {"action": "\ud800"},
        {"actor": "device:7\n"},
        {"since": "yesterday"},
        {"project": 0},
        {"project": None, "device": True},
        {"device": "7"},
        {"more": 1},
    ],
)
async def test_given_unfit_arguments_when_people_call_then_the_refusal_is_clear(
    procedures: EntryProcedures, arguments: dict[str, Any]
) -> None:
    found = {declaration.uri: (declaration, method) for declaration, method in declared(procedures)}

    with pytest.raises(ApplicationError) as refused:
        await public_errors(*found["ironflock.audit.entry.list"], None, everywhere)(
            details=call_details("user", "5"), **arguments
        )

    assert refused.value.error == "wamp.error.invalid_argument"


async def test_pages_hold_each_entry_once_while_others_arrive(world: World, procedures: EntryProcedures) -> None:
    wanted = await world.recorded(25)
    seen: list[int] = []
    cursor: str | None = None
    while not seen or cursor is not None:
        page = await procedures.entry_list(
            ANNA, ListEntries(project=1, action="device.renamed", cursor=cursor, limit=4)
        )
        seen += ids_of(page.entries)
        cursor = page.next
        await world.recorded(3)

    assert seen == wanted[::-1]


async def test_offsets_from_the_top_hold_each_entry_once_while_others_arrive(
    world: World, procedures: EntryProcedures
) -> None:
    wanted = await world.recorded(10)
    first = await procedures.entry_list(ANNA, ListEntries(project=1, action="device.renamed", limit=4))
    await world.recorded(3)

    rest = [
        ids_of((await procedures.entry_list(ANNA, ListEntries(**page))).entries)
        for page in (
            {"project": 1, "action": "device.renamed", "cursor": first.top, "offset": offset, "limit": 4}
            for offset in (4, 8)
        )
    ]

    assert [*ids_of(first.entries), *rest[0], *rest[1]] == wanted[::-1]


async def test_reading_is_recorded_with_filter_and_rows(world: World, procedures: EntryProcedures) -> None:
    (entry_id,) = await world.recorded()
    await procedures.entry_list(ANNA, ListEntries(project="plant", aspect="name"))
    await procedures.entry_show(ANNA, NameEntry(entry_id))

    rows = world.postgres.rows(
        "SELECT service, action, aspect, actor, asset, project, after, outcome, source -> 'session'"
        " FROM audit.queue ORDER BY id"
    )

    actor = {"kind": "person", "key": 5, "credential": "key-1", "on_behalf_of": None}
    common = ("svc_audit", "audit_log.read", "reading", actor, {"kind": "project", "key": 1}, 1)
    assert rows == [
        (*common, {"filter": {"project": 1, "aspect": "name"}, "rows": 1}, "done", 11),
        (*common, {"filter": {}, "rows": 1}, "done", 11),
    ]


async def test_what_cannot_be_recorded_is_not_read(world: World, procedures: EntryProcedures) -> None:
    await world.recorded()
    world.postgres.run("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA audit FROM svc_audit")
    try:
        with pytest.raises(Exception, match="permission denied"):
            await procedures.entry_list(ANNA, ListEntries(project=1))
    finally:
        world.postgres.run(
            "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA audit TO svc_audit;"
            "REVOKE EXECUTE ON FUNCTION audit.refuse_change FROM svc_audit"
        )


async def test_an_entry_is_committed_to_as_shared_audit_encodes_it(world: World, procedures: EntryProcedures) -> None:
    (entry_id,) = await world.recorded(1, before={"name": "ä", "number": 1.0}, after={"big": 2**53 - 1})
    proof = await procedures.entry_proof(ANNA, NameEntry(entry_id))
    recorded_at = world.postgres.rows("SELECT recorded_at FROM audit.entry WHERE id = %s", entry_id)[0][0]
    draft = Draft(
        action=Tag.DEVICE_RENAMED,
        aspect=Part.NAME,
        actor=Actor(ActorKind.PERSON, 5),
        asset=Asset("device", 7),
        project_key=1,
        before={"name": "ä", "number": 1.0},
        after={"big": 2**53 - 1},
    )
    octets = canonical_entry(Entry(entry_id, recorded_at, "svc_devices", draft))

    opened = open_checkpoint(proof.checkpoint.encode(), world.notary.verifiers).checkpoint
    assert (opened.size, decode_base64(proof.root)) == (proof.size, opened.root)
    verify_inclusion(
        index=proof.leaf_index,
        size=proof.size,
        leaf=leaf_hash(commitment(decode_base64(proof.salt), octets)),
        proof=[decode_base64(each) for each in proof.inclusion_proof],
        root=opened.root,
    )


async def test_given_an_entry_that_no_head_covers_yet_when_it_is_proved_then_try_again(
    world: World, procedures: EntryProcedures
) -> None:
    (entry_id,) = await world.recorded()
    world.as_superuser("DELETE FROM audit.checkpoint")

    with pytest.raises(UnavailableError):
        await procedures.entry_proof(ANNA, NameEntry(entry_id))


async def test_personal_values_are_opened_erased_or_sealed(world: World, procedures: EntryProcedures) -> None:
    values = [Personal(5, name).value() for name in (b"here", b"gone")]
    (entry_id,) = await world.recorded(1, after={"address": values[0], "list": [values[1]]})

    sealed = await procedures.entry_show(ANNA, NameEntry(entry_id))
    world.bus.texts = {values[0]["personal"]["sealed"]: "192.0.2.7"}
    opened = await procedures.entry_show(ANNA, NameEntry(entry_id))

    assert sealed["after"] == {"address": {"sealed": True}, "list": [{"sealed": True}]}
    assert opened["after"] == {"address": "192.0.2.7", "list": [{"erased": True}]}
