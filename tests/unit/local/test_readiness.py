"""Reading health reports, finding taken ports, saying how a process ended."""

import json
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.python.failure import Failure

from deploy.local import health
from deploy.local.health import lacking, unready
from deploy.local.ports import Listener, PortTakenError, check_ports
from deploy.local.readiness import Answer, ask, explain, is_live
from deploy.local.settings import Ports
from deploy.local.state import StateFolder
from deploy.local.supervision import Supervisor, describe_end, exit_status
from shared.health import Health


def test_a_report_of_ours_names_the_parts_that_are_not_well() -> None:
    parts = Health("bus", "database")
    parts.set("bus", ok=True)

    assert explain(json.dumps(parts.report()).encode()) == "database: not started yet"


def test_a_process_that_is_ready_without_a_cell_is_no_reason_to_wait_and_is_told_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ports, away = Ports(8440), "bus realm1 in cell second: not joined"
    answers = {port: Answer(ready=True) for port in ports.operations.values()}
    answers[ports.operations["auth"]] = Answer(ready=True, reason=away)
    answers[ports.operations["realms"]] = Answer(ready=False, reason="database: away")
    monkeypatch.setattr(health, "ask", lambda port, _: answers[port])

    assert lacking(ports, StateFolder(tmp_path)) == {"auth": away}
    assert unready(ports, StateFolder(tmp_path)) == {"realms": "database: away", "postgres": "does not answer"}


JSON = st.recursive(
    st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(st.binary() | JSON.map(lambda value: json.dumps({"parts": value}).encode()))
def test_any_other_report_is_put_into_words_as_well(body: bytes) -> None:
    assert isinstance(explain(body), str)


def test_given_nobody_on_a_port_when_asked_then_the_answer_says_so(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]

        assert ask(port, ca).reason.startswith("does not answer")
        assert not is_live(port, ca)


def test_given_a_taken_port_when_checked_then_the_setting_that_moves_it_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listener = Listener("gateway", "127.0.0.1", taken.getsockname()[1])

        with pytest.raises(PortTakenError, match=r"gateway.*IRONFLOCK_LOCAL_PORT_BASE"):
            check_ports([listener])

    check_ports([listener])


def test_given_an_address_of_another_machine_when_checked_then_it_is_refused() -> None:
    with pytest.raises(PortTakenError, match="IRONFLOCK_LOCAL_BIND"):
        check_ports([Listener("router", "192.0.2.1", 0, is_movable=True)])


def test_given_a_port_that_stays_on_this_machine_when_it_cannot_be_had_then_no_setting_of_addresses_is_named() -> None:
    with pytest.raises(PortTakenError) as told:
        check_ports([Listener("postgres", "192.0.2.1", 0)])

    assert "IRONFLOCK_LOCAL_BIND" not in str(told.value)


@pytest.mark.parametrize(
    ("reason", "status", "words"),
    [
        (ProcessDone(0), 0, "status 0"),
        (ProcessTerminated(exitCode=3), 3, "status 3"),
        (ProcessTerminated(signal=9), -9, "signal SIGKILL"),
        (OSError(), 1, "status 1"),
    ],
)
def test_the_end_of_a_process_has_a_status_and_words(reason: Exception, status: int, words: str) -> None:
    assert exit_status(Failure(reason)) == status
    assert describe_end(Failure(reason)) == words


def test_the_pauses_before_a_restart_are_those_of_the_readme() -> None:
    assert (Supervisor.threshold, Supervisor.minRestartDelay, Supervisor.maxRestartDelay) == (10, 1, 4)
