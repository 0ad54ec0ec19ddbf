"""The ledger follows the log: what takes something from somebody, and nothing else, wherever it had stopped."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.audit import ledger
from services.audit.ledger import Keeping, LedgerFile
from tests.integration.audit.world import World

pytestmark = pytest.mark.asyncio
ENDED: dict[str, Any] = {"action": "device_credential.ended", "aspect": "credential"}


def kept(path: Path) -> list[int]:
    """The leaf indexes that it has."""
    return [json.loads(line)["leaf_index"] for line in path.read_text().splitlines()] if path.exists() else []


async def recorded(world: World, *ends: bool) -> None:
    """Entries in that order; those that are said to end something do."""
    for is_end in ends:
        await (world.recorded(login="svc_auth", **ENDED) if is_end else world.recorded())


async def test_it_has_what_ends_something_and_goes_on_where_it_was(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.bell, "heard", _nothing)
    await recorded(world, False, True, False, True)
    keeping = Keeping(world.database, LedgerFile(tmp_path / "ledger"), world.bell)

    await keeping.step()
    assert kept(tmp_path / "ledger") == [1, 3]
    await keeping.step()
    await recorded(world, False, True)
    await keeping.step()
    await Keeping(world.database, LedgerFile(tmp_path / "ledger"), world.bell).step()

    assert kept(tmp_path / "ledger") == [1, 3, 5]


async def test_a_long_log_is_looked_through_in_parts(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "BATCH", 2)
    monkeypatch.setattr(world.bell, "heard", _nothing)
    await recorded(world, True, False, False, False, True)
    keeping = Keeping(world.database, LedgerFile(tmp_path / "ledger"), world.bell)

    found = []
    for _ in range(4):
        await keeping.step()
        found.append(kept(tmp_path / "ledger"))

    assert found == [[0], [0], [0, 4], [0, 4]]


async def test_a_log_that_went_back_behind_it_is_not_read_anew(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.bell, "heard", _nothing)
    await recorded(world, True)
    file = LedgerFile(tmp_path / "ledger")
    file.append([{"leaf_index": 7}])

    await Keeping(world.database, file, world.bell).step()

    assert kept(tmp_path / "ledger") == [7]


async def _nothing(_: float) -> None:
    """Do not wait."""
