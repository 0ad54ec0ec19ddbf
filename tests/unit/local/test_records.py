"""What the launcher tells of its processes, and what the next one makes of it."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.records import RUNNING, STOPPED, PlatformRecord, ProcessRecord, read_record, write_record
from deploy.local.survivors import Alive, birth, left_of, look_at

NUMBERS = st.integers(1, 2**22)
PROCESSES = st.builds(
    ProcessRecord,
    name=st.text(),
    pid=st.none() | NUMBERS,
    born=st.none() | NUMBERS,
    since=st.floats(0, 2e9),
    restarts=NUMBERS,
)
RECORDS = st.builds(
    PlatformRecord, state=st.sampled_from([RUNNING, STOPPED]), launcher=NUMBERS, port_base=NUMBERS,
    processes=st.lists(PROCESSES, max_size=3).map(tuple), renewal_problem=st.text(),
)  # fmt: skip


@given(RECORDS)
def test_reading_inverts_writing(tmp_path_factory: pytest.TempPathFactory, record: PlatformRecord) -> None:
    path = tmp_path_factory.mktemp("records") / "processes.json"
    write_record(path, record)

    assert read_record(path) == record


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"state": "running"}', '{"state": 1, "processes": [{}]}'])
def test_given_no_record_that_can_be_read_when_read_then_nothing_ran(tmp_path: Path, content: str) -> None:
    (tmp_path / "processes.json").write_text(content)

    assert read_record(tmp_path / "processes.json").processes == ()
    assert read_record(tmp_path / "absent.json").state == STOPPED


def test_given_a_record_of_an_earlier_release_when_read_then_it_counts_and_has_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    path.write_text('{"state": "running", "launcher": 7, "port_base": 8440, "processes": []}')

    assert read_record(path) == PlatformRecord(RUNNING, 7, 8440, ())


@pytest.mark.parametrize(("names", "more"), [(["router"], ()), (["router", "router-second"], ("router-second",))])
def test_the_ports_of_a_record_are_those_of_the_routers_that_run(names: list[str], more: tuple[str, ...]) -> None:
    processes = tuple(ProcessRecord(name, 1, 2, 0.0, 0) for name in names)

    ports = PlatformRecord(RUNNING, 7, 9000, processes).ports

    assert (ports.base, ports.more_routers) == (9000, more)


ROUTER = ProcessRecord("router", pid=100, born=5_000, since=0.0, restarts=0)


@pytest.mark.parametrize(
    ("everybody", "expected"),
    [
        ([], []),
        ([Alive(100, session=100, born=5_000), Alive(101, session=100, born=5_100)], [100, 101]),
        ([Alive(101, session=100, born=5_100)], [101]),  # the leader is gone, its worker is not
        ([Alive(100, session=100, born=9_000), Alive(101, session=100, born=9_001)], []),  # the number was given away
        ([Alive(101, session=100, born=4_000)], []),  # older than ours: of somebody who had the number before
        ([Alive(102, session=77, born=6_000)], []),
    ],
)
def test_only_what_is_certainly_ours_is_left_of_a_process(everybody: list[Alive], expected: list[int]) -> None:
    assert left_of(ROUTER, everybody) == expected


def test_given_a_process_that_never_started_when_looked_for_then_nothing_is_left_of_it() -> None:
    assert left_of(ProcessRecord("auth", None, None, 0.0, 0), [Alive(1, session=0, born=0)]) == []


def test_a_process_that_is_there_was_born_and_one_that_is_not_was_not() -> None:
    assert birth(os.getpid()) == birth(os.getpid()) is not None
    assert birth(None) is None
    assert look_at(2**22 + 1) is None
