"""Who reaches whom in one service, read from its source: what a procedure writes, records, and asks others to do.

Names are resolved as far as the source tells: a function of the same module or an imported one, a method of the same
class, or of the class that a field or an argument is annotated or made with, or a field of that. A method of something
else is taken for every method of that name in the service: the graph says too much rather than too little. Only pages
come to pages, which stand above everything else of a service (import-linter holds that wall).
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from attrs import field, frozen

ROOT = Path(__file__).parents[3]
WRITES = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+([a-z_]+\.[a-z_{}]+)")
FUNCTIONS = re.compile(r"\bSELECT\b.*?\b(audit\.(?!record\b|pending\b)[a-z_]+)\s*\(", re.DOTALL)
CALLS = re.compile(r"ironflock\.[a-z]+\.[a-z_]+\.[a-z_]+")
URI_MARKS = {"for_people", "for_services", "for_devices"}
Name = tuple[str, str]  # module, qualified name inside it
AnyFunction = ast.FunctionDef | ast.AsyncFunctionDef


@frozen
class Facts:
    """What is seen in one function's own lines."""

    tags: frozenset[str]
    writes: frozenset[str]
    asks: frozenset[str]
    records: bool
    uses: frozenset[Name] = field(factory=frozenset)


class Service:
    """The source of one service as a graph of functions."""

    def __init__(self, name: str) -> None:
        """Read everything under `services/<name>`."""
        self.name = name
        self.trees = {_module(path): ast.parse(path.read_text(encoding="utf-8")) for path in _sources(name)}
        self.functions: dict[Name, AnyFunction] = {}
        self.classes: dict[str, list[Name]] = defaultdict(list)
        self.methods: dict[str, list[Name]] = defaultdict(list)
        self.procedures: dict[str, Name] = {}
        for module, tree in self.trees.items():
            for place, node in _functions(tree):
                self._add((module, place), node)
        self.fields = self._every_field()
        self.facts = {name: self._seen(name, node) for name, node in self.functions.items()}

    def reached(self, start: Name) -> set[Name]:
        """`start` and every function that it may come to."""
        found, todo = set(), [start]
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += self.facts[name].uses
        return found

    def tags(self, start: Name) -> set[str]:
        """The members of `audit.Action` that `start` may record."""
        reached = self.reached(start)
        records = any(self.facts[name].records for name in reached)
        return {tag for name in reached for tag in self.facts[name].tags} if records else set()

    def writes(self, start: Name) -> set[str]:
        """The tables that `start` may change."""
        return {table for name in self.reached(start) for table in self.facts[name].writes}

    def asks(self, start: Name) -> set[str]:
        """The procedures of other services that `start` may call."""
        return {uri for name in self.reached(start) for uri in self.facts[name].asks} - set(self.procedures)

    def _add(self, name: Name, node: AnyFunction) -> None:
        self.functions[name] = node
        if "." in name[1]:
            owner, _, method = name[1].partition(".")
            self.classes[owner].append(name)
            self.methods[method].append(name)
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", None) in URI_MARKS:
                uri = decorator.args[0]
                assert isinstance(uri, ast.Constant), name
                self.procedures[str(uri.value)] = name

    def _seen(self, name: Name, node: AnyFunction) -> Facts:
        body = [each for statement in node.body for each in ast.walk(statement)]
        texts = [each.value for each in body if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        sql = "\n".join(texts)
        return Facts(
            tags=frozenset(filter(None, (_tag(each) for each in body))) - _compared(body),
            writes=frozenset(WRITES.findall(sql)) | frozenset(FUNCTIONS.findall(sql)),
            asks=frozenset(uri for text in texts for uri in CALLS.findall(text) if CALLS.fullmatch(text)),
            records=any(_is_record(each) for each in body),
            uses=frozenset(self._uses(name, body)),
        )

    def _uses(self, name: Name, body: list[ast.AST]) -> Iterator[Name]:
        imported = _imports(self.trees[name[0]])
        for each in body:
            if isinstance(each, ast.Attribute):
                yield from self._attribute(name, each, imported)
            elif isinstance(each, ast.Name):
                yield from self._plain(name[0], each.id, imported)

    def _plain(self, module: str, word: str, imported: dict[str, str]) -> Iterator[Name]:
        origin, _, last = imported.get(word, "").rpartition(".")
        for place in ((module, word), (origin, last), (module, f"{word}.__init__"), (origin, f"{last}.__init__")):
            if place in self.functions:
                yield place

    def _attribute(self, name: Name, node: ast.Attribute, imported: dict[str, str]) -> Iterator[Name]:
        base = node.value
        if isinstance(base, ast.Name) and base.id in imported and (imported[base.id], node.attr) in self.functions:
            yield imported[base.id], node.attr
            return
        kind = self._kind(name, base)
        if kind is None:
            yield from (place for place in self.methods[node.attr] if _may_know(name, place))
        else:
            yield from (place for place in self.classes.get(kind, []) if place[1] == f"{kind}.{node.attr}")

    def _kind(self, name: Name, base: ast.expr) -> str | None:
        """The class of `base`, as far as the source says it."""
        if isinstance(base, ast.Name):
            own = name[1].split(".")[0] if base.id == "self" else None
            return own or _annotated(self.functions[name]).get(base.id)
        if isinstance(base, ast.Attribute):
            owner = self._kind(name, base.value)
            return None if owner is None else self.fields.get(owner, {}).get(base.attr) or None
        if isinstance(base, ast.Call) and isinstance(base.func, ast.Name) and base.func.id[0].isupper():
            return base.func.id
        return None

    def _every_field(self) -> dict[str, dict[str, str]]:
        """The classes of the fields of every class: those that attrs makes first, since constructors are given them."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for tree in self.trees.values():
            for node in (each for each in tree.body if isinstance(each, ast.ClassDef)):
                for each in node.body:
                    if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                        _learn(found[node.name], each.target.id, _class_named(each.annotation))
        for (_, place), made in self.functions.items():
            if place.endswith(".__init__"):
                for field_name, kind in _set_by(made, found):
                    _learn(found[place.removesuffix(".__init__")], field_name, kind)
        return found


def _learn(fields: dict[str, str], name: str, kind: str | None) -> None:
    """Two classes of one name that differ in a field are told apart by nobody: such a field is of no known class."""
    if kind is not None:
        fields[name] = kind if fields.get(name, kind) == kind else ""


def _may_know(name: Name, place: Name) -> bool:
    above = ".pages."
    return above not in place[0] or above in name[0] or name[0].endswith(".__main__")


def _set_by(made: AnyFunction, fields: dict[str, dict[str, str]]) -> Iterator[tuple[str, str | None]]:
    """The fields that a constructor sets, each with its class."""
    annotated = _annotated(made)
    for each in ast.walk(made):
        if not isinstance(each, ast.Assign | ast.AnnAssign):
            continue
        target = each.targets[0] if isinstance(each, ast.Assign) else each.target
        if isinstance(target, ast.Attribute):
            annotation = each.annotation if isinstance(each, ast.AnnAssign) else None
            yield target.attr, _class_named(annotation) or _given(each.value, annotated, fields)


def _given(value: ast.expr | None, annotated: dict[str, str], fields: dict[str, dict[str, str]]) -> str | None:
    """The class of what a field is set to: an argument, a field of one, or something made here."""
    if isinstance(value, ast.Attribute):
        owner = _given(value.value, annotated, fields)
        return None if owner is None else fields.get(owner, {}).get(value.attr) or None
    return _made(value, annotated)


def _made(value: ast.expr | None, annotated: dict[str, str]) -> str | None:
    if isinstance(value, ast.Name):
        return annotated.get(value.id)
    return value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else None


def _annotated(node: AnyFunction) -> dict[str, str]:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    kinds = {each.arg: _class_named(each.annotation) for each in arguments}
    return {word: kind for word, kind in kinds.items() if kind is not None}


def _class_named(annotation: ast.expr | None) -> str | None:
    if isinstance(annotation, ast.Constant):
        return str(annotation.value)
    if isinstance(annotation, ast.Subscript):
        return _class_named(annotation.value)
    return annotation.id if isinstance(annotation, ast.Name) else None


def _sources(service: str) -> list[Path]:
    return sorted((ROOT / "services" / service).rglob("*.py"))


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _functions(tree: ast.Module) -> Iterator[tuple[str, AnyFunction]]:
    for node in tree.body:
        if isinstance(node, AnyFunction):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{each.name}", each) for each in node.body if isinstance(each, AnyFunction))


@cache
def _imports(tree: ast.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _compared(body: list[ast.AST]) -> set[str]:
    """Tags that are only asked about."""
    inside = [each for node in body if isinstance(node, ast.Compare) for each in ast.walk(node)]
    return {tag for each in inside if (tag := _tag(each)) is not None}


def _tag(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Attribute) or not node.attr.isupper():
        return None
    owner = node.value
    named = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", None)
    return node.attr if named == "Action" else None


def _is_record(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "record" and getattr(node.value, "id", None) == "audit"
