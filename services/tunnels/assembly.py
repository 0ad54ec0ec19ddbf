"""The parts of tunnels, put together in the one order that fits; the tests put the same ones together."""

from pathlib import Path
from typing import Any

from attrs import frozen

from services.tunnels.admitting import Admissions
from services.tunnels.answerings import Answerings
from services.tunnels.browsers import Browsers
from services.tunnels.credentials import Credentials
from services.tunnels.datagrams import Channels
from services.tunnels.declared import DeclaredPorts
from services.tunnels.departing import Departures, PortKeeping
from services.tunnels.edge import Edge
from services.tunnels.edge_news import EdgeNews
from services.tunnels.finding import Now, Offering, Refusals, Tunnels
from services.tunnels.identity import Identity
from services.tunnels.node_endings import Endings
from services.tunnels.nodes import NodeParts, Nodes
from services.tunnels.open_ports import OpenPorts
from services.tunnels.proving import Proofs
from services.tunnels.public_visits import Standing
from services.tunnels.raw_ports import RawPorts
from services.tunnels.recording import Recordings
from services.tunnels.records.offers import Offer, Source, TunnelDevice
from services.tunnels.records.plugin import Fleet
from services.tunnels.records.recordings import Keeping
from services.tunnels.records.times import Times
from services.tunnels.records.tunnels import PortRange
from services.tunnels.refusal_log import RefusalLog
from services.tunnels.registry import Devices
from services.tunnels.rules.tunnels import Places
from services.tunnels.rules.visits import Bounds
from services.tunnels.sharing import Sharing
from services.tunnels.streams import DeviceStream, Reaching
from services.tunnels.visiting import Around, Visiting
from services.tunnels.visitors import Inside
from services.tunnels.web_front import WebFront, WebParts
from services.tunnels.web_sign_in import Domain, Provider, SignIn
from services.tunnels.web_visitors import Web
from services.tunnels.web_visits import WebVisits
from shared.bus import Bus
from shared.database import Database
from shared.keyring import DataKeys
from shared.rights.decision_point import Rights


@frozen
class Base:
    """What stands before the parts."""

    bus: Bus
    database: Database
    rights: Rights
    times: Times
    keys: DataKeys


@frozen
class Shape:
    """What an installation says of its tunnels."""

    places: Places
    ports: PortRange
    bounds: Bounds
    keeping: Keeping


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
    rights: Rights
    tunnels: Tunnels
    open_ports: OpenPorts
    visiting: Visiting
    recordings: Recordings
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
    open_ports = OpenPorts()
    now = Now(seen.offering, seen.refusals, visiting, open_ports, shape.places)
    return Parts(
        database=base.database,
        devices=devices,
        credentials=credentials,
        tunnels=Tunnels(base.database, devices, now),
        open_ports=open_ports,
        rights=base.rights,
        visiting=visiting,
        recordings=Recordings(base.database, base.keys, base.times, shape.keeping),
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

    `is_bound_to_address`: frpc has to come from where its agent does; `provider`: where browsers sign in; `fleet`: the
    frps nodes that agents may be at beside our own edge, whose certificates the authorities in `ca` vouch for.
    """

    reactor: Any
    bind: str
    provider: Provider
    is_bound_to_address: bool
    ca: Path
    fleet: Fleet | None = None


@frozen
class Ways:
    """The ways of devices and people to each other."""

    edge: Edge
    nodes: Nodes | None
    departures: Departures
    port_keeping: PortKeeping
    raw_ports: RawPorts
    inside: Inside
    web: Web

    def close(self) -> None:
        """End every device's session, and what people see of it."""
        self.edge.close()
        if self.nodes is not None:
            self.nodes.forget_all()


def ways_of(base: Base, parts: Parts, news: EdgeNews, declared: DeclaredPorts, listening: Listening) -> Ways:
    """All of them, not listening yet."""
    proofs = Proofs(base.bus, parts.devices, is_bound_to_address=listening.is_bound_to_address)
    edge = Edge(proofs, declared, news.tell, listening.reactor)
    nodes = _nodes_of(base, edge, listening)
    reaching = Roads(edge, nodes)
    channels = Channels(edge.open_stream)
    standing = Standing(
        bus=base.bus,
        database=base.database,
        offering=news,
        ports=parts.open_ports,
        visiting=parts.visiting,
        edge=reaching,
        channels=channels,
        answerings=Answerings(base.times.clock),
        times=base.times,
        refusals=RefusalLog(base.times.clock),
    )
    news.changed = parts.open_ports.look
    return Ways(
        edge=edge,
        nodes=nodes,
        departures=Departures(base.bus, base.database, parts.devices, Gate(edge, nodes, news), parts.visiting),
        port_keeping=PortKeeping(base.database, news),
        raw_ports=RawPorts(standing, listening.reactor, listening.bind),
        inside=Inside(
            base.bus, parts.admissions, news, parts.visiting, parts.recordings, reaching, channels, base.times
        ),
        web=_web_of(base, parts, news, reaching, listening),
    )


def _web_of(base: Base, parts: Parts, news: EdgeNews, reaching: Reaching, listening: Listening) -> Web:
    """What is served to web visitors."""
    browsers = Browsers(base.database, parts.admissions, parts.credentials)
    web_parts = WebParts(
        bus=base.bus,
        database=base.database,
        admissions=parts.admissions,
        browsers=browsers,
        offering=news,
        visits=WebVisits(parts.visiting, base.bus),
        sharing=Sharing(),
        identity=Identity(base.database, base.times, parts.places.origin),
        edge=reaching,
        times=base.times,
        domain=parts.places.domain,
        issuer=listening.provider.issuer,
    )
    domain = Domain(parts.places, base.times, parts.bounds.life_s)
    sign_in = SignIn(listening.provider, domain, parts.admissions, browsers)
    return Web(WebFront(web_parts), sign_in, listening.reactor)


def _nodes_of(base: Base, edge: Edge, listening: Listening) -> Nodes | None:
    if listening.fleet is None:
        return None
    endings = Endings(listening.reactor, listening.ca)
    parts = NodeParts(
        bus=base.bus,
        database=base.database,
        edge=edge,
        is_ours=endings.is_ours,
        dislodge=endings.take_over,
        fleet=listening.fleet,
        times=base.times,
    )
    return Nodes(parts)


@frozen
class Roads:
    """The ways to devices: those of our own edge and those of nodes."""

    edge: Edge
    nodes: Nodes | None

    async def open_stream(self, offer: Offer, source: Source) -> DeviceStream:
        """A way to what is offered; a `NoWorkConnError` where there is none."""
        if offer.node is not None and self.nodes is not None:
            return await self.nodes.open_stream(offer)
        return await self.edge.open_stream(offer, source)


@frozen
class Gate:
    """Where devices are connected, as departures see it."""

    edge: Edge
    nodes: Nodes | None
    news: EdgeNews

    def connected(self) -> dict[int, TunnelDevice]:
        """Each by its key, as it was when it logged in."""
        return self.news.connected()

    def cut_off(self, device_key: int, reason: str) -> bool:
        """Cut it off."""
        is_at_node = self.nodes is not None and self.nodes.end_session(device_key, reason)
        return self.edge.end(device_key, reason) or is_at_node
