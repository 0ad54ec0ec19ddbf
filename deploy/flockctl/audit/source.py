"""A log that is served over HTTPS, read with the standard library: verification needs neither the bus nor a reactor."""

import http.client
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from deploy.flockctl.errors import AwayError, CommandError, ExitStatus
from shared.tlog.errors import AbsentError
from shared.tlog.layout import CHECKPOINT_PATH, entries_path, tile_path

TIMEOUT_S: Final = 30
MAX_BODY_LENGTH: Final = 1_000_000
"""Octets: the longest note that is read; a full tile has 8,192, a full bundle of commitments 8,704."""
OK: Final = 200
ABSENT: Final = frozenset({404, 410})


class HttpsLog:
    """Reads tiles below an HTTPS prefix, over one connection that stays open."""

    def __init__(self, prefix: str, ca: Path | None) -> None:
        """Read below `prefix`; `ca` is a PEM file of the authorities to trust, or None for the system's.

        Raises:
            CommandError: The prefix is no HTTPS URL, or the file cannot be read.
        """
        url = urlsplit(prefix)
        if url.scheme != "https" or not url.hostname or url.query or url.fragment or url.username is not None:
            raise CommandError("usage", "the log's URL must be https://<host>[:<port>]/<prefix>", ExitStatus.USAGE)
        try:
            context = ssl.create_default_context(cafile=ca)
            port = url.port
        except (OSError, ssl.SSLError, ValueError) as error:
            raise CommandError("no_ca", "the CA file or the port of the URL cannot be used") from error
        self._path = url.path.rstrip("/")
        self._connection = http.client.HTTPSConnection(url.hostname, port, timeout=TIMEOUT_S, context=context)

    def checkpoint(self) -> bytes:
        """The signed head."""
        return self._get(CHECKPOINT_PATH)

    def tile(self, level: int, index: int, width: int) -> bytes:
        """The content of a tile."""
        return self._get(tile_path(level, index, width))

    def entries(self, index: int, width: int) -> bytes:
        """The content of an entry bundle."""
        return self._get(entries_path(index, width))

    def close(self) -> None:
        """Give the connection up."""
        self._connection.close()

    def _get(self, path: str) -> bytes:
        try:
            status, body = self._answer(path)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise AwayError(f"{path} cannot be read: {error}") from error
        if status in ABSENT:
            raise AbsentError(path)
        if status != OK:
            raise AwayError(f"{path} cannot be read: HTTP status {status}")
        return body

    def _answer(self, path: str) -> tuple[int, bytes]:
        self._connection.request("GET", f"{self._path}/{path}", headers={"Accept-Encoding": "identity"})
        response = self._connection.getresponse()
        body = response.read(MAX_BODY_LENGTH + 1)
        if len(body) > MAX_BODY_LENGTH:
            # What follows on this connection would be the rest of this answer; the octets so far are malformed anyway.
            self.close()
        return response.status, body
