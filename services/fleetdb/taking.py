"""What is done when a data backend comes, changes or goes."""

from typing import Final, Protocol

from attrs import frozen

from services.fleetdb.live import Offer
from services.fleetdb.making import Making
from services.fleetdb.records.backends import Backend
from services.fleetdb.transforms import Transforms
from services.fleetdb.writing import Writing

FIRST_EPOCH: Final = 1


class Logins(Protocol):
    """Connections, as far as logins change."""

    async def follow(self, backend: Backend) -> None:
        """See `connections.Connections`."""

    async def forget(self, backend_key: int) -> None:
        """See `connections.Connections`."""


class Told(Protocol):
    """Realms, as far as it waits for what is done here."""

    async def retained(self, backend_key: int, change_key: int) -> None:
        """See `authority.RealmsAuthority`."""


@frozen
class Backing:
    """What a backend is worked on with: its logins, and whoever is told how far it is."""

    connections: Logins
    realms: Told


class Taking:
    """Makes tables, follows rotations, and forgets."""

    def __init__(self, backing: Backing, making: Making, writing: Writing, transforms: Transforms) -> None:
        """Nothing is taken yet."""
        self._connections = backing.connections
        self._realms = backing.realms
        self._making = making
        self._writing = writing
        self._transforms = transforms
        self._epochs: dict[int, int] = {}

    async def take(self, backend: Backend) -> Offer:
        """Work under the backend's newest login, and see that its tables are there.

        Raises:
            PublicError: Realms or the database are away.
        """
        # A later epoch than this process has seen: whether the login before it has ended is not known.
        if self._epochs.get(backend.backend_key, FIRST_EPOCH) < backend.epoch:
            await self._connections.follow(backend)
        self._epochs[backend.backend_key] = backend.epoch
        made = await self._making.make(backend)
        self._writing.forget(backend)
        transforms = await self._transforms.make(backend)
        if backend.retention_change is not None:
            await self._realms.retained(backend.backend_key, backend.retention_change)
        return Offer(made.tables, {name: each.table for name, each in transforms.items()})

    async def drop(self, backend: Backend) -> None:
        """Close what is open to it, and forget it.

        Raises:
            PublicError: The database is away.
        """
        self._epochs.pop(backend.backend_key, None)
        self._writing.forget(backend)
        await self._transforms.forget(backend.backend_key)
        await self._connections.forget(backend.backend_key)
