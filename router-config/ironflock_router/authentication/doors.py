"""The paths of the two listeners. Which one a client takes decides what it can be, whatever it says of itself."""

from enum import Enum
from typing import Final

from ironflock_router.realm_names import DataRealm
from ironflock_router.wire_names import PATH_APPS, PATH_DEVICES, PATH_PEOPLE, PATH_SERVICES, REALM1, SYSTEM

CRA: Final = "wampcra"
TICKET: Final = "ticket"


class Door(Enum):
    """One path."""

    DEVICES = PATH_DEVICES
    PEOPLE = PATH_PEOPLE
    APPS = PATH_APPS
    SERVICES = PATH_SERVICES

    @property
    def authmethods(self) -> tuple[str, ...]:
        """The authentication methods of this path, in WAMP's words; boards come to apps' door by ticket."""
        return _METHODS[self]

    def leads_to(self, realm: str) -> bool:
        """Whether `realm` is of the kind that can be joined here."""
        return realm in _REALMS[self] or (self in _TO_DATA and DataRealm.parse(realm) is not None)


_REALMS: Final = {
    Door.DEVICES: frozenset({REALM1}),
    Door.PEOPLE: frozenset({REALM1}),
    Door.APPS: frozenset(),
    Door.SERVICES: frozenset({REALM1, SYSTEM}),
}

_METHODS: Final = {
    Door.DEVICES: (CRA,),
    Door.PEOPLE: (TICKET,),
    Door.APPS: (CRA, TICKET),
    Door.SERVICES: (CRA,),
}

_TO_DATA: Final = (Door.APPS, Door.SERVICES)

PUBLIC_DOORS: Final = (Door.DEVICES, Door.PEOPLE, Door.APPS)
SERVICE_DOORS: Final = (Door.SERVICES,)
