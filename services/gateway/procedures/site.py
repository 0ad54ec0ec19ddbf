"""The gateway's pages: what is there, and the headers that every answer carries."""

from pathlib import Path
from typing import Final

from twisted.web.http import Request
from twisted.web.resource import IResource, Resource
from typing_extensions import override

from services.gateway.procedures.agent_updates import Absent, AgentUpdates

SECURITY_HEADERS: Final = {
    b"strict-transport-security": b"max-age=31536000",
    b"x-content-type-options": b"nosniff",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
    b"server": b"ironflock",
}


class Health(Resource):
    """`/health`: the gateway answers; how the rest is, each process tells on its own listener."""

    isLeaf = 1

    def render_GET(self, request: Request) -> bytes:
        """Alive."""
        request.setHeader(b"content-type", b"application/json")
        return b'{"status": "ok"}\n'


class Folder(Resource):
    """What only leads on: nothing by itself."""

    @override
    def getChild(self, path: bytes, request: Request) -> IResource:
        """What is not there."""
        return Absent()

    def render_GET(self, request: Request) -> int:
        """Nothing either."""
        return Absent().render_GET(request)


class Root(Resource):
    """Everything that the gateway serves."""

    def __init__(self, agent_updates: Path, agent_version: str) -> None:
        """Serve agents' files from `agent_updates`/re-agent."""
        super().__init__()
        self.putChild(b"health", Health())
        self.putChild(b"re-agent", AgentUpdates(str(agent_updates / "re-agent"), version=agent_version))

    def add_rest(self, rest: IResource, docs: IResource) -> None:
        """Serve REST below its path, and its description as a page at `/docs`."""
        version = Folder()
        self.putChild(b"v1", version)
        version.putChild(b"ironflock", rest)
        self.putChild(b"docs", docs)

    def add_authzen(self, decisions: IResource, configuration: IResource) -> None:
        """Serve AuthZEN's endpoints and the document that names them."""
        access, well_known = Folder(), Folder()
        self.putChild(b"access", access)
        access.putChild(b"v1", decisions)
        self.putChild(b".well-known", well_known)
        well_known.putChild(b"authzen-configuration", configuration)

    @override
    def getChildWithDefault(self, path: bytes, request: Request) -> IResource:
        """The page, every answer with the same headers."""
        for name, value in SECURITY_HEADERS.items():
            request.setHeader(name, value)
        page: IResource = super().getChildWithDefault(path, request)
        return page

    @override
    def getChild(self, path: bytes, request: Request) -> IResource:
        """What is not there."""
        return Absent()
