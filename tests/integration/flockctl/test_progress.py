"""`flockctl device progress` and `--watch`: what a device says of its updates is shown while they go on."""

from typing import Any

import pytest

from deploy.flockctl.commands.progress import FOLLOW, is_through, progress_text
from tests.integration.flockctl.command_line import CommandLine, heard
from tests.integration.flockctl.fake_router import FakeRouter

UPDATE = "ironflock.devices.device.update_agent"


def piece(**said: Any) -> dict[str, Any]:
    return {"of": "agent_update", "octets": None, "of_octets": None, "percent": None, "step": None, **said}


@pytest.mark.parametrize(
    ("said", "text", "is_last"),
    [
        (piece(octets=10, of_octets=40), "the agent: 10 of 40 octets", False),
        (piece(octets=40, of_octets=40), "the agent: 40 of 40 octets", True),
        (piece(of="os_install", percent=99, step="copy\x1b[31m"), "the system, installed: 99 % copy\\x1b[31m", False),
        (piece(of="os_install", percent=100), "the system, installed: 100 %", True),
        (piece(of="os_download", octets=0, of_octets=9), "the system, fetched: 0 of 9 octets", False),
    ],
)
def test_each_word_is_a_line_and_the_last_one_is_known(said: dict[str, Any], text: str, *, is_last: bool) -> None:
    assert progress_text(said) == text
    assert is_through(said) is is_last


def test_an_update_is_watched_beside_what_has_it_done(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures |= {UPDATE: lambda **_: {"device_key": 7, "answer": {"DidUpdate": True}}}
    router.script.procedures |= {FOLLOW: lambda **_: None}

    done = flockctl("device", "update-agent", "press-1", "--yes", "--watch", "--json")

    assert done.json == {"update_agent": {"DidUpdate": True}}
    assert heard(router, UPDATE) == heard(router, FOLLOW) == [{"device": "press-1"}]
