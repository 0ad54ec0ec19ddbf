"""What everybody is answered, by every procedure, route and page, is what the checked-in matrix says.

After a change that is meant, `python -m tests.security.access.table` writes `access_matrix.tsv` anew: read the
difference.
"""

import pytest

from tests.harness.running import RunningPlatform
from tests.security.access.table import read, regenerated

# Some 4,000 questions, one after the other.
pytestmark = [pytest.mark.real, pytest.mark.asyncio, pytest.mark.timeout(600)]


async def test_the_running_platform_answers_as_the_matrix_says(ironflock: RunningPlatform) -> None:
    assert await regenerated(ironflock) == read()
