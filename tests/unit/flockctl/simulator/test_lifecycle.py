"""What the agent does after each end."""

import pytest

from deploy.flockctl.simulator.lifecycle import Next, Outcome, next_step

ENDS = [Outcome.SIGNATURE_REFUSED, Outcome.TESTAMENT_REFUSED, Outcome.STATUS_REFUSED, Outcome.CRASHED]


@pytest.mark.parametrize("outcome", ENDS)
def test_some_ends_are_the_agents_own(outcome: Outcome) -> None:
    assert next_step(outcome, 0).delay_s is None


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - set(ENDS) - {Outcome.MOVED}, key=str))
def test_everything_else_is_tried_again_after_a_second(outcome: Outcome) -> None:
    assert next_step(outcome, 0).delay_s == 1.0


def test_a_moved_device_comes_back_at_once() -> None:
    assert next_step(Outcome.MOVED, 3) == Next(0.0, 0)


def test_the_eighth_time_in_a_row_that_its_place_is_taken_is_the_last() -> None:
    taken = 0
    delays = []
    for _ in range(8):
        step = next_step(Outcome.ALREADY_CONNECTED, taken)
        taken = step.times_taken
        delays.append(step.delay_s)

    assert delays == [1.0] * 7 + [None]


def test_any_other_end_between_begins_the_count_anew() -> None:
    assert next_step(Outcome.LOST, 7).times_taken == 0
