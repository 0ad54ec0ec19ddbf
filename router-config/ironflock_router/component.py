"""The session that Crossbar starts inside its router worker; see `router-config/config.json`.

Order: the operators' page (health says what is missing), the realms with our roles, the services' listener, and, once
every procedure that agents call is registered, the public listener. What fails here ends the worker, and with it the
node: whoever started it must see it.
"""

import os

import structlog
from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.types import SessionDetails
from twisted.internet import reactor
from twisted.internet.error import ReactorNotRunning
from typing_extensions import override

from ironflock_router import logs
from ironflock_router.node import HEALTH_PARTS, RouterNode
from ironflock_router.settings import RouterSettings
from shared import ops
from shared.health import Health
from shared.tls import server_options

log = structlog.get_logger()


class RouterComponent(ApplicationSession):
    """Starts the router's parts when its session on the system realm stands."""

    @override
    async def onJoin(self, details: SessionDetails) -> None:
        """Start everything."""
        logs.configure()
        try:
            await self._start()
        except Exception:  # whatever it is, a router that is half set up must not go on
            log.exception("router_start_failed")
            try:
                reactor.stop()
            except ReactorNotRunning:
                return

    async def _start(self) -> None:
        settings = RouterSettings.from_environment(os.environ)
        tls = server_options(settings.tls_certificate, settings.tls_key)
        inside = server_options(settings.inside_tls_certificate, settings.inside_tls_key)
        health = Health(*HEALTH_PARTS)
        ops.listen(reactor, settings.ops_port, settings.ops_bind, inside, health)
        node = RouterNode(self, self.config.controller, reactor, settings, health)
        await node.start(tls, inside)
        log.info("router_started", host=settings.host)
