"""The stream of changes: every change to every router, and a beat each second that says where the stream stands.

What a crash between commit and publication leaves unsaid is seen by a later beat: its position skips, and whoever
listens begins anew. A beat says what was there at the beat before, or what this process has told since: a change that
is committed and about to be told is no skip.
"""

from collections.abc import Iterable
from contextlib import suppress

from autobahn.wamp.exception import TransportLost

from services.privileges.store import history
from shared.bus import Bus
from shared.database import Database
from shared.identities import SYSTEM_REALM
from shared.procedures import plain
from shared.rights.wire import CHANGED, Change, News


class Announcer:
    """Tells the decision points."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """Publish over `bus`."""
        self._bus = bus
        self._database = database
        self._told = 0
        self._read: int | None = None

    def tell(self, changes: Iterable[Change]) -> None:
        """These changes are committed, all of one transaction."""
        told = tuple(changes)
        self._told = max(self._told, *(change.position for change in told))
        self._publish(News(position=max(change.position for change in told), changes=told))

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
