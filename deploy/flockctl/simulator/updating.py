"""How a stand-in updates its agent: what the platform has for agents is fetched, and held against its digest.

Source: wire-agent section 7. Like the published agent, it runs what it fetched when it comes back the next time.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from attrs import frozen

from deploy.flockctl.simulator.answers import AnswerError
from deploy.flockctl.simulator.flock import Flock

ALL: Final = "all"
Fetch = Callable[[str], Awaitable[bytes]]
"""What lies at an https URL; OSError where nothing can be had."""


@frozen
class Fetched:
    """An agent of another version: its length in octets, and its SHA-256."""

    version: str
    octets: int
    sha256: str


async def newer(fetch: Fetch, flock: Flock, version: str) -> Fetched | None:
    """The agent that the platform has for the device, fetched; None where that is the one it has, of `version`.

    Raises:
        AnswerError: It cannot be had whole.
    """
    base = f"{flock.update_url}/re-agent"
    try:
        known: Any = json.loads(await fetch(f"{base}/availableVersions.json"))
        latest = str(known.get(flock.environment) or known[ALL])
        if latest == version:
            return None
        place = f"{base}/linux/amd64/{latest}/reagent"
        binary, told = await fetch(place), await fetch(f"{place}.sha256")
    except (OSError, ValueError, LookupError, AttributeError) as error:
        raise AnswerError(f"the update cannot be had ({type(error).__name__})") from error
    digest = hashlib.sha256(binary).hexdigest()
    if told.split()[:1] != [digest.encode()]:
        raise AnswerError("the update is not what its digest says")
    return Fetched(latest, len(binary), digest)
