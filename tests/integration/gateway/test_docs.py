"""The page at `/docs`: from here alone, and nothing may run that is not one of its files."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.web.resource import Resource

from services.gateway.procedures.docs import POLICY, Docs
from services.gateway.procedures.site import Root
from shared.https import listen_https
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.reactor import ask, listening


@pytest.fixture(name="certificates", scope="module")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("gateway"))


@pytest.fixture(name="port")
def fixture_port(certificates: Certificates, tmp_path: Path) -> Iterator[int]:
    root = Root(tmp_path, "0.20.20")
    root.add_rest(Resource(), Docs())
    with listening(certificates, lambda tls: listen_https(tls, 0, "127.0.0.1", root, idle_timeout_s=10)) as port:
        yield port


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_page_s_files_are_all_here(certificates: Certificates, port: int, path: str) -> None:
    status, headers, content = ask(certificates, port, path)
    wanted = re.findall(r'(?:src|href)="([^"]+)"', content.decode())

    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert all(each.startswith(("/docs/", "/v1/ironflock/openapi.json")) for each in wanted)
    for each in wanted[:-1]:
        if each.startswith("/docs/"):
            found, told, octets = ask(certificates, port, each)
            assert (found, told["content-security-policy"]) == (200, POLICY.decode())
            assert octets


def test_nothing_in_line_is_allowed_or_there(certificates: Certificates, port: int) -> None:
    _, headers, content = ask(certificates, port, "/docs")

    assert headers["content-security-policy"] == POLICY.decode()
    assert b"unsafe" not in POLICY
    assert not re.search(rb"<script(?![^>]*\bsrc=)|<style|\bon[a-z]+=|\bstyle=", content)


@pytest.mark.parametrize("path", ["/docs/x", "/docs/../x", "/docs/%2e%2e%2fx", "/docs/index.html", "/docs/LICENSE"])
def test_nothing_else_is_there(certificates: Certificates, port: int, path: str) -> None:
    assert ask(certificates, port, path)[0] == 404


@pytest.mark.filterwarnings("ignore:twisted.web.resource.*:DeprecationWarning")  # Twisted's own use of it
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_it_can_only_be_read(certificates: Certificates, port: int, method: str) -> None:
    assert ask(certificates, port, "/docs", method)[0] in (404, 405, 501)
