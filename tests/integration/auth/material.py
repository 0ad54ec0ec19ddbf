"""Keys and moments of these tests."""

from datetime import UTC, datetime

from shared.api_keys import ENTROPY_OCTETS, mint
from shared.secrets import MasterKeys

MOMENT = datetime.now(UTC)  # noqa: TID251 - keys end by the database's clock
NOW = MOMENT.timestamp()
OWNER_KEY = mint(b"a" * ENTROPY_OCTETS)
OTHER_KEY = mint(b"b" * ENTROPY_OCTETS)


def masters(active: str, *others: str) -> MasterKeys:
    """Master keys that are told by their names."""
    return MasterKeys(active, {name: name.encode().ljust(32, b".") for name in (active, *others)})
