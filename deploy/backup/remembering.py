"""What an installation remembers of its backups, in `backup.json` of its state folder; nothing in it is secret."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import asdict, evolve, field, frozen

from deploy.backup.locking import held
from deploy.local.files import write_atomically
from deploy.local.state import StateFolder

FILE_NAME: Final = "backup.json"


@frozen
class Remembered:
    """The newest backup and the newest drill; moments in Unix seconds.

    `place` is the folder that the newest backup is in; `last_segment` the newest piece of the log that is there;
    `others` as `last_segment` by the name of each database server beside the first; `absent` are those that the newest
    run did without; `restorable_until` the moment up to which the log was taken away; `drill_failure` says why the
    last drill failed, and is empty where it did not.
    """

    place: str = ""
    newest: str = ""
    last_segment: str = ""
    made_at: float | None = None
    restorable_until: float | None = None
    drilled_at: float | None = None
    drill_failure: str = ""
    others: Mapping[str, str] = field(factory=dict)
    absent: Sequence[str] = field(factory=list)


def read_remembered(state: StateFolder) -> Remembered:
    """What is remembered; nothing where there is no such file, or none that can be read."""
    try:
        return Remembered(**json.loads((state.root / FILE_NAME).read_bytes()))
    except (OSError, ValueError, TypeError):
        return Remembered()


def remember(state: StateFolder, **changes: Any) -> None:
    """Keep `changes` beside what is remembered already."""
    with held(state.root, "a change of what is remembered of backups"):
        now = evolve(read_remembered(state), **changes)
        write_atomically(state.root / FILE_NAME, json.dumps(asdict(now), indent=1).encode() + b"\n")
