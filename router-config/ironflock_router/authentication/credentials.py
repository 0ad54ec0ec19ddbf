"""Where secrets come from: `auth` is asked for one device or ticket at a time, a service's secret is a file.

Decision 6: service secrets are files, read by the router and by that one service; `auth` never holds them, so that it
can join itself. They are read anew for each join, so that a changed file counts from the next join on.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import structlog
from autobahn.wamp.exception import ApplicationError, TransportLost
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.interfaces import IReactorTime

from ironflock_router.patterns import is_segment
from ironflock_router.records import AppCredential, DeviceCredential, RefusedApp, TakenTicket, VerifiedTicket
from ironflock_router.wire_names import (
    APP_CREDENTIAL_FIND,
    BOARD_ROLES,
    BOARD_TICKET_TAKE,
    DATA_ROLES,
    DEVICE_CREDENTIAL_FIND,
    SERVICE_ROLES,
    TICKET_VERIFY,
)
from shared import tracing
from shared.overlap import values

log = structlog.get_logger()

T = TypeVar("T")
Call = Callable[..., Deferred[Any]]
"""A session's `call` on the system realm."""


class CredentialsAwayError(Exception):
    """`auth` cannot be asked, does not answer in time, or answers nonsense: the client may try again."""


class Credentials:
    """The secrets of all who can join."""

    def __init__(self, call: Call, reactor: IReactorTime, timeout_s: float, service_secrets: Path) -> None:
        """Ask `auth` through `call`, for at most `timeout_s` seconds; read services' secrets in `service_secrets`."""
        self._call = call
        self._reactor = reactor
        self._timeout_s = timeout_s
        self._service_secrets = service_secrets

    async def device_find(self, authid: str, *, is_proven: bool = False) -> DeviceCredential | None:
        """The credential behind a device's authid; who has proved the secret waits until its cell can be told.

        Raises:
            CredentialsAwayError: See there.
        """
        return await self._ask(DEVICE_CREDENTIAL_FIND, _device_credential, authid=authid, **_proven(is_proven))

    async def app_find(self, realm: str, authid: str, *, is_proven: bool = False) -> AppCredential | RefusedApp | None:
        """What the credential behind an app's authid opens on the data realm `realm`; `is_proven` as of a device.

        Raises:
            CredentialsAwayError: See there.
        """
        said = {"realm": realm, "authid": authid, **_proven(is_proven)}
        return await self._ask(APP_CREDENTIAL_FIND, _app_credential, **said)

    async def ticket_find(self, ticket: str, address: str) -> VerifiedTicket | None:
        """The account behind a person's ticket, shown from `address`.

        Raises:
            CredentialsAwayError: See there.
        """
        return await self._ask(TICKET_VERIFY, _verified_ticket, ticket=ticket, address=address)

    async def board_take(self, realm: str, ticket: str) -> TakenTicket | None:
        """Who joins the data realm `realm` by a board's ticket, which is used up by asking.

        Raises:
            CredentialsAwayError: See there.
        """
        return await self._ask(BOARD_TICKET_TAKE, _taken_ticket, realm=realm, ticket=ticket)

    def service_find(self, authid: str) -> tuple[str, ...]:
        """The secret of service `authid`, and the one before it while that still counts.

        Empty where there is no such service, or no readable secret.
        """
        if authid not in SERVICE_ROLES:
            return ()
        try:
            return values((self._service_secrets / authid).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            log.error("service_secret_unreadable", authid=authid)  # noqa: TRY400 - the name tells it all
            return ()

    async def _ask(self, procedure: str, decode: Callable[[dict[str, Any]], T], **arguments: Any) -> T | None:
        try:
            with tracing.called(procedure):
                asked: Awaitable[Any] = self._call(procedure, **arguments).addTimeout(self._timeout_s, self._reactor)
                answer = await asked
        except (ApplicationError, TransportLost, DeferredTimeoutError, CancelledError) as error:
            log.warning("credentials_away", procedure=procedure, error=type(error).__name__)
            raise CredentialsAwayError(procedure) from error
        if answer is None:
            return None
        try:
            return decode(answer)
        except (KeyError, TypeError, ValueError) as error:
            log.exception("credentials_answer_malformed", procedure=procedure)
            raise CredentialsAwayError(procedure) from error


def _proven(is_proven: bool) -> dict[str, bool]:  # noqa: FBT001 - what it is about
    """Said only where it is so: an `auth` of the release before knows no such argument, and is not asked twice."""
    return {"is_proven": True} if is_proven else {}


def _device_credential(answer: dict[str, Any]) -> DeviceCredential:
    serial = answer["serial_number"]
    if answer["state"] not in {"active", "ended"} or not is_segment(serial) or not answer["secret"]:
        raise ValueError("not a device credential")
    return DeviceCredential(
        is_active=answer["state"] == "active",
        secret=str(answer["secret"]),
        device_key=int(answer["device_key"]),
        project_key=int(answer["project_key"]),
        serial_number=serial,
        flash_id=str(answer["flash_id"]),
        cell=_cell(answer),
    )


def _app_credential(answer: dict[str, Any]) -> AppCredential | RefusedApp:
    if answer.get("role") is None:
        return RefusedApp(str(answer["reason"]), answer.get("secret"))
    serial = answer["authid"]
    if answer["role"] not in DATA_ROLES or not is_segment(serial) or not answer["secret"]:
        raise ValueError("not an app's credential")
    return AppCredential(
        secret=str(answer["secret"]),
        role=answer["role"],
        serial_number=serial,
        device_key=int(answer["device_key"]),
        project_key=int(answer["project_key"]),
        cell=_cell(answer),
    )


def _verified_ticket(answer: dict[str, Any]) -> VerifiedTicket:
    ends_at = answer["ends_at"]
    return VerifiedTicket(
        account_key=int(answer["account_key"]),
        credential=str(answer["credential"]),
        scopes=[str(scope) for scope in answer["scopes"]],
        ends_at=None if ends_at is None else float(ends_at),
    )


def _taken_ticket(answer: dict[str, Any]) -> TakenTicket:
    account_key, credentials = answer["account_key"], answer["credentials"]
    if answer["role"] not in BOARD_ROLES or type(account_key) is not int or account_key < 1 or not credentials:
        raise ValueError("not a board's ticket")
    return TakenTicket(
        account_key=account_key,
        role=answer["role"],
        board_key=int(answer["board_key"]),
        credentials=tuple(str(each) for each in credentials),
        ends_at=float(answer["ends_at"]),
        cell=_cell(answer),
    )


def _cell(answer: dict[str, Any]) -> str | None:
    found = answer.get("cell")
    return None if found is None else str(found)
