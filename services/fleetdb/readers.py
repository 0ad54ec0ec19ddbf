"""Logins of people who read by SQL: certified by realms each time somebody comes; their keys live in memory alone."""

import asyncio
import ssl
import weakref
from collections.abc import Callable
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.fleetdb.key_files import KeyFiles
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.logins import Admitted, Login
from services.fleetdb.records.sql import Admission
from shared.bus import Bus
from shared.clusters import Address
from shared.errors import UnavailableError
from shared.procedures import answered
from shared.tls import client_context

PROCEDURE: Final = "ironflock.realms.backend.admit"
TIMEOUT_S: Final = 10.0
"""A little longer than realms itself waits for its provisioner."""
REMEMBERED: Final = 1_000
"""More than can be open at once."""
GONE: Final = "your login is to be made anew; connect again"


class Readers:
    """The logins of those who have come."""

    def __init__(self, bus: Bus, address_of: Callable[[str], Address], now: Callable[[], datetime]) -> None:
        """Ask realms over `bus`; `address_of` has the CA of each cluster; `now` is the time in UTC."""
        self._bus = bus
        self._address_of = address_of
        self._now = now
        self._tls: dict[tuple[int, int], ssl.SSLContext] = {}
        self._turns: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()

    async def login_of(self, backend: Backend, account_key: int) -> str:
        """The person's login at the backend, open and newly certified: it may have been closed since they came last.

        One at a time of each person: the provisioner is there for all projects.

        Raises:
            PublicError: Realms or its provisioner is away, or the backend is not ready.
        """
        async with self._turns.setdefault(account_key, asyncio.Lock()):
            return await self._certified(backend, account_key)

    async def _certified(self, backend: Backend, account_key: int) -> str:
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        answer = await self._bus.call(
            PROCEDURE,
            timeout_s=TIMEOUT_S,
            backend_key=backend.backend_key,
            account_key=account_key,
            public_key=public.decode(),
        )
        admitted = answered(Admitted, answer)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        login = Login(backend.backend_key, 0, private, admitted.certificate, self._now(), admitted.ends_at)
        place = backend.backend_key, account_key
        self._tls.pop(place, None)
        self._tls[place] = self._context(login, backend.cluster)
        while len(self._tls) > REMEMBERED:
            del self._tls[next(iter(self._tls))]
        return admitted.login

    async def tls_of(self, admission: Admission) -> ssl.SSLContext:
        """TLS towards PostgreSQL with the certificate of the admission's login.

        Raises:
            UnavailableError: It is not known any more.
        """
        tls = self._tls.get((admission.backend_key, admission.account_key))
        if tls is None:
            raise UnavailableError(GONE)
        return tls

    def _context(self, login: Login, cluster: str) -> ssl.SSLContext:
        context, files = client_context(self._address_of(cluster).ca), KeyFiles(login)
        try:
            named = files.arguments()
            context.load_cert_chain(named["sslcert"], named["sslkey"])
        finally:
            files.close()
        return context
