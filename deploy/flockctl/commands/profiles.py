"""`flockctl profile ...`: several installations, each under a name of one's own."""

import os
from pathlib import Path
from typing import Annotated

import typer
from attrs import asdict, evolve

from deploy.flockctl import completion
from deploy.flockctl.options import Json
from deploy.flockctl.output import Output, table
from deploy.flockctl.profiles import Profile, absolute, checked_name, read_profiles, write_profiles

app = typer.Typer(help="Several installations, under names of your own.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Its name.", autocompletion=completion.profiles)]


@app.command("add")
def profile_add(
    name: Name,
    *,
    at: Annotated[Path, typer.Option(help="Folder with its endpoints.json (its state folder).", metavar="FOLDER")],
    key_file: Annotated[
        Path | None, typer.Option(help="File with an API key to act by (default: your sign-in).", metavar="FILE")
    ] = None,
    json: Json = False,
) -> None:
    """Give an installation a name; one that is there is replaced. The first one is used at once.

    Example: flockctl profile add plant-b --at /srv/plant-b --key-file ~/plant-b.key
    """
    known = read_profiles(os.environ)
    made = Profile(absolute(at), None if key_file is None else absolute(key_file))
    profiles = {**known.profiles, checked_name(name): made}
    write_profiles(os.environ, evolve(known, profiles=profiles, current=known.current or name))
    Output(as_json=json).result({"profile": {"name": name, **asdict(made)}}, f"{name} is {made.state}")


@app.command("list")
def profile_list(*, json: Json = False) -> None:
    """List the profiles, and which one is used where nothing else is said.

    Example: flockctl profile list
    """
    known = read_profiles(os.environ)
    rows = (
        ("*" if name == known.current else "", name, each.state, each.api_key_file or "-")
        for name, each in sorted(known.profiles.items())
    )
    Output(as_json=json).result(asdict(known), table(("", "PROFILE", "STATE FOLDER", "KEY FILE"), rows))


@app.command("use")
def profile_use(name: Name, *, json: Json = False) -> None:
    """Use an installation from now on, where no other is said.

    Example: flockctl profile use plant-b
    """
    known = read_profiles(os.environ)
    known.named(name)
    write_profiles(os.environ, evolve(known, current=name))
    Output(as_json=json).result({"current": name}, f"{name} is used from now on")


@app.command("remove")
def profile_remove(name: Name, *, json: Json = False) -> None:
    """Forget a profile; the installation stays as it is.

    Example: flockctl profile remove plant-b
    """
    known = read_profiles(os.environ)
    known.named(name)
    rest = {each: profile for each, profile in known.profiles.items() if each != name}
    write_profiles(os.environ, evolve(known, profiles=rest, current=None if known.current == name else known.current))
    Output(as_json=json).result({"removed": name}, f"{name} is forgotten")
