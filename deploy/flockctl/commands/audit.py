"""`flockctl audit ...`."""

import typer

from deploy.flockctl.commands.audit_export import add_export_command
from deploy.flockctl.commands.audit_reading import add_reading_commands

app = typer.Typer(no_args_is_help=True, help="The audit log: read it, export it.")
add_reading_commands(app)
add_export_command(app)
