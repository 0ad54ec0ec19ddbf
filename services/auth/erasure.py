"""Erasing a person: their key is destroyed, their name replaced, whatever they could sign in with ended.

(1) One transaction does all that and records it. (2) Every session of the account is ended and the other services are
told. The second part follows from the row alone and is repeated for an hour, and once over each new session of ours,
whenever it was: a process that dies in between, a router that was away for however long and a session that was just
joining change nothing.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog
from autobahn.wamp.exception import TransportLost

from services.auth.records.accounts import Account, EraseAccount, Receipt
from services.auth.rules.accounts import confirm_login
from services.auth.service_accounts import end_all_in_txn
from services.auth.store.accounts import (
    account_delete_ties,
    account_erase,
    account_list_shut_out,
    account_list_shut_out_lately,
    account_lock_in_txn,
)
from services.auth.store.api_keys import api_key_end_all, api_key_unname_all, service_account_list
from services.auth.store.factors import factor_delete_all
from services.auth.store.links import link_delete_all
from services.auth.store.messages import message_delete_all
from services.auth.store.sealing import person_key_delete
from services.auth.store.sessions import session_delete_all
from shared import audit
from shared.bus import Bus, call
from shared.database import Connection, Database
from shared.errors import CellAwayError, ConflictError, NotFoundError
from shared.identities import CONTROL_REALM, SYSTEM_REALM, Person
from shared.nudge import Nudge
from shared.session import BusSession

TOPIC: Final = "ironflock.auth.account.erased"
ENDED: Final = "wamp.close.killed"
KILL_BY_AUTHID: Final = "wamp.session.kill_by_authid"
OWNED: Final = "ironflock.privileges.domain.owned"
WHY: Final = "this account was erased"
SHUT_OUT: Final = "this account cannot be used any more"
NO_ACCOUNT: Final = "there is no such account"
REPEAT_INTERVAL_S: Final = 10.0
BATCH: Final = 500

log = structlog.get_logger()


class Erasure:
    """Erases accounts, and sees to it that nothing of them stays signed in."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """Work over `bus`; whatever an earlier process began is followed up after each join."""
        self._bus = bus
        self._database = database
        self._told: set[int] = set()
        self._compared: set[BusSession] = set()
        self._nudge = Nudge()
        bus.on_join(CONTROL_REALM, self._look)

    async def erase(self, person: Person, request: EraseAccount) -> Receipt:
        """Erase the caller's account; erasing it again answers the same receipt.

        Raises:
            InvalidArgumentError: `confirm` is not the account's login name.
            ConflictError: The account owns projects, and the caller has not said that this is meant.
            UnavailableError: A part is away; nothing was changed.
        """
        if not request.with_projects:
            accounts = await self._database.run(lambda connection: service_account_list(connection, person.account_key))
            await self.refuse_owners([person.account_key, *(each.account_key for each in accounts)])
        async with self._database.transaction() as connection:
            account = await account_lock_in_txn(connection, person.account_key)
            if account is None:
                raise NotFoundError(NO_ACCOUNT)
            erased_at = account.erased_at or await _erase_in_txn(connection, person, account, request.confirm)
        self._nudge.give()
        return Receipt(account_key=person.account_key, erased_at=erased_at)

    def hurry(self) -> None:
        """Somebody was shut out just now: follow up at once."""
        self._nudge.give()

    async def keep_up(self) -> None:
        """Wait until something was erased, some seconds at most, and follow up.

        Raises:
            PublicError, ApplicationError, TransportLost: A part is away; it is due again.
        """
        await self._nudge.wait(REPEAT_INTERVAL_S)
        try:
            await self.follow_up()
        except CellAwayError:
            raise  # that cell's are ended when it is back
        except Exception:
            self._nudge.give()
            raise

    async def follow_up(self) -> None:
        """End the sessions of accounts that were erased or disabled lately; of an erased one others are told once.

        In a cell that is there anew those of all accounts that are erased or disabled: it may have been away for long.
        """
        shut_out = await self._database.run(account_list_shut_out_lately)
        for account_key, is_erased in shut_out:
            if is_erased and account_key not in self._told:
                self._tell(account_key)

        lately = [account_key for account_key, _ in shut_out]
        there = self._bus.sessions(CONTROL_REALM)
        self._compared &= set(there)
        self._bus.done(await asyncio.gather(*(self._end_in(each, lately) for each in there), return_exceptions=True))
        for cell in self._bus.cells if lately else ():
            self._bus.session_in(cell.name, CONTROL_REALM)

    async def _end_in(self, session: BusSession, lately: list[int]) -> None:
        if session in self._compared:
            await self._bus.of_a_cell(_end(session, lately))
            return
        after = 0
        while page := await self._shut_out_behind(after):
            await self._bus.of_a_cell(_end(session, page))
            after = page[-1]
        self._compared.add(session)

    async def _shut_out_behind(self, after: int) -> list[int]:
        return await self._database.run(lambda one: account_list_shut_out(one, after=after, limit=BATCH))

    def _tell(self, account_key: int) -> None:
        for session in self._bus.sessions(SYSTEM_REALM):
            with suppress(TransportLost):
                session.publish(TOPIC, account_key=account_key)
                self._told.add(account_key)

    async def refuse_owners(self, account_keys: Iterable[int]) -> None:
        """Let pass accounts that own nothing.

        Raises:
            ConflictError: One of them owns projects or apps, which would go on without an owner who can sign in.
            UnavailableError: Privileges is away.
        """
        owned = 0
        for account_key in account_keys:
            owned += len(await self._bus.call(OWNED, account_key=account_key))
        if owned:
            raise ConflictError(
                "this account owns projects or apps; say with_projects to leave them without an owner",
                projects=owned,
            )

    async def _look(self, _: BusSession) -> None:
        self._nudge.give()


async def _end(session: BusSession, account_keys: Iterable[int]) -> None:
    for account_key in account_keys:
        await call(session, KILL_BY_AUTHID, args=(str(account_key), ENDED, SHUT_OUT))


async def _erase_in_txn(connection: Connection, person: Person, account: Account, confirm: str) -> datetime:
    confirm_login(account, confirm)
    erased_at = await account_erase(connection, account.account_key)
    await person_key_delete(connection, account.account_key)
    await _forget_in_txn(connection, account.account_key)
    await api_key_unname_all(connection, account.account_key)
    for key_id in await api_key_end_all(connection, account.account_key):
        await audit.record(connection, _key_ended(person, key_id))
    await end_all_in_txn(connection, person)
    await audit.record(connection, _erased(person, account))
    log.info("account_erased", account_key=account.account_key)
    return erased_at


async def _forget_in_txn(connection: Connection, account_key: int) -> None:
    """Leave nothing of where the person was signed in, what with, and what was written to them."""
    await session_delete_all(connection, account_key)
    await factor_delete_all(connection, account_key)
    await link_delete_all(connection, account_key)
    await message_delete_all(connection, account_key)
    await account_delete_ties(connection, account_key)


def _key_ended(person: Person, key_id: str) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.API_KEY_ENDED,
        aspect=audit.Aspect.CREDENTIAL,
        actor=audit.actor_of(person),
        asset=audit.Asset("api_key", key_id),
        reason=WHY,
        session=person.session or None,
    )


def _erased(person: Person, account: Account) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.ACCOUNT_ERASED,
        aspect=audit.Aspect.EXISTENCE,
        actor=audit.actor_of(person),
        asset=audit.Asset("account", account.account_key),
        before={"state": account.state},
        after={"state": "erased"},
        session=person.session or None,
    )
