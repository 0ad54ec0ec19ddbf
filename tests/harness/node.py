"""Programs that the tests drive and that are not the platform's: found on this machine, or installed by npm."""

import os
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
AWAY: Final = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|network|registry|E50[234]|ENOTCACHED")
OLDEST_NODE: Final = 20
INSTALL_TIMEOUT_S: Final = 300


def program(name: str, *, else_in: Path | None = None) -> str:
    """Where the program `name` is; the test is skipped where it is neither on the path nor in the folder `else_in`."""
    found = shutil.which(name) or (else_in and shutil.which(name, path=str(else_in)))
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def browser() -> str:
    """Where Chromium is: without a window of its own where that is installed, which costs half."""
    return shutil.which("chromium-headless-shell") or program("chromium")


def packages(source: Path, cache: str) -> Path:
    """A folder in the cache `cache` with the scripts of `source` and their packages, as its lock has them."""
    npm = program("npm")
    version = subprocess.run(
        [program("node"), "--version"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node {OLDEST_NODE} or newer runs these scripts; here is {version.strip()}")
    folder = CACHE / cache / sha256((source / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    for file in (*source.glob("*.mjs"), *source.glob("package*.json")):
        shutil.copy(file, folder)
    if not (folder / "installed").exists():
        words = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S)
        if done.returncode and AWAY.search(done.stderr):
            pytest.skip(f"the registry of npm is away: {done.stderr.strip()[-300:]}")
        assert done.returncode == 0, done.stderr
        (folder / "installed").touch()
    return folder
