"""Environments of apps: opened for agents and for whoever may know, sealed at rest."""

import msgspec

from services.devices.records.apps import AppOnDevice, Stage, Variable
from services.devices.records.group_apps import GroupApp
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
        clear = await self._keyring.open_octets(app.environment, _place(app.device_key, app.app_key, app.stage))
        return msgspec.json.decode(clear, type=dict[str, Variable])

    async def sealed(self, app: AppOnDevice, variables: dict[str, Variable]) -> bytes:
        """The variables as they are kept for this app."""
        return await self.sealed_at((app.device_key, app.app_key, app.stage), variables)

    async def sealed_at(self, place: tuple[int, int, Stage], variables: dict[str, Variable]) -> bytes:
        """The variables as they are kept for that app, in that stage, on that device."""
        key, app_key, stage = place
        return await self._keyring.seal(msgspec.json.encode(variables), _place(key, app_key, stage))

    async def opened_for_group(self, app: GroupApp) -> dict[str, Variable]:
        """The variables of the app that the group is to have, by name."""
        if app.environment is None:
            return {}
        clear = await self._keyring.open_octets(app.environment, _place_of_group(app))
        return msgspec.json.decode(clear, type=dict[str, Variable])

    async def sealed_for_group(self, app: GroupApp, variables: dict[str, Variable]) -> bytes:
        """The variables as they are kept for the app that the group is to have."""
        return await self._keyring.seal(msgspec.json.encode(variables), _place_of_group(app))


def _place(device_key: int, app_key: int, stage: Stage) -> str:
    return f"devices.device_app/{device_key}/{app_key}/{stage}/environment"


def _place_of_group(app: GroupApp) -> str:
    return f"devices.group_app/{app.group_key}/{app.app_key}/{app.stage}/environment"
