"""What every way in is made of, and how a refused one is recorded."""

from attrs import frozen

from services.auth.factors import Factors
from services.auth.keyring import Keyring
from services.auth.locks import Locks
from services.auth.passkeys import Passkeys
from services.auth.passwords import Passwords
from services.auth.personal import address_in_txn
from services.auth.records.people import PersonAccount
from services.auth.records.sessions import Source
from services.auth.sessions import Sessions
from services.auth.throttling import Throttle
from shared import audit
from shared.database import Database


@frozen
class Parts:
    """What a sign-in is made of."""

    database: Database
    keyring: Keyring
    sessions: Sessions
    passwords: Passwords
    throttle: Throttle
    factors: Factors
    passkeys: Passkeys
    locks: Locks

    async def refused(self, person: PersonAccount | None, source: Source, what: str) -> None:
        """Record a refused attempt at `person`, if there is one."""
        if person is not None and person.erased_at is None:
            await self.refused_key(person.account_key, source, what)

    async def refused_key(self, account_key: int, source: Source, what: str) -> None:
        """Record a refused attempt; the counters bound how many there are."""
        async with self.database.transaction() as connection:
            said = await address_in_txn(connection, self.keyring, account_key, source.address)
            await audit.record(
                connection,
                audit.Draft(
                    action=audit.Action.SIGN_IN_REFUSED,
                    aspect=audit.Aspect.ACCESS,
                    actor=audit.Actor(audit.ActorKind.SERVICE, "auth", on_behalf_of=account_key),
                    asset=audit.Asset("account", account_key),
                    after={"by": what},
                    address=said,
                    outcome=audit.Outcome.REFUSED,
                ),
            )
