"""Agents at frps nodes: frps carries the octets and asks us, by its plugin API, what our own edge asks itself.

A device has one session, at our edge or at one node; its latest login counts. Each login is given a run_id of ours, so
that nobody who knows another's takes it over, and so that we can end it.
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import psycopg
import structlog
from attrs import evolve, frozen

from services.tunnels.admission import AWAY, identified
from services.tunnels.edge import TAKEN_OVER, Edge
from services.tunnels.errors import NoWorkConnError
from services.tunnels.node_endings import MARK
from services.tunnels.node_streams import NodeStream, open_at
from services.tunnels.records.happenings import Happening, LoginRefused, ProxyRefused, SessionBegan, SessionEnded
from services.tunnels.records.offers import Offer, Refusal, TunnelDevice, TunnelProtocol
from services.tunnels.records.plugin import (
    ALLOWED,
    Fleet,
    LoginAsked,
    Node,
    Pinged,
    PluginCall,
    ProxyAsked,
    ProxyClosed,
    UserConnAsked,
    Verdict,
    WorkConnAsked,
)
from services.tunnels.records.times import Times
from services.tunnels.rules.addresses import host_of
from services.tunnels.rules.plugin import PROOF
from services.tunnels.session_offers import SessionOffers
from services.tunnels.store import nodes as store
from shared.allowance import Allowance
from shared.bus import Bus
from shared.database import Database
from shared.errors import PublicError

ANEW: Final = "this session is not known any more; log in anew"
NO_UDP: Final = "udp is not served at this node: frps asks nobody about its visitors"
NO_NAMES: Final = "a user or client_id of frp's own is not served here"
NOT_FRONT: Final = "visitors come through the platform alone"
NOT_OFFERED: Final = "this is not offered"
REVOKED: Final = "the device may not be here any more"
NOT_HERE: Final = "the device does not offer this any more"
WORDS: Final = 20
WORDS_WINDOW_S: Final = 60.0
"""In the log about visitors at one node that are refused, whoever they are."""

log = structlog.get_logger()


@frozen(eq=False)
class NodeSession:
    """One agent at a node."""

    node: Node
    run_id: str
    device: TunnelDevice
    offers: SessionOffers


@frozen
class NodeParts:
    """What nodes are served with; `is_ours` and `dislodge` are those of `Endings`."""

    bus: Bus
    database: Database
    edge: Edge
    is_ours: Callable[[str, str], bool]
    dislodge: Callable[[Node, str, float], Awaitable[None]]
    fleet: Fleet
    times: Times


class Nodes:
    """All agents that are at a node, and what they offer."""

    def __init__(self, parts: NodeParts) -> None:
        """Nobody is there yet; whoever is still at a node from before is ended by `keep_true`."""
        self._parts = parts
        self._tell = parts.edge.tell
        self._sessions: dict[str, NodeSession] = {}
        self._of_device: dict[int, NodeSession] = {}
        self._coming: set[str] = set()
        """Of those that are written down and not let in yet."""
        self._said = Allowance(WORDS, WORDS_WINDOW_S)
        parts.edge.tell = self._hear

    async def open_stream(self, offer: Offer) -> NodeStream:
        """A connection to what a device offers at a node.

        Raises:
            NoWorkConnError: It does not, or the node takes none.
        """
        session = self._of_device.get(offer.device_key)
        if session is None or session.offers.find(offer.proxy_name) is not offer:
            raise NoWorkConnError(NOT_HERE)
        return await open_at(self._parts.edge.clock, session.node, offer)

    def end_session(self, device_key: int, reason: str) -> bool:
        """End the device's session at a node, with all that it offers; whether there was one."""
        session = self._of_device.get(device_key)
        if session is None:
            return False
        self._forget_session(session, reason)
        self._parts.bus.spawn(self._end_there(session.node, session.run_id))
        return True

    def forget_all(self) -> None:
        """Forget everything; the next start ends what is still at the nodes."""
        for session in list(self._of_device.values()):
            self._forget_session(session, "the service stops")

    async def keep_true(self) -> None:
        """End what is at a node and is not known here: of an earlier process, or what could not be ended before.

        Raises:
            PublicError: The database or a node is away; it is due again.
        """
        known = await self._parts.database.run(store.node_session_list)
        failed: dict[str, PublicError] = {}
        for each in known:
            node = self._parts.fleet.named(each.node)
            if node is None or node.name in failed or each.run_id in self._sessions or each.run_id in self._coming:
                continue
            try:
                await self._end_at(node, each.run_id)
            except PublicError as error:
                failed[node.name] = error
        for reason in failed.values():
            raise reason

    async def judge(self, node: Node, call: PluginCall) -> Verdict:
        """What frps `node` is to do."""
        match call:
            case LoginAsked():
                return await self._judge_login(node, call)
            case ProxyAsked(run_id, _):
                session = self._session(node, run_id)
                return self._unknown(node, run_id) if session is None else await self._judge_proxy(session, call)
            case ProxyClosed(run_id, proxy_name):
                session = self._session(node, run_id)
                if session is not None:
                    session.offers.withdraw(proxy_name)
                return ALLOWED
            case Pinged():
                return await self._ping(node, call)
            case WorkConnAsked(run_id, named):
                is_known = self._session(node, run_id) is not None and named == run_id
                return ALLOWED if is_known else self._unknown(node, run_id)
            case UserConnAsked():
                return self._visitor(node, call)

    # ------------------------------------------------------------------------------------------------------- answers

    async def _judge_login(self, node: Node, call: LoginAsked) -> Verdict:
        login, address = call.login, host_of(call.client_address)
        if self._parts.is_ours(login.metas.get(MARK, ""), login.run_id):
            return ALLOWED
        if login.user or login.client_id:
            return Verdict(NO_NAMES)
        device, reason = await identified(self._parts.edge.devices, login.metas.get(PROOF, ""), address)
        if device is None or reason is not None:
            self._tell(LoginRefused(device, address, reason or AWAY))
            return Verdict(reason or AWAY)
        run_id = secrets.token_hex(16)
        self._coming.add(run_id)
        try:
            await self._write_down(node, run_id, device.device_key)
            offers = SessionOffers(self._parts.edge, device.device_key)
            await self._welcome(NodeSession(node, run_id, device, offers), address)
        except (PublicError, psycopg.Error):
            return Verdict(AWAY)
        finally:
            self._coming.discard(run_id)
        return Verdict(content={**call.content, "run_id": run_id})

    async def _write_down(self, node: Node, run_id: str, device_key: int) -> None:
        await self._parts.database.run(
            lambda connection: store.node_session_insert(connection, node.name, run_id, device_key)
        )

    async def _welcome(self, session: NodeSession, address: str) -> None:
        """It is the one of its device from now on; an earlier one is ended before frps hears of this one."""
        key = session.device.device_key
        earlier = self._of_device.get(key)
        if earlier is not None:
            self._forget_session(earlier, TAKEN_OVER)
        self._parts.edge.end(key, TAKEN_OVER)
        self._sessions[session.run_id] = self._of_device[key] = session
        self._tell(SessionBegan(session.device, address, None))
        if earlier is not None:
            await self._end_there(earlier.node, earlier.run_id)

    async def _judge_proxy(self, session: NodeSession, call: ProxyAsked) -> Verdict:
        found = await session.offers.allowed(call.asked)
        if self._sessions.get(session.run_id) is not session:
            return Verdict(ANEW)
        if isinstance(found, Offer):
            is_udp = found.protocol is TunnelProtocol.UDP
            found = Refusal(NO_UDP) if is_udp else session.offers.register(evolve(found, node=session.node.name))
        if isinstance(found, Refusal):
            self._tell(ProxyRefused(session.device, call.asked, found.reason))
            return Verdict(found.reason)
        return ALLOWED

    async def _ping(self, node: Node, call: Pinged) -> Verdict:
        session = self._session(node, call.run_id)
        if session is None:
            return Verdict(ANEW)
        try:
            device = await self._parts.edge.devices.find(hashlib.sha256(call.proof.encode()).digest())
        except PublicError:
            return ALLOWED  # as at the edge, a session does not end because nobody can say
        if device is not None and device.flash_id == session.device.flash_id:
            return ALLOWED
        self.end_session(session.device.device_key, REVOKED)
        return Verdict(REVOKED)

    def _visitor(self, node: Node, call: UserConnAsked) -> Verdict:
        session = self._session(node, call.run_id)
        if host_of(call.remote_addr) not in self._parts.fleet.fronts:
            if self._said.take(node.name, self._parts.times.clock()):
                log.warning("tunnel_visitor_at_node_refused", node=node.name, address=host_of(call.remote_addr))
            return Verdict(NOT_FRONT)
        is_offered = session is not None and session.offers.find(call.proxy_name) is not None
        return ALLOWED if is_offered else Verdict(NOT_OFFERED)

    # -------------------------------------------------------------------------------------------------------- inside

    def _hear(self, happening: Happening) -> None:
        """What happens at our own edge: a device that logs in there is at no node any more."""
        if isinstance(happening, SessionBegan):
            self.end_session(happening.device.device_key, TAKEN_OVER)
        self._tell(happening)

    def _session(self, node: Node, run_id: str) -> NodeSession | None:
        session = self._sessions.get(run_id)
        return session if session is not None and session.node == node else None

    def _unknown(self, node: Node, run_id: str) -> Verdict:
        """Whoever is not known is sent to log in anew."""
        if run_id and run_id not in self._sessions:
            self._parts.bus.spawn(self._end_there(node, run_id))
        return Verdict(ANEW)

    def _forget_session(self, session: NodeSession, reason: str) -> None:
        self._sessions.pop(session.run_id, None)
        if self._of_device.get(session.device.device_key) is session:
            del self._of_device[session.device.device_key]
        session.offers.withdraw_all()
        self._tell(SessionEnded(session.device, reason))

    async def _end_there(self, node: Node, run_id: str) -> None:
        try:
            await self._end_at(node, run_id)
        except (PublicError, psycopg.Error) as error:
            log.warning("tunnel_session_at_node_not_ended", node=node.name, reason=str(error)[:200])

    async def _end_at(self, node: Node, run_id: str) -> None:
        await self._parts.dislodge(node, run_id, self._parts.times.now().timestamp())
        await self._parts.database.run(lambda connection: store.node_session_delete(connection, node.name, run_id))
