"""A fake router on a TLS port for each test."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.flockctl import reactor_thread
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.flockctl.command_line import API_KEY, CommandLine
from tests.integration.flockctl.fake_router import FakeRouter
from tests.integration.flockctl.reactor_thread import reactor, wait


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def router(certificates: Certificates) -> Iterator[FakeRouter]:
    reactor_thread.start()
    made = FakeRouter(reactor, certificates.certificate, certificates.key)

    async def listen() -> None:
        made.listen()

    wait(listen())
    yield made
    wait(made.close())


@pytest.fixture
def flockctl(router: FakeRouter, certificates: Certificates, tmp_path: Path) -> CommandLine:
    state = tmp_path / "state"
    state.mkdir()
    (state / "owner-api-key").write_text(API_KEY + "\n")
    content = {
        "version": 1,
        "ca_file": str(certificates.ca),
        "router": {"people": f"wss://localhost:{router.port}/ws-usr"},
        "health": {"router": "https://localhost:1/health/ready"},
        "owner_api_key_file": str(state / "owner-api-key"),
    }
    (state / "endpoints.json").write_text(json.dumps(content))
    router.script.tickets = {API_KEY: "owner"}
    return CommandLine(state)
