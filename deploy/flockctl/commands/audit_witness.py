"""`flockctl audit witness`: a small process, best run elsewhere, that cosigns a log that only grows."""

import re
import secrets
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from attrs import frozen
from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.error import CannotListenError

from deploy.flockctl import reactor
from deploy.flockctl.audit.files import parse_keys
from deploy.flockctl.audit.witness import Witness, logs_of
from deploy.flockctl.audit.witness_state import WitnessState
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.options import Json
from deploy.flockctl.output import Output
from shared.tlog.note import PUBLIC_KEY_LENGTH
from shared.tls import server_options

DEFAULT_NAME: Final = "ironflock.witness"
_ADDRESS: Final = re.compile(r"(?:\[([0-9a-fA-F:]+)\]|([0-9.]+)):([0-9]{1,5})", re.ASCII)
MAX_PORT: Final = 65535

Folder = Annotated[Path, typer.Option("--state", help="Folder of its own, made when absent.", metavar="FOLDER")]
LogKeys = Annotated[
    list[str], typer.Option("--log-key", help="Key of a log to witness; may be repeated.", metavar="VKEY")
]
Listen = Annotated[str, typer.Option(help="Address to listen on; port 0 is any free one.", metavar="ADDRESS:PORT")]
Certificate = Annotated[Path, typer.Option(help="PEM file with the certificate of the server.", metavar="FILE")]
PrivateKey = Annotated[Path, typer.Option("--key", help="PEM file with its private key.", metavar="FILE")]
Name = Annotated[str, typer.Option(help="What the witness calls itself; it must stay.", metavar="NAME")]


@frozen
class Address:
    """Where to listen."""

    interface: str
    port: int


@frozen
class Listener:
    """The server's address and TLS files."""

    address: Address
    certificate: Path
    key: Path


def add_witness_command(app: typer.Typer) -> None:
    """Put the command of this file into `app`."""
    app.command("witness")(witness)


def witness(
    *,
    state: Folder,
    log_key: LogKeys,
    listen: Listen,
    certificate: Certificate,
    key: PrivateKey,
    name: Name = DEFAULT_NAME,
    json: Json = False,
) -> None:
    """Witness logs (C2SP tlog-witness): cosign their heads while each continues the one before, until Ctrl-C.

    Its key is made on the first start and stays in the folder; what it prints first is the verifier key to hand on.
    Run it on another machine than the platform, with a folder that is never restored from a backup.

    Example: flockctl audit witness --state /var/lib/witness --log-key 'ironflock.local/audit+...'
    --listen 0.0.0.0:8460 --certificate witness.pem --key witness.key --name witness.example/w1
    """
    logs = logs_of(parse_keys(log_key))
    if not logs:
        raise CommandError("usage", "--log-key names no key of a log", ExitStatus.USAGE)
    listener = Listener(parse_address(listen), certificate, key)
    with closing(WitnessState(state)) as kept:
        cosigner = kept.cosigner(name, fresh_seed=secrets.token_bytes(PUBLIC_KEY_LENGTH))
        made = Witness(kept, cosigner, logs, time.time)  # noqa: TID251 - the shell
        reactor.run(lambda loop: _serve(loop, made, listener, Output(as_json=json)))


def parse_address(text: str) -> Address:
    """`127.0.0.1:8460` or `[::1]:8460`.

    Raises:
        CommandError: It is neither.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found[3]) > MAX_PORT:
        raise CommandError("usage", "--listen is <IP address>:<port>", ExitStatus.USAGE)
    return Address(found[1] or found[2], int(found[3]))


async def _serve(loop: Any, made: Witness, listener: Listener, output: Output) -> None:
    from deploy.flockctl.audit.witness_server import listen  # noqa: PLC0415 - importing it installs the reactor

    address = listener.address
    try:
        tls = server_options(listener.certificate, listener.key)
        port = listen(loop, made, tls, port=address.port, interface=address.interface)
    except (OSError, SSL.Error) as error:
        raise CommandError("no_certificate", "the certificate or its key cannot be used") from error
    except CannotListenError as error:
        raise CommandError("cannot_listen", f"port {address.port} cannot be listened on") from error
    verifier_key, heard = made.cosigner.verifier_key.text, port.getHost().port  # type: ignore[attr-defined]
    output.result(
        {"witness": verifier_key, "port": heard, "logs": sorted(made.logs)},
        f"Witness {verifier_key}\nlistens on port {heard}; logs: {', '.join(sorted(made.logs))}",
    )
    try:
        await Deferred()
    except CancelledError:
        await maybeDeferred(port.stopListening)
