"""The names of data realms, and of who joins them: wire-sdk.md sections 2 and 3."""

import re
from typing import Final, Self

from attrs import frozen

MAX_KEY: Final = 2**53 - 1
"""Keys travel as JSON numbers."""
_KEY: Final = "([1-9][0-9]{0,15})"
_REALM: Final = re.compile(rf"realm-{_KEY}-{_KEY}-(dev|prod)")
# Keys and epochs compare as numbers here: `app-026-dev-e01` is app 26 in its first epoch.
_APP_AUTHID: Final = re.compile(r"app-([0-9]{1,20})-(dev|prod)-e([0-9]{1,20})@(.+)", re.DOTALL)


@frozen
class DataRealm:
    """The realm of one app of one project at one stage; the stage is `dev` or `prod`."""

    project_key: int
    app_key: int
    stage: str

    @classmethod
    def parse(cls, name: object) -> Self | None:
        """The data realm called `name`, or None where `name` is not one; each realm has one spelling."""
        found = _REALM.fullmatch(name) if isinstance(name, str) else None
        if found is None:
            return None
        realm = cls(int(found[1]), int(found[2]), found[3])
        return realm if max(realm.project_key, realm.app_key) <= MAX_KEY else None

    @property
    def name(self) -> str:
        """As it is joined."""
        return f"realm-{self.project_key}-{self.app_key}-{self.stage}"


@frozen
class AppAuthid:
    """What an authid at the apps' door says.

    A per-app credential names an app, its stage and the epoch; a legacy one is the serial number alone.
    """

    serial_number: str
    app_key: int | None = None
    stage: str | None = None
    epoch: int | None = None

    @classmethod
    def parse(cls, authid: str) -> Self:
        """Read `authid`: what is not spelled as a per-app credential is a legacy one, whatever it is."""
        found = _APP_AUTHID.fullmatch(authid)
        if found is None:
            return cls(authid)
        return cls(found[4], int(found[1]), found[2], int(found[3]))
