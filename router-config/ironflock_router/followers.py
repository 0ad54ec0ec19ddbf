"""What live followers were sent of an app's data: other apps, and people by boards, summed up by the minute.

Reads stand in the audit log (decision 26), and only the router knows who was sent what. Fleetdb takes the sums and
writes them down; what it has not said to be written down is given to it again.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog
from attrs import define, field
from autobahn.wamp import message

from ironflock_router.metrics import ENDED
from ironflock_router.realm_names import DataRealm
from ironflock_router.records import Identity
from ironflock_router.wire_names import APP_READER, BOARD_ROLES

log = structlog.get_logger()

FOLLOWERS: Final = frozenset({APP_READER, *BOARD_ROLES})
"""Whose reading is recorded: an app's own is its own business."""
MINUTE_S: Final = 60.0
AGAIN_S: Final = 60.0
AT_ONCE: Final = 500
MOST: Final = 20_000
"""Sums that are kept, taken or not: who would need one more is ended."""
UNRECORDED: Final = "ironflock.close.unrecorded"
_ROWS: Final = "transformed."
_BULK: Final = "bulk."
_NOTED: Final = ("device_key", "account_key", "board_key")


class Follower(Protocol):
    """What is needed of a session."""

    _session_id: int | None

    @property
    def identity(self) -> Identity | None:
        """Who it is."""

    def leave(self, reason: str | None = None, message: str | None = None) -> None:
        """End it."""


@define
class _Sum:
    about: dict[str, Any]
    began_at: float
    last_at: float
    events: int = 0
    rows: int = 0

    def document(self) -> dict[str, Any]:
        times = {"from_ms": int(self.began_at * 1000), "to_ms": int(self.last_at * 1000)}
        return {**self.about, **times, "events": self.events, "rows": self.rows}


@define
class _Given:
    at: float
    sums: list[_Sum]


@define
class Followers:
    """The sums; `now` gives Unix seconds."""

    _now: Callable[[], float]
    _open: dict[Follower, dict[str, _Sum]] = field(factory=dict, init=False)
    _over: list[_Sum] = field(factory=list, init=False)
    _given: dict[int, _Given] = field(factory=dict, init=False)
    _count: int = field(default=0, init=False)
    _numbers: int = field(default=0, init=False)

    def delivered(self, session: Follower, event: message.Event) -> None:
        """An event was sent to `session`."""
        topic = event.correlation_uri or ""
        if not topic.startswith(_ROWS):
            return
        table = topic.removeprefix(_ROWS).removeprefix(_BULK)
        now = self._now()
        kept = self._open.setdefault(session, {})
        found = kept.get(table)
        if found is not None and now - found.began_at >= MINUTE_S:
            self._over.append(kept.pop(table))
            found = None
        if found is None:
            if self._count >= MOST:
                self._refuse(session)
                return
            self._count += 1
            found = kept[table] = _Sum({**_about(session), "table": table}, now, now)
        found.events += 1
        found.rows += _rows(event)
        found.last_at = now

    def left(self, session: Follower) -> None:
        """It is over; of no effect for who followed nothing."""
        self._over += self._open.pop(session, {}).values()

    def take(self, done: int = 0) -> dict[str, Any]:
        """Sums of minutes that are over, some at a time: {number, sums}, none where there are none. Called by fleetdb.

        Args:
            done: The number of those that are written down, and need not be kept.
        """
        written = self._given.pop(done, None)
        self._count -= 0 if written is None else len(written.sums)
        now = self._now()
        number = next((number for number, given in self._given.items() if now - given.at >= AGAIN_S), 0)
        if not number:
            self._close(now)
            sums, self._over = self._over[:AT_ONCE], self._over[AT_ONCE:]
            if not sums:
                return {"number": 0, "sums": []}
            self._numbers = number = self._numbers + 1
            self._given[number] = _Given(now, sums)
        given = self._given[number]
        given.at = now
        return {"number": number, "sums": [each.document() for each in given.sums]}

    def _close(self, now: float) -> None:
        for kept in self._open.values():
            for table in [table for table, each in kept.items() if now - each.began_at >= MINUTE_S]:
                self._over.append(kept.pop(table))

    def _refuse(self, session: Follower) -> None:
        log.error("followers_not_taken", sums=self._count)
        ENDED.labels("unrecorded").inc()
        session.leave(UNRECORDED, "what you are sent cannot be written down now; try again in a moment")


def _about(session: Follower) -> dict[str, Any]:
    identity = session.identity
    realm = DataRealm.parse(identity.realm) if identity is not None else None
    if identity is None or realm is None:
        raise RuntimeError("a follower joined without an identity, or no data realm")
    return {
        "project_key": realm.project_key,
        "app_key": realm.app_key,
        "stage": realm.stage,
        "session": session._session_id,  # noqa: SLF001 - Crossbar's name for it
        "role": identity.role,
        **{name: identity.authextra.get(name) for name in _NOTED},
        "reader_app_key": identity.authextra.get("app_key"),
    }


def _rows(event: message.Event) -> int:
    first = event.args[0] if event.args else None
    return len(first) if isinstance(first, list) else 1
