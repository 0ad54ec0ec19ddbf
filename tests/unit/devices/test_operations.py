"""What agents can do, as a table; what they are told, and what they answer."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.flockctl.simulator.strictness import TAKEN, misread
from deploy.flockctl.simulator.wire import PROCEDURES
from services.devices.apps.delivery import TOLD_BY
from services.devices.records.operations import (
    AddWifi,
    ProgressOf,
    ProgressPiece,
    QueryAppLogs,
    QueryLogs,
    RunCommand,
    SetAddress,
)
from services.devices.rules.operations import (
    NEEDS_DICTIONARY,
    NEVER_CALLED,
    OPERATIONS,
    Operation,
    answer,
    app_log_query,
    command,
    container_name,
    ipv4,
    lines_of,
    log_query,
    progress_piece,
    wifi,
)
from services.devices.terminals import containers, shells
from shared.errors import ConflictError, InvalidArgumentError

ELSEWHERE = {
    "request_app_state",
    "write_data",
    "init_device_terminal",
    "request_terminal_session",
    "start_terminal_session",
    "stop_terminal_session",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
)
MAC = "02:00:00:00:00:01"


def test_every_procedure_of_the_agent_is_offered_once_or_elsewhere() -> None:
    offered = [operation.procedure for operation in OPERATIONS]

    assert len(offered) == len(set(offered))
    assert {*offered} | ELSEWHERE == {*PROCEDURES}


def test_what_the_agent_guards_is_guarded_by_the_same_flag_here() -> None:
    guards = {each.procedure: PROCEDURES[each.procedure].privilege for each in OPERATIONS}

    assert {each.procedure: each.flag for each in OPERATIONS if guards[each.procedure]} == {
        name: guard for name, guard in guards.items() if guard
    }


def test_what_ends_an_agent_without_an_argument_is_known() -> None:
    lethal = {name for name, each in PROCEDURES.items() if each.crashes_below == 1}

    assert lethal <= NEEDS_DICTIONARY
    assert {*TAKEN} == NEEDS_DICTIONARY


@given(st.sampled_from(OPERATIONS), st.lists(JSON), st.dictionaries(st.text(), JSON))
def test_whatever_a_device_answers_it_is_taken_or_refused(
    operation: Operation, args: list[Any], kwargs: dict[str, Any]
) -> None:
    taken = None
    with suppress(ConflictError):
        taken = answer(operation, tuple(args), kwargs)

    assert lines_of(taken) >= 0


@given(st.text(min_size=1), st.lists(st.text()), st.integers(1, 20))
def test_commands_are_told_as_the_agent_reads_them(program: str, arguments: list[str], timeout_s: int) -> None:
    told = command(RunCommand(1, program, arguments, timeout_s))

    assert misread("execute_cmd", (told,)) is None
    assert told["timeout"] == timeout_s * 1000


def test_queries_and_networks_are_told_as_the_agent_reads_them() -> None:
    assert misread("query_device_logs", (log_query(QueryLogs(1, 5, "30m", "1", "warn")),)) is None
    assert log_query(QueryLogs(1)) == {"tail": 200}
    told = app_log_query(QueryAppLogs(1, 26, "DEV", since="30m")) | {"containerName": "dev_26_press"}
    assert misread("query_app_logs", (told,)) is None
    assert misread("add_wifi_configuration", (wifi(AddWifi(1, "hall", "12345678")),)) is None
    assert container_name(26, "Press", "PROD") == "prod_26_press"


@pytest.mark.parametrize(
    ("method", "address", "prefix"),
    [
        ("manual", None, None),
        ("manual", "192.0.2.7", None),
        ("manual", None, 24),
        ("auto", "192.0.2.7", 24),
        ("auto", None, 24),
        ("manual", "300.0.2.7", 24),
    ],
)
def test_an_address_is_given_in_whole_or_not_at_all(method: Any, address: str | None, prefix: int | None) -> None:
    with pytest.raises(InvalidArgumentError):
        ipv4(SetAddress(1, "eth0", MAC, method, address, prefix))


def test_addresses_are_told_as_the_agent_reads_them() -> None:
    for told in (ipv4(SetAddress(1, "eth0", MAC, "auto")), ipv4(SetAddress(1, "eth0", MAC, "manual", "192.0.2.7", 24))):
        assert misread("update_ipv4_config", (told,)) is None


def test_each_procedure_of_an_agent_is_asked_for_by_ours_or_by_nobody() -> None:
    asked = {operation.procedure for operation in OPERATIONS}
    terminals = {shells.OPEN, containers.REQUEST, containers.START, containers.STOP}

    assert asked | terminals | {TOLD_BY} | (NEVER_CALLED & {*PROCEDURES}) == {*PROCEDURES}


@pytest.mark.parametrize(
    ("of", "said", "read"),
    [
        ("agent_update", {"increment": 1.0, "currentBytes": 5.0, "fileSize": 9}, ProgressPiece("agent_update", 5, 9)),
        (
            "os_install",
            {"operationName": "x" * 999, "progressPercent": 5},
            ProgressPiece("os_install", percent=5, step="x" * 200),
        ),
        ("os_download", {"currentBytes": "5", "fileSize": 9}, None),
        ("os_download", {"currentBytes": True, "fileSize": 9}, None),
        ("os_download", {"currentBytes": float("nan"), "fileSize": 9}, None),
        ("os_download", {"currentBytes": float("inf"), "fileSize": 9}, None),
        ("os_install", {"operationName": None, "progressPercent": 5}, None),
        ("os_install", [], None),
    ],
    ids=lambda each: repr(each)[:40],
)
def test_what_a_device_says_of_its_progress_is_read_or_left(
    of: ProgressOf, said: object, read: ProgressPiece | None
) -> None:
    assert progress_piece(of, said) == read
