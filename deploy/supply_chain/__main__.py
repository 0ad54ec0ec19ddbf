"""`python -m deploy.supply_chain audit|licences|changes` (`make audit`, `make licences`, `make lock`)."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from deploy.supply_chain import accepted, advisories, licences, locks

HERE: Final = Path(__file__).parent
LOCKS: Final = HERE.parent / "locks"
NOT_INSTALLED: Final = ("sdk-",)
"""Locks of what the tests alone run, in the field since long: an advisory there is no news about us."""

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@app.command("audit")
def audit(
    database: Annotated[Path, typer.Option(help="OSV records of PyPI: the archive, or a folder of its files.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,  # noqa: FBT002
) -> None:
    """Say which advisories concern what is pinned; exit status 1 where one counts, 2 where the database is none.

    Example: python -m deploy.supply_chain audit --database pypi-all.zip
    """
    paths = [path for path in sorted(LOCKS.glob("*.txt")) if not path.stem.startswith(NOT_INSTALLED)]
    pinned = locks.pins_in(paths)
    try:
        found = advisories.findings(pinned, advisories.records(database))
    except advisories.DatabaseError as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from error
    judged = accepted.judge(found, accepted.read(HERE / "accepted.toml"), datetime.now(UTC).date())
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(judged) + b"\n")
    else:
        Console().print(_findings(judged.open, pinned))
        sys.stdout.write(f"{len(judged.open)} count, {len(judged.accepted)} accepted, of {len(pinned)} packages\n")
        for stale in judged.stale:
            sys.stdout.write(f"accepted.toml: {stale.package} {stale.advisory} is over or not needed any more\n")
    raise typer.Exit(1 if judged.open else 0)


@app.command("licences")
def show_licences() -> None:
    """Say which licence each part of the platform has; exit status 1 where nobody has allowed it.

    Example: python -m deploy.supply_chain licences
    """
    policy = licences.read(HERE / "licences.toml")
    packages = licences.licensed({name for name, _ in _pins(LOCKS / "runtime.txt")})
    table = Table("PACKAGE", "LICENCE", "REVIEWED", box=None, pad_edge=False)
    for each in packages:
        table.add_row(each.name, each.licence, policy.reviewed.get(each.name, ""))
    Console().print(table)
    refused = licences.refused(packages, policy)
    for each in refused:
        sys.stderr.write(f"{each.name}: {each.licence!r} is not allowed: look at it, then say so in licences.toml\n")
    raise typer.Exit(1 if refused else 0)


@app.command("changes")
def show_changes(
    before: Annotated[Path, typer.Argument(help="Folder of lock files as they were.")],
    after: Annotated[Path, typer.Argument(help="As they are.")] = LOCKS,
) -> None:
    """Say what an update of the locks changes, package by package.

    Example: python -m deploy.supply_chain changes /tmp/locks-before
    """
    table = Table("LOCK", "PACKAGE", "BEFORE", "AFTER", box=None, pad_edge=False)
    names = sorted({path.name for folder in (before, after) for path in folder.glob("*.txt")})
    for name in names:
        for change in locks.changes(_pins(before / name), _pins(after / name)):
            table.add_row(Path(name).stem, change.name, change.before or "-", change.after or "-")
    Console().print(table if table.row_count else "no package changed")


def _pins(path: Path) -> frozenset[locks.Pin]:
    return locks.pins(path.read_text(encoding="utf-8")) if path.exists() else frozenset()


def _findings(found: list[advisories.Finding], pinned: dict[locks.Pin, list[str]]) -> Table:
    table = Table("PACKAGE", "VERSION", "IN", "ADVISORY", "FIXED IN", "ABOUT", box=None, pad_edge=False)
    for each in found:
        named = " ".join((each.advisory, *each.aliases))
        where = ",".join(pinned[each.name, each.version])
        table.add_row(each.name, each.version, where, named, " ".join(each.fixed_in), each.summary)
    return table


if __name__ == "__main__":
    app()
