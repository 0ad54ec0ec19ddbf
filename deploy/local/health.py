"""Which processes of a platform are not ready."""

from deploy.local.bootstrap import SUPERUSER, Server, answers
from deploy.local.readiness import ask
from deploy.local.settings import Ports
from deploy.local.state import StateFolder


def unready(ports: Ports, state: StateFolder) -> dict[str, str]:
    """Those that are not ready, each with the reason."""
    answers_by_name = {name: ask(port, state.ca_certificate) for name, port in ports.operations.items()}
    reasons = {name: answer.reason or "not ready" for name, answer in answers_by_name.items() if not answer.ready}
    return reasons if _database_answers(ports, state) else {"postgres": "does not answer", **reasons}


def are_all_ready(ports: Ports, state: StateFolder) -> bool:
    """Whether all of them are; asks no further than the first that is not."""
    ready = (ask(port, state.ca_certificate).ready for port in ports.operations.values())
    return all(ready) and _database_answers(ports, state)


def lacking(ports: Ports, state: StateFolder) -> dict[str, str]:
    """Those that are ready although something is not well, a cell that is away for one, each with what it is."""
    answers_by_name = {name: ask(port, state.ca_certificate) for name, port in ports.operations.items()}
    return {name: answer.reason for name, answer in answers_by_name.items() if answer.ready and answer.reason}


def _database_answers(ports: Ports, state: StateFolder) -> bool:
    try:
        password = (state.database_secrets / SUPERUSER).read_text(encoding="utf-8")
    except OSError:
        return False
    return answers(Server(ports.postgres, state.ca_certificate, password))
