"""`flockctl audit ...`."""

import typer

from deploy.flockctl.commands.audit_export import add_export_command
from deploy.flockctl.commands.audit_reading import add_reading_commands
from deploy.flockctl.commands.audit_verify import add_verify_command
from deploy.flockctl.commands.audit_witness import add_witness_command

app = typer.Typer(no_args_is_help=True, help="The audit log: read it, export it, verify it, and witness it.")
add_reading_commands(app)
add_export_command(app)
add_verify_command(app)
add_witness_command(app)
