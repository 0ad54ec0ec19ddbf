"""`flockctl`: reads the arguments, runs the command, turns every end into a message and an exit status."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer._click.exceptions import ClickException, NoArgsIsHelpError

from deploy.flockctl.errors import CommandError, ExitStatus, from_public
from deploy.flockctl.output import write_error
from deploy.flockctl.profiles import apply_profile
from deploy.flockctl.release import release
from shared.errors import PublicError

HELP = """Operate an IronFlock platform: projects, devices, apps, rights, accounts and keys, the audit log.

--json may also stand before the command; --profile, which names one of several installations, always does.

Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 the platform is away, 4 `can`: no, 130 interrupted;
`doctor`: 0 well, 1 warnings, 2 problems.
"""
NOUNS: Final[Mapping[str, tuple[str, str]]] = {
    "project": ("projects", "app"),
    "device": ("devices", "app"),
    "group": ("groups", "app"),
    "rollout": ("rollouts", "app"),
    "alert": ("alerts", "app"),
    "agent": ("agents", "app"),
    "app": ("apps", "app"),
    "realm": ("realms", "realm"),
    "backend": ("realms", "backend"),
    "board": ("boards", "board"),
    "tunnel": ("tunnels", "app"),
    "audit": ("audit", "app"),
    "backup": ("backups", "app"),
    "account": ("accounts", "app"),
    "api-key": ("api_keys", "app"),
    "service-account": ("api_keys", "service_accounts"),
    "client": ("clients", "app"),
    "mail": ("mail", "app"),
    "compliance": ("compliance", "app"),
    "placement": ("placement", "app"),
    "profile": ("profiles", "app"),
}
"""The file below `commands` that has the verbs of a noun, and their name in it."""
VERBS: Final = ("platform", "doctor", "signing_in", "restoring", "applying", "simulate", "rights")
"""The files that have commands without a noun; `add_commands` of each puts them into their place."""


def make_app(noun: str | None = None) -> typer.Typer:
    """All commands; or those of one noun alone, which takes half the time: no other file is loaded."""
    app = typer.Typer(name="flockctl", help=HELP, no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback(help=HELP)(_options)
    if noun is not None:
        app.add_typer(_loaded(*NOUNS[noun]), name=noun)
        return app
    for file in VERBS:
        _loaded(file, "add_commands")(app)
    for each, place in NOUNS.items():
        app.add_typer(_loaded(*place), name=each)
    return app


def _loaded(file: str, name: str) -> Any:
    return getattr(import_module(f"deploy.flockctl.commands.{file}"), name)


def noun_of(words: Sequence[str]) -> str | None:
    """The noun that a command begins with; none where something else does: an option, a verb, nothing at all."""
    return words[0] if words and words[0] in NOUNS else None


def _say_version(wanted: bool) -> None:  # noqa: FBT001 - Typer's call
    if wanted:
        sys.stdout.write(f"flockctl {release()}\n")
        raise typer.Exit


def _options(
    *,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    profile: Annotated[
        str | None, typer.Option(help="Which of several installations (see `profile list`).", metavar="NAME")
    ] = None,
) -> None:
    """Options that stand before every command."""
    apply_profile(profile, os.environ)


def with_json_behind(arguments: Sequence[str]) -> list[str]:
    """`arguments` with a `--json` that stands before the command behind it, where the command takes it."""
    if not arguments or arguments[0] != "--json":
        return list(arguments)
    rest = list(arguments[1:])
    rest.insert(rest.index("--") if "--" in rest else len(rest), "--json")
    return rest


def run(arguments: Sequence[str]) -> int:
    """The exit status of `flockctl <arguments>`. No exception leaves, so no traceback reaches anybody."""
    as_json = "--json" in arguments
    try:
        return _carry_out(with_json_behind(arguments))
    except CommandError as error:
        failure = error
    except PublicError as error:
        failure = from_public(error)
    except ClickException as error:
        failure = CommandError("usage", f"{error.format_message().rstrip('.')}. See --help.", ExitStatus.USAGE)
    except (KeyboardInterrupt, typer.Abort):
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        _forget_standard_output()
        return ExitStatus.REFUSED
    except Exception as error:  # noqa: BLE001 - the last line of defence: a person gets a sentence, never a traceback
        failure = CommandError("internal", f"flockctl itself failed ({type(error).__name__}); please report this")
    write_error(failure, as_json=as_json)
    return failure.status


def _carry_out(words: list[str]) -> int:
    try:
        return int(make_app(noun_of(words))(args=words, prog_name="flockctl", standalone_mode=False) or 0)
    except typer.Exit as error:
        return int(error.exit_code)
    except NoArgsIsHelpError:  # which has written the help
        return ExitStatus.DONE


def _forget_standard_output() -> None:
    # Whoever read it is gone; without this Python complains once more on its way out.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """The console script."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
