"""Lines that clients cause at will are bounded."""

from ironflock_router.logs import Sampler


def test_lines_are_bounded_a_second_and_what_is_left_out_is_told() -> None:
    lines = Sampler(lines_per_second=2)
    assert [lines.take(1.0) for _ in range(5)] == [0, 0, None, None, None]
    assert lines.take(2.0) == 3
    assert lines.take(2.1) == 0
