"""What was recorded, wherever it is by now: still in the queue, or in the log already."""

from typing import Final

from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

_FIELDS: Final = (
    "id, recorded_at, service, action, aspect, actor, asset, project, before, after, reason, source, outcome"
)
_QUEUE: Final = f"SELECT {_FIELDS} FROM audit.queue"  # noqa: S608
_LOG: Final = f"SELECT {_FIELDS} FROM audit.entry WHERE salt IS NOT NULL"  # noqa: S608
RECORDED: Final = f"({_QUEUE} UNION ALL {_LOG}) AS recorded"


def wait_until_integrated(platform: RunningPlatform, timeout_s: float = 10.0) -> None:
    """Return when everything that is recorded is in the log, where people read it."""

    def is_integrated() -> bool:
        with platform.database() as connection:
            return connection.execute("SELECT count(*) FROM audit.queue").fetchone() == (0,)

    wait_until(is_integrated, timeout_s, "the queue is empty")
