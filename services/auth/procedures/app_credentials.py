"""The WAMP surface of apps' credentials: for the router, which lets apps in, and for devices."""

from attrs import evolve

from services.auth.apps import Apps
from services.auth.keyring import Keyring
from services.auth.locks import Locks
from services.auth.procedures.callers import serve_only
from services.auth.procedures.devices import NO_CREDENTIAL, app_cred_key_of
from services.auth.records.app_credentials import (
    AppCredential,
    AppPrincipal,
    DeviceWithApps,
    Epoch,
    Facts,
    FindAppCredential,
    FoundAppCredential,
    KnownDevice,
    NameAppCredential,
    Reason,
    RotateAppCredential,
    RotatedAppCredential,
    StoredKey,
    Wish,
)
from services.auth.records.devices import DeviceCredential
from services.auth.rules import app_credentials as rules
from services.auth.store import app_credentials as store
from services.auth.store.devices import device_credential_find, device_credential_lock_in_txn
from shared import audit
from shared.database import Connection, Database
from shared.errors import NotFoundError
from shared.identities import MAX_KEY, ServiceIdentity
from shared.procedures import for_services

FIRST = Epoch(rules.FIRST_EPOCH, None)


class AppCredentialProcedures:
    """Apps' credentials; each procedure names the callers that it serves, whatever the router let through."""

    def __init__(self, database: Database, keyring: Keyring, locks: Locks, apps: Apps) -> None:
        """Serve from `database`, and from what other services tell of `apps` and their projects."""
        self._database = database
        self._keyring = keyring
        self._locks = locks
        self._apps = apps

    @for_services("ironflock.auth.app_credential.find", FindAppCredential)
    async def app_credential_find(self, service: ServiceIdentity, request: FindAppCredential) -> FoundAppCredential:
        """What becomes of an app that wants to join a data realm under an authid, for the router alone.

        Raises:
            UnavailableError, OutcomeUnknownError: Devices is away, whoever it is: nobody knows now.
        """
        serve_only(service, "router")
        wish = rules.wish_of(request.realm, request.authid)
        if isinstance(wish, Reason):
            return FoundAppCredential(wish)
        serial_number = rules.serial_of(wish)
        device = None if serial_number is None else await self._apps.on_device(serial_number)
        if serial_number is None or device is None or self._locks.is_device_out(device.project_key, device.device_key):
            return FoundAppCredential(Reason.UNKNOWN_DEVICE)
        key = await self._database.run(lambda connection: store.app_cred_key_find(connection, serial_number))
        known = _known(device, key)
        if known is None or not rules.is_there(wish, known):
            return FoundAppCredential(Reason.UNKNOWN_DEVICE)
        is_asked = rules.needs_standing(wish, known)
        standing = await self._apps.standing(wish, device) if is_asked else rules.NO_STANDING
        reason = rules.decide(wish, Facts(known, await self._epoch(wish, device.device_key), standing))
        found = await self._found(reason, wish, device, key)
        if found.role is None:
            return found
        return evolve(found, cell=await self._apps.cell_for(device.project_key, is_proven=request.is_proven))

    @for_services("ironflock.auth.app_credential.derive", NameAppCredential)
    async def app_credential_derive(self, service: ServiceIdentity, request: NameAppCredential) -> AppCredential:
        """The credential that the device makes for one of its apps, in clear.

        Raises:
            NotFoundError: The device has no secrets.
        """
        serve_only(service, "devices")
        device_key, app_key, stage = request.device_key, request.app_key, request.stage
        credential = await self._database.run(lambda connection: _active(connection, device_key))
        stored = await self._database.run(lambda connection: store.epoch_find(connection, device_key, app_key, stage))
        epoch = (stored or FIRST).current
        key = await self._keyring.open(credential.app_cred_key, app_cred_key_of(device_key))
        secret = rules.app_secret(key, AppPrincipal(app_key, stage, epoch, str(credential.serial_number)))
        return AppCredential(rules.app_authid(app_key, stage, epoch, credential.serial_number), secret)

    @for_services("ironflock.auth.app_credential.rotate", RotateAppCredential)
    async def app_credential_rotate(
        self, service: ServiceIdentity, request: RotateAppCredential
    ) -> RotatedAppCredential:
        """The next epoch counts; the one before it for 15 minutes more, and no older one.

        Raises:
            NotFoundError: The device has no secrets.
        """
        serve_only(service, "devices")
        async with self._database.transaction() as connection:
            await device_credential_lock_in_txn(connection, request.device_key)
            credential = await _active(connection, request.device_key)
            epoch, overlap_until = await store.epoch_raise(
                connection, request.device_key, request.app_key, request.stage, overlap_s=rules.OVERLAP_S
            )
            await audit.record(connection, _rotated(service, request, credential, epoch))
        return RotatedAppCredential(epoch=epoch, overlap_until=overlap_until)

    async def _epoch(self, wish: Wish, device_key: int) -> Epoch:
        principal = wish.principal
        if not isinstance(principal, AppPrincipal) or principal.app_key > MAX_KEY:
            return FIRST
        stored = await self._database.run(
            lambda connection: store.epoch_find(connection, device_key, principal.app_key, principal.stage)
        )
        return stored or FIRST

    async def _found(
        self, reason: Reason, wish: Wish, device: DeviceWithApps, key: StoredKey | None
    ) -> FoundAppCredential:
        principal, serial_number = wish.principal, wish.principal.serial_number
        secret = None
        if reason in rules.WITH_SECRET:
            secret = serial_number
            if isinstance(principal, AppPrincipal) and key is not None:
                opened = await self._keyring.open(key.app_cred_key, app_cred_key_of(device.device_key))
                secret = rules.app_secret(opened, principal)
        return FoundAppCredential(
            reason=reason,
            role=rules.ROLES.get(reason),
            secret=secret,
            authid=serial_number,
            device_key=device.device_key,
            project_key=device.project_key,
        )


def _known(device: DeviceWithApps, key: StoredKey | None) -> KnownDevice | None:
    """The device as both services know it, None where one of them knows it as gone or elsewhere."""
    if key is not None and (key.state, key.project_key) != ("active", device.project_key):
        return None
    return KnownDevice(device.project_key, frozenset(device.apps), has_key=key is not None)


async def _active(connection: Connection, device_key: int) -> DeviceCredential:
    credential = await device_credential_find(connection, device_key)
    if credential is None or credential.state != "active":
        raise NotFoundError(NO_CREDENTIAL)
    return credential


def _rotated(
    service: ServiceIdentity, request: RotateAppCredential, credential: DeviceCredential, epoch: int
) -> audit.Draft:
    which = {"app_key": request.app_key, "stage": request.stage}
    return audit.Draft(
        action=audit.Action.APP_CREDENTIAL_ROTATED,
        aspect=audit.Aspect.CREDENTIAL,
        actor=evolve(audit.actor_of(service), on_behalf_of=request.account_key),
        asset=audit.Asset("device", request.device_key),
        project_key=credential.project_key,
        before={**which, "epoch": epoch - 1},
        after={**which, "epoch": epoch},
    )
