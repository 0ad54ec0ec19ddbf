"""How long a refusal is held back."""

from hypothesis import given
from hypothesis import strategies as st

from ironflock_router.authentication.slowdown import FORGET_S, FREE_OF_ADDRESS, LIMIT_S, Slowdown


def test_a_failing_principal_waits_longer_each_time_up_to_the_limit() -> None:
    slowdown = Slowdown()
    delays = [slowdown.after_failure("1-7", f"10.0.0.{number}", float(number)) for number in range(12)]
    assert delays == sorted(delays)
    assert delays[0] == 0.1
    assert delays[-1] == LIMIT_S


def test_an_address_has_some_failures_free() -> None:
    slowdown = Slowdown()
    delays = [slowdown.after_failure(f"1-{number}", "10.0.0.1", 0.0) for number in range(20)]
    assert delays[: FREE_OF_ADDRESS + 1] == [0.1] * (FREE_OF_ADDRESS + 1)
    assert delays[-1] == LIMIT_S


def test_failures_are_forgotten() -> None:
    slowdown = Slowdown()
    for _ in range(10):
        slowdown.after_failure("1-7", "10.0.0.1", 0.0)
    assert slowdown.after_failure("1-7", "10.0.0.1", FORGET_S + 1) == 0.1


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3), st.floats(0, 1e6)), max_size=50))
def test_delays_and_memory_are_bounded(failures: list[tuple[str, str, float]]) -> None:
    slowdown = Slowdown(capacity=10)
    for principal, address, now in failures:
        delay = slowdown.after_failure(principal, address, now)
        assert delay > 0 or not principal
        assert delay <= LIMIT_S < 3
    assert len(slowdown) <= 10


def test_without_a_principal_strangers_do_not_slow_each_other() -> None:
    slowdown = Slowdown()
    for number in range(50):
        assert slowdown.after_failure("", f"192.0.2.{number}", 0.0) == 0.0
