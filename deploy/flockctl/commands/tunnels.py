"""`flockctl tunnel ...`: ports of devices, declared, opened, closed; who may come, who came."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from deploy.flockctl.commands.tunnel_recordings import add_recording_commands
from deploy.flockctl.confirming import confirm
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.paging import Everything, Limit, check_limit, newest, say_whether_more
from deploy.flockctl.rights_options import For, Until, WithinProject, Yes, project_of
from deploy.flockctl.rights_options import ending as ends_of
from deploy.flockctl.text import local_time, printable
from deploy.flockctl.tunnel_ways import RECORDED, Way, over_port, over_stdio, ticket_for, url_of
from deploy.flockctl.words import key_or_name

app = typer.Typer(
    help="Tunnels: reach what devices offer, as far as you may; nobody reaches it otherwise.", no_args_is_help=True
)
add_recording_commands(app)

TUNNELS: Final = "ironflock.tunnels.tunnel"
NO_TUNNEL: Final = "there is no such tunnel; `flockctl tunnel list` shows yours, `flockctl tunnel declare` makes one"
WHERE: Final = (
    "say the app and its port as APP:PORT, for example ssh:22, or APP:PORT/udp where there are more of a port"
)
ONE: Final = "say --listen or --stdio, not both"
NO_STDIO: Final = "datagrams go by a port of this machine: leave --stdio out"
PROTOCOLS: Final = ("http", "https", "tcp", "udp")
MAX_PORT: Final = 65_535

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
    issued = {**await ticket_for(operator, found, hours), "url": url_of(operator, found)}
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
        await over_stdio(way)
    else:
        await over_port(way, listen or 0, is_udp=is_udp)


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
