"""What has no history is skipped; whatever else git refuses is a fault, which nobody takes for that."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness import release_before


@pytest.fixture(name="checkout")
def fixture_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One without the release before."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("there is no git")
    subprocess.run([git, "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.setattr(release_before, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.usefixtures("checkout")
def test_without_the_history_it_is_skipped() -> None:
    with pytest.raises(pytest.skip.Exception, match="does not reach back"):
        release_before.text_of("README.md")


def test_without_a_checkout_it_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_before, "ROOT", tmp_path)

    with pytest.raises(pytest.skip.Exception, match="no checkout"):
        release_before.text_of("README.md")


@pytest.mark.usefixtures("checkout")
def test_that_git_trusts_the_folder_of_nobody_else_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")

    with pytest.raises(AssertionError, match="dubious ownership"):
        release_before.text_of("README.md")


def test_a_path_that_the_release_before_lacks_is_a_fault() -> None:
    assert release_before.text_of("README.md")

    with pytest.raises(AssertionError, match="no/such/file"):
        release_before.text_of("no/such/file")
