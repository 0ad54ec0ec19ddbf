"""What a compose document asks of a device: whatever is not known to be harmless is power over it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.compose import _HARMLESS, MAX_SERVICES, check, elevations
from shared.errors import InvalidArgumentError, NotSupportedError

HARMLESS: dict[str, Any] = {
    "version": "3.8",
    "x-author": "anna",
    "services": {
        "web": {
            "image": "registry.example.com/web:1", "command": ["run", "${SPEED}"], "environment": {"A": "${B}"},
            "ports": ["80:80"], "volumes": ["data:/var/lib/data", "/cache", {"type": "volume", "source": "data",
            "target": "/x"}, {"type": "tmpfs", "target": "/run/x"}], "restart": "always", "privileged": False,
            "cap_add": [], "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"], "network_mode": "bridge",
            "devices": None, "deploy": {"resources": {"limits": {"cpus": "0.5"}}}, "x-note": 1,
            "logging": {"driver": "json-file", "options": {"max-size": "1m"}},
        },
        "side": {"image": "a", "network_mode": "service:web", "pid": "service:web", "ipc": "private"},
    },
    "volumes": {"data": None, "more": {"driver": "local"}},
    "networks": {"inner": {"driver": "bridge", "internal": True}},
    "configs": {"page": {"content": "hello"}},
}  # fmt: skip
POWER: list[tuple[str, Any]] = [
    ("privileged", True), ("privileged", "true"), ("privileged", "${X}"), ("privileged", 1), ("cap_add", ["SYS_ADMIN"]),
    ("cap_add", ["${CAP}"]), ("cap_add", "NET_ADMIN"), ("devices", ["/dev/ttyUSB0"]), ("devices", ["${D}:/dev/x"]),
    ("device_cgroup_rules", ["c 1:3 mr"]), ("gpus", "all"), ("runtime", "nvidia"), ("network_mode", "host"),
    ("network_mode", "${MODE}"), ("network_mode", "container:other"), ("network_mode", "service:${X}"), ("pid", "host"),
    ("pid", "container:x"), ("ipc", "host"), ("uts", "host"), ("cgroup", "host"), ("userns_mode", "host"),
    ("cgroup_parent", "/"), ("security_opt", ["seccomp=unconfined"]), ("security_opt", ["apparmor:${X}"]),
    ("volumes", ["/:/host"]), ("volumes", ["/var/run/docker.sock:/var/run/docker.sock"]), ("volumes", ["./a:/b"]),
    ("volumes", ["~/a:/b"]), ("volumes", ["${V}:/b"]), ("volumes", ["data:/b", "$V"]), ("volumes", ["C:\\x:/b"]),
    ("volumes", ["c:/:/host"]), ("volumes", ["C:/Users:/h"]), ("volumes", ["c:/h"]),
    ("volumes", [{"type": "bind", "source": "/", "target": "/h"}]), ("volumes", [{"source": "/", "target": "/h"}]),
    ("volumes", [{"type": "volume", "source": "${V}", "target": "/h"}]), ("volumes", [{"type": "npipe"}]),
    ("volumes", [{"type": "${T}", "source": "data"}]), ("volumes_from", ["container:x"]), ("env_file", ["/etc/shadow"]),
    ("extends", {"file": "/etc/x.yml", "service": "a"}), ("use_api_socket", True), ("provider", {"type": "x"}),
    ("post_start", [{"command": "x", "privileged": True}]), ("sysctls", {"a": 1}), ("group_add", ["docker"]),
    ("credential_spec", {"file": "x"}), ("<<", {"privileged": True}), ("Privileged", True), ("deploy",
    {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}}}), ("deploy", []), ("logging",
    {"driver": "${D}"}), ("logging", {"driver": "syslog"}), ("label_file", "/etc/x"), ("oom_kill_disable", True),
]  # fmt: skip
TOP: list[tuple[str, Any]] = [
    ("include", ["/etc/x.yml"]), ("volumes", {"data": {"driver_opts": {"type": "none", "o": "bind", "device": "/"}}}),
    ("volumes", {"data": {"external": True}}), ("volumes", {"data": {"name": "others_data"}}),
    ("volumes", {"data": {"driver": "${D}"}}), ("volumes", {"<<": {"external": True}}), ("volumes", []),
    ("networks", {"h": {"external": True, "name": "host"}}), ("networks", {"h": {"driver": "host"}}),
    ("networks", {"h": {"driver": "macvlan"}}), ("configs", {"c": {"file": "/etc/shadow"}}),
    ("secrets", {"s": {"environment": "HOME"}}), ("secrets", {"s": {"file": "/root/.ssh/id"}}), ("models", {"m": {}}),
    ("<<", {"services": {}}), ("services", {"<<": {"a": {"privileged": True}}}),
]  # fmt: skip


def one(**more: Any) -> dict[str, Any]:
    """A document of one service."""
    return {"services": {"web": {"image": "a", **more}}}


def test_an_ordinary_document_asks_for_nothing() -> None:
    check(HARMLESS)
    assert elevations(HARMLESS) == []
    assert elevations(None) == []


@pytest.mark.parametrize(("key", "value"), POWER, ids=lambda each: repr(each)[:60])
def test_power_over_the_device_is_found(key: str, value: Any) -> None:
    assert elevations(one(**{key: value})) == [f"services.web.{key}"]


@pytest.mark.parametrize(("key", "value"), TOP, ids=lambda each: repr(each)[:60])
def test_power_is_found_beside_the_services_too(key: str, value: Any) -> None:
    assert elevations({**one(), key: value})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.text(min_size=1, max_size=20), JSON)
def test_a_key_that_nobody_knows_is_power(key: str, value: Any) -> None:
    found = elevations(one(**{key: value}))
    known = {*_HARMLESS, "privileged", "cap_add", "devices", "device_cgroup_rules", "env_file", "network_mode", "ipc",
             "pid", "cgroup", "security_opt", "volumes", "deploy", "logging"}  # fmt: skip
    if value is not None and key not in known and not key.startswith("x-"):
        assert found == [f"services.web.{key}"]


@given(st.dictionaries(st.sampled_from(["services", "volumes", "networks", "include", "x"]) | st.text(), JSON))
def test_any_document_is_judged_or_refused_and_never_a_fault(document: dict[str, Any]) -> None:
    elevations(document)
    try:
        check(document)
    except (InvalidArgumentError, NotSupportedError):
        return
    assert all(isinstance(each["image"], str) for each in document["services"].values())


@pytest.mark.parametrize(
    "document",
    [
        {}, {"services": {}}, {"services": []}, {"services": {"web": None}}, {"services": {"web": {}}},
        {"services": {"web": {"image": ""}}}, {"services": {"<<": {"image": "a"}}},
        {"services": {"a b": {"image": "a"}}},
        {"services": {f"s{n}": {"image": "a"} for n in range(MAX_SERVICES + 1)}}, one(ports="80:80"), one(ports=[80]),
        one(volumes={"a": "/b"}), one(extra_hosts={"a": "b"}), one(env_file="x"), one(cpus=0.5), one(user=2**53),
        one(user="a\0"), one(user="\ud800"), {**one(), "volumes": ["data"]}, {**one(), "networks": "x"},
        one(labels={1: "a"}),
    ],
    ids=lambda each: repr(each)[:60],
)  # fmt: skip
def test_what_an_agent_would_not_survive_is_refused(document: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="compose"):
        check(document)


def test_what_nests_too_deep_is_refused() -> None:
    deep: Any = "x"
    for _ in range(30):
        deep = [deep]
    with pytest.raises(InvalidArgumentError, match="levels"):
        check(one(labels=deep))


def test_nothing_is_built() -> None:
    with pytest.raises(NotSupportedError, match="nothing is built here"):
        check(one(build={"context": "."}))
