"""The stand-in's answers have the agent's shapes."""

import json
from typing import Any

import pytest

from deploy.flockctl.simulator.answers import Question, answer
from deploy.flockctl.simulator.flock import Flock
from deploy.flockctl.simulator.wire import PROCEDURES

FLOCK = Flock(3, 7, "serial-1", "secret", "wss://localhost/ws-re-dev", "press-1")
NOW = "2026-11-25T10:00:00Z"
APP = {"app_key": 5, "app_name": "webby", "stage": "PROD", "target_state": "RUNNING"}

VALID: dict[str, Any] = {
    "containerName": "prod_5_webby",
    "cmd": "ls",
    "blocking": True,
    "sessionID": "one",
    "registrationID": 7,
    "ssid": "hall",
    "password": "12345678",
    "priority": 1,
    "mac": "02:00:00:00:00:01",
    "method": "auto",
    "interfaceName": "eth0",
}


def ask(name: str, *args: Any, **kwargs: Any) -> Any:
    return answer(name, Question(FLOCK, args, kwargs, NOW))


@pytest.mark.parametrize("name", sorted({*PROCEDURES} - {"request_app_state"}))
def test_every_procedure_is_answered_with_json_and_without_the_secret(name: str) -> None:
    found = ask(name, VALID)

    assert FLOCK.secret not in json.dumps([found.args, dict(found.kwargs)])


def test_the_handshake_answers_by_name() -> None:
    found = ask("device_handshake")

    assert (found.args, found.kwargs) == ((), {"utp": NOW, "id": "serial-1"})


def test_a_command_that_blocks_answers_with_text_and_another_with_a_process() -> None:
    assert isinstance(ask("execute_cmd", {"cmd": "ls", "blocking": True}).args[0], str)
    assert set(ask("execute_cmd", {"cmd": "ls", "blocking": False}).args[0]) == {"pid"}


def test_an_app_state_request_is_answered_empty() -> None:
    assert ask("request_app_state", **APP).args == ()
