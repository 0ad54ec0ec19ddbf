"""From a request to its answer: understood, counted, proved, called. The gateway itself never decides who may."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from hashlib import blake2b
from typing import Any, Final

import msgspec
import structlog
from attrs import evolve, frozen

from services.gateway.calling import Calling
from services.gateway.keeping import Attempt, Keeping, fingerprint_of
from services.gateway.limiting import MAX_REMEMBERED, Limiter, subscriber
from services.gateway.records import BASE_PATH, Answer, Asked, HttpRefusedError, Proof, Route, Verdict, Wanted
from services.gateway.rules import arguments, headers, limits, paging, refusals
from services.gateway.rules.bodies import decoded
from services.gateway.rules.routes import allowed, placeholders, routes_at
from shared.errors import (
    InternalError,
    NotFoundError,
    OutcomeUnknownError,
    OverLimitError,
    PublicError,
)

TIME_LIMIT_S: Final = 25.0
SLOW: Final = "this took too long; look before you repeat"
MULTI_STATUS: Final = 207
NO_CONTENT: Final = 204

log = structlog.get_logger()


@frozen
class Limits:
    """How often one credential may ask, and how often one address may come with credentials that open nothing."""

    requests: Limiter
    failures: Limiter


class Serving:
    """Answers requests."""

    def __init__(
        self,
        calling: Calling,
        keeping: Keeping,
        bounds: Limits,
        spawn: Callable[[Coroutine[Any, Any, Answer]], "asyncio.Task[Answer]"],
    ) -> None:
        """Answer with what `calling` reaches; `spawn` keeps a task until it is done, whoever still waits for it."""
        self._calling = calling
        self._keeping = keeping
        self._bounds = bounds
        self._spawn = spawn
        self._pepper = secrets.token_bytes(32)
        self._opened: OrderedDict[str, None] = OrderedDict()

    async def answer(self, asked: Asked) -> Answer:
        """The answer, whatever happens."""
        verdicts: list[Verdict] = []
        try:
            async with asyncio.timeout(TIME_LIMIT_S):
                answer = await self._answered(asked, verdicts)
        except HttpRefusedError as error:
            answer = refusals.of_http(error)
        except PublicError as error:
            answer = refusals.of_public(error)
        except TimeoutError:
            answer = refusals.of_public(OutcomeUnknownError(SLOW))
        except Exception as error:  # noqa: BLE001 - the one place that stands between any fault and a caller
            answer = _incident(error)
        told = limits.headers(verdicts[-1], self._bounds.requests.rate) if verdicts else ()
        return evolve(answer, headers=(*answer.headers, *told))

    async def _answered(self, asked: Asked, verdicts: list[Verdict]) -> Answer:
        route, found = _route(asked)
        credential = headers.credential(asked)
        who = blake2b(credential.encode(), key=self._pepper).hexdigest()
        self._count(who, verdicts)
        wanted = _wanted(asked, route, found)
        if len(wanted.calls) > 1:
            self._count(who, verdicts, len(wanted.calls) - 1)
        proof = await self._first_proof(asked, wanted, credential, who)
        if wanted.key is None:
            return await self._done(asked, wanted, credential, proof)
        attempt = await self._keeping.begin(proof, wanted.key, fingerprint_of(asked))
        if isinstance(attempt, Answer):
            return attempt
        # Goes on when nobody waits any more: what was begun under a key gets an answer that the key leads to.
        return await asyncio.shield(self._spawn(self._kept(asked, wanted, credential, proof, attempt)))

    async def _kept(self, asked: Asked, wanted: Wanted, credential: str, proof: Proof, attempt: Attempt) -> Answer:
        try:
            answer = await self._done(asked, wanted, credential, proof)
        except HttpRefusedError as error:
            answer = refusals.of_http(error)
        except PublicError as error:
            answer = refusals.of_public(error)
        except Exception as error:  # noqa: BLE001 - as above: the key must lead to an answer
            answer = _incident(error)
        await attempt.finish(answer, is_secret=wanted.route.is_secret)
        return answer

    async def _done(self, asked: Asked, wanted: Wanted, credential: str, proof: Proof) -> Answer:
        if wanted.is_many:
            return await self._several(asked, wanted, credential, proof)
        answer = await self._calling.call(wanted.route, wanted.calls[0], proof)
        if answer is None:
            return Answer(NO_CONTENT)
        link = paging.next_page(wanted.route, asked.path, arguments.query_of(asked.query), answer)
        return Answer(wanted.route.status, msgspec.json.encode(answer), link)

    async def _several(self, asked: Asked, wanted: Wanted, credential: str, first: Proof) -> Answer:
        """Each call by itself, in order; what is refused does not undo what was done."""
        route, done, refused = wanted.route, [], []
        for index, call in enumerate(wanted.calls):
            try:
                proof = await self._calling.prove(credential, route, call, asked.address) if index else first
                answer = await self._calling.call(route, call, proof)
                done.append(call["device"] if answer is None else answer)
            except (PublicError, HttpRefusedError) as error:
                refused.append({"index": index, **refusals.item(error)})
        content = msgspec.json.encode({"deleted" if route.many == "ids" else route.many: done, "errors": refused})
        return Answer(MULTI_STATUS if refused else route.status, content)

    async def _first_proof(self, asked: Asked, wanted: Wanted, credential: str, who: str) -> Proof:
        """The proof of the first call; a credential that has not opened yet is counted against its address.

        It is counted before auth is asked, so that guesses at once gain nothing, and given back when it opens.
        """
        address, is_known = subscriber(asked.address), who in self._opened
        if not is_known:
            verdict = self._bounds.failures.take(address)
            if not verdict.is_allowed:
                raise _too_often(verdict)
        try:
            proof = await self._calling.prove(credential, wanted.route, wanted.calls[0], asked.address)
        except PublicError:
            self._give_back(address, is_known=is_known)  # nobody said that it was wrong
            raise
        self._give_back(address, is_known=is_known)
        self._remember(who)
        return proof

    def _give_back(self, address: str, *, is_known: bool) -> None:
        if not is_known:
            self._bounds.failures.give_back(address)

    def _count(self, who: str, verdicts: list[Verdict], cost: int = 1) -> None:
        verdicts.append(self._bounds.requests.take(who, cost))
        if not verdicts[-1].is_allowed:
            raise _too_often(verdicts[-1])

    def _remember(self, who: str) -> None:
        self._opened[who] = None
        self._opened.move_to_end(who)
        while len(self._opened) > MAX_REMEMBERED:
            self._opened.popitem(last=False)


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


def _too_often(verdict: Verdict) -> OverLimitError:
    wait_s = int(verdict.retry_after_s) + 1
    return OverLimitError(f"too many requests; try again in {wait_s} s", retry_after_s=wait_s)


def _incident(error: Exception) -> Answer:
    incident = secrets.token_hex(8)
    log.error("request_failed", incident=incident, exc_info=error)
    return refusals.of_public(
        InternalError("something went wrong here; the incident id finds it in the log", incident=incident)
    )


def path_below(path: str) -> str | None:
    """`path` without `BASE_PATH`, or None where it lies elsewhere."""
    return path.removeprefix(BASE_PATH) if path.startswith(f"{BASE_PATH}/") else None
