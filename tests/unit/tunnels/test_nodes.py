"""The frps nodes of an installation, as its file says them."""

import copy
import json
from typing import Any

import pytest

from services.tunnels.rules.nodes import fleet_of

SECRET = "s" * 32
NODE = {"name": "frps-1", "secret": SECRET, "host": "localhost", "bind_port": 7000, "http_port": 1, "https_port": 2}
NODES: dict[str, Any] = {"nodes": [NODE], "fronts": ["127.0.0.1", "::ffff:192.0.2.7"]}


def test_what_the_file_says_is_taken() -> None:
    fleet = fleet_of(json.dumps(NODES))

    node = fleet.named("frps-1")
    assert node is not None
    assert (node.secret, node.host, node.bind_port, node.http_port, node.https_port) == (
        SECRET,
        "localhost",
        7000,
        1,
        2,
    )
    assert fleet.named("frps-2") is None
    assert fleet.fronts == {"127.0.0.1", "192.0.2.7"}
    assert fleet_of(json.dumps(NODES), "10.1.2.3").fronts == fleet.fronts | {"10.1.2.3"}
    assert SECRET not in repr(fleet)


def test_what_is_open_inside_may_be_elsewhere() -> None:
    inside = fleet_of(json.dumps({**NODES, "nodes": [{**NODE, "inside_host": "10.0.0.7"}]})).nodes[0]
    same = fleet_of(json.dumps(NODES)).nodes[0]

    assert (inside.host, inside.inside_host) == ("localhost", "10.0.0.7")
    assert (same.host, same.inside_host) == ("localhost", "localhost")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "a b"}, "name"),
        ({"secret": "short-and-told"}, "secret"),
        ({"secret": "x" * 31 + "@"}, "secret"),
        ({"host": "a/b"}, "host"),
        ({"inside_host": "a/b"}, "host"),
        ({"http_port": 0}, "list of nodes"),
        ({"surprise": 1}, "list of nodes"),
    ],
)
def test_a_malformed_node_is_refused_without_its_secret(change: dict[str, Any], said: str) -> None:
    text = json.dumps({**NODES, "nodes": [{**NODE, **change}]})

    with pytest.raises(ValueError, match=said) as refused:
        fleet_of(text)

    assert "told" not in str(refused.value)


@pytest.mark.parametrize("change", [{"nodes": []}, {"fronts": []}, {"fronts": ["front.example"]}, {"more": 1}])
def test_a_malformed_file_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"list of nodes|not a name"):
        fleet_of(json.dumps({**copy.deepcopy(NODES), **change}))


@pytest.mark.parametrize("second", [{"name": "frps-2"}, {"secret": "t" * 32}])
def test_names_and_secrets_are_one_nodes_each(second: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="two nodes have one"):
        fleet_of(json.dumps({**NODES, "nodes": [NODE, {**NODE, **second}]}))
