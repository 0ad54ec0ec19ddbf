"""People who read a data backend by SQL: a login of their own, certified each time fleetdb has let them in."""

from services.realms.backends import Backends, check_ready, random_name
from services.realms.records.backends import JobKind
from services.realms.records.readers import AdmitReader, Reader
from services.realms.rules.public_keys import public_key_of
from services.realms.store import backends as store
from services.realms.store import provisioning
from services.realms.store.readers import reader_ensure
from shared.database import Database


class Readers:
    """Has their logins made and certified."""

    def __init__(self, database: Database, backends: Backends) -> None:
        """Keep them in `database`."""
        self._database = database
        self._backends = backends

    async def admit(self, asked: AdmitReader) -> Reader:
        """The person's login at the backend, with a certificate for the key that was shown.

        Raises:
            InvalidArgumentError: That is no public key of the kind that is taken.
            NotFoundError, ConflictError: There is no such backend, or it is not ready.
            UnavailableError: The provisioner did not answer in time.
        """
        public_key_of(asked.public_key)
        check_ready(await self._database.run(lambda one: store.backend_find(one, asked.backend_key)))
        async with self._database.transaction() as connection:
            login = await reader_ensure(connection, asked.backend_key, asked.account_key, random_name("r"))
            job_key = await provisioning.job_insert(
                connection,
                JobKind.ADMIT,
                asked.backend_key,
                account_key=asked.account_key,
                public_key=asked.public_key,
            )
        await self._backends.hurry()
        certificate = await self._backends.awaited(job_key)
        return Reader(login, certificate.certificate, certificate.ends_at)
