"""Is a process ready? Asked from outside, over verified TLS, the way its clients would ask."""

import http.client
import json
import ssl
from pathlib import Path
from typing import Final

from attrs import frozen

TIMEOUT_S: Final = 3.0
MAX_ANSWER_OCTETS: Final = 65_536
LOOPBACK: Final = "127.0.0.1"


@frozen
class Answer:
    """Whether a process is ready, and if not, why; one that is may do without a part, which is told as well."""

    ready: bool
    reason: str = ""


def is_live(port: int, ca: Path) -> bool:
    """Whether the process behind `port` answers at all, ready or not."""
    try:
        return _get(port, ca, "/health/live", LOOPBACK)[0] == http.client.OK
    except (OSError, http.client.HTTPException):
        return False


def ask(port: int, ca: Path, host: str = LOOPBACK) -> Answer:
    """What `https://<host>:<port>/health/ready` answers."""
    try:
        status, body = _get(port, ca, "/health/ready", host)
    except (OSError, http.client.HTTPException) as error:
        return Answer(ready=False, reason=f"does not answer ({type(error).__name__})")
    return Answer(ready=status == http.client.OK, reason=explain(body))


def explain(body: bytes) -> str:
    """Which parts are not well, out of the report of `shared.health`."""
    try:
        parts = json.loads(body)["parts"].items()
        return ", ".join(f"{name}: {part['reason']}" for name, part in parts if not part["ok"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return "answers, but is not ready"


def _get(port: int, ca: Path, path: str, host: str) -> tuple[int, bytes]:
    context = ssl.create_default_context(cafile=str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(MAX_ANSWER_OCTETS)
    finally:
        connection.close()
