"""Messages that are not simply routed: what Crossbar would take from anybody, and what the router answers itself.

Crossbar asks for authorization of CALL, REGISTER, PUBLISH and SUBSCRIBE only. Of what it takes unasked, two things do
harm (both tried, 26.10.1): an ERROR for an invocation ends that invocation whoever sends it, and invocations are
numbered from 1, so that one device could answer another one's calls; and `forward_for` in the other messages chooses
who hears of them.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from autobahn.wamp import message
from autobahn.wamp.exception import ApplicationError

from ironflock_router import payloads
from ironflock_router.meta import is_about
from ironflock_router.records import Identity
from ironflock_router.wire_names import (
    ADD_TESTAMENT,
    BOARD_ROLES,
    CONNECTION_ESTABLISHED,
    DATA_ROLES,
    DEVICE,
    DEVICE_DUPLICATE,
    SESSION_GET,
    SUBSCRIPTION_MATCH,
)

MAX_TESTAMENTS: Final = 4
"""An agent leaves one."""

OVER_LIMIT: Final = "ironflock.error.over_limit"

_UNASKED: Final = (message.Unsubscribe, message.Unregister, message.Cancel, message.Yield, message.Error)


class Sender(Protocol):
    """What is known of the session that sent a message."""

    identity: Identity | None

    @property
    def session_id(self) -> int | None:
        """The number of the session, while it is joined."""

    @property
    def testament_count(self) -> int:
        """How many testaments it has left with the router."""

    def is_foreign_invocation(self, request: int) -> bool:
        """Whether invocation `request` is running at another session."""


MayRegister = Callable[[message.Register], bool]
"""Whether the table permits a registration; a refusal is recorded by asking."""


def violation(sender: Sender, msg: Any) -> str | None:
    """Why the connection is to be cut for this message, or None: no client of ours ever sends it."""
    if isinstance(msg, _UNASKED) and msg.forward_for is not None:
        return "forward_for"
    answers_invocation = isinstance(msg, message.Yield) or (
        isinstance(msg, message.Error) and msg.request_type == message.Invocation.MESSAGE_TYPE
    )
    if answers_invocation and sender.is_foreign_invocation(msg.request):
        return "foreign_invocation"
    return None


def payload_refusal(msg: Any) -> message.Error | str | None:
    """What becomes of a message whose payload cannot be passed on: an answer, or the reason to cut the connection."""
    reason = payloads.problem([getattr(msg, "args", None), getattr(msg, "kwargs", None)]) or _misnamed(msg)
    if reason is None:
        return None
    if isinstance(msg, message.Call) or (isinstance(msg, message.Publish) and msg.acknowledge):
        return _error(msg, ApplicationError.INVALID_ARGUMENT, reason)
    return "payload"


def _misnamed(msg: Any) -> str | None:
    """What is wrong with the names of its keyword arguments, those of a testament included."""
    names = set(getattr(msg, "kwargs", None) or ())
    if isinstance(msg, message.Call) and msg.procedure == ADD_TESTAMENT:
        for each in [*(msg.args or ()), *(msg.kwargs or {}).values()]:
            names.update(each if isinstance(each, dict) else ())
    taken = payloads.NAMES_OF_ANSWERS if isinstance(msg, message.Yield | message.Error) else payloads.NAMES_OF_CALLS
    found = names & taken
    return f"no argument may be named {min(found)}" if found else None


def own_answer(sender: Sender, msg: message.Message, may_register: MayRegister) -> message.Message | None:
    """The router's own reply to a message that is not to be routed, or None."""
    identity = sender.identity
    if identity is None:
        return None
    if isinstance(msg, message.Register):
        return _answer_register(identity, msg, may_register)
    if isinstance(msg, message.Call) and identity.role in DATA_ROLES | BOARD_ROLES:
        return _answer_session_get(sender.session_id, identity, msg) if msg.procedure == SESSION_GET else None
    return _answer_device(sender, identity, msg) if isinstance(msg, message.Call) else None


def _answer_device(sender: Sender, identity: Identity, msg: message.Call) -> message.Message | None:
    if identity.role != DEVICE:
        return None
    if msg.procedure == SUBSCRIPTION_MATCH and not is_about(identity, msg.args[0] if msg.args else None):
        return message.Result(msg.request, args=[None])
    if msg.procedure == ADD_TESTAMENT and sender.testament_count >= MAX_TESTAMENTS:
        return _error(msg, OVER_LIMIT, "a session can leave no more testaments")
    return None


def _answer_session_get(session_id: int | None, identity: Identity, msg: message.Call) -> message.Message:
    """What an app or a board gets to know of a session: its own only, and nothing of the router's inside."""
    if session_id is None or [*(msg.args or ()), *(msg.kwargs or {}).values()] != [session_id]:
        return _error(msg, ApplicationError.NO_SUCH_SESSION, "no such session")
    details = {
        "session": session_id,
        "realm": identity.realm,
        "authid": identity.authid,
        "authrole": identity.role,
        "authmethod": identity.authmethod,
        "authextra": identity.authextra,
    }
    return message.Result(msg.request, args=[details])


def answer_too_long(request_type: int, request: int) -> message.Error:
    """What a caller gets in place of an answer that is longer than its listener's messages may be."""
    return _over_limit(request_type, request, "the answer is longer than a message may be: ask for less at once")


def invocation_too_long(request: int) -> message.Error:
    """What a callee would say of a call that is longer than its listener's messages may be."""
    return _over_limit(message.Invocation.MESSAGE_TYPE, request, "the call is longer than the other side takes")


def _over_limit(request_type: int, request: int, text: str) -> message.Error:
    details = {"code": "over_limit", "message": text}
    return message.Error(request_type, request, OVER_LIMIT, args=[text], kwargs=details)


def _answer_register(identity: Identity, msg: message.Register, may_register: MayRegister) -> message.Message | None:
    if identity.role == DEVICE_DUPLICATE and msg.procedure == f"re.mgmt.{identity.serial}.{CONNECTION_ESTABLISHED}":
        return _error(msg, ApplicationError.PROCEDURE_ALREADY_EXISTS, "this device is connected already")
    if not may_register(msg):
        # Crossbar would tell first whether the procedure exists, and only then that it is forbidden.
        return _error(msg, ApplicationError.NOT_AUTHORIZED, "not authorized to register this procedure")
    return None


def _error(msg: message.Register | message.Call | message.Publish, uri: str, text: str) -> message.Error:
    return message.Error(msg.MESSAGE_TYPE, msg.request, uri, args=[text])
