"""How Go's implementations are asked."""

import base64
from collections.abc import Callable
from typing import Any

Ask = Callable[..., dict[str, Any]]


def b64(octets: bytes) -> str:
    """Octets as Go reads them from JSON."""
    return base64.b64encode(octets).decode()
