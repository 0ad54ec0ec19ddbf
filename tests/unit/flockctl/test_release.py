"""In an image the platform is no package, and says all the same which sources it is of."""

from importlib.metadata import PackageNotFoundError

import pytest

from deploy.flockctl import release as asked
from deploy.flockctl.compliance.sources import digest
from deploy.flockctl.release import release
from deploy.local.state import REPOSITORY


def test_without_a_package_it_is_said_by_the_digest_of_its_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(asked, "version", absent)

    assert release() == f"of sources {digest(REPOSITORY)[:12]}"
