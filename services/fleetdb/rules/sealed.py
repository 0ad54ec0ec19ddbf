"""Secret values of apps: which texts stand for one, and what each is bound to (wire-sdk.md section 6)."""

from typing import Any, Final

from services.fleetdb.records.tables import HIDDEN

PREFIX: Final = "ifsec:"
"""No text that begins so is taken from apps: it would stand for what another one sealed."""
KEPT: Final = frozenset({HIDDEN, "\u2022" * 8})
"""What forms send back of a secret that they were not shown: keep what is there."""


def place_of(backend_key: int, table: str, column: str) -> str:
    """What a secret value is bound to: in another backend, table or column it opens nothing."""
    return f"fleetdb/{backend_key}/{table}/{column}"


def is_kept(value: Any) -> bool:
    """Whether it stands for the value that is there already."""
    return value in KEPT


def is_ciphertext(value: Any) -> bool:
    """Whether it looks as if it had been sealed."""
    return isinstance(value, str) and value.startswith(PREFIX)
