"""What a process knows of its own health: named parts, each well or not, with a sentence that says why not.

A part may be one of several of which one is enough, for example the cells that a service is in.
"""

from attrs import frozen


@frozen
class Part:
    """One thing that must work, for example `bus` or `database`."""

    ok: bool
    reason: str
    one_of: str | None = None
    """Those of which one is enough."""


class Health:
    """The parts of one process; ready when each of them, or one of those that are alike, is well.

    Never before the first one is known.
    """

    def __init__(self, *parts: str) -> None:
        """Begin with `parts`, all of them not yet well."""
        self._parts = {name: Part(ok=False, reason="not started yet") for name in parts}

    def set(
        self,
        part: str,
        ok: bool,  # noqa: FBT001 - a health part is well or not
        reason: str = "",
        *,
        one_of: str | None = None,
    ) -> None:
        """Record how `part` is now; of those with the same `one_of`, one has to be well."""
        self._parts[part] = Part(ok=ok, reason=reason, one_of=one_of)

    def ready(self) -> bool:
        """Whether everything that is needed is well."""
        needed = {part.one_of or name for name, part in self._parts.items()}
        well = {part.one_of or name for name, part in self._parts.items() if part.ok}
        return bool(needed) and needed == well

    def report(self) -> dict[str, object]:
        """The answer of `/health/ready`: `{"ready": bool, "parts": {name: {"ok": bool, "reason": str}}}`."""
        parts = {name: {"ok": part.ok, "reason": part.reason} for name, part in sorted(self._parts.items())}
        return {"ready": self.ready(), "parts": parts}
