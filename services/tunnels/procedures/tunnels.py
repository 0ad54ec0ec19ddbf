"""Tunnels, for people."""

from datetime import datetime
from typing import Final

from services.tunnels.assembly import Parts
from services.tunnels.drafts import tunnel_draft
from services.tunnels.finding import NO_TUNNEL, Found
from services.tunnels.records.tunnels import (
    DeclareTunnel,
    ListTunnels,
    NameTunnel,
    PublicTunnel,
    PublishTunnel,
    Tunnel,
    TunnelPage,
)
from services.tunnels.records.visits import Cause
from services.tunnels.rules.tunnels import RAW, check_end, name_of
from services.tunnels.store import tunnels as store
from services.tunnels.store.recordings import recorded_app_list
from shared import audit
from shared.database import Connection
from shared.errors import ConflictError, NotFoundError, OverLimitError
from shared.identities import Person
from shared.moments import rfc3339
from shared.paging import page, position_after
from shared.procedures import for_people

MAX_OF_A_DEVICE: Final = 64
RECORDED: Final = "visits to this app are recorded, which nobody without an account can be told"
TOO_MANY: Final = f"a device has at most {MAX_OF_A_DEVICE} tunnels"


class TunnelProcedures:
    """Tunnels' procedures about tunnels."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._devices = parts.devices
        self._tunnels = parts.tunnels
        self._visiting = parts.visiting
        self._offering = parts.offering
        self._open_ports = parts.open_ports
        self._now = parts.times.now

    @for_people("ironflock.tunnels.tunnel.declare", DeclareTunnel, is_narrowing=True)
    async def tunnel_declare(self, person: Person, request: DeclareTunnel) -> PublicTunnel:
        """A port of an app that the device may offer (flag `UPDATE`); private, and repeating it changes nothing.

        A tunnel that went with the ports of its app stays from now on, whatever those are; as it is, private or public.
        """
        device = await self._devices.reach(person, "UPDATE", request.device, request.project)
        name = name_of(device.device_key, request.app, request.port, request.protocol)
        async with self._database.transaction() as connection:
            place, by = device.project_key, person.account_key
            made = await store.tunnel_insert(connection, name, place, declared_by=by)
            if made is not None and await store.tunnel_count(connection, device.device_key) > MAX_OF_A_DEVICE:
                raise OverLimitError(TOO_MANY)
            declared = made or await store.tunnel_take_over(connection, name, place, declared_by=by)
            if declared is not None:
                await audit.record(connection, tunnel_draft(person, audit.Action.TUNNEL_DECLARED, declared))
            tunnel = declared or await store.tunnel_find_by_name(connection, name)
        if tunnel is None or tunnel.project_key != device.project_key:
            raise NotFoundError(NO_TUNNEL)
        return self._shown(Found(tunnel, device.name))

    @for_people("ironflock.tunnels.tunnel.list", ListTunnels, is_reading=True, is_narrowing=True)
    async def tunnel_list(self, person: Person, request: ListTunnels) -> TunnelPage:
        """The tunnels of a device, of a project, or of all, as they stand (flag `READ` on each device), paged."""
        after = position_after(request.cursor)
        found = await self._tunnels.listed(
            person, request.device, request.project, after=after, limit=request.limit + 1
        )
        tunnels, cursor = page(self._tunnels.shown(found, self._now()), request.limit, lambda each: each.tunnel_key)
        return TunnelPage(tunnels, cursor)

    @for_people("ironflock.tunnels.tunnel.withdraw", NameTunnel, is_narrowing=True)
    async def tunnel_withdraw(self, person: Person, request: NameTunnel) -> None:
        """The device may not offer it any more (flag `UPDATE`); who is there is cut."""
        meant = (await self._tunnels.with_flag(person, "UPDATE", request.tunnel)).tunnel
        async with self._database.transaction() as connection:
            tunnel = await _locked(connection, meant)
            await store.tunnel_delete(connection, tunnel.tunnel_key)
            await audit.record(connection, tunnel_draft(person, audit.Action.TUNNEL_WITHDRAWN, tunnel))
        self._visiting.cut(lambda visit: visit.tunnel_key == meant.tunnel_key, Cause.WITHDRAWN)
        self._open_ports.look()

    @for_people("ironflock.tunnels.tunnel.publish", PublishTunnel, is_narrowing=True)
    async def tunnel_publish(self, person: Person, request: PublishTunnel) -> PublicTunnel:
        """Let anybody come, without an account, until an end or for good (flag `UPDATE`).

        Whoever is there without one, and could stay beyond the end, is cut and may come again.
        """
        check_end(request.until, self._now())
        meant = await self._tunnels.with_flag(person, "UPDATE", request.tunnel)
        async with self._database.transaction() as connection:
            tunnel = await _locked(connection, meant.tunnel)
            if tunnel.protocol == "tcp" and tunnel.app in await recorded_app_list(connection, tunnel.project_key):
                raise ConflictError(RECORDED)
            await store.tunnel_publish(connection, tunnel.tunnel_key, request.until)
            said = {"public_until": _text(request.until)}
            await audit.record(connection, tunnel_draft(person, audit.Action.TUNNEL_PUBLISHED, tunnel, **said))
        key, until = meant.tunnel.tunnel_key, request.until
        if until is not None:
            self._visiting.cut(
                lambda visit: visit.tunnel_key == key and visit.account_key is None and visit.hard_end > until,
                Cause.NOT_PUBLIC,
            )
        if meant.tunnel.protocol in RAW and self._offering.find(meant.tunnel.name) is not None:
            await self._open_ports.settled(key)
        return await self._again(meant)

    @for_people("ironflock.tunnels.tunnel.unpublish", NameTunnel, is_narrowing=True)
    async def tunnel_unpublish(self, person: Person, request: NameTunnel) -> PublicTunnel:
        """Let only those come who may (flag `UPDATE`); whoever is there without an account is cut."""
        meant = await self._tunnels.with_flag(person, "UPDATE", request.tunnel)
        async with self._database.transaction() as connection:
            tunnel = await _locked(connection, meant.tunnel)
            if tunnel.public_since is not None:
                await store.tunnel_unpublish(connection, tunnel.tunnel_key)
                await audit.record(connection, tunnel_draft(person, audit.Action.TUNNEL_UNPUBLISHED, tunnel))
        key = meant.tunnel.tunnel_key
        self._visiting.cut(lambda visit: visit.tunnel_key == key and visit.account_key is None, Cause.NOT_PUBLIC)
        self._open_ports.look()
        return await self._again(meant)

    async def _again(self, meant: Found) -> PublicTunnel:
        key = meant.tunnel.tunnel_key
        tunnel = await self._database.run(lambda connection: store.tunnel_find(connection, key))
        if tunnel is None:
            raise NotFoundError(NO_TUNNEL)
        return self._shown(Found(tunnel, meant.device_name))

    def _shown(self, found: Found) -> PublicTunnel:
        [shown] = self._tunnels.shown([found], self._now())
        return shown


async def _locked(connection: Connection, meant: Tunnel) -> Tunnel:
    tunnel = await store.tunnel_lock_in_txn(connection, meant.tunnel_key)
    if tunnel is None:
        raise NotFoundError(NO_TUNNEL)
    return tunnel


def _text(until: datetime | None) -> str | None:
    return None if until is None else rfc3339(until)
