"""The WAMP surface of accounts."""

import base64

from services.auth import personal
from services.auth.erasure import NO_ACCOUNT, Erasure
from services.auth.keyring import Keyring
from services.auth.procedures.callers import serve_only
from services.auth.records.accounts import AccountKey, AccountKeys, EraseAccount, PublicAccount, Receipt
from services.auth.records.sealing import OpenPersonal, SealPersonal
from services.auth.step_up import StepUp
from services.auth.store.accounts import account_find, account_list_erased
from shared.database import Database
from shared.errors import NotFoundError
from shared.identities import Person, ServiceIdentity
from shared.procedures import for_people, for_services


class AccountProcedures:
    """Accounts, for the people whose they are and for the services that show them."""

    def __init__(self, database: Database, keyring: Keyring, erasure: Erasure, step_up: StepUp) -> None:
        """Serve from `database`."""
        self._database = database
        self._keyring = keyring
        self._erasure = erasure
        self._step_up = step_up

    @for_services("ironflock.auth.account.find", AccountKey)
    async def account_find(self, service: ServiceIdentity, request: AccountKey) -> PublicAccount:
        """What other services show of an account."""
        serve_only(service, "devices")
        return await self._account(request.account_key)

    @for_services("ironflock.auth.account.find_erased", AccountKeys)
    async def account_find_erased(self, service: ServiceIdentity, request: AccountKeys) -> list[int]:
        """Which of these accounts are erased: what a service keeps of them must go."""
        serve_only(service, "devices", "privileges")
        keys = request.account_keys
        return await self._database.run(lambda connection: account_list_erased(connection, keys))

    @for_services("ironflock.auth.personal.open", OpenPersonal)
    async def personal_open(self, service: ServiceIdentity, request: OpenPersonal) -> list[str | None]:
        """Personal values of audit entries in clear, for audit alone; None where a person's key is gone."""
        serve_only(service, "audit")
        return await personal.open_all(self._database, self._keyring, request.items)

    @for_services("ironflock.auth.personal.seal", SealPersonal)
    async def personal_seal(self, service: ServiceIdentity, request: SealPersonal) -> str | None:
        """The text, sealed for an audit entry of another service, in base64; None where the person's key is gone."""
        serve_only(service, "tunnels")
        said = await self._database.run(
            lambda connection: personal.said_in_txn(connection, self._keyring, request.account_key, request.text)
        )
        return None if said is None else base64.b64encode(said.sealed).decode()

    @for_people("ironflock.auth.account.erase", EraseAccount)
    async def account_erase(self, person: Person, request: EraseAccount) -> Receipt:
        """Erase the caller's account for good; nobody can read any more what the log says of it. Needs a step-up."""
        await self._step_up.require(person)
        return await self._erasure.erase(person, request)

    async def _account(self, account_key: int) -> PublicAccount:
        account = await self._database.run(lambda connection: account_find(connection, account_key))
        if account is None:
            raise NotFoundError(NO_ACCOUNT)
        return PublicAccount(account_key=account.account_key, login_name=account.login_name)
