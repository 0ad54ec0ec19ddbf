"""Starts the gateway."""

from shared import service  # noqa: I001 - installs the reactor before anything imports it

from collections.abc import Awaitable, Callable
from typing import Final

from services.gateway import settings
from services.gateway.procedures.site import Root
from shared.health import Health
from shared.https import listen_https
from shared.settings import Settings

IDLE_TIMEOUT_S: Final = 30


async def start(environment: Settings) -> Callable[[], Awaitable[None]]:
    """Bring the gateway up."""
    read = settings.read(environment)
    health = Health("https")
    service.listen_ops(read.common, health)
    root = Root(read.agent_updates, read.agent_version)
    port = listen_https(service.server_tls(read.common), read.port, read.bind, root, idle_timeout_s=IDLE_TIMEOUT_S)
    health.set("https", ok=True)

    async def stop() -> None:
        port.stopListening()

    return stop


if __name__ == "__main__":
    service.run("gateway", start)
