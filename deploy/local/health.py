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


def _database_answers(ports: Ports, state: StateFolder) -> bool:
    try:
        password = (state.database_secrets / SUPERUSER).read_text(encoding="utf-8")
    except OSError:
        return False
    return answers(Server(ports.postgres, state.ca_certificate, password))
