"""`flockctl audit ...`."""

import typer

from deploy.flockctl.commands.audit_verify import add_verify_command
from deploy.flockctl.commands.audit_witness import add_witness_command

app = typer.Typer(no_args_is_help=True, help="The audit log: verify it, and witness it.")
add_verify_command(app)
add_witness_command(app)
