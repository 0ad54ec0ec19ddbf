"""`flockctl placement`: what it asks for, and what it shows."""

from typing import Any, Final

import pytest

from deploy.flockctl.commands import placement
from tests.integration.flockctl.command_line import CommandLine, heard
from tests.integration.flockctl.fake_router import FakeRouter

CLUSTER: Final[dict[str, Any]] = {
    "cluster_key": 2,
    "name": "south-1",
    "region": "south",
    "state": "open",
    "capacity": 500,
    "projects": 7,
    "host": "db.south",
    "port": 5432,
    "reached_at": "2026-11-25T09:00:00Z",
}
BACKEND: Final[dict[str, Any]] = {
    "backend_key": 8,
    "app_key": 4,
    "stage": "PROD",
    "phase": "placed",
    "rows_carried": 7,
    "paused_ms": 12,
    "problem": None,
}
MOVE: Final[dict[str, Any]] = {
    "move_key": 5,
    "project_key": 3,
    "cluster": "south-1",
    "state": "moving",
    "asked_at": "2026-11-25T09:00:00Z",
    "ended_at": None,
    "backends": [BACKEND],
}
CELL: Final[dict[str, Any]] = {
    "cell_key": 2,
    "name": "south",
    "region": "south",
    "endpoint": "wss://south.example.com",
    "state": "open",
    "capacity": 500,
    "projects": 7,
    "is_known": False,
}
UNREACHED: Final = {**CLUSTER, "name": "west-1", "host": None, "port": None, "reached_at": None}


def test_a_cluster_is_added(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.realms.cluster.add"] = lambda **_: UNREACHED

    done = flockctl("placement", "cluster", "add", "west-1", "--region", "south", "--capacity", "500")

    assert "never" in done.out
    assert heard(router, "ironflock.realms.cluster.add") == [{"name": "west-1", "region": "south", "capacity": 500}]


def test_clusters_are_listed(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.realms.cluster.list"] = lambda **_: {"clusters": [CLUSTER, UNREACHED]}

    assert flockctl("placement", "cluster", "list", "--json").json == {"clusters": [CLUSTER, UNREACHED]}
    assert "7 of 500" in flockctl("placement", "cluster", "list").out


def test_a_project_is_moved_and_waited_for(
    router: FakeRouter, flockctl: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "LOOK_S", 0.01)
    ends = iter(["moving", "done"])
    router.script.procedures["ironflock.realms.move.create"] = lambda **_: MOVE
    router.script.procedures["ironflock.realms.move.list"] = lambda **_: {"moves": [{**MOVE, "state": next(ends)}]}

    done = flockctl("placement", "move", "plant", "--to", "south-1", "--until-done", "--json")

    assert done.json == {"move": {**MOVE, "state": "done"}}
    assert heard(router, "ironflock.realms.move.create") == [{"project": "plant", "cluster": "south-1"}]
    assert heard(router, "ironflock.realms.move.list") == [{"project": 3}, {"project": 3}]


def test_a_move_that_was_given_up_is_an_error_and_moves_are_shown(router: FakeRouter, flockctl: CommandLine) -> None:
    left = {**MOVE, "state": "given_up", "backends": [{**BACKEND, "problem": "TimeoutError: "}]}
    router.script.procedures["ironflock.realms.move.create"] = lambda **_: left
    router.script.procedures["ironflock.realms.move.abandon"] = lambda **_: left
    router.script.procedures["ironflock.realms.move.list"] = lambda **_: {"moves": [left, {**MOVE, "backends": []}]}

    assert flockctl("placement", "move", "3", "--to", "south-1").status == 1
    shown = flockctl("placement", "moves", "--project", "3").out
    assert "TimeoutError" in shown
    assert "12 ms" in shown
    assert flockctl("placement", "abandon", "5", "--json").json == {"move": left}
    assert heard(router, "ironflock.realms.move.abandon") == [{"move_key": 5}]


def test_a_cluster_is_closed_and_opened(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.realms.cluster.update"] = lambda **_: CLUSTER

    flockctl("placement", "cluster", "close", "south-1")
    flockctl("placement", "cluster", "open", "south-1", "--capacity", "800")
    flockctl("placement", "cluster", "drain", "south-1")

    assert heard(router, "ironflock.realms.cluster.update") == [
        {"cluster": "south-1", "state": "closed"},
        {"cluster": "south-1", "state": "open", "capacity": 800},
        {"cluster": "south-1", "state": "draining"},
    ]


def test_a_cluster_is_forgotten_once_somebody_is_sure(router: FakeRouter, flockctl: CommandLine) -> None:
    lost = {"project_key": 3, "app_key": 4, "stage": "PROD"}
    answer = {"cluster": "south-1", "projects_go_to": "first", "lost": [lost]}
    router.script.procedures["ironflock.realms.cluster.forget"] = lambda **_: answer
    words = ("placement", "cluster", "forget", "south-1", "--confirm", "south-1")

    assert flockctl(*words).status == 2
    assert heard(router, "ironflock.realms.cluster.forget") == []
    assert flockctl(*words, "--yes", "--json").json == {"forgotten": answer}
    assert heard(router, "ironflock.realms.cluster.forget") == [{"cluster": "south-1", "confirm": "south-1"}]


def test_a_cell_is_added(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.realms.cell.add"] = lambda **_: CELL
    where = ("--region", "south", "--endpoint", "wss://south.example.com", "--capacity", "500")

    done = flockctl("placement", "cell", "add", "south", *where)

    assert "not in the settings" in done.out
    asked = {"name": "south", "region": "south", "endpoint": "wss://south.example.com", "capacity": 500}
    assert heard(router, "ironflock.realms.cell.add") == [asked]


def test_cells_are_listed(router: FakeRouter, flockctl: CommandLine) -> None:
    first = {**CELL, "name": "first", "endpoint": None, "is_known": True}
    router.script.procedures["ironflock.realms.cell.list"] = lambda **_: {"cells": [first, CELL]}

    assert flockctl("placement", "cell", "list", "--json").json == {"cells": [first, CELL]}
    assert "the installation's" in flockctl("placement", "cell", "list").out


def test_a_cell_is_closed_opened_and_given_up(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.realms.cell.update"] = lambda **_: CELL

    flockctl("placement", "cell", "close", "south")
    flockctl("placement", "cell", "open", "south", "--capacity", "800")
    flockctl("placement", "cell", "drain", "south")

    assert heard(router, "ironflock.realms.cell.update") == [
        {"cell": "south", "state": "closed"},
        {"cell": "south", "state": "open", "capacity": 800},
        {"cell": "south", "state": "draining"},
    ]
