"""What a process knows of its own health: named parts, each well or not, with a sentence that says why not."""

from attrs import frozen


@frozen
class Part:
    """One thing that must work, for example `bus` or `database`."""

    ok: bool
    reason: str


class Health:
    """The parts of one process; ready when all of them are well, and never before the first one is known."""

    def __init__(self, *parts: str) -> None:
        """Begin with `parts`, all of them not yet well."""
        self._parts = {name: Part(ok=False, reason="not started yet") for name in parts}

    def set(self, part: str, ok: bool, reason: str = "") -> None:  # noqa: FBT001 - a health part is well or not
        """Record how `part` is now."""
        self._parts[part] = Part(ok=ok, reason=reason)

    def ready(self) -> bool:
        """Whether every part is well."""
        return bool(self._parts) and all(part.ok for part in self._parts.values())

    def report(self) -> dict[str, object]:
        """The answer of `/health/ready`: `{"ready": bool, "parts": {name: {"ok": bool, "reason": str}}}`."""
        parts = {name: {"ok": part.ok, "reason": part.reason} for name, part in sorted(self._parts.items())}
        return {"ready": self.ready(), "parts": parts}
