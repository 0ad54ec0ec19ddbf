"""Which flags the source decides by, read from its syntax: in each call that decides, the flag and what it is on."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from attrs import frozen

from shared.flags import AssetKind

ROOT: Final = Path(__file__).parents[3]
SOURCES: Final = ("services", "shared", "router-config")
DECIDING: Final[dict[str, AssetKind | None]] = {
    "require": None,
    "decide": None,
    "judge": None,
    "_with": None,
    "require_on_project": AssetKind.PROJECT,
    "_with_flag": AssetKind.PROJECT,
    "_reaching.project": AssetKind.PROJECT,
    "_reaching.device": AssetKind.DEVICE,
    "_reaching.group": AssetKind.GROUP,
    "_devices.reach": AssetKind.DEVICE,
    "devices.reach": AssetKind.DEVICE,
    "_tunnels.with_flag": AssetKind.DEVICE,
    "_projects.resolve": AssetKind.PROJECT,
    "_projects.with_flag": AssetKind.PROJECT,
    "_projects.entered": AssetKind.PROJECT,
    "self.with_flag": None,
    "self.entered": AssetKind.PROJECT,
    "_apps.with_flag": AssetKind.APP,
    "_apps.owned": AssetKind.APP,
    "_boards.with_flag": AssetKind.BOARD,
    "_backend_for": AssetKind.DATA_BACKEND,
    "_require_data": AssetKind.DATA_BACKEND,
    "_installation.require": AssetKind.INSTALLATION,
}
"""Functions that take a flag, each with what it is on where its name says so; the longer name counts."""
PLACES: Final = {
    "place_of": AssetKind.PROJECT,
    "project_asset": AssetKind.PROJECT,
    "app_asset": AssetKind.APP,
    "board_asset": AssetKind.BOARD,
    "data": AssetKind.DATA_BACKEND,
    "THE_INSTALLATION": AssetKind.INSTALLATION,
    "device": AssetKind.DEVICE,
    "group": AssetKind.GROUP,
}
"""Arguments that say what a flag is on; `AssetKind.X` says it too."""
SETS: Final = {
    "AGENT_PRIVILEGES": AssetKind.DEVICE,
    "OF_PUBLIC_APP": AssetKind.APP,
    "OF_A_NEW_GROUP": AssetKind.GROUP,
    "NEVER_OF_A_VISIT": None,
    "UNDER_LOCK": None,
}
"""Constants that are sets of flags; by the first an agent decides, which asks whether somebody has them."""
OF_AGENTS: Final = "AGENT_PRIVILEGES"
OTHERS: Final = frozenset({"is_flag", "add"})
"""Functions that take a flag and decide nothing."""


@frozen
class Use:
    """One flag in the source; `kind` is None where it may be on anything."""

    flag: str
    kind: AssetKind | None
    where: str


def uses() -> Iterator[Use]:
    """Every use in calls that decide, by literal flags or by constants of the module."""
    for tree, where in _modules():
        constants = dict(_constants(tree))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if (name := _deciding(call)) is not None:
                for flag in _flags(call, constants):
                    yield Use(flag, DECIDING[name] or _place(call), f"{where}:{call.lineno}")
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield from _defaults(function, where)


def passed_elsewhere(words: set[str]) -> Iterator[str]:
    """Where one of `words` is passed to a function that is not known to decide."""
    for tree, where in _modules():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            is_known = _deciding(call) is not None or ast.unparse(call.func).rpartition(".")[2] in OTHERS
            if not is_known and any(isinstance(each, ast.Constant) and each.value in words for each in call.args):
                yield f"{where}:{call.lineno}"


def constant_sets() -> Iterator[Use]:
    """Every flag in a constant that is a set of flags."""
    for tree, where in _modules():
        for node in tree.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id in SETS:
                named = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
                yield from (Use(str(flag), SETS[node.target.id], f"{where} {node.target.id}") for flag in named)


@cache
def _modules() -> list[tuple[ast.Module, str]]:
    paths = sorted(path for folder in SOURCES for path in (ROOT / folder).rglob("*.py"))
    return [(ast.parse(path.read_text(encoding="utf-8")), str(path.relative_to(ROOT))) for path in paths]


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                yield node.target.id, node.value.value
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, alias.name) for alias in node.names if alias.name == "READ")


def _deciding(call: ast.Call) -> str | None:
    names = ast.unparse(call.func).split(".")
    return next((name for name in (".".join(names[-2:]), names[-1]) if name in DECIDING), None)


def _flags(call: ast.Call, constants: dict[str, str]) -> Iterator[str]:
    """The arguments that are flags: words in capitals, also of a choice between two."""
    for argument in call.args:
        branches = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
        for each in branches:
            text = constants.get(each.id) if isinstance(each, ast.Name) else getattr(each, "value", None)
            if isinstance(text, str) and text.isupper():
                yield text


def _defaults(function: ast.FunctionDef | ast.AsyncFunctionDef, where: str) -> Iterator[Use]:
    """A flag that stands for one that is not said."""
    spec = function.args
    defaults = zip(spec.args[len(spec.args) - len(spec.defaults) :], spec.defaults, strict=True)
    for argument, default in defaults:
        if argument.arg == "flag" and isinstance(default, ast.Constant):
            yield Use(str(default.value), AssetKind.PROJECT, f"{where}:{function.lineno}")


def _place(call: ast.Call) -> AssetKind | None:
    """What the flag is on, as far as the call says it."""
    for node in ast.walk(call):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "AssetKind":
            return AssetKind[node.attr]
    names = [node.id for node in ast.walk(call) if isinstance(node, ast.Name)]
    return next((PLACES[name] for name in names if name in PLACES), None)
