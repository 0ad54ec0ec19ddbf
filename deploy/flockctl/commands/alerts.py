"""`flockctl alert ...`: what is wrong in a project, by which rules, and who is told."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from deploy.flockctl.commands.watching import follow
from deploy.flockctl.confirming import confirm
from deploy.flockctl.errors import CommandError
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table, write_json
from deploy.flockctl.rights_options import InProject, Yes, project_of
from deploy.flockctl.text import local_time, printable
from shared.names import clean_name

app = typer.Typer(help="Alerts: what is wrong in a project, and who is told of it.", no_args_is_help=True)
rules = typer.Typer(help="What a project is alerted of, how gravely, after how long.", no_args_is_help=True)
channels = typer.Typer(help="Who is told: webhooks, and people by mail.", no_args_is_help=True)
app.add_typer(rules, name="rule")
app.add_typer(channels, name="channel")

ALERTS: Final = "ironflock.devices.alert"
MYSELF: Final = "me"
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
QUIET: Final = "a quiet time is 22:00-06:00, or mon,tue@22:00-06:00"

Key = Annotated[int, typer.Argument(help="Its key, as listed.", min=1)]
BySeverity = Annotated[str | None, typer.Option(help="info, warning or critical.")]


@command(app, "list")
async def alert_list(
    operator: Operator,
    project: InProject,
    only: Annotated[str | None, typer.Option(help="open, acknowledged or resolved (default: not resolved).")] = None,
) -> None:
    """List the alerts of a project.

    Example: flockctl alert list --project plant
    """
    chosen = {} if only is None else {"state": only}
    pages = operator.pages(f"{ALERTS}.list", "alerts", project=project_of(project), **chosen)
    alerts = [alert async for alert in pages]
    operator.output.result({"alerts": alerts}, _alerts(alerts))


@command(app, "acknowledge")
async def alert_acknowledge(operator: Operator, alert: Key) -> None:
    """Say that somebody knows of an alert: nobody is told again of it.

    Example: flockctl alert acknowledge 7
    """
    found = await operator.call(f"{ALERTS}.acknowledge", repeatable=False, alert=alert)
    operator.output.result({"alert": found}, _alerts([found]))


@command(app, "watch")
async def alert_watch(operator: Operator, project: InProject) -> None:
    """Follow the alerts of a project until Ctrl-C; with --json one object a line.

    Example: flockctl alert watch --project plant
    """

    def show(message: Mapping[str, Any]) -> None:
        if operator.output.as_json:
            write_json(message)
            return
        for alert in message.get("alerts") or [message.get("alert")]:
            if alert is not None:
                typer.echo(_line(alert))

    await follow(operator, f"{ALERTS}.watch", show, {"project": project_of(project)})


@command(rules, "list")
async def rule_list(operator: Operator, project: InProject) -> None:
    """List what a project is alerted of.

    Example: flockctl alert rule list --project plant
    """
    found = await operator.call(f"{ALERTS}_rule.list", project=project_of(project))
    operator.output.result({"rules": found}, _rules(found))


@command(rules, "set")
async def rule_set(
    operator: Operator,
    kind: Annotated[str, typer.Argument(help="As listed, for example device_offline.", metavar="KIND")],
    project: InProject,
    *,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Whether to be alerted at all.")] = None,
    severity: BySeverity = None,
    after_s: Annotated[int | None, typer.Option("--after-s", help="After so many seconds of trouble.", min=0)] = None,
) -> None:
    """Say how a project is alerted of one kind of trouble; what is left out is as it comes.

    Example: flockctl alert rule set device_offline --project plant --after-s 600 --severity critical
    """
    said = {"is_on": on, "severity": severity, "after_s": after_s}
    arguments: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    rule = await operator.call(f"{ALERTS}_rule.set", project=project_of(project), kind=kind, **arguments)
    operator.output.result({"rule": rule}, _rules([rule]))


@command(channels, "create")
async def channel_create(
    operator: Operator,
    name: Annotated[str, typer.Argument(help="Its name.")],
    project: InProject,
    *,
    webhook: Annotated[str | None, typer.Option(help="An https:// URL that is posted to.")] = None,
    mail: Annotated[str | None, typer.Option(help="The key of a person's account, or `me`.")] = None,
    severity: BySeverity = None,
    quiet: Annotated[list[str] | None, typer.Option(help="Not then: 22:00-06:00, or sat,sun@00:00-00:00.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="By which clock: Europe/Berlin (default: UTC).")] = None,
) -> None:
    """Have somebody told of a project's alerts. Of a webhook, prints the secret that signs what it gets, this once.

    Example: flockctl alert channel create duty --project plant --webhook https://hooks.example.com/duty
    """
    said = {"url": webhook, "min_severity": severity, "time_zone": time_zone}
    arguments: dict[str, Any] = {key: value for key, value in said.items() if value is not None}
    if mail is not None:
        arguments["account"] = await _account(operator, mail)
    if quiet:
        arguments["quiet"] = [_quiet(each) for each in quiet]
    made = await operator.call(
        f"{ALERTS}_channel.create",
        repeatable=False,
        project=project_of(project),
        name=clean_name(name, what="name"),
        **arguments,
    )
    if made["secret"] is not None:
        operator.output.notice("the receiver verifies with this secret (Standard Webhooks); it is shown this once")
    operator.output.result(made, made["secret"] or _channels([made["channel"]]))


@command(channels, "list")
async def channel_list(operator: Operator, project: InProject) -> None:
    """List who is told of a project's alerts, and whether they take it.

    Example: flockctl alert channel list --project plant
    """
    found = await operator.call(f"{ALERTS}_channel.list", project=project_of(project))
    operator.output.result({"channels": found}, _channels(found))


@command(channels, "delete")
async def channel_delete(operator: Operator, channel: Key, *, yes: Yes = False) -> None:
    """Tell them no more.

    Example: flockctl alert channel delete 3 --yes
    """
    confirm(f"Tell channel {channel} no more?", is_said=yes)
    await operator.call(f"{ALERTS}_channel.delete", repeatable=False, channel=channel)
    operator.output.result({"deleted": channel}, "deleted")


@command(channels, "test")
async def channel_test(operator: Operator, channel: Key) -> None:
    """Tell them that this is a test; fails where that is not taken.

    Example: flockctl alert channel test 3
    """
    found = await operator.call(f"{ALERTS}_channel.test", repeatable=False, channel=channel)
    if not found["is_delivered"]:
        raise CommandError("not_delivered", f"it was not taken: {printable(found['failure'])}")
    operator.output.result(found, "it was taken")


async def _account(operator: Operator, said: str) -> int:
    if said == MYSELF:
        return int((await operator.call("ironflock.auth.account.me"))["account_key"])
    if not said.isdecimal():
        raise CommandError("invalid_argument", "say the key of an account, or `me`", argument="mail")
    return int(said)


def _quiet(text: str) -> dict[str, Any]:
    days, at, span = text.rpartition("@")
    begins, dash, ends = span.partition("-")
    named = days.lower().split(",") if at else list(DAYS)
    if not dash or not set(named) <= set(DAYS):
        raise CommandError("invalid_argument", QUIET, argument="quiet")
    return {"days": named, "begins": begins, "ends": ends}


def _about(alert: Mapping[str, Any]) -> str:
    details = alert["details"]
    about = details.get("device_name") or details.get("name") or alert["subject"]
    if alert["kind"] == "devices_offline":
        about = f"{details.get('devices')} devices"
    return printable(f"{details['app_name']} on {about}" if details.get("app_name") else str(about))


def _line(alert: Mapping[str, Any]) -> str:
    words = (local_time(alert["state_since"]), alert["state"], alert["severity"], alert["kind"], _about(alert))
    return "  ".join([*words, f"(alert {alert['alert_key']})"])


def _alerts(alerts: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (
            each["alert_key"],
            each["severity"],
            each["kind"],
            _about(each),
            each["state"],
            local_time(each["state_since"]),
            each["reopenings"],
        )
        for each in alerts
    )
    return table(("KEY", "SEVERITY", "KIND", "ABOUT", "STATE", "SINCE", "AGAIN"), rows)


def _rules(found: Iterable[Mapping[str, Any]]) -> Table:
    rows = ((each["kind"], "on" if each["is_on"] else "off", each["severity"], each["after_s"]) for each in found)
    return table(("KIND", "ALERTS", "SEVERITY", "AFTER (S)"), rows)


def _channels(found: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (
            each["channel_key"],
            each["name"],
            each["url"] or f"mail to account {each['account_key']}",
            each["min_severity"],
            local_time(each["told_at"]),
            each["failure"],
        )
        for each in found
    )
    return table(("KEY", "NAME", "TO", "FROM", "LAST TOLD", "FAILURE"), rows)
