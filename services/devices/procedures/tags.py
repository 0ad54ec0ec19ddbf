"""What people note of devices, to find them by."""

from typing import Any, Final

from services.devices.assembly import Parts
from services.devices.feed import Change
from services.devices.lifecycle import locked
from services.devices.reaching import NO_DEVICE
from services.devices.records.devices import Device, PublicDevice, TagDevice
from services.devices.rules import devices as rules
from services.devices.store import tags as store
from services.devices.store.devices import device_find
from shared import audit
from shared.errors import NotFoundError, OverLimitError
from shared.identities import Person
from shared.procedures import for_people

MAX_TAGS: Final = 32


class TagProcedures:
    """Devices' procedure about tags."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._reaching = parts.reaching
        self._feed = parts.feed

    @for_people("ironflock.devices.device.tag", TagDevice, is_narrowing=True)
    async def device_tag(self, person: Person, request: TagDevice) -> PublicDevice:
        """Set tags of the device, and take others away (flag `UPDATE`); what is not named stays."""
        wanted = rules.clean_tags(request)
        meant = await self._reaching.device(person, "UPDATE", request.device, request.project)
        async with self._database.transaction() as connection:
            before = await locked(connection, meant)
            after = rules.tagged(before.tags, wanted)
            if len(after) > MAX_TAGS:
                raise OverLimitError(f"a device can have {MAX_TAGS} tags at most")
            if after != before.tags:
                await store.tag_put(connection, before.device_key, wanted.set)
                await store.tag_delete(connection, before.device_key, wanted.remove)
                await audit.record(connection, _tagged(person, before, after))
            found = await device_find(connection, before.device_key)
        if found is None:
            raise NotFoundError(NO_DEVICE)
        self._feed.tell(Change(device_key=found.device_key, project_key=found.project_key))
        return rules.public(found)


def _tagged(person: Person, device: Device, after: dict[str, str]) -> audit.Draft:
    """The log has the tags that are others than before."""
    changed = {name for name in {*device.tags, *after} if device.tags.get(name) != after.get(name)}
    return audit.Draft(
        action=audit.Action.DEVICE_TAGGED,
        aspect=audit.Aspect.NAME,
        actor=audit.actor_of(person),
        asset=audit.Asset("device", device.device_key),
        project_key=device.project_key,
        before=_only(device.tags, changed),
        after=_only(after, changed),
        session=person.session or None,
    )


def _only(tags: dict[str, str], names: set[str]) -> dict[str, Any]:
    return {"tags": {name: value for name, value in sorted(tags.items()) if name in names}}
