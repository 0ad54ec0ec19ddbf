"""Two copies of one `.flock`: the second is told so, the first stays, the log remembers (decision 9)."""

import json
import signal

import pytest

from tests.harness.clients import Account, join_device
from tests.harness.commands import Flockctl
from tests.harness.recorded import RECORDED
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until
from tests.integration.router_node.wire import WampError

pytestmark = pytest.mark.real


def duplications(platform: RunningPlatform, device_key: int) -> int:
    with platform.database() as connection:
        row = connection.execute(
            f"SELECT count(*) FROM {RECORDED} WHERE action = 'device.duplicated' AND asset ->> 'key' = %s",  # noqa: S608
            [str(device_key)],
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.asyncio
async def test_a_second_copy_of_a_flock_file_is_refused_and_the_first_stays_online(
    ironflock: RunningPlatform, owner: Account
) -> None:
    flock = owner.flashed()
    serial = flock["serial_number"]
    established = f"re.mgmt.{serial}.wamp_connection_established"
    async with await join_device(ironflock, flock) as first:
        await first.register(established, lambda **_: "Hello :-)")
        async with await join_device(ironflock, flock) as second:
            with pytest.raises(WampError, match="procedure_already_exists"):
                await second.register(established, lambda **_: "mine")
            for attempt in (
                second.register(f"re.mgmt.{serial}.execute_cmd", lambda **_: "mine", force_reregister=True),
                second.call("reswarm.devices.get_app_cred_key"),
                second.publish(f"reswarm.logs.{serial}.prod_1_app", "x"),
                second.subscribe(f"re.mgmt.{serial}.term_write.1", lambda _: None),
            ):
                with pytest.raises(WampError, match="not_authorized"):
                    await attempt
        assert not first.closed.is_set()
        assert await first.call("reswarm.devices.get_app_cred_key")
    wait_until(lambda: duplications(ironflock, flock["device_key"]) == 1, 5, "the log has it")


def test_the_agent_on_the_second_machine_gives_up_and_the_first_one_never_goes_offline(
    ironflock: RunningPlatform, flockctl: Flockctl, owner: Account
) -> None:
    flock = owner.flashed()
    key = flock["device_key"]
    (flockctl.folder / "press.flock").write_text(json.dumps(flock), encoding="utf-8")
    with flockctl.running("simulate", "--flock", "press.flock") as first:
        wait_until(lambda: first.states() == {key: "online"}, 30, "the first one is online")

        with flockctl.running("simulate", "--flock", "press.flock") as second:
            wait_until(lambda: second.states() == {key: "ended"}, 40, "the second one has given up")

        assert "online" not in {line["event"] for line in second.lines}
        assert [line["event"] for line in first.lines if line["event"] == "offline"] == []
        assert owner.status(key) == "CONNECTED"
        first.send(signal.SIGKILL)
    wait_until(lambda: owner.status(key) == "DISCONNECTED", 30, "it is offline")
    assert duplications(ironflock, key) == 1
