"""What was recorded, wherever it is by now: still in the queue, or in the log already."""

from typing import Final

_FIELDS: Final = (
    "id, recorded_at, service, action, aspect, actor, asset, project, before, after, reason, source, outcome"
)
_QUEUE: Final = f"SELECT {_FIELDS} FROM audit.queue"  # noqa: S608
_LOG: Final = f"SELECT {_FIELDS} FROM audit.entry WHERE salt IS NOT NULL"  # noqa: S608
RECORDED: Final = f"({_QUEUE} UNION ALL {_LOG}) AS recorded"
