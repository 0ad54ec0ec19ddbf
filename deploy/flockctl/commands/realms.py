"""`flockctl realm ...` and `flockctl backend ...`: data realms of a project, and the databases behind them."""

import os
from typing import Annotated, Final, NoReturn

import typer

from deploy.flockctl.errors import CommandError
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import InProject, project_of
from deploy.flockctl.tickets import ticket_of
from deploy.flockctl.words import key_or_name, stage_of

realm = typer.Typer(help="Data realms: where an app's containers meet, by project and stage.", no_args_is_help=True)
PROGRAM: Final = "psql"
NO_PROGRAM: Final = "psql is not installed; any PostgreSQL client can connect: see --help"
NO_SQL: Final = "this platform does not say where its SQL is; it is of an older release"
NO_REALM: Final = "the app is not installed there at that stage, or you may not see it"
App = Annotated[str, typer.Argument(help="The app: its name or key.", metavar="APP")]
At = Annotated[str, typer.Option("--stage", help="dev or prod: the two live apart.")]
backend = typer.Typer(help="Data backends: where an app's tables are, by project and stage.", no_args_is_help=True)


@command(realm, "list")
async def realm_list(operator: Operator, project: InProject) -> None:
    """List the data realms of a project, and whether their backends are ready.

    Example: flockctl realm list --project plant
    """
    found = await operator.call("ironflock.realms.realm.list", project=project_of(project))
    rows = (
        (each["realm"], each["app_key"], each["app_name"], each["stage"], each["state"], each["epoch"])
        for each in found["realms"]
    )
    columns = ("REALM", "KEY", "APP", "STAGE", "BACKEND", "LOGIN")
    operator.output.result({"realms": found["realms"]}, table(columns, rows))


@command(backend, "rotate")
async def backend_rotate(
    operator: Operator,
    app: App,
    project: InProject,
    stage: At,
) -> None:
    """Give a data backend another database login; the old one ends within a minute or so, and no row is lost.

    Example: flockctl backend rotate press-monitor --project plant --stage prod
    """
    which = {"project": project_of(project), "app": key_or_name(app, what="app"), "stage": stage_of(stage)}
    found = await operator.call("ironflock.realms.backend.rotate", repeatable=False, **which)
    operator.output.result({"rotated": found}, f"login number {found['epoch']} takes over")


@command(backend, "psql")
async def backend_psql(
    operator: Operator,
    app: App,
    project: InProject,
    stage: At,
    statement: Annotated[
        list[str] | None, typer.Option("--statement", "-c", help="SQL to run instead of asking for some.")
    ] = None,
) -> None:
    """Read a data backend by SQL, in psql; needs the flag CONNECT on it, and every statement is recorded.

    Any PostgreSQL client can do the same: its host and port are `sql` in endpoints.json, the database is called as the
    realm (realm-3-7-prod), the password is an API key or access token, sslmode is verify-full.

    Example: flockctl backend psql press-monitor --project plant --stage prod -c "SELECT count(*) FROM measurements"
    """
    if operator.endpoints.sql is None:
        raise CommandError("not_supported", NO_SQL)
    wanted, at = key_or_name(app, what="app"), stage_of(stage)
    listed = (await operator.call("ironflock.realms.realm.list", project=project_of(project)))["realms"]
    named = [each for each in listed if at == each["stage"] and wanted in (each["app_key"], each["app_name"])]
    if not named:
        raise CommandError("not_found", NO_REALM)
    ticket = await ticket_of(operator.endpoints, operator.api_key_file, operator.environ)
    operator.close()
    words = [word for each in statement or () for word in ("--command", each)]
    _become_psql(operator, named[0]["realm"], ticket.text, words)


def _become_psql(operator: Operator, realm: str, ticket: str, words: list[str]) -> NoReturn:
    """Give way to psql; it learns the ticket from its environment, which nobody else can read."""
    host, port = operator.endpoints.sql or ("", 0)
    told = {
        "PGHOST": host,
        "PGPORT": str(port),
        "PGDATABASE": realm,
        "PGUSER": "flockctl",
        "PGPASSWORD": ticket,
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(operator.endpoints.ca),
        "PGCONNECT_TIMEOUT": "10",
    }
    try:
        os.execvpe(PROGRAM, [PROGRAM, *words], {**operator.environ, **told})  # noqa: S606 - no shell, our own words
    except FileNotFoundError as error:
        raise CommandError("not_supported", NO_PROGRAM) from error
