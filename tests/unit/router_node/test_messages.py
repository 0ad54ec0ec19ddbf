"""What the router answers itself, and what it takes from nobody."""

from typing import Any

import pytest
from autobahn.wamp import message

from ironflock_router.messages import MAX_TESTAMENTS, own_answer, violation
from ironflock_router.records import Identity

DEVICE = Identity("realm1", "1-7", "device", "wampcra", serial="S1", device_key=7)
COPY = Identity("realm1", "1-7", "device_duplicate", "wampcra", serial="S1", device_key=7)
PERSON = Identity("realm1", "5", "user", "ticket")
FORGED = [{"session": 1, "authid": "admin", "authrole": "trusted"}]


class Sender:
    """A session."""

    def __init__(self, identity: Identity | None, testament_count: int = 0) -> None:
        """As it is known."""
        self.identity = identity
        self.testament_count = testament_count

    session_id: int | None = 4711

    def is_foreign_invocation(self, request: int) -> bool:
        """Number 2 is somebody else's."""
        return request == 2


def answer(sender: Sender, msg: message.Message, *, may_register: bool = True) -> Any:
    return own_answer(sender, msg, lambda _: may_register)


@pytest.mark.parametrize("identity", [DEVICE, PERSON])
def test_an_answer_to_a_foreign_invocation_is_a_violation(identity: Identity) -> None:
    for request, expected in ((2, "foreign_invocation"), (1, None)):
        for msg in (message.Error(68, request, "a.b"), message.Yield(request)):
            assert violation(Sender(identity), msg) == expected


def test_forward_for_is_a_violation_where_nothing_else_asks() -> None:
    for msg in (
        message.Unsubscribe(1, 1, forward_for=FORGED),
        message.Unregister(1, 1, forward_for=FORGED),
        message.Cancel(1, forward_for=FORGED),
        message.Yield(1, forward_for=FORGED),
        message.Error(68, 1, "a.b", forward_for=FORGED),
    ):
        assert violation(Sender(DEVICE), msg) == "forward_for"


def test_match_is_answered_null_but_for_the_own_serial() -> None:
    for args in (["reswarm.logs.S2.x"], ["S1x"], [7], [], None):
        result = answer(Sender(DEVICE), message.Call(9, "wamp.subscription.match", args=args))
        assert (result.request, result.args) == (9, [None])
    assert answer(Sender(DEVICE), message.Call(9, "wamp.subscription.match", args=["reswarm.logs.S1.x"])) is None


def test_a_registration_that_is_not_permitted_is_answered_here() -> None:
    register = message.Register(9, "re.mgmt.S2.x")
    assert answer(Sender(DEVICE), register, may_register=False).error == "wamp.error.not_authorized"
    assert answer(Sender(DEVICE), register) is None


def test_a_copy_reads_that_its_procedure_exists() -> None:
    established = message.Register(9, "re.mgmt.S1.wamp_connection_established")
    other = message.Register(9, "re.mgmt.S1.x")
    assert answer(Sender(COPY), established, may_register=False).error == "wamp.error.procedure_already_exists"
    assert answer(Sender(COPY), other, may_register=False).error == "wamp.error.not_authorized"


def test_testaments_are_bounded() -> None:
    add = message.Call(9, "wamp.session.add_testament", args=["a.b", [], {}])
    assert answer(Sender(DEVICE, MAX_TESTAMENTS - 1), add) is None
    assert answer(Sender(DEVICE, MAX_TESTAMENTS), add).error == "ironflock.error.over_limit"


APP = Identity("realm-2-26-dev", "S1", "app", "wampcra", {"device_key": 7}, serial="S1", device_key=7)


def test_an_app_learns_of_its_own_session_only_and_nothing_of_the_router() -> None:
    for call in (
        message.Call(9, "wamp.session.get", args=[4711]),
        message.Call(9, "wamp.session.get", kwargs={"session_id": 4711}),
    ):
        result = answer(Sender(APP), call)
        assert (result.request, result.args[0]["session"], result.args[0]["authid"]) == (9, 4711, "S1")
        assert result.args[0].keys() == {"session", "realm", "authid", "authrole", "authmethod", "authextra"}
    others: list[list[Any] | None] = [[4712], [], None, ["4711"], [4711, 4712], [{}]]
    for args in others:
        refusal = answer(Sender(APP), message.Call(9, "wamp.session.get", args=args))
        assert refusal.error == "wamp.error.no_such_session"


def test_what_an_app_may_not_register_is_answered_here() -> None:
    register = message.Register(9, "2.8.26.DEV.f")
    assert answer(Sender(APP), register, may_register=False).error == "wamp.error.not_authorized"
    assert answer(Sender(APP), register) is None


def test_other_calls_and_other_roles_are_routed() -> None:
    assert answer(Sender(DEVICE), message.Call(9, "reswarm.devices.get_app_cred_key")) is None
    assert answer(Sender(PERSON), message.Call(9, "wamp.subscription.match", args=["x"])) is None
    assert answer(Sender(PERSON), message.Call(9, "wamp.session.get", args=[1])) is None
    assert answer(Sender(APP), message.Call(9, "wamp.subscription.match", args=["x"])) is None
    assert answer(Sender(None), message.Call(9, "a.b")) is None
    assert answer(Sender(DEVICE), message.Subscribe(9, "a.b")) is None
