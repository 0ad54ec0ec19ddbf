"""The WAMP surface of auth: credentials for the router, secrets for flashing, assertions for services."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from joserfc.jwk import KeySetSerialization

from services.auth import personal, rules, store
from services.auth.erasure import NO_ACCOUNT, Erasure
from services.auth.keyring import Keyring
from services.auth.records import (
    AccountKey,
    AccountKeys,
    ApiKey,
    DeviceCredential,
    DeviceKey,
    DeviceSecrets,
    EraseAccount,
    FindDeviceCredential,
    FoundDeviceCredential,
    IssueAssertion,
    IssuedAssertion,
    IssueDeviceCredential,
    OpenPersonal,
    PublicAccount,
    Receipt,
    VerifiedTicket,
    VerifyTicket,
)
from services.auth.signing import Signing
from shared import api_keys, assertions, audit
from shared.database import Database
from shared.errors import NotAuthorizedError, NotFoundError
from shared.identities import Person, ServiceIdentity
from shared.procedures import NoArguments, for_people, for_services

NONCE_OCTETS: Final = 16
NO_CREDENTIAL: Final = "this device has no credential; flash it"


class Procedures:
    """Auth's procedures; each names the callers that it serves, whatever the router let through."""

    def __init__(
        self, database: Database, keyring: Keyring, signing: Signing, erasure: Erasure, now: Callable[[], float]
    ) -> None:
        """Serve from `database`; `now` gives Unix seconds."""
        self._now = now
        self._erasure = erasure
        self._database = database
        self._keyring = keyring
        self._signing = signing

    @for_services("ironflock.auth.device_credential.find", FindDeviceCredential)
    async def device_credential_find(
        self, service: ServiceIdentity, request: FindDeviceCredential
    ) -> FoundDeviceCredential | None:
        """The secret of the device that wants to join as `authid`, for the router alone; None where there is none."""
        _only(service, "router")
        device_key = rules.device_key_of(request.authid)
        if device_key is None:
            return None
        credential = await self._database.run(lambda connection: store.device_credential_find(connection, device_key))
        if credential is None or not rules.belongs(credential, request.authid):
            return None
        return FoundDeviceCredential(
            state=credential.state,
            secret=await self._keyring.open(credential.secret, _secret_of(device_key)),
            device_key=device_key,
            project_key=credential.project_key,
            serial_number=credential.serial_number,
            flash_id=credential.flash_id,
        )

    @for_services("ironflock.auth.device_credential.issue", IssueDeviceCredential)
    async def device_credential_issue(self, service: ServiceIdentity, request: IssueDeviceCredential) -> DeviceSecrets:
        """New secrets for a device; the old ones no longer open from the moment this commits (decision 4)."""
        _only(service, "devices")
        fresh = rules.device_secrets(secrets.token_bytes(2 * rules.SECRET_OCTETS))
        credential = await self._sealed(request, fresh)
        async with self._database.transaction() as connection:
            await store.device_credential_lock_in_txn(connection, request.device_key)
            stored = await store.device_credential_find(connection, request.device_key)
            if stored is not None and stored.flash_id == request.flash_id:
                return await self._opened(stored)
            await store.device_credential_upsert(connection, credential)
            await audit.record(connection, _about_credential(service, audit.Action.DEVICE_CREDENTIAL_ISSUED, request))
        return fresh

    @for_services("ironflock.auth.device_credential.end", DeviceKey)
    async def device_credential_end(self, service: ServiceIdentity, request: DeviceKey) -> None:
        """End a device's secrets for good; repeating it changes nothing."""
        _only(service, "devices")
        async with self._database.transaction() as connection:
            await store.device_credential_lock_in_txn(connection, request.device_key)
            if await store.device_credential_end(connection, request.device_key) is not None:
                action = audit.Action.DEVICE_CREDENTIAL_ENDED
                await audit.record(connection, _about_credential(service, action, request))

    @for_services("ironflock.auth.app_cred_key.find", DeviceKey)
    async def app_cred_key_find(self, service: ServiceIdentity, request: DeviceKey) -> str:
        """The key from which the device derives its apps' credentials."""
        _only(service, "devices")
        key = request.device_key
        credential = await self._database.run(lambda connection: store.device_credential_find(connection, key))
        if credential is None or credential.state != "active":
            raise NotFoundError(NO_CREDENTIAL)
        return (await self._opened(credential)).app_cred_key

    @for_services("ironflock.auth.ticket.verify", VerifyTicket)
    async def ticket_verify(self, service: ServiceIdentity, request: VerifyTicket) -> VerifiedTicket | None:
        """Whose ticket it is, for the router alone; None where it opens nothing, whatever the reason."""
        _only(service, "router")
        key = await self._opening_key(request.ticket)
        if key is None:
            return None
        return VerifiedTicket(account_key=key.account_key, credential=key.key_id, ends_at=key.ends_at.timestamp())

    @for_services("ironflock.auth.assertion.issue", IssueAssertion)
    async def assertion_issue(self, service: ServiceIdentity, request: IssueAssertion) -> IssuedAssertion:
        """A proof that the holder of the ticket wants this one call, for the gateway alone."""
        _only(service, "gateway")
        key = await self._opening_key(request.ticket)
        if key is None:
            raise NotAuthorizedError("the credential does not open anything; sign in again")
        person = Person(account_key=key.account_key, session=0, credential=key.key_id)
        claims = assertions.claims_for(
            person,
            audience=request.audience,
            procedure=request.procedure,
            digest=request.arguments_hash,
            nonce=secrets.token_urlsafe(NONCE_OCTETS),
            now=self._now(),
        )
        return IssuedAssertion(assertions.sign(claims, await self._signing.key()))

    @for_services("ironflock.auth.assertion.keys")
    async def assertion_keys(self, service: ServiceIdentity, request: NoArguments) -> KeySetSerialization:  # noqa: ARG002
        """The public keys that verify assertions, as a JWK set."""
        return await self._signing.public_keys()

    @for_services("ironflock.auth.account.find", AccountKey)
    async def account_find(self, service: ServiceIdentity, request: AccountKey) -> PublicAccount:
        """What other services show of an account."""
        _only(service, "devices")
        return await self._account(request.account_key)

    @for_services("ironflock.auth.account.find_erased", AccountKeys)
    async def account_find_erased(self, service: ServiceIdentity, request: AccountKeys) -> list[int]:
        """Which of these accounts are erased: what a service keeps of them must go."""
        _only(service, "devices")
        keys = request.account_keys
        return await self._database.run(lambda connection: store.account_list_erased(connection, keys))

    @for_services("ironflock.auth.personal.open", OpenPersonal)
    async def personal_open(self, service: ServiceIdentity, request: OpenPersonal) -> list[str | None]:
        """Personal values of audit entries in clear, for audit alone; None where a person's key is gone."""
        _only(service, "audit")
        return await personal.open_all(self._database, self._keyring, request.items)

    @for_people("ironflock.auth.account.me")
    async def account_me(self, person: Person, request: NoArguments) -> PublicAccount:  # noqa: ARG002
        """The caller's own account."""
        return await self._account(person.account_key)

    @for_people("ironflock.auth.account.erase", EraseAccount)
    async def account_erase(self, person: Person, request: EraseAccount) -> Receipt:
        """Erase the caller's account for good; what the log says of it can be read by nobody any more."""
        return await self._erasure.erase(person, request)

    async def _account(self, account_key: int) -> PublicAccount:
        account = await self._database.run(lambda connection: store.account_find(connection, account_key))
        if account is None:
            raise NotFoundError(NO_ACCOUNT)
        return PublicAccount(account_key=account.account_key, login_name=account.login_name)

    async def _opening_key(self, ticket: str) -> ApiKey | None:
        ticket = ticket.strip()
        if not api_keys.is_well_formed(ticket):
            return None
        key_id, now = api_keys.key_id(ticket), datetime.fromtimestamp(self._now(), UTC)
        key = await self._database.run(lambda connection: store.api_key_find(connection, key_id))
        if key is None or not rules.opens(key, presented=api_keys.key_hash(ticket), now=now):
            return None
        await self._database.run(lambda connection: store.api_key_touch(connection, key_id))
        return key

    async def _sealed(self, request: IssueDeviceCredential, fresh: DeviceSecrets) -> DeviceCredential:
        return DeviceCredential(
            device_key=request.device_key,
            project_key=request.project_key,
            serial_number=request.serial_number,
            state="active",
            flash_id=request.flash_id,
            secret=await self._keyring.seal(fresh.secret, _secret_of(request.device_key)),
            app_cred_key=await self._keyring.seal(fresh.app_cred_key, _app_cred_key_of(request.device_key)),
            tunnel_proof_digest=rules.tunnel_proof_digest(fresh.secret, request.device_key),
        )

    async def _opened(self, stored: DeviceCredential) -> DeviceSecrets:
        return DeviceSecrets(
            secret=await self._keyring.open(stored.secret, _secret_of(stored.device_key)),
            app_cred_key=await self._keyring.open(stored.app_cred_key, _app_cred_key_of(stored.device_key)),
        )


def _only(service: ServiceIdentity, *names: str) -> None:
    if service.name not in names:
        raise NotAuthorizedError("this procedure is not for you")


def _secret_of(device_key: int) -> str:
    return f"auth.device_credential/{device_key}/secret"


def _app_cred_key_of(device_key: int) -> str:
    return f"auth.device_credential/{device_key}/app_cred_key"


def _about_credential(
    service: ServiceIdentity, action: audit.Action, request: IssueDeviceCredential | DeviceKey
) -> audit.Draft:
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.CREDENTIAL,
        actor=audit.actor_of(service),
        asset=audit.Asset("device", request.device_key),
        project_key=request.project_key if isinstance(request, IssueDeviceCredential) else None,
        request_id=str(request.flash_id) if isinstance(request, IssueDeviceCredential) else None,
    )
