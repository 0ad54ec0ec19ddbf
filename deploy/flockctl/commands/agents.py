"""`flockctl agent ...`: releases of agents, signed by an operator's key, put where agents find them."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.flockctl import agent_releases
from deploy.flockctl.errors import CommandError
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command

app = typer.Typer(help="Releases of agents: signed, verified, put where agents find them.", no_args_is_help=True)

Folder = Annotated[
    Path, typer.Argument(help="The release: <os>/<arch>/<version>/reagent, and its manifest.", metavar="FOLDER")
]


@command(app, "sign")
async def agent_sign(
    operator: Operator,
    folder: Folder,
    version: Annotated[str, typer.Option(help="Of which version, for example 0.20.21.")],
    key: Annotated[Path, typer.Option(help="PEM file of the Ed25519 key that vouches for it.", metavar="FILE")],
) -> None:
    """Write the manifest of a release, and its signature. Do this where the key is, not on the server.

    Example: flockctl agent sign release --version 0.20.21 --key releases.pem
    """
    manifest = agent_releases.sign(folder, version, key)
    files = [file.path for file in manifest.files]
    operator.output.result({"version": version, "files": files}, "\n".join([f"signed {version}", *files]))


@command(app, "publish")
async def agent_publish(
    operator: Operator,
    folder: Folder,
    into: Annotated[Path, typer.Option(help="The gateway's folder AGENT_UPDATES.", metavar="FOLDER")],
    key: Annotated[Path, typer.Option(help="PEM file of the public key that must vouch for it.", metavar="FILE")],
    *,
    environment: Annotated[
        list[str] | None, typer.Option(help="Who is told: production, test, local, all (default: nobody yet).")
    ] = None,
) -> None:
    """Verify a release, put it where agents find it, and tell the agents of an environment that it is there.

    Example: flockctl agent publish release --into updates --key releases.pub.pem --environment production
    """
    named = tuple(environment or ())
    if not set(named) <= set(agent_releases.ENVIRONMENTS):
        raise CommandError("invalid_argument", "say production, test, local or all", argument="environment")
    manifest = agent_releases.verify(folder, key)
    agent_releases.publish(folder, manifest, into, named)
    done = {"version": manifest.version, "files": len(manifest.files), "environments": list(named)}
    operator.output.result(done, f"{manifest.version} is published, {len(manifest.files)} files")
