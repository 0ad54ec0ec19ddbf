"""The WAMP surface of API keys and service accounts."""

from services.auth.api_keys import ApiKeys
from services.auth.erasure import Erasure
from services.auth.records.api_keys import (
    ApiKeyList,
    CreateApiKey,
    CreateServiceAccount,
    EndApiKey,
    ListApiKeys,
    NameServiceAccount,
    NewApiKey,
    RotateApiKey,
    ServiceAccount,
    ServiceAccountList,
)
from services.auth.service_accounts import ServiceAccounts
from services.auth.step_up import StepUp
from shared.identities import Person
from shared.procedures import NoArguments, for_people


class ApiKeyProcedures:
    """What people do with keys."""

    def __init__(self, api_keys: ApiKeys, service_accounts: ServiceAccounts, step_up: StepUp, erasure: Erasure) -> None:
        """Serve both; making keys and accounts asks for a `step_up`; `erasure` sees to what an ended account leaves."""
        self._erasure = erasure
        self._api_keys = api_keys
        self._service_accounts = service_accounts
        self._step_up = step_up

    @for_people("ironflock.auth.api_key.create", CreateApiKey)
    async def api_key_create(self, person: Person, request: CreateApiKey) -> NewApiKey:
        """A new key; its text is shown this once. Needs a step-up."""
        await self._step_up.require(person)
        return await self._api_keys.create(person, request)

    @for_people("ironflock.auth.api_key.list", ListApiKeys, is_reading=True)
    async def api_key_list(self, person: Person, request: ListApiKeys) -> ApiKeyList:
        """The caller's keys, with when and from where each was used last."""
        return ApiKeyList(await self._api_keys.of(person, request.account_key))

    @for_people("ironflock.auth.api_key.rotate", RotateApiKey)
    async def api_key_rotate(self, person: Person, request: RotateApiKey) -> NewApiKey:
        """A new key in place of an old one, which opens for an overlap that ends. Needs a step-up."""
        await self._step_up.require(person)
        return await self._api_keys.rotate(person, request)

    @for_people("ironflock.auth.api_key.end", EndApiKey)
    async def api_key_end(self, person: Person, request: EndApiKey) -> None:
        """A key opens nothing any more; what it opened ends."""
        await self._api_keys.end(person, request)

    @for_people("ironflock.auth.service_account.create", CreateServiceAccount)
    async def service_account_create(self, person: Person, request: CreateServiceAccount) -> ServiceAccount:
        """An account for programs, which the caller owns. Needs a step-up."""
        await self._step_up.require(person)
        return await self._service_accounts.create(person, request.name)

    @for_people("ironflock.auth.service_account.list", is_reading=True)
    async def service_account_list(self, person: Person, request: NoArguments) -> ServiceAccountList:  # noqa: ARG002
        """The service accounts that the caller owns."""
        return ServiceAccountList(await self._service_accounts.of(person))

    @for_people("ironflock.auth.service_account.end", NameServiceAccount)
    async def service_account_end(self, person: Person, request: NameServiceAccount) -> None:
        """End a service account for good, with all its keys. Needs a step-up."""
        await self._step_up.require(person)
        await self._service_accounts.owned(person, request.account_key)
        if not request.with_projects:
            await self._erasure.refuse_owners([request.account_key])
        await self._service_accounts.end(person, request.account_key)
        self._erasure.hurry()
