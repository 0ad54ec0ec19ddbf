"""The options that every command has, and how a coroutine becomes a command."""

import inspect
import os
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from deploy.flockctl import reactor
from deploy.flockctl.operator import Operator
from deploy.flockctl.output import Output

DEFAULT_WAIT_S: Final = 15.0
MAX_WAIT_S: Final = 3600.0
Command = Callable[..., Coroutine[Any, Any, int | None]]

Json = Annotated[bool, typer.Option("--json", help="Write JSON to standard output; errors as JSON to standard error.")]
State = Annotated[
    Path | None,
    typer.Option(help="State folder of a local platform (default: found from here).", metavar="FOLDER"),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        help="File with the API key (default: IRONFLOCK_API_KEY_FILE, then your sign-in, then the first owner's key).",
        metavar="FILE",
    ),
]
Wait = Annotated[
    float,
    typer.Option(help="Seconds to go on trying while the platform is away.", min=0, max=MAX_WAIT_S),
]

_COMMON: Final = {
    "json": (Json, False),
    "state": (State, None),
    "api_key_file": (KeyFile, None),
    "wait": (Wait, DEFAULT_WAIT_S),
}


def command(app: typer.Typer, name: str, *, panel: str | None = None) -> Callable[[Command], Command]:
    """Make `async def function(operator, ...)` the command `name` of `app`, with the common options behind its own.

    Args:
        panel: Under which heading help lists it.

    What the function returns is the exit status; None is 0.
    """

    def add(function: Command) -> Command:
        @wraps(function)
        def run(**arguments: Any) -> None:
            common = {option: arguments.pop(option) for option in _COMMON}
            status = reactor.run(lambda loop: _with_operator(function, loop, common, arguments))
            if status:
                raise typer.Exit(status)

        # What Typer reads, instead of the coroutine's own.
        signature = _signature(function)
        annotations = {key: parameter.annotation for key, parameter in signature.parameters.items()}
        vars(run).pop("__wrapped__")
        vars(run)["__signature__"] = signature
        run.__annotations__ = annotations
        app.command(name, rich_help_panel=panel)(run)
        return function

    return add


def _signature(function: Command) -> inspect.Signature:
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _COMMON.items()
    ]
    return inspect.Signature([*own, *common], return_annotation=None)


async def _with_operator(function: Command, loop: Any, common: dict[str, Any], arguments: dict[str, Any]) -> int | None:
    operator = Operator(
        reactor=loop,
        output=Output(as_json=common["json"]),
        wait_s=common["wait"],
        state=common["state"],
        api_key_file=common["api_key_file"],
        environ=dict(os.environ),
        working_folder=Path.cwd(),
    )
    try:
        return await function(operator, **arguments)
    finally:
        operator.close()
