"""Lines about what clients can cause at will."""


class Sampler:
    """At most so many lines a second about what a client can cause at will; the metrics count all of it."""

    def __init__(self, lines_per_second: int = 20) -> None:
        """Bound one kind of line."""
        self._most = lines_per_second
        self._second = -1
        self._written = 0
        self._unwritten = 0

    def take(self, now: float) -> int | None:
        """None where the line is not to be written; else how many were left out since the last one."""
        if int(now) != self._second:
            self._second, self._written = int(now), 0
        if self._written >= self._most:
            self._unwritten += 1
            return None
        self._written += 1
        unwritten, self._unwritten = self._unwritten, 0
        return unwritten
