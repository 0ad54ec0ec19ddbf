"""A surface with one procedure for each audience, whose ends are seen."""

import asyncio

from shared.identities import DeviceIdentity, Person, ServiceIdentity
from shared.procedures import NoArguments, Progress, for_devices, for_people, for_services


class Surface:
    """One procedure for each audience."""

    def __init__(self) -> None:
        """Nothing runs."""
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ends: list[str] = []

    @for_people("test.people")
    async def people(self, person: Person, request: NoArguments) -> int:
        """Wait until it may end."""
        self.started.set()
        await self.may_end.wait()
        self.ends.append("people")
        return person.account_key

    @for_people("test.stream", is_stream=True)
    async def stream(self, person: Person, request: NoArguments, progress: Progress) -> None:
        """Never end by itself."""
        progress(1)
        try:
            await asyncio.Event().wait()
        finally:
            self.ends.append("stream")

    @for_services("test.services")
    async def services(self, service: ServiceIdentity, request: NoArguments) -> str:
        """Its name."""
        return service.name

    @for_devices("test.devices")
    async def devices(self, device: DeviceIdentity, request: NoArguments) -> int:
        """Its key."""
        return device.device_key
