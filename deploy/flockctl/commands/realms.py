"""`flockctl realm ...` and `flockctl backend ...`: data realms of a project, and the databases behind them."""

import os
from typing import Annotated, Any, Final, NoReturn

import typer

from deploy.flockctl.commands.backend_export import add_backend_export
from deploy.flockctl.errors import CommandError
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import InProject, project_of
from deploy.flockctl.tickets import ticket_of
from deploy.flockctl.times import lasting_s, span_text
from deploy.flockctl.words import key_or_name, stage_of
from shared.names import canonical_name

realm = typer.Typer(help="Data realms: where an app's containers meet, by project and stage.", no_args_is_help=True)
PROGRAM: Final = "psql"
RELEASE: Final = "release"
NO_PROGRAM: Final = "psql is not installed; any PostgreSQL client can connect: see --help"
NO_SQL: Final = "this platform does not say where its SQL is; it is of an older release"
NO_REALM: Final = "the app is not installed there at that stage, or you may not see it"
App = Annotated[str, typer.Argument(help="The app: its name or key.", metavar="APP")]
At = Annotated[str, typer.Option("--stage", help="dev or prod: the two live apart.")]
backend = typer.Typer(help="Data backends: where an app's tables are, by project and stage.", no_args_is_help=True)


add_backend_export(backend)


@command(realm, "list")
async def realm_list(
    operator: Operator,
    project: InProject,
    *,
    closed: Annotated[bool, typer.Option("--closed", help="And what apps have left that were uninstalled.")] = False,
) -> None:
    """List the data realms of a project, and whether their backends are ready.

    Example: flockctl realm list --project plant
    """
    more = {"closed": True} if closed else {}
    found = await operator.call("ironflock.realms.realm.list", project=project_of(project), **more)
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


@command(backend, "retention")
async def backend_retention(
    operator: Operator,
    app: App,
    project: InProject,
    stage: At,
    *,
    table_name: Annotated[str | None, typer.Option("--table", help="One table; else all that the release has.")] = None,
    keep: Annotated[
        str | None, typer.Option(help="How long rows are kept, as 30d; `release` for what the release says.")
    ] = None,
) -> None:
    """Show how long rows are kept in each table, or say it; what is older is dropped within a minute, for good.

    Example: flockctl backend retention press-monitor --project plant --stage prod --table measurements --keep 30d
    """
    which: dict[str, Any] = {"project": project_of(project), "app": key_or_name(app, what="app")}
    which["stage"] = stage_of(stage)
    if keep is None:
        found = await operator.call("ironflock.realms.backend.retention", **which)
    else:
        said: dict[str, Any] = {
            "table": table_name,
            "keep_s": None if keep == RELEASE else lasting_s(keep, what="keep"),
        }
        found = await operator.call("ironflock.realms.backend.set_retention", **which, **said)
    tables = [each for each in found["tables"] if keep is not None or table_name in (None, each["table"])]
    state = "in force" if found["is_in_force"] else "in a moment"
    rows = ((each["table"], _span(each["keep_s"]), _span(each["release_keep_s"]), state) for each in tables)
    shown = table(("TABLE", "KEPT FOR", "RELEASE", "STATE"), rows)
    operator.output.result({"retention": {**found, "tables": tables}}, shown)


@command(backend, "drop")
async def backend_drop(
    operator: Operator,
    app: App,
    project: InProject,
    stage: At,
    confirm: Annotated[str, typer.Option(help="The name of the app, once more.", metavar="NAME")],
) -> None:
    """Delete every row that an app has left which was uninstalled; nothing brings them back.

    Example: flockctl backend drop press-monitor --project plant --stage prod --confirm press-monitor
    """
    which = {"project": project_of(project), "app": key_or_name(app, what="app"), "stage": stage_of(stage)}
    await operator.call("ironflock.realms.backend.drop", repeatable=False, **which, confirm=confirm)
    operator.output.result({"dropped": which}, "deleted")


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
    meant = wanted if isinstance(wanted, int) else canonical_name(wanted)
    named = [
        each for each in listed if at == each["stage"] and meant in (each["app_key"], canonical_name(each["app_name"]))
    ]
    if not named:
        raise CommandError("not_found", NO_REALM)
    ticket = await ticket_of(operator.endpoints, operator.api_key_file, operator.environ)
    operator.close()
    words = [word for each in statement or () for word in ("--command", each)]
    _become_psql(operator, named[0]["realm"], ticket.text, words)


def _span(seconds: int | None) -> str:
    return "for ever" if seconds is None else span_text(seconds)


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
        # What else is set for it, a service file say, may name another server: that one would get the ticket.
        others = {name: value for name, value in operator.environ.items() if not name.startswith("PG")}
        os.execvpe(PROGRAM, [PROGRAM, *words], {**others, **told})  # noqa: S606 - no shell, our own words
    except FileNotFoundError as error:
        raise CommandError("not_supported", NO_PROGRAM) from error
