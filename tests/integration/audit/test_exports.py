"""An export is a file that verifies without us."""

import json
from typing import Any

import pytest

from services.audit.exporting import Export
from services.audit.records import Chosen
from shared.audit import Personal
from shared.tlog.export import verify_export
from shared.tlog.heads import Trust
from tests.integration.audit.world import ANNA, MILL, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def export(world: World, chosen: Chosen) -> list[str]:
    lines: list[str] = []
    question = await world.reading.question(ANNA, chosen)
    await Export(world.database, world.reading, world.notary, question).send(lines.append)
    return lines


def parsed(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("chosen", [Chosen(), Chosen(project="plant"), Chosen(account=5), Chosen(device=7)])
async def test_an_export_verifies_and_has_what_was_asked_for(world: World, chosen: Chosen) -> None:
    for _ in range(3):
        world.record(200)
        world.record(10, project=MILL, actor={"kind": "person", "key": 6, "credential": None, "on_behalf_of": None})
    await world.settle()

    lines = await export(world, chosen)

    report = verify_export([line.encode() for line in lines], Trust(world.notary.verifiers))
    assert (report.findings, report.entries) == ((), 600)
    assert parsed(lines)[-1] == {"type": "end", "entries": 600}
    assert all(line["entry"]["project"] == 1 for line in parsed(lines)[1:-1])


async def test_the_head_says_who_asked_for_what(world: World) -> None:
    await world.recorded()

    head = parsed(await export(world, Chosen(project=1, aspect="name")))[0]

    assert head["keys"] == world.notary.key_texts
    assert {name: value for name, value in head["filter"].items() if value is not None} == {
        "project": 1,
        "aspect": "name",
        "reader": 5,
    }


async def test_an_export_of_nothing_is_whole(world: World) -> None:
    await world.settle()

    lines = await export(world, Chosen())

    assert [line["type"] for line in parsed(lines)] == ["head", "end"]
    assert verify_export([line.encode() for line in lines], Trust(world.notary.verifiers)).is_well


async def test_redacted_entries_leave_their_tombstones(world: World) -> None:
    await world.recorded(4)
    world.as_superuser("UPDATE audit.entry SET recorded_at = recorded_at - interval '9 days' WHERE leaf_index = 2")
    with world.postgres.connect("svc_audit") as connection:
        connection.execute("SELECT audit.set_retention(1, 7)")
        assert connection.execute("SELECT audit.redact(10)").fetchall() == [(1,)]

    lines = await export(world, Chosen(project=1))
    filtered = await export(world, Chosen(project=1, aspect="name"))

    assert [line["type"] for line in parsed(lines)] == ["head", "entry", "entry", "redacted", "entry", "end"]
    report = verify_export([line.encode() for line in lines], Trust(world.notary.verifiers))
    assert (report.findings, report.redacted) == ((), 1)
    assert len(filtered) == 5


async def test_personal_values_stand_beside_what_is_committed_to(world: World) -> None:
    value = Personal(5, b"here").value()
    await world.recorded(1, after={"address": value})
    world.bus.texts = {value["personal"]["sealed"]: "192.0.2.7"}

    lines = await export(world, Chosen(project=1))

    line = parsed(lines)[1]
    assert line["entry"]["after"] == {"address": value}
    assert line["opened"]["after"] == {"address": "192.0.2.7"}
    assert verify_export([line.encode() for line in lines], Trust(world.notary.verifiers)).is_well


async def test_an_export_is_recorded_before_and_after(world: World) -> None:
    await world.recorded(2)

    await export(world, Chosen(project=1))

    rows = world.postgres.rows("SELECT action, outcome, after -> 'rows' FROM audit.queue ORDER BY id")
    assert rows == [("audit_log.exported", "intended", None), ("audit_log.exported", "done", 2)]
