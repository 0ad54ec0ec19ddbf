"""The release landed before this one, as the repository's history has it; it moves with each landed release."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

BEFORE: Final = "a45bff3"
ROOT: Final = Path(__file__).parents[2]
MISSING: Final = b"Not a valid object name"
"""How git says, in English, that it does not have a commit."""


def extract(folder: Path) -> Path:
    """All of its sources, in `folder`; skips the test that asks where they cannot be had."""
    tar = shutil.which("tar")
    if tar is None:
        pytest.skip("there is no tar to have the sources of the release before by")
    archive = folder / "sources.tar"
    archive.write_bytes(_git("archive", BEFORE))
    subprocess.run([tar, "--extract", "--file", str(archive), "--directory", str(folder)], check=True)
    return folder


def text_of(path: str) -> str:
    """What its file `path` says; skips the test that asks where it cannot be had."""
    return _git("show", f"{BEFORE}:{path}").decode()


def names_in(path: str) -> list[str]:
    """The names of what its folder `path` holds; skips the test that asks where they cannot be had."""
    return _git("ls-tree", "--name-only", f"{BEFORE}:{path}").decode().splitlines()


def _git(*arguments: str) -> bytes:
    """What git answers; skips where this checkout has no history, and fails on whatever else git refuses."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("there is no git to ask for the release before")
    if not (ROOT / ".git").exists():
        pytest.skip("these sources are no checkout: they have no history to ask for the release before")
    asked = _run(git, "cat-file", "-e", f"{BEFORE}^{{commit}}")
    if asked.returncode and MISSING in asked.stderr:
        pytest.skip(f"the history of this checkout does not reach back to {BEFORE}")
    answer = asked if asked.returncode else _run(git, *arguments)
    assert answer.returncode == 0, answer.stderr.decode()
    return answer.stdout


def _run(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words, cwd=ROOT, env=os.environ | {"LC_ALL": "C"}, check=False, capture_output=True)
