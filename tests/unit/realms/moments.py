"""Moments for the rules of realms."""

from datetime import UTC, datetime
from typing import Final

LATER: Final = datetime(2126, 1, 1, tzinfo=UTC)
