"""REST on the wire: what is below `/v1/ironflock`; what requests mean is `serving`'s."""

from collections.abc import Callable, Coroutine
from importlib.resources import files
from typing import Any, Final

from prometheus_client import Histogram
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from typing_extensions import override

from services.gateway.procedures.requests import respond
from services.gateway.records import BASE_PATH, Answer, Asked, HttpRefusedError
from services.gateway.rules import refusals
from services.gateway.serving import Serving

DESCRIPTION: Final = "/openapi.json"
READING: Final = ("GET", "HEAD")
seconds = Histogram("ironflock_rest_seconds", "Time of a REST request", ["method", "status"])


class Rest(Resource):
    """Everything below `/v1/ironflock`."""

    isLeaf = 1

    def __init__(self, serving: Serving, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        """Answer by `serving`; `spawn` runs what answers one request."""
        super().__init__()
        self._serving = serving
        self._spawn = spawn
        self._description = files("services.gateway").joinpath("openapi.json").read_bytes()

    @override
    def render(self, request: Request) -> int:
        """Answer later."""
        self._spawn(respond(request, BASE_PATH, self._answer, seconds))
        return NOT_DONE_YET

    async def _answer(self, asked: Asked) -> Answer:
        return self._described(asked) if asked.path == DESCRIPTION else await self._serving.answer(asked)

    def _described(self, asked: Asked) -> Answer:
        if asked.method in READING:
            return Answer(200, self._description)
        allow = (("allow", ", ".join(READING)),)
        return refusals.of_http(HttpRefusedError("method_not_allowed", "this can only be read", headers=allow))
