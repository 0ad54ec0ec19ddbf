"""Who may see a project."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.realms.records import Project
from services.realms.rules import may_see

keys = st.integers(1, 5)


@given(keys, keys)
def test_the_owner_sees_a_project_and_nobody_else(owner: int, account: int) -> None:
    project = Project(1, "plant", "", owner, datetime(2026, 1, 1, tzinfo=UTC), requires_factor=False)

    assert may_see(project, account) == (owner == account)
