"""A data realm as this process serves it: whose it is, what tables it has, and its session in its project's cell."""

from typing import Any, Final

from attrs import field, frozen
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import PublishOptions

from services.fleetdb import errors
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.calls import Caller
from services.fleetdb.records.tables import Table
from services.fleetdb.rules.rows import NO_DEVICE
from shared.bus import call
from shared.session import BusSession

READER: Final = "app_reader"
BOARDS: Final = frozenset({"board_reader", "board_writer"})
"""People who look at the data, and write it by forms: their authid is their account key."""
DEVICES_REMEMBERED: Final = 10_000
OVER: Final = "your session is over; join again"


@frozen
class Offer:
    """What a realm has: tables, and the transforms that are read like tables."""

    tables: dict[str, Table] = field(factory=dict)
    transforms: dict[str, Table] = field(factory=dict)


class LiveRealm:
    """One of them; `backend` and `offer` follow what is installed."""

    def __init__(self, backend: Backend, offer: Offer) -> None:
        """Nobody has joined it yet."""
        self.backend = backend
        self.offer = offer
        self.session: BusSession | None = None
        """The one that serves it."""
        self._devices: dict[str, dict[str, Any]] = {}

    def has_table(self, name: str) -> bool:
        """Whether `name` is a table."""
        return name in self.offer.tables

    def table(self, name: str) -> Table:
        """The table `name`.

        Raises:
            Refusal: There is none: as if nobody had registered it, since SDKs wait until somebody does.
        """
        return _known(self.offer.tables.get(name), name)

    def readable(self, name: str, caller: Caller) -> Table:
        """The table or transform `name`, where `caller` may read it.

        Raises:
            Refusal: There is none, or it is private and the caller is another app.
        """
        found = _known(self.offer.tables.get(name) or self.offer.transforms.get(name), name)
        if found.is_private and caller.role == READER:
            raise errors.not_authorized(f"{name} is private")
        return found

    def publish(self, topic: str, payload: Any, *, is_private: bool = False) -> None:
        """Tell followers; where `is_private`, those of other apps are left out."""
        options = PublishOptions(exclude_authrole=[READER]) if is_private else PublishOptions()
        if self.session is not None:
            self.session.publish(topic, payload, options=options)

    async def device_of(self, caller: Caller) -> int:
        """The key of the device that `caller` is on, as the router's authenticator noted it (decision 8).

        People are on none: theirs is -1.

        Raises:
            Refusal: The session is over, or is none of a device.
        """
        if caller.role in BOARDS:
            return NO_DEVICE
        return int((await self._noted(caller))["device_key"])

    async def app_of(self, caller: Caller) -> int | None:
        """The key of the app whose credential opened the session; None where it is a legacy one, which names none.

        Raises:
            Refusal: As `device_of`.
        """
        app_key = (await self._noted(caller)).get("app_key")
        return None if app_key is None else int(app_key)

    async def board_of(self, caller: Caller) -> int:
        """The key of the board by which a person is there.

        Raises:
            Refusal: As `device_of`.
        """
        return int((await self._noted(caller))["board_key"])

    async def _noted(self, caller: Caller) -> dict[str, Any]:
        # A device has one key for ever; in a provider's realm it may have sessions of several apps, a person of boards.
        is_one_of_many = caller.role == READER or caller.role in BOARDS
        key = f"{caller.session}" if is_one_of_many else caller.authid
        if key not in self._devices:
            self._devices[key] = await self._ask(caller)
            while len(self._devices) > DEVICES_REMEMBERED:
                del self._devices[next(iter(self._devices))]
        return self._devices[key]

    async def _ask(self, caller: Caller) -> dict[str, Any]:
        needed = "board_key" if caller.role in BOARDS else "device_key"
        if (
            self.session is None
        ):  # a call may come before all procedures are open, and nobody can be asked until they are
            raise errors.no_such_procedure("this realm is not served yet; try again in a moment")
        try:
            details = await call(self.session, "wamp.session.get", args=(caller.session,))
        except ApplicationError as error:
            raise errors.not_authorized(OVER) from error
        noted = details.get("authextra") or {}
        if details.get("authid") != caller.authid or not isinstance(noted.get(needed), int):
            raise errors.not_authorized(OVER)
        return dict(noted)


def _known(found: Table | None, name: str) -> Table:
    if found is None:
        raise errors.no_such_procedure(f"nothing is called {name[:100]} here")
    return found
