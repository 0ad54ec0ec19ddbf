"""Migrations expand: while a new release comes up, the one before it goes on with the new schema.

What takes away comes a release later, in a file that says `-- contract since 0.2.0: why`: that release did without what
it takes. Files from before there was a release to upgrade from are left be.
"""

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest

from deploy.migrate.__main__ import SCHEMAS, SERVICES
from shared.migrations import load
from tests.harness.release_before import names_in

FIRST_RELEASE: Final = {
    "audit": 39, "auth": 18, "realms": 21, "devices": 23, "privileges": 2, "gateway": 1, "fleetdb": 1, "tunnels": 6,
}  # fmt: skip
"""The newest migration of each schema in the release before."""
TAKING: Final = {
    "drops what the release before may use": (
        r"\bDROP\s+(TABLE|COLUMN|VIEW|MATERIALIZED|FUNCTION|PROCEDURE|TYPE|DOMAIN|SEQUENCE|SCHEMA)\b"
    ),
    "renames what the release before calls otherwise": r"\bRENAME\b",
    "has a column be of another type": r"\bALTER\s+COLUMN\s+\S+\s+(SET\s+DATA\s+)?TYPE\b",
    "refuses rows without a value, which the release before writes": r"\bSET\s+NOT\s+NULL\b",
    "takes a default that the release before relies on": r"\bALTER\s+COLUMN\s+\S+\s+DROP\s+DEFAULT\b",
    "takes a right away": r"\bREVOKE\b(?![^;]*\bFROM\s+PUBLIC\b)",
    "empties a table": r"\bTRUNCATE\b",
}
_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_TEXT: Final = re.compile(r"'(?:[^']|'')*'")
_NEW_COLUMN: Final = re.compile(r"\bADD\s+COLUMN\b([^,;]*)", re.IGNORECASE)
_MARK: Final = re.compile(r"^-- contract since (\d+)\.(\d+)\.(\d+): \S", re.MULTILINE)


def takings(text: str) -> list[str]:
    """What the statements of `text` take from the release before, in words."""
    statements = _TEXT.sub("''", _COMMENT.sub("", text))
    found = [words for words, pattern in TAKING.items() if re.search(pattern, statements, re.IGNORECASE)]
    columns = [each for each in _NEW_COLUMN.findall(statements) if "NOT NULL" in each.upper()]
    if not all(re.search(r"\bDEFAULT\b|\bGENERATED\b", each, re.IGNORECASE) for each in columns):
        found.append("adds a column that the release before does not fill")
    return found


def contracted_since(text: str) -> tuple[int, ...] | None:
    """The release that does without what `text` takes, where it says one."""
    found = _MARK.search(text)
    return None if found is None else tuple(map(int, found.groups()))


def release() -> tuple[int, ...]:
    """The one that is being made."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return tuple(map(int, project["version"].split(".")))


def test_what_is_held_against_is_the_release_before() -> None:
    files = {schema: names_in(f"services/{schema}/migrations") for schema in SCHEMAS}

    newest = {schema: max(int(name[:4]) for name in names if name.endswith(".sql")) for schema, names in files.items()}
    assert newest == FIRST_RELEASE


@pytest.mark.parametrize("schema", SCHEMAS)
def test_no_migration_takes_what_the_release_before_uses(schema: str) -> None:
    new = [each for each in load(SERVICES / schema / "migrations") if each.number > FIRST_RELEASE[schema]]
    faults = {}
    for migration in new:
        since = contracted_since(migration.text)
        if takings(migration.text) and (since is None or since >= release()):
            faults[migration.name] = takings(migration.text)

    assert faults == {}


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("ALTER TABLE a.b DROP COLUMN c;", "drops"),
        ("DROP TABLE IF EXISTS a.b;", "drops"),
        ("DROP\n  FUNCTION a.f(int);", "drops"),
        ("ALTER TABLE a.b RENAME COLUMN c TO d;", "renames"),
        ("alter table a.b rename to e;", "renames"),
        ("ALTER TABLE a.b ALTER COLUMN c TYPE bigint;", "another type"),
        ("ALTER TABLE a.b ALTER COLUMN c SET DATA TYPE bigint;", "another type"),
        ("ALTER TABLE a.b ALTER COLUMN c SET NOT NULL;", "refuses rows"),
        ("ALTER TABLE a.b ALTER COLUMN c DROP DEFAULT;", "default"),
        ("ALTER TABLE a.b ADD COLUMN IF NOT EXISTS c text NOT NULL;", "does not fill"),
        ("REVOKE INSERT ON a.b FROM svc_a;", "right"),
        ("TRUNCATE a.b;", "empties"),
    ],
    ids=lambda given: re.sub(r"\W+", "-", given),
)
def test_what_takes_is_found(statement: str, words: str) -> None:
    assert [words in each for each in takings(statement)] == [True]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE IF NOT EXISTS a.b (c text NOT NULL);",
        "ALTER TABLE a.b ADD COLUMN IF NOT EXISTS c text NOT NULL DEFAULT '', ADD COLUMN IF NOT EXISTS d int;",
        "ALTER TABLE a.b DROP CONSTRAINT IF EXISTS c; ALTER TABLE a.b ADD CONSTRAINT c CHECK (d > 0);",
        "DROP INDEX IF EXISTS a.i;",
        "REVOKE ALL ON FUNCTION a.f(int) FROM PUBLIC;",
        "INSERT INTO a.b VALUES ('RENAME; DROP TABLE'); -- DROP TABLE a.b",
        "ALTER TABLE a.b ALTER COLUMN c DROP NOT NULL;",
    ],
    ids=lambda given: re.sub(r"\W+", "-", given),
)
def test_what_adds_is_let_be(statement: str) -> None:
    assert takings(statement) == []


def test_a_mark_names_a_release_and_says_why() -> None:
    assert contracted_since("-- contract since 0.1.0: `c` is read by nobody\nDROP TABLE a.b;") == (0, 1, 0)
    assert contracted_since("-- contract since 0.1.0:\nDROP TABLE a.b;") is None
    assert contracted_since("DROP TABLE a.b;") is None
