"""From a request to its answer: understood, counted, proved, called. The gateway itself never decides who may."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
from attrs import evolve

from services.gateway.entrance import Entrance, Visitor
from services.gateway.keeping import Attempt, Keeping, fingerprint_of
from services.gateway.records import Answer, Asked, HttpRefusedError, Proof, Route, Verdict, Wanted
from services.gateway.refusing import refused
from services.gateway.rules import arguments, headers, paging, refusals
from services.gateway.rules.bodies import decoded
from services.gateway.rules.routes import allowed, placeholders, routes_at
from shared import tracing
from shared.errors import NotFoundError, OutcomeUnknownError, PublicError

TIME_LIMIT_S: Final = 25.0
SLOW: Final = "this took too long; look before you repeat"
MULTI_STATUS: Final = 207
NO_CONTENT: Final = 204


class Serving:
    """Answers requests."""

    def __init__(
        self,
        entrance: Entrance,
        keeping: Keeping,
        spawn: Callable[[Coroutine[Any, Any, Answer]], "asyncio.Task[Answer]"],
    ) -> None:
        """Answer whom `entrance` lets in; `spawn` keeps a task until it is done, whoever still waits for it."""
        self._entrance = entrance
        self._keeping = keeping
        self._spawn = spawn

    async def answer(self, asked: Asked) -> Answer:
        """The answer, whatever happens."""
        verdicts: list[Verdict] = []
        try:
            async with asyncio.timeout(TIME_LIMIT_S):
                answer = await self._answered(asked, verdicts)
        except TimeoutError:
            answer = refusals.of_public(OutcomeUnknownError(SLOW))
        except Exception as error:  # noqa: BLE001 - the one place that stands between any fault and a caller
            answer = refused(error)
        return evolve(answer, headers=(*answer.headers, *self._entrance.told(verdicts)))

    async def _answered(self, asked: Asked, verdicts: list[Verdict]) -> Answer:
        route, found = _route(asked)
        tracing.routed(route.method, route.template)
        visitor = self._entrance.visitor(asked, verdicts)
        wanted = _wanted(asked, route, found)
        if len(wanted.calls) > 1:
            self._entrance.count(visitor, len(wanted.calls) - 1)
        proof = await self._entrance.prove(visitor, route.procedure, wanted.calls[0])
        if wanted.key is None:
            return await self._done(asked, wanted, visitor, proof)
        attempt = await self._keeping.begin(proof, wanted.key, fingerprint_of(asked))
        if isinstance(attempt, Answer):
            return attempt
        # Goes on when nobody waits any more: what was begun under a key gets an answer that the key leads to.
        return await asyncio.shield(self._spawn(self._kept(asked, wanted, visitor, proof, attempt)))

    async def _kept(self, asked: Asked, wanted: Wanted, visitor: Visitor, proof: Proof, attempt: Attempt) -> Answer:
        try:
            answer = await self._done(asked, wanted, visitor, proof)
        except Exception as error:  # noqa: BLE001 - as above: the key must lead to an answer
            answer = refused(error)
        await attempt.finish(answer, is_secret=wanted.route.is_secret)
        return answer

    async def _done(self, asked: Asked, wanted: Wanted, visitor: Visitor, proof: Proof) -> Answer:
        if wanted.is_many:
            return await self._several(wanted, visitor, proof)
        answer = await self._entrance.call(wanted.route.procedure, wanted.calls[0], proof)
        if answer is None:
            return Answer(NO_CONTENT)
        link = paging.next_page(wanted.route, asked.path, arguments.query_of(asked.query), answer)
        return Answer(wanted.route.status, msgspec.json.encode(answer), link)

    async def _several(self, wanted: Wanted, visitor: Visitor, first: Proof) -> Answer:
        """Each call by itself, in order; what is refused does not undo what was done."""
        route, done, failed = wanted.route, [], []
        for index, call in enumerate(wanted.calls):
            try:
                proof = await self._entrance.prove(visitor, route.procedure, call) if index else first
                answer = await self._entrance.call(route.procedure, call, proof)
                done.append(call["device"] if answer is None else answer)
            except (PublicError, HttpRefusedError) as error:
                failed.append({"index": index, **refusals.item(error)})
        content = msgspec.json.encode({"deleted" if route.many == "ids" else route.many: done, "errors": failed})
        return Answer(MULTI_STATUS if failed else route.status, content)


def _route(asked: Asked) -> tuple[Route, dict[str, str]]:
    """The route, and what stands in its placeholders."""
    segments = arguments.segments_of(asked.path)
    routes = routes_at(segments) if segments is not None else ()
    if segments is None or not routes:
        raise NotFoundError("there is no such path; the description lists all: /v1/ironflock/openapi.json")
    method = "GET" if asked.method == "HEAD" else asked.method
    for route in routes:
        if route.method == method:
            return route, placeholders(route, segments)
    raise HttpRefusedError(
        "method_not_allowed", "this path takes other methods, see Allow", headers=(("allow", allowed(routes)),)
    )


def _wanted(asked: Asked, route: Route, found: dict[str, str]) -> Wanted:
    """The request, understood."""
    headers.check_accept(asked)
    key = headers.idempotency_key(asked) if route.method == "POST" else None
    given = arguments.from_query(route, arguments.query_of(asked.query))
    in_path = arguments.from_path(route, found)
    bodies, is_many = _bodies(asked, route)
    calls = [{**body, **given, **in_path} for body in bodies]
    if route.many in route.query:
        calls, is_many = arguments.many_of(route, calls[0]), True
    return Wanted(route=route, calls=tuple(calls), is_many=is_many, key=key)


def _bodies(asked: Asked, route: Route) -> tuple[list[dict[str, Any]], bool]:
    if route.body is None:
        if asked.body:
            raise HttpRefusedError("malformed", "this request takes no body")
        return [{}], False
    if not asked.body and not route.body:
        return [{}], False
    headers.check_content(asked)
    body = decoded(asked.body)
    return arguments.from_body(route, body), isinstance(body, list)
