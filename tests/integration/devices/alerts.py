"""Devices that go and come back, on a clock that is told."""

from datetime import datetime, timedelta
from typing import Any

from tests.integration.devices.world import World


class Times:
    """The clock of alerts, which goes as it is told."""

    def __init__(self, world: World) -> None:
        """It is what the database says."""
        self.world = world
        self.moment: datetime = world.postgres.rows("SELECT clock_timestamp()")[0][0]
        world.parts.alerts.alerting._clock = self.seconds

    def seconds(self) -> float:
        """Unix seconds."""
        return self.moment.timestamp()

    def go(self, seconds: float) -> None:
        """So many seconds pass."""
        self.moment += timedelta(seconds=seconds)

    def devices(self, number: int, *, project: int = 3) -> list[int]:
        """So many flashed devices, which are not there since now."""
        run = self.world.postgres.run
        run("INSERT INTO devices.project VALUES (%s, 'plant', 5, 'person 5') ON CONFLICT DO NOTHING", project)
        run(
            "INSERT INTO devices.device (project_key, name, name_canonical, serial_number, state, flash_id)"
            " SELECT %s, 'press-' || n, 'press-' || n, gen_random_uuid(), 'flashed', gen_random_uuid()"
            " FROM generate_series(1, %s) n",
            project,
            number,
        )
        rows = self.world.postgres.rows(
            "SELECT device_key FROM devices.device WHERE project_key = %s ORDER BY 1", project
        )
        keys = [int(row[0]) for row in rows]
        self.set_status("CONNECTED", *keys)
        return keys

    def set_status(self, status: str, *keys: int) -> None:
        """These devices are so from now on."""
        self.world.postgres.run(
            "UPDATE devices.device SET status = %s, session = nullif(device_key, CASE WHEN %s = 'DISCONNECTED'"
            " THEN device_key END), status_since = %s WHERE device_key = ANY (%s)",
            status,
            status,
            self.moment,
            list(keys),
        )

    async def look(self) -> None:
        """Alerts say what is."""
        await self.world.parts.alerts.alerting.look()


def stored(world: World) -> list[tuple[Any, ...]]:
    """Kind, subject, state and reopenings of every alert."""
    return world.postgres.rows("SELECT kind, subject, state, reopenings FROM devices.alert ORDER BY alert_key")
