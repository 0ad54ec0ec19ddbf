"""Half of the processes of a run take its files from the front, the others from the back."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from attrs import define, field
from xdist.workermanage import WorkerController

from tests.harness.both_ends import FRONT_TO_BACK, BothEnds, takes_from_the_back

FILES = [f"tests/{folder}/test_{letter}.py" for folder in FRONT_TO_BACK for letter in "ab"]
TESTS = [f"{file}::test_{number}" for file in FILES for number in range(4)]


@define(eq=False)
class Process:
    """One that notes what it is to run."""

    name: str
    told: list[str] = field(factory=list)
    shutting_down: bool = False

    @property
    def gateway(self) -> Any:
        return SimpleNamespace(id=self.name)

    def send_runtest_some(self, indices: list[int]) -> None:
        self.told += dict.fromkeys(TESTS[index].partition("::")[0] for index in indices)

    def shutdown(self) -> None:
        self.shutting_down = True


@pytest.mark.parametrize(("process", "is_of_the_back"), [("gw0", False), ("gw1", True), ("gw2", False), ("gw11", True)])
def test_every_other_process_takes_from_the_back(process: str, is_of_the_back: bool) -> None:
    assert takes_from_the_back(process) is is_of_the_back


def test_both_ends_meet_and_every_file_is_run_once() -> None:
    options = SimpleNamespace(loadscopereorder=False)
    config = SimpleNamespace(getvalue=lambda _: ["2*popen"], option=options)
    scheduler = BothEnds(cast("pytest.Config", config))
    front, back = Process("gw0"), Process("gw1")
    for process in (front, back):
        scheduler.add_node(cast("WorkerController", process))
        scheduler.add_node_collection(cast("WorkerController", process), TESTS)
    scheduler.schedule()
    for number in range(len(FILES)):
        process = (front, back)[number % 2]
        for index, test in enumerate(TESTS):
            if test.partition("::")[0] == process.told[number // 2]:
                scheduler.mark_test_complete(cast("WorkerController", process), index)

    assert front.told == FILES[: len(FILES) // 2]
    assert back.told == FILES[: len(FILES) // 2 - 1 : -1]
    assert scheduler.tests_finished
