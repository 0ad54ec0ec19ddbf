"""The parts of tunnels, put together in the one order that fits; the tests put the same ones together."""

from typing import Any

from attrs import frozen

from services.tunnels.admitting import Admissions
from services.tunnels.browsers import Browsers
from services.tunnels.credentials import Credentials
from services.tunnels.declared import DeclaredPorts
from services.tunnels.departing import Departures, PortKeeping
from services.tunnels.edge import Edge
from services.tunnels.edge_news import EdgeNews
from services.tunnels.finding import Now, Offering, Refusals, Tunnels
from services.tunnels.identity import Identity
from services.tunnels.proving import Proofs
from services.tunnels.raw_ports import RawPorts, Standing
from services.tunnels.records.offers import TunnelDevice
from services.tunnels.records.times import Times
from services.tunnels.records.tunnels import PortRange
from services.tunnels.registry import Devices
from services.tunnels.rules.tunnels import Places
from services.tunnels.rules.visits import Bounds
from services.tunnels.visiting import Around, Visiting
from services.tunnels.visitors import Inside
from services.tunnels.web_front import WebFront, WebParts
from services.tunnels.web_sign_in import Domain, Provider, SignIn
from services.tunnels.web_visitors import Web
from services.tunnels.web_visits import WebVisits
from shared.bus import Bus
from shared.database import Database
from shared.rights.decision_point import Rights


@frozen
class Base:
    """What stands before the parts."""

    bus: Bus
    database: Database
    rights: Rights
    times: Times


@frozen
class Shape:
    """What an installation says of its tunnels."""

    places: Places
    ports: PortRange
    bounds: Bounds


@frozen
class Seen:
    """What devices offer now, and what they were refused."""

    offering: Offering
    refusals: Refusals


@frozen
class Parts:
    """What procedures work with."""

    database: Database
    devices: Devices
    credentials: Credentials
    tunnels: Tunnels
    visiting: Visiting
    admissions: Admissions
    offering: Offering
    ports: PortRange
    places: Places
    bounds: Bounds
    times: Times


def assemble(base: Base, seen: Seen, shape: Shape) -> Parts:
    """What procedures work with."""
    devices, credentials = Devices(base.bus), Credentials(base.bus)
    visiting = Visiting(Around(base.database, devices, credentials, base.rights, base.times, shape.bounds))
    now = Now(seen.offering, seen.refusals, visiting, shape.places)
    return Parts(
        database=base.database,
        devices=devices,
        credentials=credentials,
        tunnels=Tunnels(base.database, devices, now),
        visiting=visiting,
        admissions=Admissions(base.database, devices, credentials),
        offering=seen.offering,
        ports=shape.ports,
        places=shape.places,
        bounds=shape.bounds,
        times=base.times,
    )


@frozen
class Listening:
    """Where and how it listens.

    `is_bound_to_address`: frpc has to come from where its agent does; `provider`: where browsers sign in.
    """

    reactor: Any
    bind: str
    provider: Provider
    is_bound_to_address: bool


@frozen
class Ways:
    """The ways of devices and people to each other."""

    edge: Edge
    departures: Departures
    port_keeping: PortKeeping
    raw_ports: RawPorts
    inside: Inside
    web: Web


def ways_of(base: Base, parts: Parts, news: EdgeNews, declared: DeclaredPorts, listening: Listening) -> Ways:
    """All of them, not listening yet."""
    proofs = Proofs(base.bus, parts.devices, is_bound_to_address=listening.is_bound_to_address)
    edge = Edge(proofs, declared, news.tell, listening.reactor)
    standing = Standing(base.bus, base.database, news, declared, parts.visiting, edge, base.times)
    raw_ports = RawPorts(standing, listening.reactor, listening.bind)
    news.changed = raw_ports.look
    return Ways(
        edge=edge,
        departures=Departures(base.bus, base.database, parts.devices, Gate(edge, news), parts.visiting),
        port_keeping=PortKeeping(base.database, news),
        raw_ports=raw_ports,
        inside=Inside(base.bus, parts.admissions, news, parts.visiting, edge, base.times),
        web=_web_of(base, parts, news, edge, listening),
    )


def _web_of(base: Base, parts: Parts, news: EdgeNews, edge: Edge, listening: Listening) -> Web:
    """What is served to web visitors."""
    browsers = Browsers(base.database, parts.admissions, parts.credentials)
    web_parts = WebParts(
        bus=base.bus,
        database=base.database,
        admissions=parts.admissions,
        browsers=browsers,
        offering=news,
        visits=WebVisits(parts.visiting, base.bus),
        identity=Identity(base.database, base.times, parts.places.origin),
        edge=edge,
        times=base.times,
        domain=parts.places.domain,
        issuer=listening.provider.issuer,
    )
    domain = Domain(parts.places, base.times, parts.bounds.life_s)
    sign_in = SignIn(listening.provider, domain, parts.admissions, browsers)
    return Web(WebFront(web_parts), sign_in, listening.reactor)


@frozen
class Gate:
    """The edge as departures see it."""

    edge: Edge
    news: EdgeNews

    def connected(self) -> dict[int, TunnelDevice]:
        """Each by its key, as it was when it logged in."""
        return self.news.connected()

    def end(self, device_key: int, reason: str) -> bool:
        """Cut it off."""
        return self.edge.end(device_key, reason)
