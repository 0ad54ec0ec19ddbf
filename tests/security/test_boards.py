"""With a board's ticket, or a board's session, on the bus: nothing of another realm, and no more than the board may.

The bus alone, with a stand-in that says whom a ticket lets in; what boards may do for every URI is tried by rows in
tests/unit/router_node, tickets themselves on a real database in tests/integration/auth.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from shared.board_tickets import mint
from tests.integration.router_node.conftest import shared_node, stand_ins
from tests.integration.router_node.node import (
    Platform,
    app_authid,
    app_secret,
    eventually,
    judging,
    new_address,
)
from tests.integration.router_node.wire import (
    ABORT,
    AUTHENTICATE,
    ERROR,
    HELLO,
    INVOCATION,
    ROLES,
    YIELD,
    AbortedError,
    ClosedError,
    Peer,
    WampError,
    sign,
)

__all__ = ["shared_node", "stand_ins"]  # the fixtures of the router's folder

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

NEUTRAL = ("wamp.error.authentication_failed", "authentication failed")
NOT_AUTHORIZED = "wamp.error.not_authorized"
MINE, THEIRS = "realm-1-26-dev", "realm-2-26-dev"


@pytest_asyncio.fixture(name="judged", autouse=True)
async def fixture_judged(stand_ins: Platform) -> AsyncIterator[list["asyncio.Task[None]"]]:
    """What boards rest on is judged."""
    async with judging(stand_ins.node) as saying:
        yield saying


async def attempt(platform: Platform, realm: str, ticket: str, **details: Any) -> Any:
    """How a ticket is answered; `details` are said in the HELLO besides."""
    async with await Peer.connect(platform.node.public, "/ws-ua-usr", platform.node.tls, source=new_address()) as peer:
        challenge = await peer.hello(realm, details.pop("authid", None), ["ticket"], **details)
        if challenge[0] == ABORT:
            return challenge[2], challenge[1].get("message")
        answer = await peer.authenticate(ticket)
        return (answer[2], answer[1].get("message")) if answer[0] == ABORT else answer[2]


async def error_of(asked: Any) -> str:
    with pytest.raises(WampError) as caught:
        await asked
    return caught.value.uri


@pytest.mark.parametrize(
    "realm",
    [
        THEIRS, "realm-1-27-dev", "realm-1-26-prod", "realm-1-26-DEV", "realm-01-26-dev", "realm-1-26-dev\n", "realm1",
        "ironflock.system", "crossbar", "*", "realm-1-26-dev.x",
    ],
)  # fmt: skip
async def test_a_stolen_ticket_opens_no_realm_but_its_own(stand_ins: Platform, realm: str) -> None:
    answer = await attempt(stand_ins, realm, stand_ins.board_ticket(MINE, "board_writer"))
    assert answer == NEUTRAL or answer[0].startswith("wamp.error.")


@pytest.mark.parametrize(
    "said",
    [
        {"authrole": "app"},
        {"authrole": "svc_fleetdb"},
        {"authid": "6"},
        {"authid": "svc_fleetdb", "authrole": "trusted"},
        {"authextra": {"role": "app", "device_key": 7, "account_key": 6, "board_key": 1}},
    ],
)
async def test_who_says_to_be_more_is_what_the_ticket_says(stand_ins: Platform, said: dict[str, Any]) -> None:
    welcome = await attempt(stand_ins, MINE, stand_ins.board_ticket(MINE), **said)
    assert (welcome["authid"], welcome["authrole"]) == ("5", "board_reader")
    assert welcome["authextra"] == {"account_key": 5, "board_key": 9}


async def test_of_many_that_use_one_ticket_at_once_one_gets_in(stand_ins: Platform) -> None:
    ticket = stand_ins.board_ticket(MINE)
    answers = await asyncio.gather(*(attempt(stand_ins, MINE, ticket) for _ in range(20)))
    assert sum(isinstance(answer, dict) for answer in answers) == 1
    assert {answer for answer in answers if not isinstance(answer, dict)} == {NEUTRAL}


@pytest.mark.parametrize("ticket", [mint(bytes(32)), "", "ticket-5", "x" * 5000, "ifb_", app_secret(app_authid(7, 26))])
async def test_what_is_guessed_opens_nothing_and_reads_like_any_refusal(stand_ins: Platform, ticket: str) -> None:
    assert await attempt(stand_ins, MINE, ticket) == NEUTRAL


async def test_a_challenge_of_the_other_method_is_not_answered_by_a_ticket(stand_ins: Platform) -> None:
    """WAMP-CRA's challenge, and then a ticket, or a signature by it; and a signature where a ticket is asked for."""
    node, authid = stand_ins.node, app_authid(140, 26)
    ticket = stand_ins.board_ticket(MINE, "board_writer")
    for answer in (lambda _: ticket, lambda challenge: sign(ticket, challenge)):
        async with await Peer.connect(node.public, "/ws-ua-usr", node.tls, source=new_address()) as peer:
            challenge = await peer.hello(MINE, authid, ["wampcra"])
            assert (await peer.authenticate(answer(challenge[2]["challenge"])))[0] == ABORT
    async with await Peer.connect(node.public, "/ws-ua-usr", node.tls, source=new_address()) as peer:
        challenge = await peer.hello(MINE, authid, ["ticket", "wampcra"])
        assert challenge[2] == {}
        assert (await peer.authenticate(sign(app_secret(authid), "")))[0] == ABORT
    assert ticket not in stand_ins.taken


async def is_over(peer: Peer) -> bool:
    """Whether nothing but an ABORT and the end of the connection follows."""
    try:
        while True:
            assert (await asyncio.wait_for(peer.receive(), 5))[0] == ABORT
    except ClosedError:
        return True


async def test_one_hello_and_one_answer_a_connection(stand_ins: Platform) -> None:
    node, ticket = stand_ins.node, stand_ins.board_ticket(MINE)
    async with await Peer.connect(node.public, "/ws-ua-usr", node.tls, source=new_address()) as peer:
        await peer.hello(MINE, None, ["ticket"])
        assert (await peer.authenticate(mint(bytes(32))))[0] == ABORT
        peer.send(AUTHENTICATE, ticket, {})
        assert await is_over(peer)
    async with await Peer.connect(node.public, "/ws-ua-usr", node.tls, source=new_address()) as peer:
        await peer.hello(THEIRS, None, ["ticket"])
        peer.send(HELLO, MINE, {"roles": ROLES, "authmethods": ["ticket"]})
        assert await is_over(peer)
    assert ticket not in stand_ins.taken


async def test_a_person_s_failing_tickets_slow_no_app_down(stand_ins: Platform) -> None:
    """What is said as authid beside a ticket proves nothing: it must not count as that principal's failure."""
    victim = app_authid(141, 26)
    for _ in range(6):
        assert await attempt(stand_ins, MINE, mint(bytes(32)), authid=victim) == NEUTRAL
    node = stand_ins.node
    began = asyncio.get_running_loop().time()
    async with await Peer.connect(node.public, "/ws-ua-usr", node.tls, source=new_address()) as peer:
        with pytest.raises(AbortedError):
            await peer.join_cra(MINE, victim, "wrong")
    assert asyncio.get_running_loop().time() - began < 1.5


async def test_a_board_answers_no_call_of_others_and_ends_no_session(stand_ins: Platform) -> None:
    asked = asyncio.Event()

    async def slow(*_: Any, details: dict[str, Any]) -> str:
        asked.set()
        await asyncio.sleep(1)
        return f"true {details['request']}"

    ticket = stand_ins.board_ticket(MINE, "board_writer")
    async with await stand_ins.node.app(7) as app, await stand_ins.node.app(8) as caller:
        await app.register("1.7.26.DEV.slow", slow)
        board = await stand_ins.node.board(MINE, ticket)
        call = asyncio.ensure_future(caller.call("1.7.26.DEV.slow"))
        await asyncio.wait_for(asked.wait(), 5)
        for request in range(1, 20):
            if not board.closed.is_set():
                board.send(YIELD, request, {}, ["forged"])
                board.send(ERROR, INVOCATION, request, {}, "wamp.error.canceled")
        assert (await call).startswith("true ")
        await eventually(board.closed.is_set)
        await board.drop()
        again = await stand_ins.node.board(MINE, stand_ins.board_ticket(MINE, "board_writer"))
        async with again:
            for uri in ("wamp.session.kill", "wamp.session.kill_by_authid", "wamp.session.list", "wamp.session.count"):
                assert await error_of(again.call(uri, app.session)) == NOT_AUTHORIZED
            assert await error_of(again.call("wamp.session.get", app.session)) == "wamp.error.no_such_session"
            assert not app.closed.is_set()
