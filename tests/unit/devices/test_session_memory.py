"""What the router has said of sessions lately."""

from hypothesis import given
from hypothesis import strategies as st

from services.devices import session_memory
from services.devices.session_memory import SessionMemory

DEVICE = 7


def test_a_session_that_nobody_has_heard_of_counts() -> None:
    assert SessionMemory().speaks_for(DEVICE, 1)
    assert not SessionMemory().is_over(1)


def test_only_the_newest_session_of_a_device_counts() -> None:
    memory = SessionMemory()
    memory.joined(DEVICE, 1)
    memory.joined(DEVICE, 2)

    assert [memory.speaks_for(DEVICE, session) for session in (1, 2)] == [False, True]
    assert memory.speaks_for(DEVICE + 1, 1)


def test_a_session_that_left_counts_no_more_and_is_over() -> None:
    memory = SessionMemory()
    memory.joined(DEVICE, 1)
    memory.left(1)

    assert memory.is_over(1)
    assert not memory.speaks_for(DEVICE, 1)
    assert memory.speaks_for(DEVICE, 2)


def test_the_end_of_an_older_session_leaves_the_newer_one() -> None:
    memory = SessionMemory()
    memory.joined(DEVICE, 1)
    memory.joined(DEVICE, 2)
    memory.left(1)

    assert memory.speaks_for(DEVICE, 2)
    assert not memory.speaks_for(DEVICE, 3)


events = st.lists(st.tuples(st.booleans(), st.integers(1, 4), st.integers(1, 30)), max_size=60)


@given(events)
def test_the_memory_is_that_of_a_plain_reading_of_all_events(told: list[tuple[bool, int, int]]) -> None:
    memory, newest, over, seen = SessionMemory(), dict[int, int](), set[int](), set[int]()
    for is_join, device, session in told:
        if is_join and session not in seen:
            seen.add(session)
            memory.joined(device, session)
            newest[device] = session
        elif not is_join:
            memory.left(session)
            over.add(session)
            seen.add(session)
            newest = {key: value for key, value in newest.items() if value != session}

    for device in range(1, 5):
        for session in range(1, 31):
            expected = session not in over and newest.get(device, session) == session
            assert memory.speaks_for(device, session) == expected
            assert memory.is_over(session) == (session in over)


def test_the_memory_is_bounded() -> None:
    memory = SessionMemory()
    for session in range(session_memory.REMEMBERED_ENDS + 10):
        memory.joined(session, session)
        memory.left(session)

    assert len(memory._ended) == session_memory.REMEMBERED_ENDS
    assert not memory._newest
    assert not memory._device_of
    assert memory.is_over(session_memory.REMEMBERED_ENDS)
    assert not memory.is_over(0)
