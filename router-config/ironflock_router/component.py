"""The router's own session on the system realm, which everything starts with.

Order: the operators' page (health says what is missing), the realms with our roles, the services' listener, and, once
every procedure that agents call is registered, the public listener. What fails here ends the process: whoever started
it must see it.
"""

import os

import structlog
from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.types import ComponentConfig, SessionDetails
from twisted.internet import reactor
from typing_extensions import override

from ironflock_router.node import HEALTH_PARTS, RouterNode
from ironflock_router.realms import Realms
from ironflock_router.settings import RouterSettings
from ironflock_router.wire_names import SYSTEM
from shared import ops
from shared.health import Health
from shared.tls import server_options
from shared.trace_settings import begin_traces

log = structlog.get_logger()


class RouterComponent(ApplicationSession):
    """Starts the router's parts when its session on the system realm stands."""

    def __init__(self, realms: Realms) -> None:
        """`realms` has the system realm, and gets the others."""
        super().__init__(ComponentConfig(SYSTEM))
        self._realms = realms
        self.has_failed = False
        """Whether it could not start."""

    @override
    async def onJoin(self, details: SessionDetails) -> None:
        """Start everything."""
        try:
            await self._start()
        except Exception:  # whatever it is, a router that is half set up must not go on
            log.exception("router_start_failed")
            self.has_failed = True
            reactor.stop()

    async def _start(self) -> None:
        settings = RouterSettings.from_environment(os.environ)
        reactor.addSystemEventTrigger("after", "shutdown", begin_traces("router", settings.traces))
        tls = server_options(settings.tls_certificate, settings.tls_key)
        inside = server_options(settings.inside_tls_certificate, settings.inside_tls_key)
        health = Health(*HEALTH_PARTS)
        ops.listen(reactor, settings.ops_port, settings.ops_bind, inside, health)
        node = RouterNode(self, self._realms, reactor, settings, health)
        await node.start(tls, inside)
        log.info("router_started", host=settings.host, cell=settings.cell)
