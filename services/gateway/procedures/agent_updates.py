"""The files by which agents update themselves, served from a folder. Source: wire-agent section 7.

An agent asks for `availableVersions.json` at every start, and takes whatever comes with a Content-Length for the new
binary without looking at the status. So a missing binary is refused without a length, and a binary always has its
`.sha256` beside it, computed where the folder has none.
"""

import json
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from threading import Lock
from typing import Final

from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.python.filepath import InsecurePath
from twisted.web.http import NOT_FOUND, Request
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET
from twisted.web.static import File
from typing_extensions import override

VERSIONS: Final = "availableVersions.json"
ENVIRONMENTS: Final = ("production", "test", "local", "all")
DIGEST_SUFFIX: Final = ".sha256"


class Absent(Resource):
    """404 without a Content-Length: an agent must not take the page for a binary."""

    isLeaf = 1

    def render_GET(self, request: Request) -> int:
        """Refuse in one chunk of unknown length."""
        request.setResponseCode(NOT_FOUND)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        request.write(b"There is no such file.\n")
        request.finish()
        return NOT_DONE_YET


class Digest(Resource):
    """The SHA-256 of a file, in hexadecimal, as `sha256sum` prints it."""

    isLeaf = 1

    def __init__(self, path: Path) -> None:
        """Tell of `path`."""
        super().__init__()
        self._path = path

    def render_GET(self, request: Request) -> int:
        """Compute it beside the reactor; a binary has some 50 MB."""
        gone: list[Failure] = []
        _ = request.notifyFinish().addErrback(gone.append)

        def answer(line: bytes) -> None:
            if not gone:
                request.write(line)
                request.finish()

        _ = deferToThread(self._line).addCallbacks(answer, lambda _: gone or request.loseConnection())
        return NOT_DONE_YET

    def _line(self) -> bytes:
        now = self._path.stat()
        return f"{_digest(self._path, now.st_mtime_ns, now.st_size)}  {self._path.name}\n".encode()


_one_at_a_time = Lock()


def _digest(path: Path, changed_ns: int, size: int) -> str:
    """The SHA-256 of a file that was last changed then: computed once, whoever asks however often."""
    with _one_at_a_time:
        return _remembered_digest(path, changed_ns, size)


@lru_cache(maxsize=64)
def _remembered_digest(path: Path, _changed_ns: int, _size: int) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


class DefaultVersions(Resource):
    """What agents are told where the operator has put no file: the version that we know, so that nothing changes."""

    isLeaf = 1

    def __init__(self, version: str) -> None:
        """Tell every environment `version`."""
        super().__init__()
        self._content = json.dumps(dict.fromkeys(ENVIRONMENTS, version)).encode()

    def render_GET(self, request: Request) -> bytes:
        """The version for every environment."""
        request.setHeader(b"content-type", b"application/json")
        return self._content


class AgentUpdates(File):
    """The folder below `/re-agent`; no listing, nothing outside it."""

    def __init__(self, path: str, defaultType: str = "application/octet-stream", *, version: str = "") -> None:
        """Serve `path`; `version` stands in for a missing `availableVersions.json`."""
        super().__init__(path, defaultType)
        self._version = version

    @override
    def directoryListing(self) -> IResource:
        """None is given."""
        return Absent()

    @override
    def getChild(self, path: bytes, request: Request) -> IResource:
        """A file, the digest of one, or the refusal."""
        if b"\0" in path:
            return Absent()
        child = super().getChild(path, request)
        name = path.decode("utf-8", "replace")
        if isinstance(child, File) and child.exists():
            return child
        if name == VERSIONS and self._version:
            return DefaultVersions(self._version)
        binary = self._binary_of(name)
        return Absent() if binary is None else Digest(binary)

    @override
    def createSimilarFile(self, path: str) -> "AgentUpdates":
        """A file or folder below this one."""
        return type(self)(path, self.defaultType)

    def _binary_of(self, name: str) -> Path | None:
        if not name.endswith(DIGEST_SUFFIX):
            return None
        try:
            binary = self.child(name.removesuffix(DIGEST_SUFFIX))
        except InsecurePath:
            return None
        return Path(binary.path) if binary.isfile() else None
