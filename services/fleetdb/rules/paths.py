"""Paths into JSON columns: `readings.temp`, `readings['a key']`, `readings[0].temp` (wire-sdk.md section 6)."""

import re
from collections.abc import Iterable
from typing import Any, Final

Tree = dict[str, Any]
"""What is kept of a JSON object: by key, a tree below it, or an empty one for all that is there."""

MAX_LENGTH: Final = 400
MAX_KEYS: Final = 50
"""A level of which more keys are asked for comes back whole, as published."""
_BASE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_KEY: Final = re.compile(r"\.([^.\[]+)|\[([^\]]*)\]")


def split(ref: str) -> tuple[str, tuple[str, ...]]:
    """The column and the keys below it; the whole text and no key where it is no path."""
    base = _BASE.match(ref)
    if base is None or len(ref) > MAX_LENGTH:
        return ref, ()
    keys: list[str] = []
    at = base.end()
    while at < len(ref):
        found = _KEY.match(ref, at)
        key = "" if found is None else _unquoted(found)
        if found is None or not key:
            return ref, ()
        keys.append(key)
        at = found.end()
    return base.group(), tuple(keys)


def _unquoted(found: re.Match[str]) -> str:
    if found.group(1) is not None:
        return found.group(1)
    key = found.group(2).strip()
    is_quoted = len(key) > 1 and key[0] in "'\"" and key[-1] == key[0]
    return key[1:-1] if is_quoted else key


def trees(paths: Iterable[tuple[str, ...]]) -> Tree:
    """What all of `paths`, each of one key at least, keep together."""
    root: Tree = {}
    for path in paths:
        level = root
        for at, key in enumerate(path):
            is_new, is_last = key not in level, at == len(path) - 1
            if not is_new and not level[key]:
                break  # all of it is kept already
            if is_last:
                level[key] = {}
            level = level.setdefault(key, {})
    return root


def pruned(value: Any, tree: Tree) -> Any:
    """`value` with what `tree` keeps of it; a key that it lacks is there as None."""
    if value is None or _is_wide(tree):
        return value
    return _kept(value, tree)


def _kept(value: Any, tree: Tree) -> Any:
    found: dict[str, Any] = {}
    for key, below in tree.items():
        inner = value.get(key) if isinstance(value, dict) else None
        found[key] = _kept(inner, below) if below else inner
    return found


def _is_wide(tree: Tree) -> bool:
    return len(tree) > MAX_KEYS or any(_is_wide(below) for below in tree.values())
