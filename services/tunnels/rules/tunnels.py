"""What a tunnel may be called, and how it stands. Pure."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from attrs import frozen

from services.tunnels.records.offers import Offer, TunnelName, TunnelProtocol
from services.tunnels.records.tunnels import AppPort, PublicTunnel, State, Tunnel
from services.tunnels.rules.names import HTTP, label_problem, subdomain
from shared.errors import InvalidArgumentError

MAX_APP: Final = 100
_APP: Final = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.ASCII)
NO_APP: Final = "an app's name in a tunnel has letters, digits, dots, underscores and hyphens within"
RAW: Final = ("tcp", "udp")
"""A tunnel of these has a port of its own when it is public."""
PAST: Final = "this is over already; say a time that is to come"


@frozen
class Places:
    """Where people come: the domain of tunnels, and the port of what is served there."""

    domain: str
    port: int

    @property
    def origin(self) -> str:
        """Of the domain itself."""
        return f"https://{self.domain}{self._behind}"

    def origin_of(self, label: str) -> str:
        """Of one tunnel's host."""
        return f"https://{label}.{self.domain}{self._behind}"

    @property
    def _behind(self) -> str:
        return "" if self.port == 443 else f":{self.port}"  # noqa: PLR2004 - that of HTTPS


@frozen
class Circumstances:
    """What a tunnel's state rests on besides its row.

    `problem` is why its device was refused last, if it was, or why its public port is not open; `is_port_open` says
    whether anybody reaches that, where it has one.
    """

    device_name: str
    offer: Offer | None
    problem: str | None
    is_port_open: bool
    visits: int


def name_of(device_key: int, app: str, port: int, protocol: str) -> TunnelName:
    """The name of a tunnel that somebody declares; the case of the app's name does not count.

    Raises:
        InvalidArgumentError: No app is called so, or a web tunnel's host would not fit DNS; the text says why.
    """
    name = TunnelName(device_key, app_of(app), port, TunnelProtocol(protocol))
    problem = label_problem(subdomain(name)) if name.protocol in HTTP else None
    if problem is not None:
        raise InvalidArgumentError(problem, argument="app")
    return name


def names_of(device_key: int, app: str, ports: Iterable[AppPort]) -> tuple[list[TunnelName], list[int]]:
    """The tunnels of an app's ports, and the ports that can have none."""
    names, unfit = [], []
    for each in ports:
        try:
            names.append(name_of(device_key, app, each.port, each.protocol))
        except InvalidArgumentError:
            unfit.append(each.port)
    return names, unfit


def app_of(app: str) -> str:
    """An app's name as tunnels have it.

    Raises:
        InvalidArgumentError: No app is called so.
    """
    lower = app.strip().lower()
    if len(lower) > MAX_APP or _APP.fullmatch(lower) is None:
        raise InvalidArgumentError(NO_APP, argument="app")
    return lower


def check_end(until: datetime | None, now: datetime) -> None:
    """Let pass an end that is to come, or none.

    Raises:
        InvalidArgumentError: It has no zone, or is over.
    """
    if until is not None and (until.tzinfo is None or until <= now):
        raise InvalidArgumentError(PAST, argument="until")


def shown(tunnel: Tunnel, about: Circumstances, places: Places, now: datetime) -> PublicTunnel:
    """The tunnel as people see it."""
    state = _state(tunnel, about, now)
    return PublicTunnel(
        tunnel_key=tunnel.tunnel_key,
        device_key=tunnel.device_key,
        device_name=about.device_name,
        project_key=tunnel.project_key,
        app=tunnel.app,
        port=tunnel.port,
        protocol=tunnel.protocol,
        state=state,
        public_until=tunnel.public_until if tunnel.is_public(now) else None,
        url=_url(tunnel, about, places, state),
        remote_port=about.offer.remote_port if about.offer is not None else None,
        error=about.problem if state == "error" else None,
        visits=about.visits,
        created_at=tunnel.created_at,
    )


def _state(tunnel: Tunnel, about: Circumstances, now: datetime) -> State:
    if about.offer is None:
        return "declared" if about.problem is None else "error"
    if not tunnel.is_public(now):
        return "offered"
    if tunnel.protocol not in RAW or about.is_port_open:
        return "public"
    return "offered" if about.problem is None else "error"


def _url(tunnel: Tunnel, about: Circumstances, places: Places, state: State) -> str | None:
    if tunnel.name.protocol in HTTP:
        return places.origin_of(subdomain(tunnel.name))
    if state != "public" or about.offer is None:
        return None
    return f"{tunnel.protocol}://{places.domain}:{about.offer.remote_port}"
