"""A fake router on a TLS port for each test."""

from collections.abc import Iterator

import pytest

from tests.integration.flockctl import reactor_thread
from tests.integration.flockctl.certificates import Certificates, make_certificates
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
