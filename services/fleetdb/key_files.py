"""Certificates and private keys as clients of PostgreSQL want them: by the names of files, which are on no disk."""

import os

from services.fleetdb.records.logins import Login


class KeyFiles:
    """A certificate and its key, as libpq wants to be given them: by the names of files.

    The files are in memory and have no name on any disk; they are gone with the process, whichever way it ends.
    """

    def __init__(self, login: Login) -> None:
        """Put both into memory."""
        self._certificate = _in_memory(login.certificate.encode())
        self._key = _in_memory(login.private_key)

    def arguments(self) -> dict[str, str]:
        """What psycopg is given."""
        return {"sslcert": f"/proc/self/fd/{self._certificate}", "sslkey": f"/proc/self/fd/{self._key}"}

    def close(self) -> None:
        """Nobody connects with them any more."""
        os.close(self._certificate)
        os.close(self._key)


def _in_memory(content: bytes) -> int:
    descriptor = os.memfd_create("login", os.MFD_CLOEXEC)
    os.fchmod(descriptor, 0o600)  # libpq refuses a key that others might read
    os.write(descriptor, content)
    return descriptor
