"""Who is meant, and how they are called: auth knows."""

from collections.abc import Callable, Iterable
from typing import Final

from attrs import frozen

from services.privileges.store import people
from shared.allowance import Allowance
from shared.bus import Bus
from shared.database import Database
from shared.errors import NotFoundError, OverLimitError
from shared.identities import Person
from shared.procedures import answered

NOBODY: Final = "there is no such person here; whoever may INVITE can invite them to the installation first"
NO_ACCOUNT: Final = 0
"""Keys begin at 1."""
NAMES_AT_ONCE: Final = 1_000
UNKNOWN_NAMES: Final = 20
WINDOW_S: Final = 3_600.0
GUESSED: Final = "you named too many people who are not there; try again in an hour"


@frozen
class Named:
    """An account and its login name."""

    account_key: int
    login_name: str


class People:
    """Asks auth about accounts."""

    def __init__(self, bus: Bus, database: Database, clock: Callable[[], float]) -> None:
        """Ask over `bus`; `database` has who works with whom; `clock` gives seconds that only go forward."""
        self._bus = bus
        self._database = database
        self._clock = clock
        self._guesses = Allowance(UNKNOWN_NAMES, WINDOW_S)

    async def meant(self, person: Person, account: int | str) -> Named:
        """Whom `person` means by a login name, or by the account key of somebody whom they work with.

        Raises:
            NotFoundError: Nobody is called that, or the key is a stranger's: it would tell how they are called.
            OverLimitError: They named too many who are not there: guessing tells nobody who has an account.
        """
        if isinstance(account, str) or await self._work_together(person.account_key, account):
            (found,) = await self._resolve([account])
            if found is not None:
                return found
        if not self._guesses.take(person.account_key, self._clock()):
            raise OverLimitError(GUESSED)
        raise NotFoundError(NOBODY)

    async def anybody(self, account: int | str) -> Named:
        """Whom an operator means by a login name or an account key.

        Raises:
            NotFoundError: Nobody is called that.
        """
        (found,) = await self._resolve([account])
        if found is None:
            raise NotFoundError(NOBODY)
        return found

    async def find(self, account: str) -> int:
        """The account of that login name; `NO_ACCOUNT` where there is none, for answers that must not tell."""
        (found,) = await self._resolve([account])
        return NO_ACCOUNT if found is None else found.account_key

    async def is_self(self, person: Person, account: int | str) -> bool:
        """Whether `person` names themselves by that account key or login name."""
        if isinstance(account, int):
            return account == person.account_key
        (found,) = await self._resolve([account])
        return found is not None and found.account_key == person.account_key

    async def names(self, account_keys: Iterable[int]) -> dict[int, str]:
        """The login names of those accounts, as far as there are any."""
        wanted: list[int | str] = sorted(set(account_keys))
        names: dict[int, str] = {}
        for start in range(0, len(wanted), NAMES_AT_ONCE):
            found = await self._resolve(wanted[start : start + NAMES_AT_ONCE])
            names |= {each.account_key: each.login_name for each in found if each is not None}
        return names

    async def require_fresh(self, person: Person) -> None:
        """Let pass whoever has shown lately who they are.

        Raises:
            StepUpRequiredError: They have not.
        """
        await self._bus.call(
            "ironflock.auth.session.require_fresh", account_key=person.account_key, credential=person.credential
        )

    async def first_owner(self) -> int | None:
        """The first owner of the installation, if there is one."""
        found = await self._bus.call("ironflock.auth.account.first_owner")
        return None if found is None else int(found)

    async def owner_of_key(self, key_id: str) -> int | None:
        """Whose API key it is; None where there is none of that id."""
        found = await self._bus.call("ironflock.auth.api_key.owner", key_id=key_id)
        return None if found is None else int(found)

    async def _work_together(self, one: int, other: int) -> bool:
        if one == other:
            return True
        return await self._database.run(lambda connection: people.account_has_common(connection, one, other))

    async def _resolve(self, accounts: list[int | str]) -> list[Named | None]:
        answer = await self._bus.call("ironflock.auth.account.resolve", accounts=accounts)
        return [None if each is None else answered(Named, each) for each in answer]
