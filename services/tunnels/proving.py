"""Which device a tunnel proof stands for, and where its agent's session on `realm1` comes from (decision 27)."""

from typing import Any, Final

from autobahn.wamp.exception import ApplicationError

from services.tunnels.records.offers import TunnelDevice
from services.tunnels.records.tunnels import ProvenDevice
from services.tunnels.registry import Devices
from shared.bus import NO_SUCH_SESSION, Bus, call
from shared.identities import CONTROL_REALM
from shared.procedures import answered
from shared.project_cells import ProjectCells

FIND: Final = "ironflock.auth.device_credential.find_by_proof"
RULES: Final = "ironflock.realms.project.tunnel_rules"


class Proofs:
    """Answers the edge's first question."""

    def __init__(self, bus: Bus, devices: Devices, *, is_bound_to_address: bool) -> None:
        """Ask over `bus`; without `is_bound_to_address` no project is asked where frpc has to come from."""
        self._bus = bus
        self._cells = ProjectCells(bus)
        self._devices = devices
        self._is_bound_to_address = is_bound_to_address

    async def find(self, proof_digest: bytes) -> TunnelDevice | None:
        """The device whose proof has this SHA-256; None where it opens nothing.

        Raises:
            PublicError: Nobody can say now.
        """
        answer = await self._bus.call(FIND, digest=proof_digest.hex())
        if answer is None:
            return None
        proven = answered(ProvenDevice, answer)
        standing = (await self._devices.standing([proven.device_key])).get(proven.device_key)
        if standing is None or standing.is_locked or standing.is_leaving or standing.flash_id != proven.flash_id:
            return None
        return TunnelDevice(
            device_key=proven.device_key,
            project_key=proven.project_key,
            serial_number=proven.serial_number,
            flash_id=proven.flash_id,
            address_of_live_session=None
            if standing.session is None
            else await self._address_of(standing.session, standing.project_key),
            is_bound_to_address=self._is_bound_to_address and await self._is_bound(standing.project_key),
        )

    async def _is_bound(self, project_key: int) -> bool:
        return bool((await self._bus.call(RULES, project_key=project_key))["requires_same_address"])

    async def _address_of(self, session_id: int, project_key: int) -> str | None:
        session = await self._cells.session(project_key, CONTROL_REALM)
        try:
            return host_of(await call(session, "wamp.session.get", args=(session_id,)))
        except ApplicationError as error:
            if error.error != NO_SUCH_SESSION:
                raise
        return None


def host_of(details: dict[str, Any]) -> str | None:
    """The address in what the router says of a session: `tcp4:192.0.2.7:50123`."""
    peer = (details.get("transport") or {}).get("peer") or ""
    kind, _, rest = str(peer).partition(":")
    host = rest.rpartition(":")[0]
    return host.strip("[]") or None if kind.startswith("tcp") else None
