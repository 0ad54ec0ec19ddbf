"""One router for the folder; each test brings its own stand-ins, so that none meets another's sessions."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.integration.router_node.node import Node, Platform, platform


@pytest.fixture(scope="session")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(tmp_path_factory.mktemp("router")).start()
    yield node
    node.stop()


@pytest_asyncio.fixture
async def stand_ins(shared_node: Node) -> AsyncIterator[Platform]:
    async with platform(shared_node) as joined:
        yield joined
