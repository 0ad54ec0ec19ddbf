"""Two processes of devices on one platform: they drive a rollout between them, and whichever dies is not missed."""

import json

import pytest

from tests.e2e.test_rollouts import ROLLOUT, WITHIN_S, Site
from tests.harness.clients import Account
from tests.harness.commands import Flockctl
from tests.harness.running import RunningPlatform
from tests.harness.second import Second
from tests.harness.waiting import wait_until
from tests.harness.webhooks import WebhookReceiver

pytestmark = [pytest.mark.real, pytest.mark.soak]
DEVICES = 24
FAILING = 4


@pytest.mark.timeout(300)
def test_whichever_of_two_processes_dies_each_device_has_its_turn_once_and_an_alert_is_told_once(
    ironflock: RunningPlatform, owner: Account, flockctl: Flockctl
) -> None:
    with Second(ironflock, "devices") as second, WebhookReceiver(ironflock.receivers) as receiver:
        site = Site(ironflock, owner, DEVICES)
        create = ("alert", "channel", "create", "hook", "--project", str(site.project), "--webhook", receiver.url)
        flockctl.json(*create)
        with site.connected():
            site.becomes(site.start("install"), "done")
            (before,) = site.revisions()
            for flock in site.flocks[:FAILING]:
                site.apps[flock.device_key].failing.add(site.app)
            pace = {"waves": [8, 8], "budget": FAILING - 1, "at_once": 2}
            rollout = site.start("upgrade", version="1.1.0", pace=pace)
            site.becomes(rollout, "stopped")
            wait_until(lambda: receiver.messages, WITHIN_S, "the webhook is told that it has stopped")
            owner.call(f"{ROLLOUT}.resume", rollout=rollout)

            first = ironflock.kill("devices")
            wait_until(lambda: ironflock.is_back("devices", first), WITHIN_S, "the first one is back")
            second.kill()
            done = site.becomes(rollout, "done")

        assert done["failures"] == 0
        assert (site.count(rollout, "done"), site.count(rollout, "failed")) == (DEVICES - FAILING, FAILING)
        assert site.revisions() == {before + 1}  # each was to be told one thing, once
        well = [
            apps for flock, apps in zip(site.flocks, site.apps.values(), strict=True) if site.app not in apps.failing
        ]
        assert [apps.said["UPDATING"] for apps in well] == [1] * (DEVICES - FAILING)
        told = [(alert["kind"], alert["state"]) for alert in receiver.alerts() if alert["kind"] == "rollout_stopped"]
        assert told.count(("rollout_stopped", "open")) == 1, json.dumps(receiver.alerts())
        assert len({message.message_id for message in receiver.messages}) == len(receiver.messages)
