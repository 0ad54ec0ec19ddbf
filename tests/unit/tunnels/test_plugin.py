"""The plugin API of frps: what it asks, as a real frps 0.70.0 writes it, and what it is answered."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.errors import RemoteProtocolError
from services.tunnels.records.messages import NewProxy
from services.tunnels.records.plugin import (
    LoginAsked,
    Pinged,
    PluginCall,
    ProxyAsked,
    ProxyClosed,
    UserConnAsked,
    Verdict,
    WorkConnAsked,
)
from services.tunnels.rules.plugin import encode, parse

USER = {"user": "", "metas": {"tunnel_proof": "PROOF"}, "run_id": "056a99c07a9a5534"}
LOGIN = {
    "version": "0.70.0", "hostname": "vm", "os": "linux", "arch": "amd64", "privilege_key": "2b4a", "timestamp": 1,
    "metas": {"tunnel_proof": "PROOF"}, "client_spec": {}, "pool_count": 1, "client_address": "127.0.0.1:5000",
}  # fmt: skip


def body(op: str, content: Any, version: str = "0.1.0") -> bytes:
    return json.dumps({"version": version, "op": op, "content": content}).encode()


def test_a_login_is_told_with_all_that_frps_said_of_it() -> None:
    asked = parse("Login", body("Login", LOGIN))

    assert isinstance(asked, LoginAsked)
    assert (asked.client_address, asked.login.metas, asked.login.pool_count) == (
        "127.0.0.1:5000", {"tunnel_proof": "PROOF"}, 1,
    )  # fmt: skip
    assert asked.content == LOGIN
    assert "PROOF" not in repr(asked)


@pytest.mark.parametrize(
    ("op", "content", "told"),
    [
        (
            "NewProxy",
            {"user": USER, "proxy_name": "42-ssh-22-tcp", "proxy_type": "tcp", "remote_port": 16_022},
            ProxyAsked("056a99c07a9a5534", NewProxy("42-ssh-22-tcp", "tcp", remote_port=16_022)),
        ),
        ("CloseProxy", {"user": USER, "proxy_name": "a"}, ProxyClosed("056a99c07a9a5534", "a")),
        ("Ping", {"user": USER, "timestamp": 1}, Pinged("056a99c07a9a5534", "PROOF")),
        ("Ping", {"user": {"run_id": "x", "metas": None}}, Pinged("x", "")),
        ("NewWorkConn", {"user": USER, "run_id": "other"}, WorkConnAsked("056a99c07a9a5534", "other")),
        (
            "NewUserConn",
            {"user": USER, "proxy_name": "a", "proxy_type": "tcp", "remote_addr": "192.0.2.1:80"},
            UserConnAsked("056a99c07a9a5534", "a", "192.0.2.1:80"),
        ),
    ],
)
def test_each_op_is_told(op: str, content: Any, told: PluginCall) -> None:
    assert parse(op, body(op, content)) == told


@pytest.mark.parametrize(
    ("op", "octets"),
    [
        ("Ping", body("Login", LOGIN)),
        ("Ping", body("Ping", {"user": USER}, version="0.2.0")),
        ("Ping", body("Ping", {})),
        ("Ping", body("Ping", {"user": {"run_id": 5}})),
        ("Reboot", body("Reboot", {"user": USER})),
        ("Login", body("Login", {**LOGIN, "metas": {"a": 1}})),
        ("NewProxy", body("NewProxy", {"user": USER, "remote_port": "x"})),
        ("Login", b""),
        ("Login", b"[" * 10_000),
        ("Login", b"\xff"),
    ],
)
def test_what_frps_never_asks_is_not_understood(op: str, octets: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse(op, octets)


@given(st.sampled_from(["Login", "NewProxy", "Ping", "Other"]), st.binary(max_size=200))
def test_whatever_comes_is_understood_or_refused(op: str, octets: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse(op, octets)


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (Verdict(), {"reject": False, "unchange": True}),
        (Verdict("not so"), {"reject": True, "reject_reason": "not so"}),
        (Verdict(content={"run_id": "1"}), {"reject": False, "unchange": False, "content": {"run_id": "1"}}),
    ],
)
def test_a_verdict_is_said_as_frps_reads_it(verdict: Verdict, said: dict[str, Any]) -> None:
    assert json.loads(encode(verdict)) == said
