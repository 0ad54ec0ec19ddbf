"""Boards on the real router: by ticket into one data realm, what they may there, and what takes them out."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.router_node.node import (
    Node,
    Platform,
    app_authid,
    eventually,
    judging,
    new_address,
    serial_of,
)
from tests.integration.router_node.wire import AbortedError, Peer, WampError

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

OWN = "realm-1-26-dev"
NEUTRAL = ("wamp.error.authentication_failed", "authentication failed")
NOT_AUTHORIZED = "wamp.error.not_authorized"
ENDED = "ironflock.close.credential_ended"
NOT_CALLED = (
    *("append.1.26.readings", "appendBulk.1.26.readings", "1.7.26.DEV.f", "com.app.f", "secret.reveal.vault"),
    *("sys.appaccess.list", "ironflock.location_service.update", "files.write.put", "wamp.session.list"),
    *("ironflock.realms.board.list", "history.other"),
)
NOT_HEARD = (
    *(("1.26.readings", "exact"), ("1.26.", "prefix"), ("", "prefix"), ("t", "prefix"), ("bulk.1.26.", "prefix")),
    *(("..", "wildcard"), ("databackend.errors.x", "exact"), ("com.app.t", "exact"), ("files.", "prefix")),
    ("wamp.session.on_join", "exact"),
)


@pytest_asyncio.fixture(name="judged", autouse=True)
async def fixture_judged(stand_ins: Platform) -> AsyncIterator[list["asyncio.Task[None]"]]:
    """What boards rest on is judged."""
    async with judging(stand_ins.node) as saying:
        yield saying


async def refused(node: Node, realm: str, ticket: str, authid: str | None = None) -> tuple[str, str | None]:
    with pytest.raises(AbortedError) as caught:
        await node.board(realm, ticket, authid)
    return caught.value.reason, caught.value.message


async def error_of(attempt: Awaitable[Any]) -> str:
    with pytest.raises(WampError) as caught:
        await attempt
    return caught.value.uri


def ignore(_: Any) -> None:
    """Listen to nothing."""


async def test_a_board_joins_as_its_person_whatever_it_calls_itself(stand_ins: Platform) -> None:
    for authid in (None, "6", serial_of(7), "svc_fleetdb", app_authid(7, 26)):
        ticket = stand_ins.board_ticket(role="board_writer")
        async with await stand_ins.node.board(OWN, ticket, authid) as board:
            assert (board.details["authid"], board.details["authrole"]) == ("5", "board_writer")
            assert (board.details["realm"], board.details["authmethod"]) == (OWN, "ticket")
            assert board.details["authextra"] == {"account_key": 5, "board_key": 9}
    assert stand_ins.asked[-1][1]["caller_authrole"] == "trusted"


async def test_a_reader_reads_and_follows_and_does_nothing_else(stand_ins: Platform) -> None:
    node = stand_ins.node
    fleetdb = await node.service("fleetdb", OWN)
    await fleetdb.register("history.transformed.", stand_ins.answer, match="prefix", invoke="roundrobin")
    heard: list[Any] = []
    async with fleetdb, await node.board(OWN, stand_ins.board_ticket()) as board:
        found = await board.call("history.transformed.readings", {"limit": 1})
        assert (found["details"]["caller_authid"], found["details"]["caller_authrole"]) == ("5", "board_reader")
        await board.subscribe("transformed.readings", heard.append)
        await board.subscribe("transformed.", ignore, match="prefix")
        await board.subscribe("files.events", ignore)
        assert (await board.call("wamp.session.get", board.session))["authid"] == "5"
        await fleetdb.publish("transformed.readings", {"speed": 1})
        await eventually(lambda: heard)
        for uri in NOT_CALLED:
            assert await error_of(board.call(uri)) == NOT_AUTHORIZED, uri
        for uri in ("1.26.readings", "bulk.1.26.readings", "transformed.readings", "com.app.t", "2.26.readings"):
            assert await error_of(board.publish(uri, {})) == NOT_AUTHORIZED, uri


async def test_a_writer_fills_in_forms_and_calls_devices_too(stand_ins: Platform) -> None:
    node = stand_ins.node
    fleetdb = await node.service("fleetdb", OWN)
    await fleetdb.register("append.1.26.", stand_ins.answer, match="prefix", invoke="roundrobin")
    heard: list[Any] = []
    await fleetdb.subscribe("1.26.", heard.append, match="prefix")
    ticket = stand_ins.board_ticket(role="board_writer")
    async with fleetdb, await node.app(7) as app, await node.board(OWN, ticket) as board:
        await app.register("1.7.26.DEV.restart", stand_ins.answer, force_reregister=True)
        found = await board.call("1.7.26.DEV.restart", 3)
        assert (found["args"], found["details"]["caller_authid"]) == ([3], "5")
        found = await board.call("append.1.26.readings", {"speed": 1})
        assert found["details"]["caller_authrole"] == "board_writer"
        await board.publish("1.26.readings", {"speed": 2})
        await board.publish("bulk.1.26.readings", [])
        await eventually(lambda: heard)
        assert (heard[0][3]["publisher_authid"], heard[0][3]["publisher_authrole"]) == ("5", "board_writer")
        for uri in (
            "1.27.readings",
            "2.26.readings",
            "bulk.1.27.readings",
            "transformed.readings",
            "com.app.t",
            "1.7.26.DEV.f",
        ):
            assert await error_of(board.publish(uri, {})) == NOT_AUTHORIZED, uri
        for uri in ("2.7.26.DEV.f", "com.app.f", "secret.reveal.vault", "secret.verify.vault", "sys.appaccess.list"):
            assert await error_of(board.call(uri)) == NOT_AUTHORIZED, uri


@pytest.mark.parametrize("role", ["board_reader", "board_writer"])
async def test_no_board_registers_or_hears_what_is_written(stand_ins: Platform, role: str) -> None:
    async with await stand_ins.node.board(OWN, stand_ins.board_ticket(role=role)) as board:
        for uri in (
            "1.7.26.DEV.f",
            "1.9.26.DEV.f",
            "history.transformed.readings",
            "append.1.26.readings",
            "com.app.f",
        ):
            assert await error_of(board.register(uri, stand_ins.answer)) == NOT_AUTHORIZED, uri
            assert await error_of(board.register(uri, stand_ins.answer, force_reregister=True)) == NOT_AUTHORIZED, uri
        for uri, match in NOT_HEARD:
            assert await error_of(board.subscribe(uri, ignore, match=match)) == NOT_AUTHORIZED, uri


@pytest.mark.parametrize("realm", ["realm-1-77-dev", "realm-2-26-dev", "realm-1-26-prod", "realm1", "ironflock.system"])
async def test_a_ticket_opens_no_other_realm(stand_ins: Platform, realm: str) -> None:
    ticket = stand_ins.board_ticket()
    assert await refused(stand_ins.node, realm, ticket) == NEUTRAL
    async with await stand_ins.node.board(OWN, ticket):
        pass


async def test_a_ticket_opens_once(stand_ins: Platform) -> None:
    ticket = stand_ins.board_ticket()
    async with await stand_ins.node.board(OWN, ticket):
        assert await refused(stand_ins.node, OWN, ticket) == NEUTRAL
    assert await refused(stand_ins.node, OWN, ticket) == NEUTRAL


async def test_a_ticket_is_no_secret_and_no_ticket_for_another_door(stand_ins: Platform) -> None:
    ticket, node = stand_ins.board_ticket(), stand_ins.node
    for authid in ("5", app_authid(130, 26), "x"):
        async with await Peer.connect(node.public, "/ws-ua-usr", node.tls, source=new_address()) as peer:
            with pytest.raises(AbortedError) as caught:
                await peer.join_cra(OWN, authid, ticket)
            assert (caught.value.reason, caught.value.message) == NEUTRAL
    for path, realm in (("/ws-usr", "realm1"), ("/ws-usr", OWN)):
        async with await Peer.connect(node.public, path, node.tls, source=new_address()) as peer:
            with pytest.raises(AbortedError) as caught:
                await peer.join_ticket(ticket, realm)
            assert (caught.value.reason, caught.value.message) == NEUTRAL
    async with await Peer.connect(node.public, "/ws-re-dev", node.tls, source=new_address()) as peer:
        assert (await peer.hello("realm1", None, ["ticket"]))[2] == "wamp.error.no_auth_method"
    async with await node.board(OWN, ticket):
        pass


async def test_a_person_s_ticket_opens_no_data_realm(stand_ins: Platform) -> None:
    assert await refused(stand_ins.node, OWN, "ticket-5") == NEUTRAL


async def test_who_offers_both_methods_is_taken_by_the_first(stand_ins: Platform) -> None:
    node = stand_ins.node
    for methods in (["ticket", "wampcra"], ["scram", "wampcra", "ticket"]):
        async with await Peer.connect(node.public, "/ws-ua-usr", node.tls, source=new_address()) as peer:
            first = next(each for each in methods if each != "scram")
            assert (await peer.hello(OWN, app_authid(7, 26), methods))[1] == first


@pytest.mark.parametrize("credential", [0, 1])
async def test_whatever_of_its_credentials_ends_takes_it_along_and_no_other(
    stand_ins: Platform, credential: int
) -> None:
    node = stand_ins.node
    auth = stand_ins.auth
    mine, other = [stand_ins.board_ticket(credentials=[f"bse-{n}", f"key-{n}"]) for n in (1, 2)]
    async with await node.board(OWN, mine) as board, await node.board(OWN, other) as another, await node.app(7) as app:
        ended = await auth.call("ironflock.router.credential.end", [["bse-1", "key-1"][credential]])
        assert ended == 1
        await asyncio.wait_for(board.closed.wait(), 2)
        assert board.goodbye is not None
        assert board.goodbye[2] == ENDED
        assert not another.closed.is_set()
        assert not app.closed.is_set()


async def test_a_board_ends_with_its_time(stand_ins: Platform) -> None:
    ticket = stand_ins.board_ticket(ends_at=time.time() + 1.5)  # noqa: TID251 - an end is a date
    async with await stand_ins.node.board(OWN, ticket) as board:
        await asyncio.wait_for(board.closed.wait(), 6)
        assert board.goodbye is not None
        assert board.goodbye[2] == ENDED


@pytest.mark.parametrize("lost", [0, 1], ids=["realms", "auth"])
async def test_where_nobody_judges_any_more_or_tells_what_has_ended_boards_end_and_none_joins(
    stand_ins: Platform, judged: list["asyncio.Task[None]"], lost: int
) -> None:
    node, ticket = stand_ins.node, stand_ins.board_ticket()
    async with await node.board(OWN, stand_ins.board_ticket()) as board, await node.app(7) as app:
        judged[lost].cancel()
        await asyncio.wait_for(board.closed.wait(), 5 + 3)
        assert board.goodbye is not None
        assert board.goodbye[2] == "ironflock.close.rights_unknown"
        assert (await refused(node, OWN, ticket))[0] == "ironflock.error.unavailable"
        assert not app.closed.is_set()
    async with judging(node), await node.board(OWN, ticket):
        pass


async def test_a_board_ends_with_its_realm(stand_ins: Platform) -> None:
    realms = await stand_ins.node.service("realms", "ironflock.system")
    async with realms, await stand_ins.node.board(OWN, stand_ins.board_ticket()) as board:
        await realms.call("ironflock.router.realm.end", OWN)
        await asyncio.wait_for(board.closed.wait(), 3)
        assert board.goodbye is not None
        assert board.goodbye[2] == "wamp.close.realm_gone"


async def test_a_realm_that_ends_while_a_board_joins_is_not_opened_again(stand_ins: Platform) -> None:
    realms = await stand_ins.node.service("realms", "ironflock.system")

    async def end() -> None:
        await realms.call("ironflock.router.realm.end", OWN)

    stand_ins.before_answer = end
    async with realms:
        assert (await refused(stand_ins.node, OWN, stand_ins.board_ticket()))[0] == "ironflock.error.unavailable"


@pytest.mark.parametrize("change", [{"role": "app"}, {"role": "svc_fleetdb"}, {"credentials": []}, {"account_key": 0}])
async def test_a_look_up_that_answers_nonsense_is_away(stand_ins: Platform, change: dict[str, Any]) -> None:
    ticket = stand_ins.board_ticket(**change)
    assert (await refused(stand_ins.node, OWN, ticket))[0] == "ironflock.error.unavailable"


FORGED = [{"session": 1, "authid": "6", "authrole": "app"}]
ATTACKS: list[Callable[[Peer], Awaitable[Any]]] = [
    lambda board: board.call("history.transformed.x", options={"forward_for": FORGED}),
    lambda board: board.publish("1.26.x", {}, options={"forward_for": FORGED}),
    lambda board: board.publish("1.26.x", {}, options={"retain": True}),
    lambda board: board.publish("1.26.x", {}, options={"eligible_authrole": ["app_reader"]}),
    lambda board: board.call("wamp.session.kill", 1),
    lambda board: board.call("wamp.session.add_testament", "1.26.x", [], {}),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
async def test_no_option_helps_a_writer_to_more(stand_ins: Platform, attack: Callable[[Peer], Awaitable[Any]]) -> None:
    async with await stand_ins.node.board(OWN, stand_ins.board_ticket(role="board_writer")) as board:
        assert await error_of(attack(board)) == NOT_AUTHORIZED
