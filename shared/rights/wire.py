"""What the privileges service and the decision points say to each other on the system realm."""

from typing import Final

from attrs import frozen

from shared.rights.records import Domain, Lock

CHANGED: Final = "ironflock.privileges.changed"
HOLDINGS: Final = "ironflock.privileges.holdings.find"
LOCKS: Final = "ironflock.privileges.lock.standing"
BEAT_S: Final = 1.0
"""How often the stream says where it stands, also when nothing changed."""
SILENCE_S: Final = 5.0
"""After so long without a word, whatever rests on people's flags is refused (decision 14)."""


@frozen
class Change:
    """One change at `position` of the stream: whom it names, and whether it concerns all who hold something there."""

    position: int
    domain: Domain
    accounts: tuple[int, ...] = ()
    everybody: bool = False
    locks: bool = False


@frozen
class News:
    """An event on `CHANGED`: where the stream stands now, and the changes that led there, oldest first."""

    position: int
    changes: tuple[Change, ...] = ()


@frozen
class StandingLocks:
    """Every lock in force, as of `position`."""

    position: int
    locks: tuple[Lock, ...]
