"""Acting for a person: each call is proved by auth for this one call, and verified by who is called (decision 7).

The gateway decides nothing and keeps no credential. A credential that opens nothing is auth's to refuse, a wish that is
not granted the callee's.
"""

import json
from typing import Any, Final

from joserfc import jws

from services.gateway.records import Proof
from services.gateway.rules.refusals import unauthorized
from shared.assertions import arguments_hash
from shared.bus import CALL_TIMEOUT_S, Bus
from shared.errors import NotAuthorizedError

ISSUE: Final = "ironflock.auth.assertion.issue"
SLOW: Final = frozenset(
    f"ironflock.devices.device.{verb}"
    for verb in (
        "exec", "update_agent", "download_os_update", "install_os_update", "prune_images", "agent_metadata",
        "set_address", "scan_wifi", "select_wifi", "restart_wifi",
    )
)  # fmt: skip
"""A device does these, and takes its time."""
DEVICE_TIMEOUT_S: Final = 24.0
"""More than devices waits for a device (22 s), less than a request may take (25 s)."""


class Calling:
    """Calls on the system realm, in the name of whoever holds a credential."""

    def __init__(self, bus: Bus) -> None:
        """Call over `bus`."""
        self._bus = bus

    async def prove(self, credential: str, procedure: str, arguments: dict[str, Any], address: str) -> Proof:
        """Auth's proof that the holder of `credential`, who asks from `address`, wants this one call.

        Its audience is the service that owns the procedure.

        Raises:
            HttpRefusedError: The credential opens nothing.
            PublicError: Auth is away, or the arguments are no JSON values.
        """
        wish: dict[str, Any] = {
            "ticket": credential,
            "audience": procedure.split(".")[1],
            "procedure": procedure,
            "arguments_hash": arguments_hash(arguments),
            "address": address,
        }
        try:
            issued = await self._bus.call(ISSUE, **wish)
        except NotAuthorizedError as error:
            raise unauthorized() from error
        return _proof(issued["assertion"])

    async def call(self, procedure: str, arguments: dict[str, Any], proof: Proof) -> Any:
        """What the procedure answers.

        Raises:
            PublicError: It refused, or is away.
        """
        limit_s = DEVICE_TIMEOUT_S if procedure in SLOW else CALL_TIMEOUT_S
        return await self._bus.call(procedure, timeout_s=limit_s, assertion=proof.assertion, **arguments)


def _proof(assertion: str) -> Proof:
    """What an assertion says of its holder; auth made it a moment ago, verifying it is the callee's."""
    claims = json.loads(jws.extract_compact(assertion.encode()).payload)
    return Proof(assertion=assertion, account_key=int(claims["sub"]), credential=claims.get("credential") or "")
