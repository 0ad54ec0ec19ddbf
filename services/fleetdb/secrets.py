"""Secret columns: sealed before they are stored, opened for the app itself alone (wire-sdk.md section 6)."""

from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from services.fleetdb.errors import typed
from services.fleetdb.keys import Keyring
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import DEVICE, Table
from services.fleetdb.rules.sealed import is_ciphertext, is_kept, place_of
from shared.sealed_texts import octets_of, prefix_of, text_of
from shared.secrets import SecretsError

log = structlog.get_logger()


class Secrets:
    """The secret columns of all backends."""

    def __init__(self, keyring: Keyring) -> None:
        """Seal and open with `keyring`."""
        self._keyring = keyring

    async def seal(self, backend: Backend, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a row with those of secret columns sealed.

        One that stands for the value that is there is left out: the row inherits it from its entity's latest row, as
        whatever it does not give.

        Raises:
            Refusal: One is sealed already, or stands for another while the row does not say of which entity it is.
        """
        found = dict(values)
        for column in table.secret_columns:
            value = found.get(column)
            if value is None:
                continue
            if is_kept(value):
                _check_entity(table, column, values)
                del found[column]
            elif is_ciphertext(value):
                raise typed("secret_ciphertext_rejected", f"column {column!r}: this is a sealed value, not a secret")
            else:
                found[column] = await self.sealed(backend, table, column, value)
        return found

    async def open(self, backend: Backend, table: Table, rows: Iterable[dict[str, Any]]) -> None:
        """Put the clear values into `rows`, which have them as they are stored.

        What was stored before its column became secret is in clear already. What does not open is None: one bad value
        never makes a table unreadable.
        """
        columns = table.secret_columns
        for row in rows:
            for column in columns:
                if row.get(column) is not None:
                    row[column] = await self.opened(backend, table, column, row[column])

    async def opened(self, backend: Backend, table: Table, column: str, stored: str) -> str | None:
        """The clear value of one."""
        sealed = octets_of(stored)
        if sealed is None:
            return stored
        try:
            return await self._keyring.open(sealed, place_of(backend.backend_key, table.name, column))
        except SecretsError as error:
            log.warning(
                "secret_not_opened",
                backend=backend.backend_key,
                table=table.name,
                column=column,
                reason=str(error),
            )
            return None

    async def sealed(self, backend: Backend, table: Table, column: str, clear: str) -> str:
        """`clear` as `column` holds it."""
        return text_of(await self._keyring.seal(clear, place_of(backend.backend_key, table.name, column)))

    async def prefix(self) -> str:
        """How every value begins that the active data key sealed."""
        return prefix_of((await self._keyring.load()).header)


def _check_entity(table: Table, column: str, values: Mapping[str, Any]) -> None:
    is_whole = all(key == DEVICE or values.get(key) is not None for key in table.entity_key)
    if not table.entity_key or not is_whole:
        detail = f"column {column!r}: there is no entity whose earlier value could be kept"
        raise typed("secret_sentinel_unresolvable", detail)
