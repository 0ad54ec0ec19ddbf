"""Environments of apps: opened for agents and for whoever may know, sealed at rest."""

import msgspec

from services.devices.app_records import AppOnDevice, Variable
from shared.keyring import DataKeys


class Environments:
    """Seals and opens them."""

    def __init__(self, keyring: DataKeys) -> None:
        """Under the keys of `keyring`."""
        self._keyring = keyring

    async def opened(self, app: AppOnDevice) -> dict[str, Variable]:
        """The variables that people set for the app, by name."""
        if app.environment is None:
            return {}
        clear = await self._keyring.open_octets(app.environment, _place(app))
        return msgspec.json.decode(clear, type=dict[str, Variable])

    async def sealed(self, app: AppOnDevice, variables: dict[str, Variable]) -> bytes:
        """The variables as they are kept for this app."""
        return await self._keyring.seal(msgspec.json.encode(variables), _place(app))


def _place(app: AppOnDevice) -> str:
    return f"devices.device_app/{app.device_key}/{app.app_key}/{app.stage}/environment"
