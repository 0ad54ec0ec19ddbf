"""The life of the data realms: started when somebody joins who may, ended when the app is uninstalled.

Nothing of them is kept: after a restart they come back as they are joined. While one ends, nobody joins it; who tries
is told to come again, and then meets a realm that has been started anew or that does not exist.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import structlog
from autobahn.wamp.exception import ApplicationError
from twisted.internet.interfaces import IReactorTime

from ironflock_router.app_sessions import AppSessions, Ending
from ironflock_router.loops import turn
from ironflock_router.metrics import DATA_REALMS, ENDED
from ironflock_router.realm_names import DataRealm

if TYPE_CHECKING:
    from crossbar.router.router import Router

    from ironflock_router.realms import Realms

log = structlog.get_logger()

REALM_GONE: Final = "wamp.close.realm_gone"


class DataRealms:
    """The data realms that are running."""

    def __init__(
        self,
        realms: "Realms",
        reactor: IReactorTime,
        apps: AppSessions,
        on_start: "Callable[[Router], None]",
        on_end: Callable[[str], None],
    ) -> None:
        """`on_start` puts the roles into a realm's router; `on_end` is told the name of each that has ended."""
        self._realms = realms
        self._reactor = reactor
        self._apps = apps
        self._on_start = on_start
        self._on_end = on_end
        self._running: set[str] = set()
        self._ending: set[str] = set()

    async def open(self, realm: str) -> bool:
        """Whether the data realm `realm` can be joined now; starts it where it is not running.

        Done in one turn of the reactor, so that two joins do not start one realm twice.
        """
        if realm in self._ending:
            return False
        if realm not in self._running:
            self._on_start(self._realms.start(realm))
            self._running.add(realm)
            DATA_REALMS.inc()
            log.info("data_realm_started", realm=realm)
        return True

    async def end(self, realm: str) -> dict[str, int]:
        """End `realm`: every session in it, and those in other realms that its app's credentials opened.

        Of no effect where it is not running, but for joins that are under way. Called by `realms`.

        Raises:
            ApplicationError: `wamp.error.invalid_argument`: it is not the name of a data realm.
        """
        parsed = DataRealm.parse(realm)
        if parsed is None:
            raise ApplicationError(ApplicationError.INVALID_ARGUMENT, "not the name of a data realm")
        return {"ended": await self._end(parsed)}

    async def follow(self, *_: object, **event: object) -> None:
        """An event of `realms` about an install: as `end`, where the app was uninstalled.

        Raises nothing, whatever the event is.
        """
        try:
            realm = DataRealm.parse("realm-{project_key}-{app_key}-{stage}".format_map(event).lower())
            if realm is None:
                raise ValueError("not an install")  # noqa: TRY301 - as a key that is missing
            if event["is_installed"] is False:
                await self._end(realm)
        except Exception:  # see above
            log.exception("install_event_failed")

    async def _end(self, realm: DataRealm) -> int:
        self._apps.outdate(Ending(realm=realm.name))
        ended = await self._stop(realm.name)
        return ended + self._apps.end(Ending(project_key=realm.project_key, app_key=realm.app_key, stage=realm.stage))

    async def _stop(self, name: str) -> int:
        if name not in self._running or name in self._ending:
            return 0
        self._ending.add(name)
        try:
            sessions = self._show_out(name)
            await turn(self._reactor)  # each session leaves the router in the turn after its GOODBYE
            await self._realms.stop(name, self._reactor)
        finally:
            self._ending.discard(name)
            self._running.discard(name)
            DATA_REALMS.dec()
            self._on_end(name)
        log.info("data_realm_ended", realm=name, sessions=sessions)
        return sessions

    def _show_out(self, name: str) -> int:
        router: Any = self._realms.router(name)
        own = self._realms.own_session(name)
        sessions = [one for one in router._session_id_to_session.values() if one is not own]  # noqa: SLF001
        for session in sessions:
            ENDED.labels("realm_ended").inc()
            session.leave(REALM_GONE, "this realm has ended")
        return len(sessions)
