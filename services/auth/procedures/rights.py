"""The WAMP surface for privileges: whose names and keys are whose, who comes first, who has just shown who they are."""

from services.auth.procedures.callers import serve_only
from services.auth.records.accounts import NameApiKey, PublicAccount, RequireFresh, ResolveAccounts
from services.auth.rules.api_keys import is_key_id
from services.auth.rules.login_names import login_canonical
from services.auth.step_up import StepUp
from services.auth.store.accounts import account_find_first_owner, account_list_named
from services.auth.store.api_keys import api_key_find
from shared.database import Database
from shared.identities import Person, ServiceIdentity
from shared.procedures import NoArguments, for_services

CALLER = "privileges"


class RightsProcedures:
    """What privileges asks of accounts."""

    def __init__(self, database: Database, step_up: StepUp) -> None:
        """Serve from `database`."""
        self._database = database
        self._step_up = step_up

    @for_services("ironflock.auth.account.resolve", ResolveAccounts)
    async def account_resolve(self, service: ServiceIdentity, request: ResolveAccounts) -> list[PublicAccount | None]:
        """Each account that was asked for, in that order.

        By key any that is there; by login name those alone whose person has come and is not erased.
        """
        serve_only(service, CALLER)
        keys = [said for said in request.accounts if isinstance(said, int)]
        names = [login_canonical(said) for said in request.accounts if isinstance(said, str)]
        found = await self._database.run(lambda connection: account_list_named(connection, keys, names))
        shown = {each.account_key: PublicAccount(each.account_key, each.login_name) for each in found}
        named = {each.login_canonical: shown[each.account_key] for each in found if each.is_here}
        return [
            shown.get(said) if isinstance(said, int) else named.get(login_canonical(said)) for said in request.accounts
        ]

    @for_services("ironflock.auth.account.first_owner")
    async def account_first_owner(self, service: ServiceIdentity, request: NoArguments) -> int | None:  # noqa: ARG002
        """The first owner's account; None where there is none any more."""
        serve_only(service, CALLER)
        return await self._database.run(account_find_first_owner)

    @for_services("ironflock.auth.session.require_fresh", RequireFresh)
    async def session_require_fresh(self, service: ServiceIdentity, request: RequireFresh) -> None:
        """Let pass who has shown within five minutes who they are, by the credential with which they ask.

        Raises:
            StepUpRequiredError: They have not.
        """
        serve_only(service, CALLER)
        await self._step_up.require(Person(request.account_key, 0, request.credential))

    @for_services("ironflock.auth.api_key.owner", NameApiKey)
    async def api_key_owner(self, service: ServiceIdentity, request: NameApiKey) -> int | None:
        """The person whose key that is, also by way of a service account of theirs; None where there is no such key."""
        serve_only(service, CALLER)
        if not is_key_id(request.key_id):
            return None
        key = await self._database.run(lambda connection: api_key_find(connection, request.key_id))
        return None if key is None else key.owner_key or key.account_key
