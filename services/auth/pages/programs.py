"""What programs ask at the same host: the provider's endpoints and its documents."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, Final, cast

import structlog
from attrs import frozen
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from typing_extensions import override

from services.auth.pages.visits import FORM_TYPE, Asked, Fields, fields_of
from services.auth.provider.requests import Answered, Call, answered
from services.auth.provider.whole import Provider
from services.auth.rules.openid import metadata
from services.auth.sessions import source
from services.auth.upstream.whole import Upstream
from shared import tracing
from shared.errors import InvalidArgumentError, OverLimitError, PublicError, UnavailableError

MAX_TIME_S: Final = 20.0
JSON: Final = ("Content-Type", "application/json")
READ_AGAIN: Final = ("Cache-Control", "public, max-age=300")
MAX_AUTHORIZATION: Final = 8_192

log = structlog.get_logger()
Handle = Callable[[Call], Awaitable[Answered]]
Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]


@frozen
class Endpoint:
    """One endpoint: by which methods it is asked."""

    methods: tuple[str, ...]
    handle: Handle
    takes_query: bool = False


class Programs(Resource):
    """The endpoints."""

    isLeaf = 1

    def __init__(self, endpoints: Mapping[str, Endpoint], spawn: Spawn) -> None:
        """Serve `endpoints`, by path; `spawn` runs what answers one request, and stop() waits for it."""
        super().__init__()
        self._spawn = spawn
        self.endpoints = endpoints

    def answers(self, path: bytes) -> bool:
        """Whether there is an endpoint at `path`."""
        return path.decode("latin-1") in self.endpoints

    @override
    def render(self, request: Request) -> int:
        """Begin to answer."""
        task = self._spawn(self.reply(asked(request)))
        _ = request.notifyFinish().addErrback(lambda _: task.cancel() and None)
        task.add_done_callback(lambda done: None if done.cancelled() else _write(request, done.result()))
        return NOT_DONE_YET

    async def reply(self, asked: Asked) -> Answered:
        """The answer, whatever happens."""
        with tracing.request(asked.method) as doing:
            tracing.routed(asked.method, asked.path)
            answer = await self._reply(self.endpoints[asked.path], asked)
            doing.answered(answer.status)
            return answer

    async def _reply(self, endpoint: Endpoint, asked: Asked) -> Answered:
        if ("GET" if asked.method == "HEAD" else asked.method) not in endpoint.methods:
            return answered(405, {"error": "invalid_request"}, [JSON, ("Allow", ", ".join(endpoint.methods))])
        try:
            async with asyncio.timeout(MAX_TIME_S):
                return await endpoint.handle(call_of(asked, takes_query=endpoint.takes_query))
        except InvalidArgumentError as error:
            return _refused(HTTPStatus.BAD_REQUEST, "invalid_request", error.message)
        except (UnavailableError, OverLimitError, TimeoutError):
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again in a moment")
        except PublicError as error:
            return _refused(HTTPStatus.BAD_REQUEST, "invalid_request", error.message)
        except Exception:
            incident = secrets.token_hex(8)
            log.exception("endpoint_failed", path=asked.path, incident=incident)
            return _refused(HTTPStatus.INTERNAL_SERVER_ERROR, "server_error", f"incident {incident}")


def endpoints_of(provider: Provider) -> dict[str, Endpoint]:
    """Every endpoint of the provider."""
    document = _document(metadata(provider.issuer))

    async def described(_: Call) -> Answered:
        return document

    async def key_set(_: Call) -> Answered:
        signer = await provider.keys.signer()
        return _document({**signer.shown})

    exchange = provider.exchange
    return {
        "/.well-known/openid-configuration": Endpoint(("GET",), described),
        "/.well-known/oauth-authorization-server": Endpoint(("GET",), described),
        "/oauth/jwks": Endpoint(("GET",), key_set),
        "/oauth/token": Endpoint(("POST",), exchange.token),
        "/oauth/revoke": Endpoint(("POST",), exchange.revoke),
        "/oauth/introspect": Endpoint(("POST",), exchange.introspect),
        "/oauth/device_authorization": Endpoint(("POST",), exchange.begin_device),
        "/registry/token": Endpoint(("GET",), provider.registry.let_in, takes_query=True),
        "/registry/certificates.pem": Endpoint(("GET",), provider.registry.show_certificates),
        "/oauth/userinfo": Endpoint(("GET", "POST"), provider.user_info.show),
    }


def endpoints_of_upstream(upstream: Upstream) -> dict[str, Endpoint]:
    """Where each other provider tells that somebody has signed out there."""
    return {f"/upstream/{name}/logout": Endpoint(("POST",), upstream.logouts.take) for name in upstream.providers}


def call_of(asked: Asked, *, takes_query: bool = False) -> Call:
    """The request as the provider takes it.

    Raises:
        InvalidArgumentError: It is malformed.
    """
    authorization = asked.headers.get("authorization", "")
    if len(authorization) > MAX_AUTHORIZATION:
        raise InvalidArgumentError("the Authorization header is too long")
    came_from = source(asked.address, asked.headers.get("user-agent", ""))
    fields = fields_of(asked.query) if takes_query else _fields(asked)
    return Call(asked.method, asked.path, fields, authorization.strip(), came_from)


def _fields(asked: Asked) -> Fields:
    if asked.query:
        raise InvalidArgumentError("parameters belong into the body")
    if asked.method != "POST" or not asked.body:
        return {}
    if asked.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise InvalidArgumentError(f"the body is {FORM_TYPE}")
    try:
        return fields_of(asked.body.decode("ascii"))
    except UnicodeDecodeError as error:
        raise InvalidArgumentError("the body cannot be read") from error


def asked(request: Request) -> Asked:
    """The request as it came."""
    headers: dict[str, str] = {}
    for name, values in request.requestHeaders.getAllRawHeaders():
        headers[name.decode("latin-1").lower()] = values[0].decode("latin-1") if len(values) == 1 else ""
    return Asked(
        method=request.method.decode("latin-1"),
        path=request.path.decode("latin-1"),
        query=request.uri.partition(b"?")[2].decode("latin-1"),
        headers=headers,
        cookies={},
        body=request.content.read() if request.content is not None else b"",
        address=getattr(request.getClientAddress(), "host", ""),
    )


def _document(content: dict[str, Any]) -> Answered:
    return Answered(HTTPStatus.OK, (JSON, READ_AGAIN), json.dumps(content).encode())


def _refused(status: HTTPStatus, error: str, description: str) -> Answered:
    plain = "".join(each for each in description if each.isascii() and each.isprintable() and each not in '"\\')
    return answered(status, {"error": error, "error_description": plain}, [JSON])


def _write(request: Request, reply: Answered) -> None:
    if cast("object | None", request.channel) is None:  # whoever asked is gone
        return
    request.setResponseCode(reply.status)
    for name, value in reply.headers:
        request.setHeader(name.lower().encode(), value.encode("latin-1"))
    request.setHeader(b"content-length", str(len(reply.body)).encode())
    request.write(reply.body)
    request.finish()
