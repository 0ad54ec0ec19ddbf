"""Who may run the installation: whoever has the flag for it. None of these flags reaches into a project."""

from typing import Final

from shared.flags import AssetKind
from shared.identities import Person
from shared.rights.decision_point import Rights
from shared.rights.records import INSTALLATION, Asset

HERE: Final = Asset(AssetKind.INSTALLATION, INSTALLATION.key)


class Installation:
    """The rights on the installation."""

    def __init__(self, rights: Rights) -> None:
        """As `rights` knows them."""
        self._rights = rights

    async def require(self, person: Person, flag: str) -> None:
        """Let pass whoever has `flag` on the installation.

        Raises:
            NotAuthorizedError: They have not; it says which flag that is.
            UnavailableError: Rights cannot be looked up now.
        """
        await self._rights.require(person, flag, HERE, INSTALLATION, absent="")  # it is there, and everybody knows
