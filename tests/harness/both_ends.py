"""Who runs which file of the suite: what waits for a platform at one end, what computes at the other.

Tests of a whole platform wait most of their time, the others compute. Half of the processes therefore take the files
from the front, where those of the platform stand, and the others from the back: at every moment of the run there is
something to compute while something is waited for, and only half of the processes start a platform of their own.
"""

from pathlib import Path
from typing import Final

import pytest
from typing_extensions import override
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

FRONT_TO_BACK: Final = ("e2e", "security", "integration", "interop", "unit")
TESTS: Final = Path(__file__).parents[1]


class BothEnds(LoadFileScheduling):
    """A whole file at a time: from the front for every other process, from the back for the rest."""

    @override
    def _assign_work_unit(self, node: WorkerController) -> None:
        if takes_from_the_back(node.gateway.id):
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)


def takes_from_the_back(process: str) -> bool:
    """Whether `process`, as xdist calls it (`gw0`, `gw1`, ...), is one of the half that computes."""
    return int(process.removeprefix("gw")) % 2 == 1


def order(items: list[pytest.Item]) -> None:
    """Put those of the platform first; within a folder they stay as they were found."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
    return FRONT_TO_BACK.index(folder) if folder in FRONT_TO_BACK else len(FRONT_TO_BACK)
