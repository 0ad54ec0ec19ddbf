"""Whether a platform is ready, as far as it is asked."""

from pathlib import Path

import pytest

from deploy.local import health
from deploy.local.readiness import Answer
from deploy.local.settings import Ports
from deploy.local.state import StateFolder


@pytest.mark.parametrize("ill", ["router", "auth", "tunnels"])
def test_nobody_is_asked_behind_the_first_that_is_not_ready(monkeypatch: pytest.MonkeyPatch, ill: str) -> None:
    ports, asked = Ports(8440), list[int]()

    def ask(port: int, ca: Path) -> Answer:
        asked.append(port)
        return Answer(ready=port != ports.operations[ill])

    monkeypatch.setattr(health, "ask", ask)
    assert not health.are_all_ready(ports, StateFolder(Path("/nowhere")))
    assert asked == list(ports.operations.values())[: list(ports.operations).index(ill) + 1]


@pytest.mark.parametrize("answers", [True, False])
def test_a_platform_is_ready_when_everybody_and_the_database_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, answers: bool
) -> None:
    state = StateFolder(tmp_path)
    state.database_secrets.mkdir(parents=True)
    (state.database_secrets / "postgres").write_text("secret", encoding="utf-8")
    monkeypatch.setattr(health, "ask", lambda *_: Answer(ready=True))
    monkeypatch.setattr(health, "answers", lambda _: answers)
    assert health.are_all_ready(Ports(8440), state) is answers
