"""Every WebSocket of ours sends at once."""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared.websocket import send_at_once

ROOT = Path(__file__).parents[3]
SENT_AT_ONCE_BY = {"services/tunnels/websocket.py": "services/tunnels/edge.py"}
"""Where whoever makes the connection sets the option."""


def websockets() -> Iterator[tuple[str, ast.ClassDef]]:
    for folder in ("services", "shared", "router-config", "deploy"):
        for file in (ROOT / folder).rglob("*.py"):
            text = file.read_text()
            if "autobahn" in text or "crossbar" in text:
                for each in ast.walk(ast.parse(text)):
                    if isinstance(each, ast.ClassDef) and any(
                        ast.unparse(base).endswith(("WebSocketClientProtocol", "WebSocketServerProtocol"))
                        for base in each.bases
                    ):
                        yield str(file.relative_to(ROOT)), each


def test_it_is_asked_of_the_transport() -> None:
    asked: list[bool] = []

    send_at_once(SimpleNamespace(transport=SimpleNamespace(setTcpNoDelay=asked.append)))

    assert asked == [True]


@pytest.mark.parametrize(("file", "found"), [pytest.param(*each, id=each[0]) for each in websockets()])
def test_each_websocket_asks_for_it_when_its_connection_stands(file: str, found: ast.ClassDef) -> None:
    if file in SENT_AT_ONCE_BY:
        assert "setTcpNoDelay" in (ROOT / SENT_AT_ONCE_BY[file]).read_text()
        return

    (made,) = [each for each in found.body if isinstance(each, ast.FunctionDef) and each.name == "connectionMade"]

    assert ast.unparse(made.body[-1]) == "send_at_once(self)"
