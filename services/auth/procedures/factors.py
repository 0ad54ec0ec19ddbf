"""The WAMP surface of second factors; they are set up on auth's pages, where a browser is."""

from services.auth.factors import Factors, overview_in_txn
from services.auth.passkeys import Passkeys
from services.auth.procedures.callers import serve_only
from services.auth.records.accounts import AccountKey
from services.auth.records.factors import FactorOverview, NamePasskey, RecoveryCodes, RenamePasskey
from services.auth.step_up import StepUp
from shared.database import Database
from shared.identities import Person, ServiceIdentity
from shared.procedures import NoArguments, for_people, for_services


class FactorProcedures:
    """A person's own factors."""

    def __init__(self, database: Database, factors: Factors, passkeys: Passkeys, step_up: StepUp) -> None:
        """Serve from `database`."""
        self._database = database
        self._factors = factors
        self._passkeys = passkeys
        self._step_up = step_up

    @for_people("ironflock.auth.factor.list", is_reading=True)
    async def factor_list(self, person: Person, request: NoArguments) -> FactorOverview:  # noqa: ARG002
        """Which second factors the caller has."""
        return await self._factors.overview(person.account_key)

    @for_people("ironflock.auth.totp.remove")
    async def totp_remove(self, person: Person, request: NoArguments) -> None:  # noqa: ARG002
        """No codes of an authenticator app any more. Needs a step-up."""
        await self._step_up.require(person)
        await self._factors.remove_totp(person)

    @for_people("ironflock.auth.recovery_codes.renew")
    async def recovery_codes_renew(self, person: Person, request: NoArguments) -> RecoveryCodes:  # noqa: ARG002
        """Ten new recovery codes, shown this once; those before open nothing. Needs a step-up."""
        await self._step_up.require(person)
        return RecoveryCodes(await self._factors.renew_recovery_codes(person.account_key, person.credential))

    @for_people("ironflock.auth.passkey.rename", RenamePasskey)
    async def passkey_rename(self, person: Person, request: RenamePasskey) -> None:
        """Call one of the caller's passkeys otherwise."""
        await self._passkeys.rename(person, request.passkey, request.name)

    @for_people("ironflock.auth.passkey.remove", NamePasskey)
    async def passkey_remove(self, person: Person, request: NamePasskey) -> None:
        """One of the caller's passkeys opens nothing any more. Needs a step-up."""
        await self._step_up.require(person)
        await self._passkeys.remove(person, request.passkey)

    @for_services("ironflock.auth.account.has_factor", AccountKey)
    async def account_has_factor(self, service: ServiceIdentity, request: AccountKey) -> bool:
        """Whether a person has a second factor: what a project can require of its members."""
        serve_only(service, "realms", "devices")
        async with self._database.transaction() as connection:
            return (await overview_in_txn(connection, request.account_key)).has_any
