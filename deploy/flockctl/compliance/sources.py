"""Which sources an installation runs, and which ones results of tests are of: one digest says both.

What a cluster is applied from, an operator may write in: it has a digest of its own.
"""

from collections.abc import Iterable, Iterator
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
MANIFESTS: Final = ("deploy/kubernetes/base", "deploy/kubernetes/components")
"""What every overlay is made of; overlays themselves, and `site`, are an operator's own."""
PROPERTY: Final = "ironflock.sources"
"""Of a suite of tests, in JUnit's XML."""
MANIFESTS_PROPERTY: Final = "ironflock.manifests"
"""As `PROPERTY`, of the manifests that the tests looked at."""


def digest(root: Path) -> str:
    """The SHA-256 over the names and contents of what runs below `root`, in hexadecimal."""
    left_out = [root / folder for folder in LEFT_OUT]
    found = (path for path in _files(root, FOLDERS) if path.suffix in KINDS)
    return _digest(root, (path for path in found if not any(map(path.is_relative_to, left_out))))


def manifests_digest(root: Path) -> str:
    """As `digest`, over what overlays below `root` are made of; that of nothing where there are no manifests."""
    return _digest(root, _files(root, MANIFESTS))


def _files(root: Path, folders: Iterable[str]) -> Iterator[Path]:
    return (path for folder in folders for path in (root / folder).rglob("*") if path.is_file())


def _digest(root: Path, files: Iterable[Path]) -> str:
    total = sha256()
    for name in sorted(path.relative_to(root).as_posix() for path in files):
        total.update(sha256(name.encode()).digest() + sha256((root / name).read_bytes()).digest())
    return total.hexdigest()
