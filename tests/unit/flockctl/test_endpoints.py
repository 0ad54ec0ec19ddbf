"""Where flockctl looks for a platform, and what it takes for one."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.flockctl.endpoints import candidates, find_endpoints, parse_endpoints
from deploy.flockctl.errors import CommandError, ExitStatus

CONTENT: dict[str, Any] = {
    "version": 1,
    "ca_file": "/state/ca/ca.pem",
    "router": {"people": "wss://localhost:8443/ws-usr", "devices": "wss://localhost:8443/ws-re-dev"},
    "health": {"router": "https://localhost:8447/health/ready"},
    "owner_api_key_file": "/state/owner-api-key",
}


def test_a_folder_that_is_named_is_the_only_one(tmp_path: Path) -> None:
    environ = {"IRONFLOCK_LOCAL_STATE": "/elsewhere"}

    assert list(candidates(tmp_path, environ, tmp_path)) == [tmp_path]
    assert list(candidates(None, environ, tmp_path)) == [Path("/elsewhere")]


def test_without_a_name_it_walks_up_from_the_working_folder(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"

    found = list(candidates(None, {}, deep))

    assert found[:3] == [deep / ".ironflock", tmp_path / "a" / ".ironflock", tmp_path / ".ironflock"]


def test_the_nearest_platform_is_found(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / ".ironflock").mkdir()
    (tmp_path / ".ironflock" / "endpoints.json").write_text(json.dumps(CONTENT))

    found = find_endpoints(None, {}, deep)

    assert found.people == "wss://localhost:8443/ws-usr"
    assert found.owner_api_key == Path("/state/owner-api-key")
    assert found.more_people == ()


def test_routers_of_further_cells_are_known_too() -> None:
    more = {"second": {"people": "wss://localhost:8560/ws-usr"}, "third": {"people": "wss://c:1/ws-usr"}}

    found = parse_endpoints(Path("endpoints.json"), json.dumps({**CONTENT, "more_routers": more}))

    assert found.more_people == ("wss://localhost:8560/ws-usr", "wss://c:1/ws-usr")


def test_where_there_is_none_it_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="make up") as caught:
        find_endpoints(tmp_path, {}, tmp_path)

    assert caught.value.status is ExitStatus.UNAVAILABLE


@pytest.mark.parametrize(
    "change",
    [
        {"ca_file": None},
        {"ca_file": 5},
        {"router": {}},
        {"router": {"people": "ws://localhost:8443/ws-usr"}},
        {"health": []},
        {"more_routers": []},
        {"more_routers": {"second": {}}},
        {"more_routers": {"second": {"people": "http://localhost:1"}}},
        {"health": {"auth": "http://localhost:1/health"}},
    ],
)
def test_a_file_of_another_kind_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(CommandError) as caught:
        parse_endpoints(Path("endpoints.json"), json.dumps({**CONTENT, **change}))

    assert caught.value.code == "unreadable_endpoints"


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000])
def test_a_file_that_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(CommandError):
        parse_endpoints(Path("endpoints.json"), text)
