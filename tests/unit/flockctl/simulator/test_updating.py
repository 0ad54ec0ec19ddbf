"""A stand-in takes another agent whole, or not at all."""

import hashlib
import json

import pytest
from attrs import evolve

from deploy.flockctl.simulator.answers import AnswerError
from deploy.flockctl.simulator.flock import Flock
from deploy.flockctl.simulator.updating import Fetched, newer

pytestmark = pytest.mark.asyncio
BASE = "https://localhost:8445"
FLOCK = Flock(3, 7, "serial-1", "secret", "wss://localhost/ws-re-dev", "press-1", BASE)
PLACE = f"{BASE}/re-agent/linux/amd64/9.9.9/reagent"
BINARY = b"\x7fELF"
DIGEST = hashlib.sha256(BINARY).hexdigest()


class Served:
    """What lies there."""

    def __init__(self) -> None:
        self.files = {
            f"{BASE}/re-agent/availableVersions.json": json.dumps({"production": "9.9.9", "all": "0.20.20"}).encode(),
            PLACE: BINARY,
            f"{PLACE}.sha256": f"{DIGEST}  reagent\n".encode(),
        }

    async def fetch(self, url: str) -> bytes:
        """The file."""
        if url not in self.files:
            raise OSError(url)
        return self.files[url]


async def test_another_version_is_fetched() -> None:
    assert await newer(Served().fetch, FLOCK, "0.20.20") == Fetched("9.9.9", len(BINARY), DIGEST)


async def test_what_it_has_already_is_not_fetched() -> None:
    served = Served()
    del served.files[PLACE]

    assert await newer(served.fetch, FLOCK, "9.9.9") is None
    assert await newer(served.fetch, evolve(FLOCK, environment="test"), "0.20.20") is None


@pytest.mark.parametrize("digest", [b"", b"0" * 64, DIGEST.upper().encode()], ids=["none", "another", "spelled"])
async def test_what_is_not_as_its_digest_says_is_left(digest: bytes) -> None:
    served = Served()
    served.files[f"{PLACE}.sha256"] = digest

    with pytest.raises(AnswerError, match="digest"):
        await newer(served.fetch, FLOCK, "0.20.20")


@pytest.mark.parametrize("told", [b"", b"[]", b"{}", b"\xff"], ids=["empty", "list", "nothing", "binary"])
async def test_what_cannot_be_had_is_said(told: bytes) -> None:
    served = Served()
    served.files[f"{BASE}/re-agent/availableVersions.json"] = told

    with pytest.raises(AnswerError, match="cannot be had"):
        await newer(served.fetch, FLOCK, "0.20.20")
