"""The audit log as anybody reads it over HTTPS; what was served is kept, to be looked through."""

import json
from urllib.error import HTTPError
from urllib.request import urlopen

from shared.tlog.errors import AbsentError
from shared.tlog.findings import Report
from shared.tlog.heads import Trust
from shared.tlog.layout import CHECKPOINT_PATH, entries_path, tile_path
from shared.tlog.note import VerifierKey
from shared.tlog.verification import verify_log
from tests.harness.running import RunningPlatform


class PublishedLog:
    """A `LogReader` on the platform's own listener."""

    def __init__(self, platform: RunningPlatform) -> None:
        """Read from `platform`."""
        endpoints = json.loads((platform.state.root / "endpoints.json").read_text(encoding="utf-8"))
        self._prefix = endpoints["audit"]
        self._tls = platform.tls
        with open(endpoints["audit_key_file"], encoding="utf-8") as file:  # noqa: PTH123 - a text from a JSON file
            self.trust = Trust([VerifierKey.parse(line.strip()) for line in file if line.strip()])
        self.served: dict[str, bytes] = {}

    def checkpoint(self) -> bytes:
        """The signed head."""
        return self._get(CHECKPOINT_PATH)

    def tile(self, level: int, index: int, width: int) -> bytes:
        """A tile."""
        return self._get(tile_path(level, index, width))

    def entries(self, index: int, width: int) -> bytes:
        """A bundle."""
        return self._get(entries_path(index, width))

    def verified(self) -> Report:
        """What a verifier says of the whole log."""
        return verify_log(self, self.trust)

    def _get(self, path: str) -> bytes:
        try:
            with urlopen(f"{self._prefix}/{path}", context=self._tls) as answer:  # noqa: S310 - https, our own
                content: bytes = answer.read()
        except HTTPError as error:
            raise AbsentError(path) from error
        self.served[path] = content
        return content
