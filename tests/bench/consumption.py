"""Which processes of the platform do the work of something."""

from collections.abc import Mapping

from attrs import frozen

from tests.bench.processes import cpu_with_ended_s, sum_over_tree
from tests.harness.running import RunningPlatform


@frozen
class Consumption:
    """Seconds of processor that each process of the platform has used, with its descendants."""

    seconds: Mapping[str, float]

    def note(self, before: "Consumption", what: str, number: int) -> str:
        """What was used since `before`, for each of `number`."""
        used = {name: seconds - before.seconds.get(name, 0.0) for name, seconds in self.seconds.items()}
        parts = ", ".join(f"{name} {seconds / max(1, number) * 1000:.2f}" for name, seconds in used.items())
        return f"processor time for {what}, in ms: {parts}"


def consumption(platform: RunningPlatform) -> Consumption:
    """Up to now."""
    processes = platform.record.processes
    return Consumption(
        {each.name: sum_over_tree(each.pid, cpu_with_ended_s) for each in processes if each.pid is not None}
    )
