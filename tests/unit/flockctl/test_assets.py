"""What rights are held on, as people name it."""

import asyncio
from typing import Any, cast

import pytest

from deploy.flockctl.assets import Asset, asset_of, kind_of
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from shared.errors import InvalidArgumentError
from shared.flags import AssetKind


class Platform:
    """Has one thing of each name, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def call(self, procedure: str, **arguments: Any) -> dict[str, int]:
        self.asked.append((procedure.rpartition(".")[0], arguments))
        return {"device_key": 7, "project_key": 3, "group_key": 6, "app_key": 4}


def found(said: str, project: str | None = None) -> tuple[Asset, list[tuple[str, dict[str, Any]]]]:
    """What `said` names, and what was asked for it."""
    platform = Platform()
    return asyncio.run(asset_of(cast(Operator, platform), said, project)), platform.asked


@pytest.mark.parametrize("kind", AssetKind)
def test_every_kind_can_be_named(kind: AssetKind) -> None:
    assert kind_of(kind.value) is kind_of(kind.value.replace("_", "-")) is kind
    asset, asked = found("installation" if kind is AssetKind.INSTALLATION else f"{kind.value}:9")

    assert asset.kind is kind
    assert asset.key == (1 if kind is AssetKind.INSTALLATION else 9)
    assert asked == []


def test_a_name_is_looked_up_and_may_have_a_colon_in_it() -> None:
    asset, asked = found("device:hall:2", "plant")

    assert (asset.arguments, str(asset)) == ({"kind": "device", "key": 7}, "device hall:2")
    assert asked == [("ironflock.devices.device", {"device": "hall:2", "project": "plant"})]
    assert found("project:plant")[0].key == 3
    assert found("group:line-4")[0].key == 6
    assert found("app:press")[0].key == 4


def test_a_key_is_looked_up_only_where_a_project_is_said_with_it() -> None:
    assert found("group:4", "plant")[1] == [("ironflock.devices.group", {"group": 4, "project": "plant"})]


@pytest.mark.parametrize(
    "said", ["", "press-1", ":7", "device", "device:", "machine:7", "board:north", "installation:"]
)
def test_what_names_nothing_is_refused(said: str) -> None:
    with pytest.raises(CommandError) as refused:
        found(said)

    assert (refused.value.code, refused.value.status) == ("invalid_argument", ExitStatus.USAGE)


@pytest.mark.parametrize("said", ["device:a\x1b", "device:0", "app:" + "9" * 20])
def test_malformed_names_and_keys_are_refused(said: str) -> None:
    with pytest.raises((CommandError, InvalidArgumentError)):
        found(said)


def test_where_a_project_says_nothing_it_is_refused() -> None:
    with pytest.raises(CommandError):
        found("board:7", "plant")
    with pytest.raises(CommandError):
        found("app:press", "plant")
