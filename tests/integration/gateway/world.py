"""The gateway's inside on a real database, with a router in memory and stand-ins for auth and the others behind it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autobahn.wamp.exception import ApplicationError
from joserfc.jwk import OKPKey

from services.gateway.calling import ISSUE, Calling
from services.gateway.entrance import Entrance, Limits
from services.gateway.evaluating import Evaluating
from services.gateway.keeping import Keeping
from services.gateway.limiting import Limiter
from services.gateway.records import Answer, Asked, Rate
from services.gateway.serving import Serving
from shared.assertions import Assertions, arguments_hash, claims_for, sign
from shared.database import Database
from shared.identities import SYSTEM_REALM, Person
from tests.unit.shared.memory_router import MemoryRouter, new_bus

ANNA, BERT = "anna-key", "bert-key"
PEOPLE = {ANNA: Person(5, 0, "key-1"), BERT: Person(6, 0, "key-2")}
NOW = 1_800_000_000.0
CREATE = "ironflock.realms.project.create"
LIST = "ironflock.realms.project.list"
FLASH = "ironflock.devices.device.flash"


class Clock:
    """Seconds, as the test sets them."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class World:
    """A gateway whose callees verify each assertion as the real ones do, and note whose wish it was."""

    def __init__(self, database: Database, ca: Path, *, count: int = 100) -> None:
        """`count` requests a minute."""
        self.key = OKPKey.generate_key("Ed25519", {"kid": "k1"}, private=True)
        self.bus = new_bus(ca, role="svc_gateway")
        self.router = MemoryRouter()
        self.clock = Clock()
        self.done: list[tuple[str, int, dict[str, Any]]] = []
        self.ended: set[str] = set()
        self._nonces = 0
        self._verifiers: dict[str, Assertions] = {}
        self.limits = Limits(Limiter(Rate(count, 60.0), self.clock), Limiter(Rate(3, 60.0), self.clock))
        self.keeping = Keeping(database)
        self.entrance = Entrance(Calling(self.bus), self.limits)
        self.serving = Serving(self.entrance, self.keeping, self.bus.task)
        self.evaluating = Evaluating(self.entrance)
        self.router.answers[ISSUE] = self._issue

    async def join(self) -> None:
        """Be on the bus."""
        await self.router.join(self.bus, SYSTEM_REALM)

    def answers(self, procedure: str, answer: Callable[..., Any]) -> None:
        """Let `procedure` answer what `answer` says, to whoever proves their wish."""
        verifier = self._verifiers.setdefault(procedure.split(".")[1], self._verifier(procedure.split(".")[1]))

        async def invoked(*, assertion: str, **arguments: Any) -> Any:
            person = await verifier.verify(assertion, procedure=procedure, arguments=arguments)
            self.done.append((procedure, person.account_key, arguments))
            made = answer(**arguments)
            return await made if asyncio.iscoroutine(made) else made

        self.router.answers[procedure] = invoked

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        by: str = ANNA,
        key: str = "",
        query: str = "",
        of: Serving | Evaluating | None = None,
    ) -> Answer:
        """The answer to a request; that of REST where it is not said of what."""
        headers = {"authorization": (f"Bearer {by}",), "content-type": ("application/json",)}
        if key:
            headers["idempotency-key"] = (key,)
        content = b"" if body is None else json.dumps(body).encode()
        return await (of or self.serving).answer(Asked(method, path, query, headers, content, "192.0.2.7"))

    def _verifier(self, audience: str) -> Assertions:
        async def keys() -> Any:
            return {"keys": [self.key.as_dict(private=False)]}

        return Assertions(audience, keys, lambda: NOW)

    def _issue(
        self, *, ticket: str, audience: str, procedure: str, arguments_hash: str, address: str
    ) -> dict[str, str]:
        assert address == "192.0.2.7"
        if ticket not in PEOPLE or ticket in self.ended:
            raise ApplicationError("wamp.error.not_authorized", "no", code="not_authorized", message="no")
        self._nonces += 1
        claims = claims_for(
            PEOPLE[ticket],
            audience=audience,
            procedure=procedure,
            digest=arguments_hash,
            nonce=str(self._nonces),
            now=NOW,
        )
        return {"assertion": sign(claims, self.key)}


def told(answer: Answer) -> Any:
    """The content of an answer."""
    return json.loads(answer.content)


def refusal(reason: str, **details: Any) -> ApplicationError:
    """A refusal as it comes over the wire."""
    return ApplicationError(f"ironflock.error.{reason}", "no", code=reason, message="no", **details)


def hash_of(arguments: dict[str, Any]) -> str:
    """What auth is asked to sign."""
    return arguments_hash(arguments)
