"""The HTTPS site: what is where, and the headers that every answer carries."""

from typing import Final, cast

from twisted.web.http import Request
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET
from typing_extensions import override

from services.auth.pages.front import Front, Reply
from services.auth.pages.programs import Programs, Spawn
from services.auth.pages.rendering import CONTENT_TYPES
from services.auth.pages.visits import Asked

FOREVER: Final = "public, max-age=31536000, immutable"  # a file's path changes with its content
# No script and no style of a page's own; nobody frames us; what is sent goes to us. WebAuthn is ours alone to use.
SECURITY_HEADERS: Final = {
    b"strict-transport-security": b"max-age=31536000",
    b"content-security-policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        b" form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    b"x-frame-options": b"DENY",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",  # `no-referrer` would make browsers say `Origin: null` on our own forms
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": (
        b"publickey-credentials-get=(self), publickey-credentials-create=(self),"
        b" camera=(), geolocation=(), microphone=()"
    ),
    b"cache-control": b"no-store",
    b"server": b"ironflock",
}


class Root(Resource):
    """Everything at this origin: pages, their files, and the provider's endpoints for programs."""

    def __init__(self, front: Front, programs: Programs, spawn: Spawn, *, host: str) -> None:
        """Answer for `host` alone, a name with its port where that is not 443; `spawn` is as for the programs."""
        super().__init__()
        self._pages = Pages(front, spawn)
        self._programs = programs
        self._host = host.lower().encode()
        self.putChild(b"static", Files(front.files))

    @override
    def getChildWithDefault(self, path: bytes, request: Request) -> IResource:
        """What answers, every answer with the same headers."""
        for name, value in SECURITY_HEADERS.items():
            request.setHeader(name, value)
        if _hosts(request) != [self._host]:
            return Misdirected()
        if self._programs.answers(request.path):
            return self._programs
        beside: IResource | None = self.children.get(path)
        return self._pages if beside is None else beside


class Pages(Resource):
    """Whatever the front answers."""

    isLeaf = 1

    def __init__(self, front: Front, spawn: Spawn) -> None:
        """Ask `front`; `spawn` runs what answers one request."""
        super().__init__()
        self._spawn = spawn
        self._front = front

    @override
    def render(self, request: Request) -> int:
        """Begin to answer."""
        task = self._spawn(self._front.reply(asked(request)))
        _ = request.notifyFinish().addErrback(lambda _: task.cancel() and None)
        task.add_done_callback(lambda done: None if done.cancelled() else write(request, done.result()))
        return NOT_DONE_YET


class Files(Resource):
    """Styles, scripts and pictures, each under a path that changes with its content."""

    isLeaf = 1

    def __init__(self, files: dict[str, tuple[str, bytes]]) -> None:
        """Serve `files`, by path."""
        super().__init__()
        self._files = {path.encode(): content for path, content in files.items()}

    @override
    def render(self, request: Request) -> bytes:
        """The file."""
        found = self._files.get(request.path)
        if found is None or request.method not in (b"GET", b"HEAD"):
            return plain(request, 404, b"there is no such file\n")
        name, content = found
        request.setHeader(b"cache-control", FOREVER.encode())
        request.setHeader(b"content-type", CONTENT_TYPES[name[name.rindex(".") :]].encode())
        return content


class Misdirected(Resource):
    """A request for another host (RFC 9110 section 15.5.20)."""

    isLeaf = 1

    @override
    def render(self, request: Request) -> bytes:
        """Refuse it."""
        return plain(request, 421, b"this is another host\n")


def asked(request: Request) -> Asked:
    """The request as the front takes it; octets that are no UTF-8 are in no name or value of ours."""
    received = request.requestHeaders.getAllRawHeaders()
    headers = {name.decode("latin-1").lower(): values[0].decode("latin-1") for name, values in received}
    cookies = {
        name.decode("latin-1"): value.strip().decode("latin-1") for name, value in request.received_cookies.items()
    }
    return Asked(
        method=request.method.decode("latin-1"),
        path=request.path.decode("latin-1"),
        query=request.uri.partition(b"?")[2].decode("latin-1"),
        headers=headers,
        cookies=cookies,
        body=request.content.read() if request.content is not None else b"",
        address=getattr(request.getClientAddress(), "host", ""),
    )


def write(request: Request, reply: Reply) -> None:
    """Send the reply, unless whoever asked is gone."""
    if cast("object | None", request.channel) is None:
        return
    request.setResponseCode(reply.status)
    for name, value in reply.headers:
        if name == "set-cookie":
            request.responseHeaders.addRawHeader(b"set-cookie", value.encode("latin-1"))
        else:
            request.setHeader(name.encode(), value.encode("latin-1"))
    request.setHeader(b"content-length", str(len(reply.body)).encode())
    request.write(reply.body)
    request.finish()


def plain(request: Request, status: int, text: bytes) -> bytes:
    """An answer to programs that went astray."""
    request.setResponseCode(status)
    request.setHeader(b"content-type", b"text/plain; charset=utf-8")
    return text


def _hosts(request: Request) -> list[bytes]:
    return [host.lower() for host in request.requestHeaders.getRawHeaders(b"host", [])]
