"""The octets that a real frpc and frps said to each other, and mutated copies: `tests/vectors/frp.json`."""

import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[2] / "vectors" / "frp.json"


def of_kind(kind: str, *, failing: bool = False) -> list[Any]:
    """Those of `kind` that are understood, or those that are refused."""
    found = json.loads(VECTORS.read_text(encoding="utf-8"))
    return [each for each in found if each["kind"] == kind and ("error" in each) is failing]


def desc(vector: dict[str, Any]) -> str:
    """What a test calls it."""
    return str(vector["desc"])
