"""What stands around every procedure of a data realm: gate, time limit, and refusals as their clients know them.

A typed refusal leaves as it is, and one of the platform's as it is everywhere; anything else becomes an incident id.
Neither answers nor the log repeat what is in rows: PostgreSQL's errors do, so of a fault only its kind and its place
are written down.
"""

import asyncio
import secrets
import traceback
from typing import Any, Final

import psycopg
import structlog
from autobahn.wamp.exception import ApplicationError
from prometheus_client import Histogram

from services.fleetdb.errors import Refusal
from services.fleetdb.gates import Gate
from services.fleetdb.live import LiveRealm
from services.fleetdb.procedures.declaring import Declared, Method
from services.fleetdb.records.calls import Asked
from shared import tracing
from shared.errors import InternalError, OutcomeUnknownError, PublicError

PLACES: Final = 6

log = structlog.get_logger()
seconds = Histogram("ironflock_data_procedure_seconds", "Time of a call on a data realm", ["procedure", "outcome"])


async def answer(declared: Declared, method: Method, gate: Gate, realm: LiveRealm, asked: Asked) -> Any:
    """What `method` answers.

    Raises:
        ApplicationError: As the client reads it.
    """
    outcome = "cancelled"
    with seconds.time() as timer, tracing.served(declared.uri) as doing:
        try:
            async with gate.enter(declared.lane, asked.octets), asyncio.timeout(declared.max_time_s):
                result = await method(realm, asked)
            outcome = "done"
        except Exception as error:  # noqa: BLE001 - the one place that stands between any fault and a caller
            refusal = _refusal(declared, realm, asked, error)
            outcome = refusal.error.rpartition(".")[2]
            doing.refused(outcome)
            raise refusal from None
        finally:
            timer.labels(declared.uri, outcome)
    return result


def _refusal(declared: Declared, realm: LiveRealm, asked: Asked, error: Exception) -> ApplicationError:
    if isinstance(error, Refusal):
        return ApplicationError(error.uri, *error.wire_args, **error.wire_kwargs)
    if isinstance(error, PublicError):
        return _public(error)
    if isinstance(error, TimeoutError):
        return _public(OutcomeUnknownError("this took too long and was given up; look before you repeat"))
    incident = secrets.token_hex(8)
    what = {"kind": type(error).__name__, "sqlstate": getattr(error, "sqlstate", None), "places": _places(error)}
    who = {"realm": realm.backend.realm, "authid": asked.caller.authid}
    log.error("data_procedure_failed", procedure=declared.uri, incident=incident, **what, **who)
    return _public(InternalError("something went wrong here; the incident id finds it in the log", incident=incident))


def _public(error: PublicError) -> ApplicationError:
    return ApplicationError(error.uri, error.message, **error.details())


def _places(error: Exception) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-PLACES:]
    said = str(error)[:200] if not isinstance(error, psycopg.Error | ValueError | TypeError | KeyError) else ""
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames] + ([said] if said else [])
