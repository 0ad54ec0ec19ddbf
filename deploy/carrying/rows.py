"""The SQL of the services about a project that is carried: each says in `services/<name>/carrying/` what that means.

| file | what |
|---|---|
| `carried.sql` | rows `(part, content)` of one project; parts called `review.` are for people to read |
| `refused.sql` | sentences, each a reason why it cannot be brought in |
| `begin.sql` | new keys; what is needed for its rows to come |
| `take.sql` | the rest, in one transaction with its end |

| `forget.sql` | what `begin.sql` made goes again, for it is never brought in; it finds the one row of `forgetting` |

`refused`, `begin` and `take` find `carried`, `new_key` (kind, old, new) and the one row of `importing`.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

import psycopg
from attrs import frozen
from psycopg.types.json import Jsonb

from deploy.backup.errors import UntrustedError
from deploy.local.bootstrap import SCHEMAS
from deploy.local.state import REPOSITORY
from shared.clusters import FIRST
from shared.names import lookup_name

REVIEW: Final = "review."
Row: TypeAlias = tuple[str, dict[str, Any]]
Keys: TypeAlias = dict[tuple[str, int], int]
_KEY: Final = "_key"
_CANONICAL: Final = "_canonical"
_TABLES: Final = (
    "CREATE TEMPORARY TABLE carried (part text, content jsonb) ON COMMIT DROP;"
    "CREATE TEMPORARY TABLE new_key (kind text, old bigint, new bigint) ON COMMIT DROP;"
    "CREATE TEMPORARY TABLE importing (owner_account_key bigint, owner_name text, name text, name_canonical text,"
    " is_beside boolean, cluster text) ON COMMIT DROP"
)


@frozen
class Importing:
    """Whose the project becomes, how it is called; whether it stands beside itself: it comes from a backup of here.

    `cluster`: the database server that it comes to.
    """

    owner_account_key: int
    owner_name: str
    name: str
    name_canonical: str
    is_beside: bool
    cluster: str = FIRST


def rows_of(connection: psycopg.Connection[Any], project_key: int) -> Iterator[Row]:
    """What goes with the project, as of one moment where the connection is in a transaction that says so."""
    for text in _texts("carried"):
        yield from connection.execute(text.encode(), {"project": project_key}).fetchall()


def fill(connection: psycopg.Connection[Any], importing: Importing, rows: Iterable[Row], keys: Keys) -> None:
    """Have the SQL of the services find what it needs, in the transaction of `connection`."""
    connection.execute(_TABLES.encode())
    with connection.cursor() as cursor:
        with cursor.copy("COPY carried FROM STDIN") as copy:
            for part, content in rows:
                copy.write_row((part, Jsonb(content)))
        with cursor.copy("COPY new_key FROM STDIN") as copy:
            for (kind, old), new in keys.items():
                copy.write_row((kind, old, new))
        cursor.execute(
            "INSERT INTO importing VALUES (%s, %s, %s, %s, %s, %s)",
            [
                importing.owner_account_key,
                importing.owner_name,
                importing.name,
                importing.name_canonical,
                importing.is_beside,
                importing.cluster,
            ],
        )


def refusals(connection: psycopg.Connection[Any]) -> list[str]:
    """Why not, after `fill`."""
    return [row[0] for text in _texts("refused") for row in connection.execute(text.encode()).fetchall()]


def run(connection: psycopg.Connection[Any], name: str) -> None:
    """Do what the services say at `name`, after `fill`."""
    for text in _texts(name):
        connection.execute(text.encode())


def run_forget(connection: psycopg.Connection[Any], import_id: str, project_key: int) -> None:
    """Take away the rows of a project that was never brought in whole, in the transaction of `connection`."""
    connection.execute("CREATE TEMPORARY TABLE forgetting (import_id text, project_key bigint) ON COMMIT DROP")
    connection.execute("INSERT INTO forgetting VALUES (%s, %s)", [import_id, project_key])
    run(connection, "forget")


def new_keys(connection: psycopg.Connection[Any]) -> Keys:
    """The keys that were made, by kind and old key."""
    rows = connection.execute("SELECT kind, old, new FROM new_key").fetchall()
    return {(kind, old): new for kind, old, new in rows}


def line_of(row: Row) -> bytes:
    """A row as it is carried."""
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def row_of(line: bytes) -> Row:
    """The inverse of `line_of`: whoever made the line, its keys are numbers and its names lie under their own form.

    So that whatever is asked of a row, in SQL or here, has one answer.

    Raises:
        UntrustedError: It is no such row.
    """
    try:
        part, content = json.loads(line)
    except (TypeError, ValueError) as error:
        raise UntrustedError("a row of the project cannot be read") from error
    if not isinstance(part, str) or not isinstance(content, dict):
        raise UntrustedError("a row of the project is none")
    for name, value in content.items():
        if name.endswith(_KEY) and value is not None and type(value) is not int:
            raise UntrustedError(f"a row of {part} has no number as its {name}")
        if name.endswith(_CANONICAL) and not _is_canonical(content.get(name.removesuffix(_CANONICAL)), value):
            raise UntrustedError(f"a row of {part} lies under another name than its own, in {name}")
    return part, content


def _is_canonical(shown: object, kept: object) -> bool:
    return isinstance(shown, str) and kept is not None and lookup_name(shown) == kept


def _texts(name: str) -> Iterator[str]:
    for schema in SCHEMAS:
        path = REPOSITORY / "services" / schema / "carrying" / f"{name}.sql"
        if path.exists():
            yield path.read_text(encoding="utf-8")
