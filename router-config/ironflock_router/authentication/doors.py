"""The paths of the two listeners. Which one a client takes decides what it can be, whatever it says of itself."""

from enum import Enum
from typing import Final

from ironflock_router.realm_names import DataRealm
from ironflock_router.wire_names import PATH_APPS, PATH_DEVICES, PATH_PEOPLE, PATH_SERVICES, REALM1, SYSTEM


class Door(Enum):
    """One path."""

    DEVICES = PATH_DEVICES
    PEOPLE = PATH_PEOPLE
    APPS = PATH_APPS
    SERVICES = PATH_SERVICES

    @property
    def authmethod(self) -> str:
        """The one authentication method of this path, in WAMP's words."""
        return "ticket" if self is Door.PEOPLE else "wampcra"

    def leads_to(self, realm: str) -> bool:
        """Whether `realm` is of the kind that can be joined here."""
        return DataRealm.parse(realm) is not None if self is Door.APPS else realm in _REALMS[self]


_REALMS: Final = {
    Door.DEVICES: frozenset({REALM1}),
    Door.PEOPLE: frozenset({REALM1}),
    Door.SERVICES: frozenset({REALM1, SYSTEM}),
}

PUBLIC_DOORS: Final = (Door.DEVICES, Door.PEOPLE, Door.APPS)
SERVICE_DOORS: Final = (Door.SERVICES,)
