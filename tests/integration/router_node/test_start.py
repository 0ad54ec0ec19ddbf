"""What does not fit stops the start; what is half set up serves nobody."""

import json
import socket
import urllib.error
import urllib.request
from typing import Any

import pytest
from cryptography import x509

from tests.integration.router_node.node import Node, eventually, platform

pytestmark = pytest.mark.real


def report(node: Node) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"https://localhost:{node.ops}/health/ready", context=node.tls) as answer:
            body: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            body = json.load(error)
    return body


@pytest.mark.parametrize(("name", "value"), [("JOIN_TIMEOUT_S", "never"), ("JOIN_TIMOUT_S", "8"), ("TLS_KEY", "/none")])
def test_a_setting_that_does_not_fit_ends_the_node(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: str
) -> None:
    node = Node(tmp_path_factory.mktemp("start"), **{name: value}).start()
    try:
        node.exit_status()
        assert "router_start_failed" in node.log.read_text()
        assert name in node.log.read_text() or value in node.log.read_text()
    finally:
        node.stop()


def serial_at(port: int, node: Node) -> int:
    """The serial number of the certificate that is shown at `port`."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        node.tls.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        octets = secure.getpeercert(binary_form=True)
    assert octets is not None
    return x509.load_der_x509_certificate(octets).serial_number


@pytest.mark.asyncio
async def test_services_and_operators_see_a_certificate_of_their_own(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("start")
    inside = {"INSIDE_TLS_CERTIFICATE": str(folder / "inside.pem"), "INSIDE_TLS_KEY": str(folder / "inside.key")}
    node = Node(folder, **inside)
    serial = node.authority.issue(folder / "inside.pem", folder / "inside.key")
    node.start()
    try:
        async with platform(node):
            await eventually(lambda: report(node)["ready"])
            assert (serial_at(node.services, node), serial_at(node.ops, node)) == (serial, serial)
            assert serial_at(node.public, node) != serial
    finally:
        node.stop()


@pytest.mark.asyncio
async def test_health_tells_what_is_missing_and_a_taken_port_is_tried_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    node = Node(tmp_path_factory.mktemp("start"))
    taken = socket.create_server(("127.0.0.1", node.public))
    node.start()
    try:
        async with await node.service("devices", "realm1"):
            parts = report(node)["parts"]
            assert parts["service_listener"]["ok"]
            assert not parts["agent_procedures"]["ok"]
        async with platform(node):
            await eventually(lambda: "cannot listen" in report(node)["parts"]["public_listener"]["reason"])
            taken.close()
            await eventually(lambda: report(node)["ready"])
            async with await node.device(7):
                pass
    finally:
        taken.close()
        node.stop()
