"""Every sentence that a client can be refused with. Nothing else leaves: no exception's text, no detail."""

from typing import Final

from attrs import frozen
from autobahn.wamp.exception import ApplicationError


@frozen
class Refusal:
    """An ABORT: its reason URI, its text, and the word that counts it; `cell` is for the log alone."""

    reason: str
    message: str
    outcome: str
    cell: str | None = None


WRONG_PROOF: Final = Refusal(ApplicationError.AUTHENTICATION_FAILED, "authentication failed", "wrong_proof")
"""Unknown principal, wrong secret, wrong realm for this path: one answer (decision 11)."""

OTHER_CELL: Final = Refusal(WRONG_PROOF.reason, WRONG_PROOF.message, "other_cell")
"""For whoever proves what opens another cell: as if nobody knew them, which agents try again for ever."""

ENDED_DEVICE: Final = Refusal(ApplicationError.NOT_AUTHORIZED, "WAMP-CRA client signature is invalid", "ended_device")
"""For a decommissioned device that proves its last secret, and for nobody else: published agents exit when they read
exactly this text (wire-agent.md section 2)."""

NO_SUCH_REALM: Final = Refusal(ApplicationError.NO_SUCH_REALM, "this realm does not exist yet", "no_such_realm")
"""For an app of a known device of that project, which proves its secret, while it is not installed there: SDKs wait on
it (decision 11)."""

APP_OF_OTHER_CELL: Final = Refusal(NO_SUCH_REALM.reason, NO_SUCH_REALM.message, OTHER_CELL.outcome)
"""For an app that proves its secret at another cell than its project's: SDKs wait on it."""

FULL: Final = Refusal("ironflock.error.over_limit", "this device's apps have too many sessions", "too_many_sessions")
"""For an app that proves its secret."""

AWAY: Final = Refusal("ironflock.error.unavailable", "the platform is starting or away: try again", "away")
"""Agents try again every second when they read this."""

NO_AUTH_METHOD: Final = Refusal(
    ApplicationError.NO_AUTH_METHOD, "this path takes another authentication method", "no_auth_method"
)
OUT_OF_ORDER: Final = Refusal(
    "wamp.error.protocol_violation", "one HELLO and one AUTHENTICATE a connection", "out_of_order"
)
