"""The stream of changes: every change to every router, and a beat each second that says where the stream stands.

What a crash between commit and publication leaves unsaid is seen by a later beat: its position skips, and whoever
listens begins anew. A beat says what was there at the beat before, or what this process has told since: a change that
is committed and about to be told is no skip.
"""

from collections import deque
from contextlib import suppress

from attrs import define
from autobahn.wamp.exception import TransportLost

from services.privileges.store import history
from shared.bus import Bus
from shared.database import Database
from shared.identities import SYSTEM_REALM
from shared.procedures import plain
from shared.rights.wire import CHANGED, Change, News


@define(eq=False)
class Expected:
    """A change that holds its position, and is about to be committed."""

    change: Change
    is_settled: bool = False
    is_committed: bool = False


class Announcer:
    """Tells the decision points."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """Publish over `bus`."""
        self._bus = bus
        self._database = database
        self._told = 0
        self._read: int | None = None
        self._expected: deque[Expected] = deque()

    def expect(self, change: Change) -> Expected:
        """A place for `change` in the order of telling; whoever takes one settles it.

        Positions are taken one after the other, yet the answers to commits are heard in any order: told as they are
        heard, they would skip.
        """
        expected = Expected(change)
        self._expected.append(expected)
        return expected

    def settle(self, expected: Expected, *, is_committed: bool) -> None:
        """The change is committed, or it is not known to be; tell whatever waited for that."""
        expected.is_settled, expected.is_committed = True, is_committed
        while self._expected and self._expected[0].is_settled:
            first = self._expected.popleft()
            if first.is_committed:
                self._told = max(self._told, first.change.position)
                self._publish(News(position=first.change.position, changes=(first.change,)))

    async def beat(self) -> None:
        """Where the stream stands.

        Raises:
            UnavailableError: The database is away: silence is then what decision points should hear.
        """
        position = await self._database.run(history.position)
        said, self._read = position if self._read is None else self._read, position
        self._publish(News(position=max(self._told, said)))

    def _publish(self, news: News) -> None:
        for session in self._bus.sessions(SYSTEM_REALM):
            with suppress(TransportLost):
                session.publish(CHANGED, **plain(news))
