"""What a device finds at the endpoint of a cell."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from deploy.flockctl.doctor.listening import problem_at
from tests.integration.flockctl.certificates import Certificates, make_certificates


@pytest.fixture(name="certificates", scope="module")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def served(certificates: Certificates) -> Iterator[int]:
    """Somebody who shows that certificate to the next who comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def show() -> None:
            with suppress(OSError), listener.accept()[0] as plain, context.wrap_socket(plain, server_side=True) as peer:
                peer.recv(1)

        thread = Thread(target=show, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(30)


def test_given_the_name_that_is_certified_then_nothing_is_wrong(certificates: Certificates) -> None:
    with served(certificates) as port:
        assert problem_at(f"wss://localhost:{port}", certificates.ca) == ""


def test_given_another_name_than_the_certificate_has_then_it_is_refused(certificates: Certificates) -> None:
    with served(certificates) as port:
        assert problem_at(f"wss://127.0.0.1:{port}", certificates.ca).startswith("its certificate is refused")


def test_given_another_authority_then_it_is_refused(certificates: Certificates, tmp_path: Path) -> None:
    with served(certificates) as port:
        other = make_certificates(tmp_path)
        assert problem_at(f"wss://localhost:{port}", other.ca).startswith("its certificate is refused")


def test_given_nobody_there_then_it_says_so(certificates: Certificates) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))

        assert problem_at(f"wss://127.0.0.1:{closed.getsockname()[1]}", certificates.ca) == "nothing listens there"
    assert problem_at("wss://[nonsense", certificates.ca).startswith("no TLS comes about")
