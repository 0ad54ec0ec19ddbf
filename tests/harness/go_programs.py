"""Programs of others, built by Go's own client as a module of ours pins them, and kept in the user's cache."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

BUILD_S: Final = 900
AWAY: Final = re.compile(
    r"dial tcp|no such host|connection refused|i/o timeout|proxyconnect|TLS handshake|50[234] |requires go >=|toolchain"
)


class NoProgramError(Exception):
    """It cannot be had here; the text says why."""


def built(module: Path, package: str, name: str, *flags: str) -> Path:
    """The program `name` out of `package`, as go.mod and go.sum in `module` pin it; built once.

    Raises:
        NoProgramError: It cannot be had here.
    """
    go = go_client(name)
    pinned = hashlib.sha256((module / "go.mod").read_bytes() + (module / "go.sum").read_bytes()).hexdigest()[:16]
    program = cache() / f"{name}-{pinned}"
    if not program.exists():
        making = program.with_name(f"{program.name}.{os.getpid()}")
        run(name, [go, "build", "-mod=readonly", *flags, "-o", str(making), package], module)
        making.replace(program)
    return program


def module_folder(module: str, checksum: str) -> Path:
    """The files of `module` (`path@version`), whose checksum (go.sum's) is `checksum`.

    Raises:
        NoProgramError: They cannot be had here.
    """
    go = go_client(module)
    found: dict[str, Any] = json.loads(run(module, [go, "mod", "download", "-json", module], Path("/")))
    assert found["Sum"] == checksum, f"{module} is not what it was: {found['Sum']}"
    return Path(found["Dir"])


def go_client(name: str) -> str:
    """Go. Raises as `built`."""
    go = shutil.which("go")
    if go is None:
        raise NoProgramError(f"Go is not installed, so {name} cannot be had")
    return go


def cache() -> Path:
    """Where what was built is kept."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ironflock-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run(name: str, command: list[str], folder: Path) -> str:
    """What `command` prints. Raises as `built`."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=BUILD_S)
    said = done.stderr + (done.stdout if done.returncode else "")
    if done.returncode and AWAY.search(said):
        raise NoProgramError(f"{name}: the Go module proxy is away, or Go is too old: {said.strip()[-300:]}")
    if done.returncode:
        raise AssertionError(said)
    return done.stdout
