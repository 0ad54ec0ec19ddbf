"""What realms does for logins, asked over the bus."""

from services.fleetdb.records.logins import Certified
from services.fleetdb.records.moves import DueMove
from services.fleetdb.rules.backends import backend_of
from shared.bus import Bus
from shared.procedures import answered

CERTIFY_TIMEOUT_S = 10.0
"""A little longer than realms itself waits for its provisioner."""


class RealmsAuthority:
    """Certificates for the logins of data backends."""

    def __init__(self, bus: Bus) -> None:
        """Ask over `bus`."""
        self._bus = bus

    async def certify(self, backend_key: int, epoch: int, public_key: str) -> Certified:
        """A certificate, for `public_key` in PEM, of the backend's login in this epoch.

        Raises:
            PublicError: Not now, or not that epoch any more.
        """
        answer = await self._bus.call(
            "ironflock.realms.backend.certify",
            timeout_s=CERTIFY_TIMEOUT_S,
            backend_key=backend_key,
            epoch=epoch,
            public_key=public_key,
        )
        return answered(Certified, answer)

    async def moves_due(self) -> list[DueMove]:
        """Backends whose rows are to be carried over to another cluster.

        Raises:
            PublicError: Realms is away.
        """
        answer = await self._bus.call("ironflock.realms.move.due")
        return [DueMove(each["move_key"], backend_of(each["backend"]), each["to"]) for each in answer["moves"]]

    async def switch(self, move: DueMove, *, rows: int, paused_ms: int) -> None:
        """Every row is there: the backend is on the other cluster from now on; of no effect where it is already.

        Raises:
            ConflictError: It is not to move any more.
            PublicError: Realms is away, or it is not known whether it has heard.
        """
        await self._bus.call(
            "ironflock.realms.move.switch",
            move_key=move.move_key,
            backend_key=move.backend.backend_key,
            rows_carried=rows,
            paused_ms=paused_ms,
        )

    async def give_up(self, move: DueMove, problem: str) -> None:
        """The backend stays where it is.

        Raises:
            PublicError: Realms is away.
        """
        await self._bus.call(
            "ironflock.realms.move.give_up",
            move_key=move.move_key,
            backend_key=move.backend.backend_key,
            problem=problem,
        )

    async def settled(self, backend_key: int, epoch: int) -> None:
        """The login of `epoch` is in use: those before it may end.

        Raises:
            PublicError: Realms is away.
        """
        await self._bus.call("ironflock.realms.backend.settled", backend_key=backend_key, epoch=epoch)

    async def retained(self, backend_key: int, change_key: int) -> None:
        """Rows of the backend are kept as was said by that change, and by those before it.

        Raises:
            PublicError: Realms is away.
        """
        await self._bus.call("ironflock.realms.backend.retained", backend_key=backend_key, change_key=change_key)
