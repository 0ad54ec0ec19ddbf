"""A device's secret: the old one ends with the new one, and with the device."""

import asyncio
import json

import pytest

from tests.harness.clients import Account, authid_of, join_device, join_service, new_name, refusal
from tests.harness.commands import Flockctl
from tests.harness.running import RunningPlatform
from tests.harness.waiting import eventually, wait_until
from tests.integration.router_node.wire import WampError

pytestmark = pytest.mark.real

NEUTRAL = ("wamp.error.authentication_failed", "authentication failed")
PUBLISHED_TEXT = "WAMP-CRA client signature is invalid"


@pytest.mark.asyncio
async def test_flashing_again_closes_the_session_of_the_old_secret_and_lets_it_in_no_more(
    ironflock: RunningPlatform, owner: Account
) -> None:
    old = owner.flashed()
    async with await join_device(ironflock, old) as device:
        new = owner.flash(old["device_key"])

        await asyncio.wait_for(device.closed.wait(), 2)
    assert new["secret"] != old["secret"]
    assert new["serial_number"] == old["serial_number"]
    assert (await refusal(ironflock, "/ws-re-dev", "realm1", authid_of(old), old["secret"]))[:2] == NEUTRAL
    async with await join_device(ironflock, new) as device:
        assert device.details["authrole"] == "device"


@pytest.mark.asyncio
async def test_a_deleted_device_that_proves_its_last_secret_reads_the_text_on_which_agents_exit(
    ironflock: RunningPlatform, owner: Account
) -> None:
    flock = owner.flashed()
    async with await join_device(ironflock, flock) as device:
        owner.call("ironflock.devices.device.delete", device=flock["device_key"])

        await asyncio.wait_for(device.closed.wait(), 2)
    _, message, _ = await refusal(ironflock, "/ws-re-dev", "realm1", authid_of(flock), flock["secret"])
    assert message == PUBLISHED_TEXT
    assert (await refusal(ironflock, "/ws-re-dev", "realm1", authid_of(flock), "wrong"))[:2] == NEUTRAL
    with pytest.raises(WampError, match="not_found"):
        owner.call("ironflock.devices.device.show", device=flock["device_key"])


def test_the_agent_of_a_deleted_device_ends_and_that_of_a_flashed_one_goes_on_trying(
    flockctl: Flockctl, owner: Account
) -> None:
    deleted, flashed = owner.flashed(), owner.flashed()
    words = ["simulate"]
    for flock in (deleted, flashed):
        file = flockctl.folder / f"{flock['device_key']}.flock"
        file.write_text(json.dumps(flock), encoding="utf-8")
        words += ["--flock", str(file)]
    with flockctl.running(*words) as simulation:
        wait_until(lambda: set(simulation.states().values()) == {"online"}, 30, "both are online")

        owner.call("ironflock.devices.device.delete", device=deleted["device_key"])
        owner.flash(flashed["device_key"])

        wait_until(lambda: simulation.states()[deleted["device_key"]] == "ended", 10, "the deleted one has ended")

        def refused_twice() -> bool:
            said = [line for line in list(simulation.lines) if line.get("device_key") == flashed["device_key"]]
            return sum("join_refused" in line.get("detail", "") for line in said) >= 2

        wait_until(refused_twice, 30, "the one that was flashed again goes on trying")
        assert simulation.states()[flashed["device_key"]] != "ended"


@pytest.mark.asyncio
async def test_joins_with_the_old_secret_while_it_is_replaced_leave_no_session_behind(
    ironflock: RunningPlatform, owner: Account
) -> None:
    old = owner.flashed()
    stop = asyncio.Event()

    async def keep_joining() -> None:
        while not stop.is_set():
            try:
                peer = await join_device(ironflock, old)
            except Exception:  # noqa: BLE001, S112 - refused or cut off: whatever it is, it is tried again
                continue
            await asyncio.wait([asyncio.ensure_future(peer.closed.wait())], timeout=0.1)
            await peer.drop()

    joining = [asyncio.create_task(keep_joining()) for _ in range(3)]
    for _ in range(5):
        await asyncio.to_thread(owner.flash, old["device_key"])
    stop.set()
    await asyncio.gather(*joining)

    async with await join_service(ironflock, "devices") as devices:

        async def nobody_is_left() -> bool:
            return not await devices.call("wamp.session.list", ["device"])

        await eventually(nobody_is_left, 10, "no device has a session")


def test_the_secret_is_shown_by_flashing_and_nowhere_else(flockctl: Flockctl, owner: Account) -> None:
    flock = owner.flashed()

    shown = [flockctl.run("device", "show", str(flock["device_key"])), flockctl.run("device", "list")]

    assert all(outcome.status == 0 and flock["secret"] not in outcome.out + outcome.err for outcome in shown)


def test_a_flock_file_is_never_replaced_unasked(flockctl: Flockctl, owner: Account) -> None:
    device = owner.device()
    key = str(device["device_key"])
    flockctl.json("device", "flash", key, "--out", "press.flock")
    before = (flockctl.folder / "press.flock").read_text(encoding="utf-8")

    outcome = flockctl.run("device", "flash", key, "--out", "press.flock")

    assert outcome.error["code"]
    assert (flockctl.folder / "press.flock").read_text(encoding="utf-8") == before
    assert owner.call("ironflock.devices.device.show", device=device["device_key"])["state"] == "flashed"


def test_a_device_that_was_renamed_keeps_its_secret_and_frees_its_old_name(flockctl: Flockctl, owner: Account) -> None:
    project, other = owner.project(), new_name("other")
    flock = owner.flashed(project)
    key, name = str(flock["device_key"]), flock["name"]

    renamed = flockctl.json("device", "rename", key, other)["device"]

    assert (renamed["name"], renamed["serial_number"]) == (other, flock["serial_number"])
    assert (
        owner.call("ironflock.devices.device.create", project=project, name=name)["device_key"] != renamed["device_key"]
    )
    with pytest.raises(WampError, match="already_exists"):
        owner.call("ironflock.devices.device.rename", device=renamed["device_key"], name=name)
