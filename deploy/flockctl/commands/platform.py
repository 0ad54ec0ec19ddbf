"""`flockctl status` and `flockctl whoami`."""

import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import typer
from attrs import asdict, frozen
from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.web.client import Agent, ResponseFailed, ResponseNeverReceived, readBody
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.reactor import all_of
from deploy.flockctl.text import printable
from shared.tls import client_options

HEALTH_TIMEOUT_S: Final = 5.0
READY: Final = 200


@frozen
class PartOfPlatform:
    """One process as its health URL describes it."""

    url: str
    ready: bool
    reason: str


def add_commands(app: typer.Typer) -> None:
    """Put the commands of this file into `app`."""
    command(app, "status")(status)
    command(app, "whoami")(whoami)


async def status(operator: Operator) -> int:
    """Ask every part of the platform how it is; exit status 1 when one is not ready.

    Example: flockctl status --json
    """
    health = operator.endpoints.health
    http = Agent(operator.reactor, _TrustOneAuthority(operator.endpoints.ca), connectTimeout=HEALTH_TIMEOUT_S)
    asked = [Deferred.fromCoroutine(_ask(operator.reactor, http, url)) for url in health.values()]
    parts = dict(zip(health, await all_of(asked), strict=True))
    all_ready = bool(parts) and all(part.ready for part in parts.values())
    payload = {"ready": all_ready, "parts": {name: asdict(part) for name, part in parts.items()}}
    rows = ((name, "ready" if part.ready else "not ready", part.reason) for name, part in parts.items())
    operator.output.result(payload, table(("PART", "HEALTH", "REASON"), rows))
    return ExitStatus.DONE if all_ready else ExitStatus.REFUSED


async def whoami(operator: Operator) -> None:
    """Show as whom flockctl acts.

    Example: flockctl whoami
    """
    me = await operator.call("ironflock.auth.account.me")
    operator.output.result(me, table(("ACCOUNT", "LOGIN"), [(me["account_key"], me["login_name"])]))


@implementer(IPolicyForHTTPS)
class _TrustOneAuthority:
    """Verifies every host against one authority."""

    def __init__(self, ca: Path) -> None:
        self._ca = ca

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:  # noqa: ARG002, N802
        """TLS for a connection to `hostname`."""
        try:
            return client_options(hostname.decode("ascii"), self._ca)
        except (OSError, SSL.Error) as error:
            raise CommandError("no_ca", f"the CA file {self._ca} cannot be read") from error


async def _ask(reactor: Any, http: Agent, url: str) -> PartOfPlatform:
    try:
        code, body = await Deferred.fromCoroutine(_get(http, url)).addTimeout(HEALTH_TIMEOUT_S, reactor)
    except ConnectError:
        return PartOfPlatform(url, ready=False, reason=f"nothing listens on port {urlsplit(url).port}")
    except (ResponseFailed, ResponseNeverReceived, ConnectionClosed, SSL.Error):
        return PartOfPlatform(url, ready=False, reason="its certificate is not the platform's, or it broke off")
    except (TimeoutError, CancelledError):
        return PartOfPlatform(url, ready=False, reason=f"no answer within {HEALTH_TIMEOUT_S:g} s")
    return PartOfPlatform(url, ready=code == READY, reason="" if code == READY else why_not(body))


async def _get(http: Agent, url: str) -> tuple[int, bytes]:
    response = await http.request(b"GET", url.encode("ascii"))
    return response.code, await readBody(response)


def why_not(body: bytes) -> str:
    """The reasons in a health report, in one line."""
    try:
        parts = json.loads(body)["parts"]
        return "; ".join(
            f"{printable(name)}: {printable(part['reason'])}" for name, part in parts.items() if not part["ok"]
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "not ready"
