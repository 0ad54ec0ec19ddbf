"""Rounds: both sides in turn, who begins changing each time, so that the machine's moods reach both alike."""

import sys
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from tests.bench.figures import Pair

Case = TypeVar("Case", bound=Hashable)
Result = TypeVar("Result")


def interleave(
    cases: Sequence[Case], rounds: int, ours: Callable[[Case], Result], reference: Callable[[Case], Result]
) -> dict[Case, list[tuple[Result, Result]]]:
    """What both sides did with each case in each round, ours first in each pair."""
    found: dict[Case, list[tuple[Result, Result]]] = {case: [] for case in cases}
    for number in range(rounds):
        for at, case in enumerate(cases):
            if (number + at) % 2:
                second = reference(case)
                found[case].append((ours(case), second))
            else:
                first = ours(case)
                found[case].append((first, reference(case)))
        say(f"round {number + 1} of {rounds}")
    return found


def pairs(results: Sequence[tuple[Result, Result]], figure: Callable[[Result], float]) -> list[Pair]:
    """One figure of each round's results."""
    return [Pair(figure(ours), figure(reference)) for ours, reference in results]


def say(text: str) -> None:
    """Progress, for whoever waits."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


def pause(seconds: float) -> None:
    """Let the machine come to rest."""
    threading.Event().wait(seconds)
