"""What was recorded, wherever it is by now: still in the queue, or in the log already."""

from typing import Final

_FIELDS: Final = (
    "id, recorded_at, service, action, aspect, actor, asset, project, before, after, reason, source, outcome"
)
RECORDED: Final = f"(SELECT {_FIELDS} FROM audit.queue UNION ALL SELECT {_FIELDS} FROM audit.entry WHERE salt IS NOT NULL) AS recorded"  # noqa: S608
