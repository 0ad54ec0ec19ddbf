"""What becomes of an app's data, by flockctl on a running platform: exported, kept for a time, and deleted at last."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tests.e2e.test_boards import ROW, Plant, fixture_plant, served
from tests.harness.commands import Flockctl, Outcome
from tests.harness.waiting import eventually

__all__ = ["fixture_plant"]
pytestmark = [pytest.mark.asyncio, pytest.mark.real]
NOW: Final = datetime.now(UTC).isoformat()  # noqa: TID251 - rows of this very time
OLD: Final = ROW["tsp"]
DAY_S: Final = 86_400


def is_dropped(plant: Plant) -> bool:
    """Whether the provisioner is done with it."""
    asked = "SELECT done_at IS NOT NULL FROM realms.provision_job WHERE kind = 'drop' AND backend_key = %s"
    with plant.platform.database() as connection:
        return connection.execute(asked, [plant.backend]).fetchall() == [(True,)]


async def test_from_the_first_export_to_the_end(plant: Plant, flockctl: Flockctl) -> None:
    app = await plant.call("ironflock.realms.app.show", app=plant.app)
    which = ("--project", str(plant.project), "--stage", "dev")

    async def run(*words: str) -> Outcome:
        return await asyncio.to_thread(flockctl.run, *words)

    async with await plant.join(await plant.open(plant.owner.api_key)) as board:
        assert await served(board) == []
        for moment, speed in ((NOW, 2), (OLD, 1)):
            await board.call(plant.append, {"tsp": moment, "speed": speed})

    export = ("backend", "export", str(plant.app), *which, "--table", "readings")
    assert (await run(*export, "--out", "rows.ndjson")).json == {"file": "rows.ndjson", "rows": 2}
    rows = [json.loads(line) for line in (flockctl.folder / "rows.ndjson").read_text().splitlines()]
    assert [(row["speed"], row["device_key"]) for row in rows] == [(1, -1), (2, -1)]
    since = ("--since", "2026-04-01T00:00:00Z", "--format", "csv")
    assert (await run(*export, *since, "--out", "rows.csv")).json["rows"] == 1
    assert (flockctl.folder / "rows.csv").read_text().splitlines()[0] == "tsp,speed,device_key,authid"

    keep = ("backend", "retention", str(plant.app), *which, "--table", "readings")
    assert (await run(*keep, "--keep", "1d")).error["code"] == "invalid_argument"
    assert (await run(*keep, "--keep", "30d")).json["retention"]["tables"][0]["keep_s"] == 30 * DAY_S

    async def is_in_force() -> bool:
        return bool((await run(*keep)).json["retention"]["is_in_force"])

    assert await eventually(is_in_force, 15, "fleetdb works by it")

    drop = ("backend", "drop", str(plant.app), *which, "--confirm", app["name"])
    assert (await run(*drop)).error["code"] == "conflict"
    await run("app", "uninstall", str(plant.app), *which, "--yes")
    left: list[dict[str, Any]] = (await run("realm", "list", *which[:2], "--closed")).json["realms"]
    assert [(each["app_key"], each["state"]) for each in left] == [(plant.app, "closed")]
    assert (await run(*drop)).status == 0
    assert (await run("realm", "list", *which[:2], "--closed")).json["realms"] == []
    assert (await run("app", "delete", str(plant.app), "--yes")).status == 0
    assert await eventually(lambda: asyncio.to_thread(is_dropped, plant), 15, "every row is gone")
