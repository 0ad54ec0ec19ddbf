"""What the agent does after each way a connection can end: data, and one function that reads it."""

from enum import Enum
from typing import Final

from attrs import frozen

from deploy.flockctl.simulator.wire import MAX_TIMES_TAKEN, RETRY_DELAY_S


class State(Enum):
    """Where an agent stands."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    CONFIGURING = "configuring"
    ONLINE = "online"
    ENDED = "ended"


class Outcome(Enum):
    """How an attempt, or a session, ended."""

    NOT_REACHED = "not_reached"
    NO_REPLY = "no_reply"
    JOIN_REFUSED = "join_refused"
    SIGNATURE_REFUSED = "signature_refused"
    ALREADY_CONNECTED = "already_connected"
    TESTAMENT_REFUSED = "testament_refused"
    STATUS_REFUSED = "status_refused"
    MOVED = "moved"
    LOST = "lost"
    CLOSED_BY_ROUTER = "closed_by_router"
    CRASHED = "crashed"
    LEFT = "left"  # told to stop


# The agent's process ends on these; a supervisor may or may not start it again.
EXITS: Final = frozenset(
    {Outcome.SIGNATURE_REFUSED, Outcome.TESTAMENT_REFUSED, Outcome.STATUS_REFUSED, Outcome.CRASHED}
)


@frozen
class Next:
    """What comes next: another try after `delay_s`, or the end of the agent (`delay_s` is None)."""

    delay_s: float | None
    times_taken: int


def next_step(outcome: Outcome, times_taken: int) -> Next:
    """What the agent does after `outcome`.

    Args:
        times_taken: How often in a row, before this, another session held the device's own registration.
    """
    taken = times_taken + 1 if outcome is Outcome.ALREADY_CONNECTED else 0
    if outcome in EXITS or taken >= MAX_TIMES_TAKEN:
        return Next(None, taken)
    return Next(0.0 if outcome is Outcome.MOVED else RETRY_DELAY_S, taken)
