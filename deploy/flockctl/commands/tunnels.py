"""`flockctl tunnel ...`: ports of devices, declared, opened, closed; who may come, who came."""

import hashlib
import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit

import typer
from attrs import frozen
from rich.table import Table
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure
from typing_extensions import override

from deploy.flockctl.confirming import confirm
from deploy.flockctl.datagrams import LocalDatagrams
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.paging import Everything, Limit, check_limit, newest, say_whether_more
from deploy.flockctl.rights_options import For, Until, WithinProject, Yes, project_of
from deploy.flockctl.rights_options import ending as ends_of
from deploy.flockctl.text import local_time, printable
from deploy.flockctl.visits import LocalEnd, VisitSocket, ending, visit
from deploy.flockctl.words import key_or_name

app = typer.Typer(
    help="Tunnels: reach what devices offer, as far as you may; nobody reaches it otherwise.", no_args_is_help=True
)

TUNNELS: Final = "ironflock.tunnels.tunnel"
RECORDING: Final = "ironflock.tunnels.recording"
NO_TUNNELS: Final = "this platform tells of no tunnels: is it of this release?"
NO_TUNNEL: Final = "there is no such tunnel; `flockctl tunnel list` shows yours, `flockctl tunnel declare` makes one"
WHERE: Final = (
    "say the app and its port as APP:PORT, for example ssh:22, or APP:PORT/udp where there are more of a port"
)
ONE: Final = "say --listen or --stdio, not both"
NO_STDIO: Final = "datagrams go by a port of this machine: leave --stdio out"
PROTOCOLS: Final = ("http", "https", "tcp", "udp")
RECORDED: Final = "this visit is recorded: whatever the device shows, and whoever may read the audit log may read that"
CHANGED: Final = "the recording is not what the platform recorded: its SHA-256 is another"
MAX_PORT: Final = 65_535
LOCAL: Final = "127.0.0.1"

Device = Annotated[str, typer.Argument(help="The device's name or key.", metavar="DEVICE")]
OrDevice = Annotated[str | None, typer.Argument(help="The device's name or key (default: all).", metavar="DEVICE")]
Where = Annotated[
    str, typer.Argument(help="The app and its port: ssh:22; of several protocols dns:53/udp.", metavar="APP:PORT")
]
Hours = Annotated[float | None, typer.Option(help="End the visit after so many hours.", min=0.01, max=24)]
ByProtocol = Annotated[str, typer.Option(help="http, https, tcp or udp.")]


@command(app, "declare")
async def tunnel_declare(
    operator: Operator, device: Device, where: Where, *, protocol: ByProtocol = "tcp", project: WithinProject = None
) -> None:
    """Let a device offer a port of an app; only who may go through tunnels of the device reaches it.

    Example: flockctl tunnel declare press-1 ssh:22
    """
    name, port, said_protocol = _app_and_port(where)
    protocol = said_protocol or protocol
    said = {**_device(device, project), "app": name, "port": port, "protocol": protocol.lower()}
    made = await operator.call(f"{TUNNELS}.declare", **said)
    operator.output.result({"tunnel": made}, _table([made]))


@command(app, "list")
async def tunnel_list(operator: Operator, device: OrDevice = None, *, project: WithinProject = None) -> None:
    """List the tunnels of a device, of a project, or all that you may see, as they stand.

    Example: flockctl tunnel list press-1
    """
    found = await _listed(operator, device, project)
    operator.output.result({"tunnels": found}, _table(found))


@command(app, "withdraw")
async def tunnel_withdraw(
    operator: Operator, device: Device, where: Where, *, project: WithinProject = None, yes: Yes = False
) -> None:
    """Let a device offer a port no more; who is there is cut.

    Example: flockctl tunnel withdraw press-1 ssh:22
    """
    found = await _tunnel(operator, device, where, project)
    confirm(f"Withdraw {printable(where)} of {printable(found['device_name'])}?", is_said=yes)
    await operator.call(f"{TUNNELS}.withdraw", repeatable=False, tunnel=found["tunnel_key"])
    operator.output.result({"withdrawn": found["tunnel_key"]}, f"{printable(where)} is withdrawn")


@command(app, "publish")
async def tunnel_publish(
    operator: Operator,
    device: Device,
    where: Where,
    *,
    project: WithinProject = None,
    until: Until = None,
    lasting: For = None,
    yes: Yes = False,
) -> None:
    """Let anybody come, without an account, until an end (--until, --for) or for good.

    A raw port (tcp, udp) is then open to whoever finds it, as the device speaks it: without TLS of ours.

    Example: flockctl tunnel publish press-1 web:8080 --for 2h
    """
    found = await _tunnel(operator, device, where, project)
    ends = ends_of(operator, until, lasting).get("ends_at")
    how = "for good" if ends is None else f"until {local_time(ends)}"
    confirm(f"Let anybody come to {printable(where)} of {printable(found['device_name'])} {how}?", is_said=yes)
    said = {} if ends is None else {"until": ends}
    public = await operator.call(f"{TUNNELS}.publish", repeatable=False, tunnel=found["tunnel_key"], **said)
    operator.output.result({"tunnel": public}, _table([public]))


@command(app, "unpublish")
async def tunnel_unpublish(operator: Operator, device: Device, where: Where, *, project: WithinProject = None) -> None:
    """Let only those come who may; who is there without an account is cut.

    Example: flockctl tunnel unpublish press-1 web:8080
    """
    found = await _tunnel(operator, device, where, project)
    private = await operator.call(f"{TUNNELS}.unpublish", tunnel=found["tunnel_key"])
    operator.output.result({"tunnel": private}, _table([private]))


@command(app, "close")
async def tunnel_close(operator: Operator, device: Device, where: Where, *, project: WithinProject = None) -> None:
    """End the visits of a tunnel: your own, or all of them where you may declare it.

    Example: flockctl tunnel close press-1 ssh:22
    """
    found = await _tunnel(operator, device, where, project)
    closed = (await operator.call(f"{TUNNELS}.close", repeatable=False, tunnel=found["tunnel_key"]))["closed"]
    operator.output.result({"closed": closed}, f"{closed} visits are ended")


@command(app, "ticket")
async def tunnel_ticket(
    operator: Operator, device: Device, where: Where, *, project: WithinProject = None, hours: Hours = None
) -> None:
    """Print a ticket by which a program visits once, within a minute, as you; and where.

    The program opens a WebSocket there with `Authorization: Bearer <ticket>`; binary messages go both ways.

    Example: flockctl tunnel ticket press-1 ssh:22 --json
    """
    found = await _tunnel(operator, device, where, project)
    issued = {**await _ticket(operator, found, hours), "url": _url(operator, found)}
    if issued["is_recorded"]:
        operator.output.notice(RECORDED)
    row = (issued["ticket"], local_time(issued["usable_until"]), local_time(issued["visit_ends_at"]), issued["url"])
    operator.output.result({"ticket": issued}, table(("TICKET", "USABLE UNTIL", "VISIT ENDS", "AT"), [row]))


@command(app, "open")
async def tunnel_open(
    operator: Operator,
    device: Device,
    where: Where,
    *,
    project: WithinProject = None,
    listen: Annotated[
        int | None, typer.Option(help="A port of this machine to listen on (default: any).", min=0, max=MAX_PORT)
    ] = None,
    stdio: Annotated[
        bool, typer.Option("--stdio", help="Use standard input and output, as ProxyCommand does.")
    ] = False,
    hours: Hours = None,
) -> None:
    """Reach a port of a device from this machine, until Ctrl-C; each visit is recorded.

    A udp port is reached by a UDP port of this machine; datagrams have up to 1,500 octets.

    With OpenSSH: ssh -o ProxyCommand="flockctl tunnel open press-1 ssh:22 --stdio" root@press-1

    Example: flockctl tunnel open press-1 ssh:22 --listen 2222
    """
    if stdio and listen is not None:
        raise CommandError("usage", ONE, ExitStatus.USAGE)
    found = await _tunnel(operator, device, where, project)
    way, is_udp = Way(operator, found, hours), found["protocol"] == "udp"
    if stdio and is_udp:
        raise CommandError("usage", NO_STDIO, ExitStatus.USAGE)
    if stdio:
        await _over_stdio(way)
    else:
        await _over_port(way, listen or 0, is_udp=is_udp)


@command(app, "visits")
async def tunnel_visits(
    operator: Operator,
    device: OrDevice = None,
    *,
    project: WithinProject = None,
    limit: Limit = None,
    everything: Everything = False,
) -> None:
    """List who came, the newest first, and why each visit ended.

    Example: flockctl tunnel visits press-1
    """
    check_limit(limit, everything=everything)
    where = _maybe(device, project)
    page = await newest(operator, "ironflock.tunnels.visit.list", "visits", limit=limit, everything=everything, **where)
    operator.output.result(page, _visits(page["visits"]))
    say_whether_more(operator, page)


@command(app, "record")
async def tunnel_record(
    operator: Operator,
    project: Annotated[str, typer.Argument(help="The project's name or key.", metavar="PROJECT")],
    apps: Annotated[
        list[str] | None, typer.Argument(help="Apps whose raw tunnels carry terminals (none: record nothing).")
    ] = None,
) -> None:
    """Record what devices show to whoever visits these apps of a project through raw tunnels, from now on.

    Only what is plain on its way is readable then: of SSH, which is encrypted, sizes and times.

    Example: flockctl tunnel record plant console telnet
    """
    chosen = await operator.call(f"{RECORDING}.choose", project=project_of(project), apps=apps or [])
    names = ", ".join(printable(each) for each in chosen["apps"])
    operator.output.result(chosen, f"recorded are visits to {names}" if names else "nothing is recorded")


@command(app, "recordings")
async def tunnel_recordings(
    operator: Operator,
    project: Annotated[str, typer.Argument(help="The project's name or key.", metavar="PROJECT")],
    *,
    limit: Limit = None,
    everything: Everything = False,
) -> None:
    """List the recordings of a project, the newest first.

    Example: flockctl tunnel recordings plant
    """
    check_limit(limit, everything=everything)
    where = {"project": project_of(project)}
    page = await newest(operator, f"{RECORDING}.list", "recordings", limit=limit, everything=everything, **where)
    operator.output.result(page, _recordings(page["recordings"]))
    say_whether_more(operator, page)


@command(app, "recording")
async def tunnel_recording(
    operator: Operator, visit: Annotated[int, typer.Argument(help="The visit's key.", metavar="VISIT", min=1)]
) -> None:
    """Print the recording of a visit, an asciicast (version 2); that you read it is recorded.

    Example: flockctl tunnel recording 118 > visit.cast && asciinema play visit.cast
    """
    pieces: list[str] = []
    part: int | None = 0
    piece: Mapping[str, Any] = {}
    while part is not None:
        piece = await operator.call(f"{RECORDING}.fetch", visit=visit, part=part)
        pieces.append(piece["cast"])
        part = piece["next"]
    cast = "".join(pieces)
    if piece["sha256"] not in (None, hashlib.sha256(cast.encode()).hexdigest()):
        raise CommandError("changed", CHANGED)
    if operator.output.as_json:
        operator.output.result({"recording": {"visit_key": visit, "cast": cast, "sha256": piece["sha256"]}}, "")
    else:
        sys.stdout.write(cast)  # JSON in ASCII, a line a piece: nothing in it steers a terminal


@frozen
class Way:
    """A tunnel that somebody wants to go through, each time with a ticket of its own."""

    operator: Operator
    tunnel: Mapping[str, Any]
    hours: float | None

    async def go(self) -> VisitSocket:
        """A visit that is open."""
        issued = await _ticket(self.operator, self.tunnel, self.hours)
        if issued["is_recorded"]:
            self.operator.output.notice(RECORDED)
        url = _url(self.operator, self.tunnel)
        return await visit(self.operator.reactor, url, self.operator.endpoints.ca, issued["ticket"])


class Listening(Factory):
    """A port of this machine: each connection is a visit."""

    noisy = False

    def __init__(self, way: Way) -> None:
        """Go that way."""
        self.way = way

    @override
    def buildProtocol(self, addr: object) -> Protocol:
        return Incoming(self.way)


class Incoming(Protocol):
    """One connection; it is read once its visit is open."""

    def __init__(self, way: Way) -> None:
        """Go that way."""
        self._way = way
        self._end: LocalEnd | None = None
        self._is_lost = False

    @override
    def connectionMade(self) -> None:
        connected: Any = self.transport
        connected.setTcpNoDelay(True)
        connected.pauseProducing()
        _came = Deferred.fromCoroutine(self._come()).addErrback(self._refused)

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._end is not None:
            self._end.dataReceived(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_lost = True
        if self._end is not None:
            self._end.connectionLost(reason)

    async def _come(self) -> None:
        opened = await self._way.go()
        if self._is_lost:
            opened.sendClose(1000)
            return
        end: Any = LocalEnd(opened)
        self._end = end
        end.makeConnection(self.transport)
        connected: Any = self.transport
        connected.resumeProducing()
        ended = ending(await opened.ended)
        if ended is not None:
            self._way.operator.output.notice(ended.message)

    def _refused(self, failure: Failure) -> None:
        connected: Any = self.transport
        connected.abortConnection()
        error = failure.value
        self._way.operator.output.notice(error.message if isinstance(error, CommandError) else "something went wrong")


async def _over_stdio(way: Way) -> None:
    opened = await way.go()
    StandardIO(LocalEnd(opened), reactor=way.operator.reactor)
    ended = ending(await opened.ended)
    if ended is not None:
        raise ended


async def _over_port(way: Way, port: int, *, is_udp: bool) -> None:
    reactor, output = way.operator.reactor, way.operator.output
    try:
        if is_udp:
            listening = reactor.listenUDP(port, LocalDatagrams(way.go, output.notice, reactor), interface=LOCAL)
        else:
            listening = reactor.listenTCP(port, Listening(way), interface=LOCAL)
    except CannotListenError as error:
        raise CommandError("port_taken", f"port {port} of this machine is taken; say another with --listen") from error
    number, protocol = listening.getHost().port, "udp" if is_udp else "tcp"
    said = f"{LOCAL}:{number} ({protocol}) leads to {printable(way.tunnel['device_name'])}; Ctrl-C ends it"
    output.result({"listening": {"host": LOCAL, "port": number, "protocol": protocol}}, said)
    await Deferred()


async def _ticket(operator: Operator, tunnel: Mapping[str, Any], hours: float | None) -> dict[str, Any]:
    lasting: dict[str, Any] = {} if hours is None else {"hours": hours}
    issued: dict[str, Any] = await operator.call(
        "ironflock.tunnels.ticket.issue", tunnel=tunnel["tunnel_key"], **lasting
    )
    return issued


def _url(operator: Operator, tunnel: Mapping[str, Any]) -> str:
    if operator.endpoints.visitors is None:
        raise CommandError("not_supported", NO_TUNNELS)
    host = urlsplit(operator.endpoints.visitors).netloc
    behind = "/udp" if tunnel["protocol"] == "udp" else ""
    return f"wss://{host}/visit/{tunnel['device_key']}/{quote(tunnel['app'])}/{tunnel['port']}{behind}"


async def _listed(operator: Operator, device: str | None, project: str | None) -> list[dict[str, Any]]:
    where = _maybe(device, project)
    return [each async for each in operator.pages(f"{TUNNELS}.list", "tunnels", **where)]


async def _tunnel(operator: Operator, device: str, where: str, project: str | None) -> dict[str, Any]:
    """The tunnel that is meant; of several protocols the raw one, if none is said."""
    name, port, protocol = _app_and_port(where)
    found = [each for each in await _listed(operator, device, project) if (each["app"], each["port"]) == (name, port)]
    meant = [each for each in found if protocol in (None, each["protocol"])]
    if not meant:
        raise CommandError("not_found", NO_TUNNEL)
    return min(meant, key=lambda each: (each["protocol"] == "udp", each["protocol"] != "tcp"))


def _app_and_port(word: str) -> tuple[str, int, str | None]:
    where, slash, protocol = word.partition("/")
    name, _, port = where.rpartition(":")
    is_port = port.isascii() and port.isdigit() and len(port) <= len(str(MAX_PORT)) and 1 <= int(port) <= MAX_PORT
    if not name.strip() or not is_port or (slash and protocol.lower() not in PROTOCOLS):
        raise CommandError("invalid_argument", WHERE, ExitStatus.USAGE, argument="where")
    return name.strip().lower(), int(port), protocol.lower() or None


def _device(device: str, project: str | None) -> dict[str, Any]:
    where = {} if project is None else {"project": project_of(project)}
    return {"device": key_or_name(device, what="device"), **where}


def _maybe(device: str | None, project: str | None) -> dict[str, Any]:
    if device is not None:
        return _device(device, project)
    return {} if project is None else {"project": project_of(project)}


def _table(tunnels: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (
            each["device_name"],
            f"{each['app']}:{each['port']}",
            each["protocol"],
            _state(each),
            each["url"] or "",
            each["visits"],
        )
        for each in tunnels
    )
    return table(("DEVICE", "PORT", "PROTOCOL", "STATE", "URL", "VISITS"), rows)


def _state(tunnel: Mapping[str, Any]) -> str:
    if tunnel["error"]:
        return f"error: {tunnel['error']}"
    until = tunnel["public_until"]
    return f"{tunnel['state']} until {local_time(until)}" if until else str(tunnel["state"])


def _visits(visits: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (
            local_time(each["began_at"]),
            each["device_key"],
            f"{each['app']}:{each['port']}",
            "anybody" if each["account_key"] is None else each["account_key"],
            local_time(each["ended_at"]) if each["ended_at"] else "",
            each["cause"] or "",
            each["octets_to"] if each["octets_to"] is not None else "",
            each["octets_from"] if each["octets_from"] is not None else "",
        )
        for each in visits
    )
    return table(("BEGAN", "DEVICE", "PORT", "ACCOUNT", "ENDED", "WHY", "OCTETS TO", "OCTETS FROM"), rows)


def _recordings(recordings: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (
            each["visit_key"],
            local_time(each["began_at"]),
            each["device_key"],
            each["app"],
            "anybody" if each["account_key"] is None else each["account_key"],
            each["octets"],
            "" if each["ended_at"] is None else "cut short" if each["is_truncated"] else "whole",
        )
        for each in recordings
    )
    return table(("VISIT", "BEGAN", "DEVICE", "APP", "ACCOUNT", "OCTETS", ""), rows)
