"""The keys with which fleetdb logs in to data backends: made here, certified by realms, sealed at rest."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog
from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.fleetdb.keys import Keyring
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.logins import Certified, Login
from services.fleetdb.store.credentials import login_delete, login_delete_before, login_find, login_upsert
from shared.database import Database
from shared.errors import PublicError, UnavailableError

MARGIN: Final = timedelta(minutes=5)
"""How long before its end a certificate is not begun with any more."""

DOUBT_PAUSE: Final = timedelta(minutes=10)

log = structlog.get_logger()


class Authority(Protocol):
    """What realms does for logins."""

    async def certify(self, backend_key: int, epoch: int, public_key: str) -> Certified:
        """A certificate, for `public_key` in PEM, of the backend's login in this epoch.

        Raises:
            PublicError: Not now, or not that epoch any more.
        """

    async def settled(self, backend_key: int, epoch: int) -> None:
        """The login of `epoch` is in use: those before it may end."""


class Logins:
    """Keys and certificates by backend and epoch."""

    def __init__(self, database: Database, keyring: Keyring, authority: Authority, now: Callable[[], datetime]) -> None:
        """Keep them in `database`; `now` is the time in UTC."""
        self._database = database
        self._keyring = keyring
        self._authority = authority
        self._now = now
        self._doubts: dict[int, datetime] = {}
        self._doubted: set[int] = set()

    async def login_of(self, backend: Backend) -> Login:
        """One that holds: the stored one, or a new one where there is none or it is due.

        Raises:
            PublicError: It must be made, and realms or the database are away.
        """
        is_doubted = backend.backend_key in self._doubted
        self._doubted.discard(backend.backend_key)
        stored = await self._stored(backend)
        if stored is None:
            return await self._new(backend)
        if stored.due_at > self._now() and not is_doubted:
            return stored
        try:
            return await self._new(backend)
        except PublicError:
            if not stored.holds(self._now(), MARGIN):
                raise
            log.warning("login_not_renewed", backend=backend.backend_key, ends_at=str(stored.ends_at))
            return stored

    def is_due(self, login: Login) -> bool:
        """Whether there is to be a new one."""
        return login.due_at <= self._now()

    def doubt(self, backend_key: int) -> None:
        """Nobody was let in with the backend's login: try a new one, now and then, whatever the old one promises.

        It may be that the authority is another one now, as after a backup was put back.
        """
        now, last = self._now(), self._doubts.get(backend_key)
        if last is None or now - last > DOUBT_PAUSE:
            self._doubts[backend_key] = now
            self._doubted.add(backend_key)

    async def settle(self, backend: Backend) -> None:
        """The login of the backend's epoch is in use: tell realms, and forget those before it."""
        await self._authority.settled(backend.backend_key, backend.epoch)
        async with self._database.transaction() as connection:
            await login_delete_before(connection, backend.backend_key, backend.epoch)

    async def forget(self, backend_key: int) -> None:
        """The backend is gone."""
        self._doubts.pop(backend_key, None)
        self._doubted.discard(backend_key)
        async with self._database.transaction() as connection:
            await login_delete(connection, backend_key)

    async def _stored(self, backend: Backend) -> Login | None:
        async with self._database.transaction() as connection:
            found = await login_find(connection, backend.backend_key, backend.epoch)
        if found is None:
            return None
        clear = await self._keyring.open_octets(found.private_key, _place(backend))
        return evolve(found, private_key=clear)

    async def _new(self, backend: Backend) -> Login:
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        answer = await self._authority.certify(backend.backend_key, backend.epoch, public.decode())
        _check(answer, key.public_key(), backend)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        login = Login(
            backend_key=backend.backend_key,
            epoch=backend.epoch,
            private_key=private,
            certificate=answer.certificate,
            starts_at=self._now(),
            ends_at=answer.ends_at,
        )
        sealed = evolve(login, private_key=await self._keyring.seal(private, _place(backend)))
        async with self._database.transaction() as connection:
            await login_upsert(connection, sealed)
        log.info("login_certified", backend=backend.backend_key, epoch=backend.epoch, ends_at=str(answer.ends_at))
        return login


def _place(backend: Backend) -> str:
    return f"fleetdb.backend_login/{backend.backend_key}/{backend.epoch}"


def _check(answer: Certified, public_key: ec.EllipticCurvePublicKey, backend: Backend) -> None:
    """Refuse a certificate of another key or name: with it nobody would be let in."""
    try:
        certificate = x509.load_pem_x509_certificate(answer.certificate.encode())
    except ValueError as error:
        raise UnavailableError("the certificate of a data backend cannot be read") from error
    names = [name.value for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if certificate.public_key() != public_key or names != [backend.login]:
        raise UnavailableError("the certificate of a data backend is not the one that was asked for")
