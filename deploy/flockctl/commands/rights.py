"""The commands about who may do what, and how help lists them."""

from typing import Final

import typer

from deploy.flockctl.commands import claims, defaults, invitations, locks, members, transfers
from deploy.flockctl.commands.asking import add_asking_commands
from deploy.flockctl.commands.giving import add_giving_commands
from deploy.flockctl.commands.rights_history import add_history_command
from deploy.flockctl.options import command

PANEL: Final = "Who may do what"


def add_commands(app: typer.Typer) -> None:
    """Put all of them into `app`."""
    add_giving_commands(app, PANEL)
    add_asking_commands(app, PANEL)
    add_history_command(app, PANEL)
    app.add_typer(defaults.app, name="default", rich_help_panel=PANEL)
    command(app, "members", panel=PANEL)(members.members)
    app.add_typer(members.app, name="member", rich_help_panel=PANEL)
    command(app, "invite", panel=PANEL)(invitations.invite)
    app.add_typer(invitations.app, name="invitation", rich_help_panel=PANEL)
    app.add_typer(transfers.app, name="transfer", rich_help_panel=PANEL)
    app.add_typer(claims.app, name="claim", rich_help_panel=PANEL)
    app.add_typer(locks.app, name="lock", rich_help_panel=PANEL)
