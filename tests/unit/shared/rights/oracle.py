"""The rule about rights once more, written down line by line from the model, to compare the fast one with.

It knows the project as the model tells it (people, owner, members, grants, groups), not as the service reads it.
"""

from attrs import frozen

from shared.flags import AssetKind

DEVICE = {
    "READ", "UPDATE", "OPERATE", "INSTALL", "DEVELOP", "NETWORK", "MAINTAIN", "REMOTE_ACCESS", "GRANT", "DELETE",
}  # fmt: skip
TABLE = {
    AssetKind.PROJECT: {
        "READ", "CREATE_DEVICES", "CREATE_GROUPS", "CREATE_BOARDS", "INSTALL_APPS", "UPDATE", "AUDIT", "GRANT",
        "DELETE",
    },
    AssetKind.DEVICE: DEVICE,
    AssetKind.GROUP: {"READ", "UPDATE", "MEMBERS", "GRANT", "DELETE"} | DEVICE,
    AssetKind.APP: {"READ", "UPDATE", "RELEASE", "INSTALL", "GRANT", "DELETE"},
    AssetKind.BOARD: {"READ", "UPDATE", "GRANT", "DELETE"},
    AssetKind.DATA_BACKEND: {"READ", "WRITE", "UPDATE", "CONNECT", "GRANT", "DELETE"},
    AssetKind.INSTALLATION: {"HEALTH", "LOCK", "ROTATE", "BACKUP", "PLACE", "INVITE", "GRANT"},
}  # fmt: skip


@frozen
class Given:
    """A grant: to whom, which flag, on what, until when."""

    person: int
    flag: str
    asset: tuple[AssetKind, int]
    ends_at: float | None
    is_visit: bool


@frozen
class World:
    """One project with all that is in it, one app beside it, and the installation."""

    owner: int
    members: frozenset[int]
    given: tuple[Given, ...]
    defaults: tuple[tuple[AssetKind, str, float | None], ...]
    groups: dict[int, frozenset[int]]  # group -> devices
    app_owner: int
    is_app_public: bool

    def has(self, person: int, flag: str, asset: tuple[AssetKind, int], now: float) -> bool:
        """Whether `person` has `flag` on `asset` at `now`."""
        if flag not in TABLE[asset[0]]:
            return False
        if asset[0] in (AssetKind.APP, AssetKind.INSTALLATION):
            return self._has_outside(person, flag, asset, now)
        return self._has_inside(person, flag, asset, now)

    def _has_outside(self, person: int, flag: str, asset: tuple[AssetKind, int], now: float) -> bool:
        """On an app or the installation, which are in no project."""
        if asset[0] is AssetKind.APP and person == self.app_owner:
            return True
        if asset[0] is AssetKind.APP and self.is_app_public and flag in ("READ", "INSTALL"):
            return True
        return self._is_given(person, flag, asset, now, visits=False) or self._visits(person, flag, asset, now)

    def _has_inside(self, person: int, flag: str, asset: tuple[AssetKind, int], now: float) -> bool:
        """On the project, or on something in it."""
        kind, key = asset
        places = [asset]
        if kind is AssetKind.DEVICE:
            places += [(AssetKind.GROUP, group) for group, devices in self.groups.items() if key in devices]
        if person == self.owner or any(self._visits(person, flag, place, now) for place in places):
            return True
        if person not in self.members:
            return False
        if any(self._is_given(person, flag, place, now, visits=False) for place in places):
            return True
        return any(
            of_kind is kind and of_flag == flag and (end is None or end > now)
            for of_kind, of_flag, end in self.defaults
        )

    def _is_given(self, person: int, flag: str, asset: tuple[AssetKind, int], now: float, *, visits: bool) -> bool:
        for given in self.given:
            is_meant = given.person == person and given.flag == flag and given.asset == asset
            if is_meant and given.is_visit is visits and (given.ends_at is None or given.ends_at > now):
                return True
        return False

    def _visits(self, person: int, flag: str, asset: tuple[AssetKind, int], now: float) -> bool:
        for given in self.given:
            is_meant = given.person == person and given.flag == flag and given.asset == asset and given.is_visit
            if is_meant and flag != "GRANT" and given.ends_at is not None and given.ends_at > now:
                return True
        return False
