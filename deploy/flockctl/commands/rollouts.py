"""`flockctl rollout ...`: one change for many devices, in waves."""

import inspect
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text
from twisted.internet.defer import CancelledError

from deploy.flockctl.commands.device_apps import SHOW, Stage
from deploy.flockctl.confirming import confirm
from deploy.flockctl.errors import AwayError, ExitStatus, OutcomeUnknownError
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import write_json
from deploy.flockctl.rights_options import InProject, Yes, project_of
from deploy.flockctl.rollout_words import (
    plan_table,
    plan_text,
    portion_of,
    rollout_table,
    seconds_of,
    state_text,
    turn_table,
    wave_table,
    window_of,
)
from deploy.flockctl.text import printable
from deploy.flockctl.words import key_or_name

app = typer.Typer(
    help="Rollouts: upgrade, install, start or stop an app on many devices, in waves.", no_args_is_help=True
)

ROLLOUT: Final = "ironflock.devices.rollout"

Action = Literal["upgrade", "install", "start", "stop", "update-agent"]
What = Annotated[Action, typer.Argument(help="What each device is to do.", metavar="ACTION")]
App = Annotated[str | None, typer.Argument(help="The app's name or key.", metavar="[APP]")]
At = Annotated[Stage | None, typer.Option("--stage", help="Which of its stages.")]
Version = Annotated[str | None, typer.Option(help="Which of its releases; what the project has where none is named.")]
InGroup = Annotated[str | None, typer.Option("--group", help="Only devices of this group (its name or key).")]
Devices = Annotated[
    list[str] | None, typer.Option("--device", help="Only this device (its name or key); may stand repeatedly.")
]
Waves = Annotated[
    list[str] | None,
    typer.Option(
        "--wave", help="How many devices the next wave has, or which share: 5, 10%. What is left is the last."
    ),
]
Soak = Annotated[str, typer.Option(help="How long to wait between two waves: 30m, 2h.")]
Budget = Annotated[str, typer.Option(help="How many devices may fail, or which share; one more stops it: 5, 3%.")]
BudgetOf = Annotated[Literal["rollout", "wave"], typer.Option(help="Of what those are counted.")]
Windows = Annotated[
    list[str] | None,
    typer.Option("--window", help="When devices may have their turn: 22:00-04:00, mon-fri 22:00-04:00; repeatedly."),
]
TimeZone = Annotated[str, typer.Option(help="The time zone of the windows, as Europe/Berlin.")]
TimeLimit = Annotated[str, typer.Option("--timeout", help="How long a device may take: 15m.")]
Offline = Annotated[Literal["wait", "skip"], typer.Option(help="What becomes of devices that are away.")]
AtOnce = Annotated[int, typer.Option(min=1, max=1000, help="How many devices are at it at the same time.")]
Key = Annotated[int, typer.Argument(help="The rollout's key.", metavar="ROLLOUT", min=1)]


def _option(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


PLANNED: Final = (
    _option("operator", Operator),
    _option("action", What),
    _option("app", App, None),
    _option("project", InProject),
    _option("stage", At, None),
    _option("version", Version, None),
    _option("group", InGroup, None),
    _option("device", Devices, None),
    _option("wave", Waves, None),
    _option("soak", Soak, "0"),
    _option("budget", Budget, "0"),
    _option("budget_of", BudgetOf, "rollout"),
    _option("window", Windows, None),
    _option("time_zone", TimeZone, "UTC"),
    _option("timeout", TimeLimit, "15m"),
    _option("offline", Offline, "wait"),
    _option("at_once", AtOnce, 100),
)
"""What plan and start are both told."""


async def rollout_plan(operator: Operator, **what: Any) -> None:
    """Say what a rollout would do: which device in which wave, which in none and why. Nothing is changed.

    Example: flockctl rollout plan upgrade weather --project plant --stage prod --version 1.4.0 --wave 1 --wave 10%
    """
    plan, devices, _ = await _planned(operator, what)
    operator.output.result({"plan": {**plan, "devices": devices}}, plan_table(plan, devices))
    if not operator.output.as_json:
        Console().print(Text(plan_text(plan)), soft_wrap=True)


async def rollout_start(operator: Operator, *, yes: bool = False, watch: bool = False, **what: Any) -> int | None:
    """Start a rollout: it goes on by itself. What it does is shown and asked first; nothing else is then done.

    Example: flockctl rollout start upgrade weather --project plant --stage prod --wave 1 --soak 1h --budget 3%
    """
    plan, devices, arguments = await _planned(operator, what)
    if not (operator.output.as_json or yes):
        operator.output.result({}, plan_table(plan, devices))
    confirm(f"Start it on {plan_text(plan)}?", is_said=yes)
    started = await operator.call(f"{ROLLOUT}.start", repeatable=False, **arguments, digest=plan["digest"])
    if watch:
        return await _watched(operator, started["rollout_key"])
    operator.output.result({"rollout": started}, state_text(started))
    return None


vars(rollout_plan)["__signature__"] = inspect.Signature(PLANNED)
vars(rollout_start)["__signature__"] = inspect.Signature(
    [
        *PLANNED,
        _option("yes", Yes, default=False),
        _option("watch", Annotated[bool, typer.Option("--watch", help="Stay, and show how it goes.")], default=False),
    ]
)
command(app, "plan")(rollout_plan)
command(app, "start")(rollout_start)


@command(app, "watch")
async def rollout_watch(operator: Operator, rollout: Key) -> int:
    """Show how a rollout goes, until it has ended or was stopped at its budget. Exit status 1 unless it is done.

    Example: flockctl rollout watch 7
    """
    return await _watched(operator, rollout)


@command(app, "list")
async def rollout_list(operator: Operator, project: InProject) -> None:
    """List the rollouts of a project, the newest first.

    Example: flockctl rollout list --project plant
    """
    found = [each async for each in operator.pages(f"{ROLLOUT}.list", "rollouts", project=project_of(project))]
    operator.output.result({"rollouts": found}, rollout_table(found))


@command(app, "show")
async def rollout_show(
    operator: Operator,
    rollout: Key,
    only: Annotated[
        Literal["waiting", "ordered", "done", "failed", "skipped", "rolled_back"] | None,
        typer.Option(help="Only devices that stand so."),
    ] = None,
) -> None:
    """Show a rollout, its waves and what became of its devices.

    Example: flockctl rollout show 7 --only failed
    """
    which = {"rollout": rollout, **({} if only is None else {"state": only})}
    turns = [each async for each in operator.pages(f"{ROLLOUT}.show", "devices", **which)]
    found = (await operator.call(f"{ROLLOUT}.show", rollout=rollout, limit=1))["rollout"]
    operator.output.result({"rollout": found, "devices": turns}, state_text(found))
    if not operator.output.as_json:
        operator.output.result({}, wave_table(found))
        operator.output.result({}, turn_table(turns))


@command(app, "pause")
async def rollout_pause(operator: Operator, rollout: Key) -> None:
    """Give no device its turn until the rollout is resumed; what has begun goes on.

    Example: flockctl rollout pause 7
    """
    await _steer(operator, "pause", rollout)


@command(app, "resume")
async def rollout_resume(
    operator: Operator,
    rollout: Key,
    *,
    retry: Annotated[bool, typer.Option("--retry", help="Give devices that failed another turn.")] = False,
) -> None:
    """Have a rollout go on that was paused, or stopped at its budget; failures so far count no more.

    Example: flockctl rollout resume 7 --retry
    """
    await _steer(operator, "resume", rollout, retry=retry)


@command(app, "abort")
async def rollout_abort(
    operator: Operator,
    rollout: Key,
    *,
    roll_back: Annotated[
        bool, typer.Option("--roll-back", help="Have each app be again as it was wanted before its device's turn.")
    ] = False,
    yes: Yes = False,
) -> None:
    """End a rollout: no device gets a turn any more.

    Example: flockctl rollout abort 7 --roll-back --yes
    """
    confirm(f"Abort rollout {rollout}{', and roll it back' if roll_back else ''}?", is_said=yes)
    await _steer(operator, "abort", rollout, roll_back=roll_back)


async def _steer(operator: Operator, verb: str, rollout: int, **more: bool) -> None:
    # Its answer shows the state either way; said twice, aborting is refused.
    shown = await operator.call(f"{ROLLOUT}.{verb}", repeatable=verb != "abort", rollout=rollout, **more)
    operator.output.result({"rollout": shown}, state_text(shown))


async def _planned(
    operator: Operator, what: Mapping[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """The plan, all of its devices, and the arguments that say it."""
    arguments = await _arguments(operator, what)
    plan: dict[str, Any] = await operator.call(f"{ROLLOUT}.plan", **arguments, limit=1)
    devices = [each async for each in operator.pages(f"{ROLLOUT}.plan", "devices", **arguments)]
    return plan, devices, arguments


async def _arguments(operator: Operator, what: Mapping[str, Any]) -> dict[str, Any]:
    pace = {
        "waves": [portion_of(each, what="wave") for each in what["wave"] or []],
        "soak_s": seconds_of(what["soak"], what="soak"),
        "budget": portion_of(what["budget"], what="budget"),
        "budget_of": what["budget_of"],
        "windows": [window_of(each) for each in what["window"] or []],
        "time_zone": what["time_zone"],
        "timeout_s": seconds_of(what["timeout"], what="timeout"),
        "offline": what["offline"],
        "at_once": what["at_once"],
    }
    made: dict[str, Any] = {"project": project_of(what["project"]), "action": what["action"].replace("-", "_")}
    if what["app"] is not None:
        word = key_or_name(what["app"], what="app")
        made["app"] = word if isinstance(word, int) else int((await operator.call(SHOW, app=word))["app_key"])
    if what["stage"] is not None:
        made["stage"] = what["stage"].upper()
    if what["version"] is not None:
        made["version"] = what["version"]
    if what["group"] is not None:
        made["group"] = key_or_name(what["group"], what="group")
    if what["device"]:
        made["devices"] = [key_or_name(each, what="device") for each in what["device"]]
    return {**made, "pace": pace}


async def _watched(operator: Operator, rollout: int) -> int:
    """Show it until it ends; the exit status says whether it did so well."""
    board = _Board(as_json=operator.output.as_json)

    async def attempt() -> None:
        connection = await operator.connection()
        try:
            await connection.stream(f"{ROLLOUT}.watch", board.show, rollout=rollout)
        except OutcomeUnknownError as error:  # following changes nothing
            raise AwayError(error.message) from error

    with board:
        try:
            await operator.patiently(attempt)
        except CancelledError:
            return ExitStatus.DONE
    return ExitStatus.DONE if board.state == "done" else ExitStatus.REFUSED


class _Board:
    """What a watch says: JSON lines, a live table on a terminal, or a line a change elsewhere."""

    def __init__(self, *, as_json: bool) -> None:
        self.state = ""
        self._as_json = as_json
        is_live = not as_json and sys.stdout.isatty()
        self._live = Live(auto_refresh=False, console=Console()) if is_live else None
        self._said = ""

    def show(self, news: Mapping[str, Any]) -> None:
        rollout = news["rollout"]
        self.state = rollout["state"]
        if self._as_json:
            write_json(news)
            return
        line = state_text(rollout)
        if self._live is not None:
            self._live.update(Group(Text(line), wave_table(rollout)), refresh=True)
            return
        if line != self._said:
            Console().print(Text(line), soft_wrap=True)
            self._said = line
        for each in news["devices"]:
            reason = f": {printable(each['reason'])}" if each["reason"] else ""
            name = printable(each["name"] or each["device_key"])
            Console().print(Text(f"  {name} {each['state']}{reason}"), soft_wrap=True)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
