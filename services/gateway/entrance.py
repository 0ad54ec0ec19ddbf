"""Whoever comes in: counted by credential, held up where one opens nothing, and proved for each call by auth."""

import secrets
from collections import OrderedDict
from hashlib import blake2b
from typing import Any

from attrs import field, frozen

from services.gateway.calling import Calling
from services.gateway.limiting import MAX_REMEMBERED, Limiter
from services.gateway.records import Asked, Headers, Proof, Verdict
from services.gateway.rules import headers, limits
from shared.errors import OverLimitError, PublicError
from shared.subscribers import subscriber


@frozen
class Limits:
    """How often one credential may ask, and how often one address may come with credentials that open nothing."""

    requests: Limiter
    failures: Limiter


@frozen
class Visitor:
    """Who sent one request: `who` stands for the credential where it is counted, `verdicts` has every count."""

    credential: str = field(repr=False)
    who: str
    address: str
    verdicts: list[Verdict]


class Entrance:
    """Lets requests in, and calls for those who sent them."""

    def __init__(self, calling: Calling, bounds: Limits) -> None:
        """Call with `calling`, as often as `bounds` allow."""
        self._calling = calling
        self._bounds = bounds
        self._pepper = secrets.token_bytes(32)
        self._opened: OrderedDict[str, None] = OrderedDict()

    def visitor(self, asked: Asked, verdicts: list[Verdict]) -> Visitor:
        """Who sent `asked`, counted once; each count is put into `verdicts`.

        Raises:
            HttpRefusedError: There is no credential, or none by its form.
            OverLimitError: It came too often.
        """
        credential = headers.credential(asked)
        who = blake2b(credential.encode(), key=self._pepper).hexdigest()
        visitor = Visitor(credential, who, asked.address, verdicts)
        self.count(visitor)
        return visitor

    def count(self, visitor: Visitor, cost: int = 1) -> None:
        """Count `cost` more.

        Raises:
            OverLimitError: That is too many.
        """
        verdict = self._bounds.requests.take(visitor.who, cost)
        visitor.verdicts.append(verdict)
        if not verdict.is_allowed:
            raise _too_often(verdict)

    def told(self, verdicts: list[Verdict]) -> Headers:
        """The headers that tell how often may still be asked."""
        return limits.headers(verdicts[-1], self._bounds.requests.rate) if verdicts else ()

    async def prove(self, visitor: Visitor, procedure: str, arguments: dict[str, Any]) -> Proof:
        """The proof of one call; a credential that has not opened yet is counted against its address.

        It is counted before auth is asked, so that guesses at once gain nothing, and given back when it opens.

        Raises:
            HttpRefusedError: The credential opens nothing.
            PublicError: Too many of the address's did not, or auth is away.
        """
        address, is_known = subscriber(visitor.address), visitor.who in self._opened
        if not is_known:
            verdict = self._bounds.failures.take(address)
            if not verdict.is_allowed:
                raise _too_often(verdict)
        try:
            proof = await self._calling.prove(visitor.credential, procedure, arguments, visitor.address)
        except PublicError:
            self._give_back(address, is_known=is_known)  # nobody said that it was wrong
            raise
        self._give_back(address, is_known=is_known)
        self._remember(visitor.who)
        return proof

    async def call(self, procedure: str, arguments: dict[str, Any], proof: Proof) -> Any:
        """What the procedure answers to the call that was proved.

        Raises:
            PublicError: It refused, or is away.
        """
        return await self._calling.call(procedure, arguments, proof)

    def _give_back(self, address: str, *, is_known: bool) -> None:
        if not is_known:
            self._bounds.failures.give_back(address)

    def _remember(self, who: str) -> None:
        self._opened[who] = None
        self._opened.move_to_end(who)
        while len(self._opened) > MAX_REMEMBERED:
            self._opened.popitem(last=False)


def _too_often(verdict: Verdict) -> OverLimitError:
    wait_s = int(verdict.retry_after_s) + 1
    return OverLimitError(f"too many requests; try again in {wait_s} s", retry_after_s=wait_s)
