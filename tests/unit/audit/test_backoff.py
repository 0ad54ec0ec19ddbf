"""Waiting longer after each failure."""

from services.audit.backoff import Backoff


def test_it_doubles_up_to_a_minute_and_begins_anew() -> None:
    backoff = Backoff(lambda: 1.0)

    waits = [backoff.failed() for _ in range(10)]
    backoff.succeeded()

    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert max(waits) == waits[-1] == 60.0
    assert backoff.failed() == 0.5


def test_half_of_it_is_chance() -> None:
    assert [Backoff(lambda chance=chance: chance).failed() for chance in (0.0, 0.5, 1.0)] == [0.25, 0.375, 0.5]  # type: ignore[misc]
