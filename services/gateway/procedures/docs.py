"""`/docs`: the description as a page on which calls can be tried. Swagger UI, from the wheel that ships its files.

What somebody types there stays in the page's memory. Nothing comes from elsewhere, and no script or style but the files
below runs.
"""

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from twisted.web.http import Request
from twisted.web.resource import IResource, Resource
from typing_extensions import override

from services.gateway.procedures.agent_updates import Absent

POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HTML: Final = b"text/html; charset=utf-8"
OURS: Final = {"start.js": b"text/javascript; charset=utf-8", "style.css": b"text/css; charset=utf-8"}
THEIRS: Final = {
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "swagger-ui.css": b"text/css; charset=utf-8",
    "favicon-32x32.png": b"image/png",
}
KEPT: Final = b"public, max-age=86400"


class File(Resource):
    """One file, held in memory."""

    isLeaf = 1

    def __init__(self, content: bytes, kind: bytes, caching: bytes = KEPT) -> None:
        """Serve `content`."""
        super().__init__()
        self._content = content
        self._kind = kind
        self._caching = caching

    def render_GET(self, request: Request) -> bytes:
        """The content, under the page's own policy."""
        request.setHeader(b"content-type", self._kind)
        request.setHeader(b"cache-control", self._caching)
        request.setHeader(b"content-security-policy", POLICY)
        return self._content


class Docs(Resource):
    """The page and its files."""

    def __init__(self) -> None:
        """Read every file once."""
        super().__init__()
        pages, library = files("services.gateway").joinpath("pages"), _library()
        self._index = File(pages.joinpath("index.html").read_bytes(), HTML, b"no-store")
        self.putChild(b"", self._index)
        for name, kind in OURS.items():
            self.putChild(name.encode(), File(pages.joinpath(name).read_bytes(), kind, b"no-cache"))
        for name, kind in THEIRS.items():
            self.putChild(name.encode(), File((library / name).read_bytes(), kind))

    def render_GET(self, request: Request) -> bytes:
        """The page."""
        return self._index.render_GET(request)

    @override
    def getChild(self, path: bytes, request: Request) -> IResource:
        """What is not there."""
        return Absent()


def _library() -> Path:
    """Where the wheel has its files; its code, which is for Flask, is not imported."""
    found = find_spec("flask_swagger_ui")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("the package flask-swagger-ui is not installed")
    return Path(found.submodule_search_locations[0]) / "dist"
