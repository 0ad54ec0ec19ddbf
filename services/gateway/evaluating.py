"""AuthZEN's questions, answered by privileges in the name of whoever asks. The gateway decides none of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from attrs import evolve

from services.gateway.entrance import Entrance, Visitor
from services.gateway.records import Answer, Asked, Decided, Evaluation, HttpRefusedError, Sought, Verdict
from services.gateway.refusing import refused
from services.gateway.rules import authzen, headers, refusals
from services.gateway.rules.bodies import decoded
from shared import tracing
from shared.errors import NotFoundError, UnavailableError

TIME_LIMIT_S: Final = 25.0
SLOW: Final = "this took too long; ask again, or for less at once"


class Evaluating:
    """Answers requests below `/access/v1`."""

    def __init__(self, entrance: Entrance) -> None:
        """Answer whom `entrance` lets in."""
        self._entrance = entrance
        self._endpoints: dict[str, Callable[[Visitor, Any], Awaitable[Any]]] = {
            "/evaluation": self._evaluation,
            "/evaluations": self._evaluations,
            **{f"/search/{sought}": partial(self._search, sought) for sought in Sought},
        }

    async def answer(self, asked: Asked) -> Answer:
        """The answer, whatever happens."""
        verdicts: list[Verdict] = []
        try:
            async with asyncio.timeout(TIME_LIMIT_S):
                answer = Answer(200, await self._answered(asked, verdicts))
        except TimeoutError:
            answer = refusals.of_public(UnavailableError(SLOW))
        except Exception as error:  # noqa: BLE001 - the one place that stands between any fault and a caller
            answer = authzen.by_the_book(refused(error))
        return evolve(answer, headers=(*answer.headers, *self._entrance.told(verdicts)))

    async def _answered(self, asked: Asked, verdicts: list[Verdict]) -> bytes:
        endpoint = self._endpoints.get(asked.path)
        if endpoint is None:
            raise NotFoundError("there is no such endpoint; /.well-known/authzen-configuration names all")
        if asked.method != "POST":
            raise HttpRefusedError("method_not_allowed", "an endpoint takes POST", headers=(("allow", "POST"),))
        tracing.routed("POST", asked.path)
        visitor = self._entrance.visitor(asked, verdicts)
        if asked.query:
            raise HttpRefusedError("malformed", "an endpoint takes no query")
        headers.check_content(asked)
        return msgspec.json.encode(await endpoint(visitor, decoded(asked.body)))

    async def _evaluation(self, visitor: Visitor, body: Any) -> Decided:
        [decision] = await self._decide(visitor, [authzen.read_evaluation(body)])
        return decision

    async def _evaluations(self, visitor: Visitor, body: Any) -> Any:
        batch = authzen.read_batch(body)
        if batch is None:
            return await self._evaluation(visitor, body)
        decisions = await self._decide(visitor, batch.evaluations)
        return {"evaluations": authzen.cut(decisions, batch.semantic)}

    async def _decide(self, visitor: Visitor, evaluations: Sequence[Evaluation | Decided]) -> list[Decided]:
        """One decision each, in order; only what is not known without privileges is asked there."""
        known = [each if isinstance(each, Decided) else authzen.check_of(each) for each in evaluations]
        checks = [each for each in known if not isinstance(each, Decided)]
        if not checks:
            await self._entrance.prove(visitor, authzen.CHECK, {})  # whoever is answered must be somebody
        answers = iter(await self._checked(visitor, checks))
        return [each if isinstance(each, Decided) else next(answers) for each in known]

    async def _checked(self, visitor: Visitor, checks: list[dict[str, Any]]) -> list[Decided]:
        """What privileges says to all at once; where it cannot find one, to each half: that one alone is not found.

        Each further call is counted, so that many at once are not the cheaper way to ask for what is not there.
        """
        try:
            if len(checks) > 1:
                answer = await self._call(visitor, authzen.CHECK_MANY, {"checks": checks})
                return [authzen.decided(each) for each in answer["answers"]]
            return [authzen.decided(await self._call(visitor, authzen.CHECK, check)) for check in checks]
        except NotFoundError:
            if len(checks) == 1:
                return [authzen.NOT_FOUND]
        self._entrance.count(visitor, 2)
        middle = len(checks) // 2
        return [*await self._checked(visitor, checks[:middle]), *await self._checked(visitor, checks[middle:])]

    async def _search(self, sought: Sought, visitor: Visitor, body: Any) -> dict[str, Any]:
        search = authzen.read_search(sought, body)
        if search.arguments is None:
            await self._entrance.prove(visitor, search.procedure, {})
            return authzen.nothing(search)
        try:
            return authzen.found(search, await self._call(visitor, search.procedure, search.arguments))
        except NotFoundError:
            return authzen.nothing(search)

    async def _call(self, visitor: Visitor, procedure: str, arguments: dict[str, Any]) -> Any:
        proof = await self._entrance.prove(visitor, procedure, arguments)
        return await self._entrance.call(procedure, arguments, proof)
