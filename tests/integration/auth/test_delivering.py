"""Where messages go: a folder, or a mail server whose certificate is verified."""

import asyncio
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from attrs import evolve

from services.auth.delivering import FolderDelivery, SmtpDelivery, message_of
from services.auth.mailing import DeliveryError
from services.auth.records.messages import Letter, SmtpSettings
from tests.integration.flockctl.certificates import Certificates, make_certificates

pytestmark = pytest.mark.asyncio
LETTER = Letter("anna@example.com", "Hello", "Grüße\n.\nend\n")


@asynccontextmanager
async def mail_server(certificates: Certificates, taken: list[bytes]) -> AsyncIterator[int]:
    """As much of SMTP (RFC 5321) over TLS as a client needs; what it was given is in `taken`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n")
        while line := await reader.readline():
            word = line.split()[0].upper()
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                taken.append(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 well\r\n")
            await writer.drain()
            if word == b"QUIT":
                break
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture(scope="module", name="certificates")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("mail"))


def implicit(port: int, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> SmtpSettings:
    """Settings of a server that speaks TLS from the first octet, on a port of this test."""
    monkeypatch.setattr("services.auth.delivering.SUBMISSIONS_PORT", port)
    return SmtpSettings("localhost", port, "", "", "ironflock@example.com", certificates.ca)


async def test_a_message_is_handed_over_as_it_was_written(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[bytes] = []
    async with mail_server(certificates, taken) as port:
        await SmtpDelivery(implicit(port, certificates, monkeypatch), lambda: 0.0).deliver("id", LETTER)

    message = message_from_bytes(taken[0].removesuffix(b"\r\n.\r\n"), policy=policy.default)
    assert (message["To"], message["Subject"]) == ("anna@example.com", "Hello")
    assert "Grüße" in message.get_content()


async def test_a_server_that_is_not_verified_gets_nothing(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[bytes] = []
    async with mail_server(certificates, taken) as port:
        strange = evolve(implicit(port, certificates, monkeypatch), ca=None)
        with pytest.raises(DeliveryError):
            await SmtpDelivery(strange, lambda: 0.0).deliver("id", LETTER)

    assert taken == []


async def test_a_server_without_starttls_gets_nothing(certificates: Certificates) -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n250 mail.test\r\n250 well\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        settings = SmtpSettings("localhost", port, "", "", "ironflock@example.com", certificates.ca)
        with pytest.raises(DeliveryError):
            await SmtpDelivery(settings, lambda: 0.0).deliver("id", LETTER)


async def test_a_folder_has_one_file_a_message_for_this_user_alone(tmp_path: Path) -> None:
    folder = FolderDelivery(tmp_path, lambda: 1_764_000_000.0)

    await folder.deliver("id", LETTER)
    await folder.deliver("id", LETTER)

    (file,) = list(Path(tmp_path).glob("*"))  # noqa: ASYNC240 - a folder of this test
    assert file.name == "1764000000-id.eml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"To: anna@example.com" in file.read_bytes()


async def test_a_folder_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError):
        await FolderDelivery(tmp_path / "gone", lambda: 0.0).deliver("id", LETTER)


async def test_no_text_becomes_a_header() -> None:
    harmful = Letter("anna@example.com", "Hello\r\nBcc: everybody@example.com", "text")

    message = message_of("id", harmful, sender="a@example.com", now=0.0)

    assert message["Bcc"] is None
    assert message["Subject"] == "Hello Bcc: everybody@example.com"
