"""Which sources an installation runs, and which ones results of tests are of: one digest says both."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

FOLDERS: Final = ("deploy", "router-config", "services", "shared")
KINDS: Final = frozenset({
    ".css", ".html", ".in", ".js", ".json", ".py", ".sql", ".svg", ".toml", ".tsv", ".txt", ".yaml"
})  # fmt: skip
"""What packages consist of, and what `deploy/locks` says of libraries."""
LEFT_OUT: Final = ("deploy/compose", "deploy/kubernetes", "deploy/supply_chain")
"""Where an installation is described, and advisories are accepted: whoever writes there runs the same sources."""
PROPERTY: Final = "ironflock.sources"
"""Of a suite of tests, in JUnit's XML."""


def digest(root: Path) -> str:
    """The SHA-256 over the names and contents of what runs below `root`, in hexadecimal."""
    total = sha256()
    for name in sorted(_names(root)):
        total.update(sha256(name.encode()).digest() + sha256((root / name).read_bytes()).digest())
    return total.hexdigest()


def _names(root: Path) -> Iterator[str]:
    left_out = [root / folder for folder in LEFT_OUT]
    for path in (path for folder in FOLDERS for path in (root / folder).rglob("*")):
        if path.suffix in KINDS and not any(map(path.is_relative_to, left_out)):
            yield path.relative_to(root).as_posix()
