"""Rows on their way, as COPY writes them in text: devices by their new keys, secrets in clear inside what is sealed.

Two things of a row are of the installation that it is in: the key of its device, and values that are sealed there.
Source: PostgreSQL's documentation of COPY, "Text Format".
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from attrs import frozen

from deploy.backup.errors import UntrustedError
from shared.sealed_texts import FORM

CLEAR: Final = b"ifsec:carried:"
"""A secret on its way. No app's text begins so: fleetdb takes none that begins with `ifsec:`."""
SEALED: Final = FORM.encode()
END: Final = b"\\.\n"
"""Ends the rows of a table; no row looks like it."""
MAX_LINE_OCTETS: Final = 1 << 28
"""Of a row: PostgreSQL itself makes none longer than 1 GiB, fleetdb takes much shorter ones."""
Change: TypeAlias = Callable[[str, bytes], bytes]


@frozen
class Rows:
    """How rows of one table are changed: columns in their order, secrets by `secret` (column, value)."""

    columns: tuple[str, ...]
    mark: bytes
    secret: Change
    device_place: int | None = None
    device: Callable[[int], int] = lambda key: key

    def changed(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The lines as they go on."""
        for line in lines:
            if self.mark not in line and self.device_place is None:
                yield line
                continue
            fields = line.rstrip(b"\n").split(b"\t")
            if self.device_place is not None:
                fields[self.device_place] = self._device(fields[self.device_place])
            if self.mark in line:
                for place, field in enumerate(fields):
                    if field.startswith(self.mark):
                        fields[place] = self.secret(self.columns[place], field)
            yield b"\t".join(fields) + b"\n"

    def _device(self, field: bytes) -> bytes:
        key = int(field)
        return b"%d" % (self.device(key) if key > 0 else key)  # boards write as device -1


def carried_secret(clear: str) -> bytes:
    """A secret value in clear, as it is carried."""
    return CLEAR + base64.urlsafe_b64encode(clear.encode())


def secret_in(field: bytes) -> bytes:
    """The inverse of `carried_secret`.

    Raises:
        UntrustedError: It is none.
    """
    try:
        return base64.b64decode(field.removeprefix(CLEAR), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise UntrustedError("a secret value is not of its form") from error
