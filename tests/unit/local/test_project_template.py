"""What PUBLIC loses in databases of projects, as text; on a real server: tests/security/test_stolen_logins.py."""

import re

import pytest

from deploy.local.project_template import DIGEST, FUNCTIONS, statements

PATTERN = re.compile("^(" + "|".join(FUNCTIONS) + ")$")


@pytest.mark.parametrize(
    "name", ["pg_advisory_lock", "lo_get", "pg_stat_get_activity", "pg_get_userbyid", "pg_sleep_x"]
)
def test_what_tells_of_others_is_taken(name: str) -> None:
    assert bool(PATTERN.match(name)) == (name != "pg_sleep_x")


@pytest.mark.parametrize(
    "name",
    ["pg_has_role", "has_table_privilege", "has_column_privilege", "pg_get_expr", "to_regclass", "now",
     "pg_get_serial_sequence", "pg_input_is_valid", "jsonb_path_query", "array_agg"],
)  # fmt: skip
def test_what_tables_are_worked_with_by_stays(name: str) -> None:
    assert not PATTERN.match(name)


def test_no_catalog_is_shown() -> None:
    assert "REVOKE ALL ON ALL TABLES IN SCHEMA pg_catalog FROM PUBLIC" in statements()
    assert not [statement for statement in statements() if "GRANT" in statement]


def test_the_digest_follows_what_is_done() -> None:
    assert re.fullmatch(r"as of [0-9a-f]{64}", DIGEST)
    assert len(statements()) == len(set(statements()))
