"""The two listening ports: TCP, then the guard, then TLS, then the entrance, then WebSocket by path.

On the public one a proxy may name who comes, before the guard.

They are built here and not by Crossbar's `start_router_transport`: that one listens before anything can be wrapped
around it, reads its certificate once, and speaks TLS 1.3 only.
"""

from collections.abc import Iterable
from typing import Any

import structlog
from autobahn import util as autobahn_util
from crossbar import _util as crossbar_util
from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.protocols.tls import TLSMemoryBIOFactory

from ironflock_router.authentication.doors import PUBLIC_DOORS, SERVICE_DOORS, Door
from ironflock_router.entrance import EntranceFactory
from ironflock_router.guard import Guard
from ironflock_router.session import PlatformSessionFactory
from ironflock_router.settings import Limits, RouterSettings
from ironflock_router.turns import Turn
from ironflock_router.websocket import PlatformWebSocketFactory
from shared.proxied import behind
from shared.tls import ServerOptions
from shared.uncoloured import uncolour

log = structlog.get_logger()

BACKLOG = 1024
"""Connections that the kernel holds for us: a fleet that reconnects comes all at once."""


class Listeners:
    """Opens the ports."""

    def __init__(
        self,
        reactor: IReactorTime,
        settings: RouterSettings,
        tls: ServerOptions,
        sessions: PlatformSessionFactory,
    ) -> None:
        """Sessions of both listeners come from `sessions`; `tls` is for the public one."""
        self._reactor: Any = reactor  # Twisted splits its reactor into many interfaces; this one also listens
        self._settings = settings
        self._tls = tls
        self._sessions = sessions
        self._turn = Turn(reactor)
        uncolour(autobahn_util, crossbar_util)

    def open_services(self, tls: ServerOptions) -> IListeningPort:
        """Listen for services, with a certificate of their own.

        Raises:
            CannotListenError: The port is taken.
        """
        settings = self._settings
        return self._open("services", tls, settings.service_port, settings.service_bind)

    def open_public(self) -> IListeningPort:
        """Listen for devices, people and apps.

        Raises:
            CannotListenError: The port is taken.
        """
        settings = self._settings
        return self._open("public", self._tls, settings.public_port, settings.bind)

    def _open(self, name: str, tls: ServerOptions, port: int, interface: str) -> IListeningPort:
        doors, limits = self._behind(name)
        paths = {door.value: self._websockets(door, limits) for door in doors}
        over_tls: Any = TLSMemoryBIOFactory(tls, False, EntranceFactory(paths), self._turn.clock)  # noqa: FBT003 - Twisted's
        over_tls.noisy = False
        guard: Any = Guard(name, limits, over_tls, self._reactor, self._turn)
        if name == "public":
            guard = behind(self._settings.proxies, guard, self._reactor)
        listening: IListeningPort = self._reactor.listenTCP(port, guard, backlog=BACKLOG, interface=interface)
        log.info("listener_opened", listener=name, port=port, interface=interface)
        return listening

    def _behind(self, name: str) -> tuple[Iterable[Door], Limits]:
        if name == "services":
            return SERVICE_DOORS, self._settings.services
        return PUBLIC_DOORS, self._settings.public

    def _websockets(self, door: Door, limits: Limits) -> PlatformWebSocketFactory:
        most = self._settings.max_app_message_octets if door is Door.APPS else limits.max_message_octets
        return PlatformWebSocketFactory(self._sessions, door, most)
