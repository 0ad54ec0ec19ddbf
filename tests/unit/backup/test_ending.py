"""Told to end, a run puts away what it made."""

import os
import signal

import pytest

from deploy.backup.ending import SIGNALS, ended_in_order


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_to_end_runs_what_puts_away_and_a_second_one_does_not_cut_it_off(number: signal.Signals) -> None:
    before, done = signal.getsignal(number), list[str]()

    def work() -> None:
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)
            done.append("put away")

    with pytest.raises(SystemExit) as told, ended_in_order():
        work()

    assert (told.value.code, done) == (128 + number, ["put away"])
    assert signal.getsignal(number) == before
