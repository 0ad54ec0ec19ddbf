"""What the earliest tests call: auth's procedures for devices, tickets, accounts and privileges as one object."""

from collections.abc import Callable
from typing import cast

from services.auth.erasure import Erasure
from services.auth.keyring import Keyring
from services.auth.locks import Locks
from services.auth.procedures.accounts import AccountProcedures
from services.auth.procedures.devices import CredentialProcedures
from services.auth.procedures.rights import RightsProcedures
from services.auth.procedures.tickets import TicketProcedures
from services.auth.provider.access_tokens import AccessTokens
from services.auth.provider.signing_keys import SigningKeys
from services.auth.signing import Signing
from services.auth.step_up import StepUp
from shared.cells import FIRST
from shared.database import Database
from shared.project_cells import ProjectCell, ProjectCells


def access_tokens_on(database: Database, keyring: Keyring, locks: Locks, now: Callable[[], float]) -> AccessTokens:
    """The access tokens of an installation for tests."""
    keys = SigningKeys(database, keyring, now)
    return AccessTokens(
        database, keys, locks, now, issuer="https://accounts.test:8441", audience="https://api.test:8442"
    )


class OneCell:
    """Where there is one cell."""

    def known(self, _: int) -> ProjectCell:
        """There."""
        return ProjectCell(FIRST, None)

    async def find(self, project_key: int) -> ProjectCell:
        """There."""
        return self.known(project_key)


class Procedures(CredentialProcedures, TicketProcedures, AccountProcedures, RightsProcedures):
    """All four surfaces on one database."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        signing: Signing,
        erasure: Erasure,
        locks: Locks,
        *,
        now: Callable[[], float],
    ) -> None:
        CredentialProcedures.__init__(self, database, keyring, locks, cast("ProjectCells", OneCell()))
        tokens = access_tokens_on(database, keyring, locks, now)
        TicketProcedures.__init__(self, database, signing, tokens, locks, now)
        AccountProcedures.__init__(self, database, keyring, erasure, StepUp(database, now))
        RightsProcedures.__init__(self, database, StepUp(database, now))
