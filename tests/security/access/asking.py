"""One cell: somebody asks, and the answer becomes a word."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from services.gateway.records import Route
from shared.procedures import Audience, Declaration
from tests.harness.rest import Reply
from tests.integration.router_node.wire import WampError
from tests.security.access.records import Known, filled
from tests.security.access.scene import Asker

ALLOWED: Final = "allowed"
NOTHING: Final = "nothing"
ROUTER: Final = "router"
ELSEWHERE: Final = frozenset({"invalid_argument", "already_exists", "conflict", "expired", "not_supported"})
"""Refusals that come once the decision about access is made; cases are such that none comes before."""
FAULTS: Final = frozenset({"internal", "unavailable", "outcome_unknown", "over_limit"})


class UnansweredError(Exception):
    """The answer says nothing about access: the platform is ill, or the case is."""


async def on_bus(asker: Asker, declaration: Declaration, arguments: dict[str, Any]) -> tuple[str, Any]:
    """The word for the answer, and the answer itself where there is one; of a stream the first."""
    assert asker.peer is not None
    try:
        if declaration.audience is Audience.DEVICES:
            return ALLOWED, await asker.peer.call(declaration.uri, arguments)
        if not declaration.is_stream:
            return ALLOWED, await asker.peer.call(declaration.uri, **arguments)
        async with await asker.apart() as peer:
            return ALLOWED, await peer.call(declaration.uri, options={"receive_progress": True}, **arguments)
    except WampError as error:
        return _refusal(error), None


async def by_rest(asker: Asker, route: Route, arguments: Mapping[str, Any], known: Known) -> tuple[str, Any]:
    """As `on_bus`, over HTTPS."""
    values = {**known, **arguments}
    places = {name: values[argument] for name, argument in route.path.items()}
    taken = {name: value for name, value in arguments.items() if name not in route.path.values()}
    query = {name: _text(value) for name, value in taken.items() if name in route.query}
    if route.many in route.query:
        query[route.many] = _text(arguments["device"])
    body = {name: value for name, value in taken.items() if name in (route.body or ())}
    path = route.template.format_map(places) + (f"?{urlencode(query)}" if query else "")
    reply = await asyncio.to_thread(asker.rest.ask, route.method, path, None if route.body is None else body)
    return _word(reply)


async def by_authzen(asker: Asker, endpoint: str, body: Any) -> tuple[str, Any]:
    """As `by_rest`, at one of the endpoints of AuthZEN."""
    headers = [("content-type", "application/json")]
    if asker.credential is not None:
        headers.append(("authorization", f"Bearer {asker.credential}"))
    content = json.dumps(body).encode()
    return _word(await asyncio.to_thread(asker.rest.send, "POST", f"/access/v1{endpoint}", headers, content))


async def of_page(asker: Asker, path: str) -> tuple[str, Any]:
    """As `by_rest`, of a page that asks for no credential; one that comes along changes nothing."""
    headers = [] if asker.credential is None else [("authorization", f"Bearer {asker.credential}")]
    reply = await asyncio.to_thread(asker.rest.send, "GET", path, headers)
    return (ALLOWED if reply.status == 200 else str(reply.status)), None


def given(asks: Mapping[str, Any], known: Known) -> dict[str, Any]:
    """The arguments, with what is known in place of names."""
    arguments: dict[str, Any] = filled(asks, known)
    return arguments


def _refusal(error: WampError) -> str:
    code = error.uri.rpartition(".")[2]
    if code in FAULTS:
        raise UnansweredError(error)
    if code in ELSEWHERE:
        return ALLOWED
    is_routers = error.uri == "wamp.error.not_authorized" and "code" not in error.more
    return ROUTER if is_routers else code


def _word(reply: Reply) -> tuple[str, Any]:
    answer: Any = json.loads(reply.content) if reply.content else None
    refused: Any = answer["errors"][0] if reply.status == 207 else answer
    status = refused["status"] if reply.status == 207 else reply.status
    if status < 400:
        return ALLOWED, answer
    if refused["code"] in FAULTS or status == 400:
        raise UnansweredError(reply)
    return (ALLOWED, None) if refused["code"] in ELSEWHERE else (f"{status} {refused['code']}", None)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, list) else str(value)
