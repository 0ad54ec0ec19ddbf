"""A time that something has."""

from twisted.internet.task import Clock

from services.tunnels.deadlines import Deadline


def test_it_is_over_once_and_can_be_begun_anew_and_forgotten() -> None:
    clock, over = Clock(), list[float]()
    deadline = Deadline(clock, lambda: over.append(clock.seconds()))

    deadline.expect(5.0)
    clock.advance(4.0)
    deadline.expect(5.0)
    assert deadline.is_set
    clock.advance(4.0)
    assert over == []
    clock.advance(1.0)
    assert (over, deadline.is_set) == ([9.0], False)

    deadline.expect(1.0)
    deadline.rest()
    deadline.rest()
    clock.advance(10.0)
    assert over == [9.0]
