"""The steps of a Dockerfile, done in folders by chroot: no engine and no registry are needed, root and debootstrap are.

What stands for a base image is the Debian that debootstrap makes, with what the base has beside it: nothing is shown
of the base's own octets.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from tests.harness import go_programs

BASE_PACKAGES: Final = "python3,python3-venv,ca-certificates,libgssapi-krb5-2"
"""The last is there since Python's own image links its module `nis` with it."""
GO_TREE: Final = "usr/local/go"
HOST_AUTHORITIES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
STEP_S: Final = 900


class NoImageError(Exception):
    """Images cannot be made here; the text says why."""


@frozen
class Instruction:
    """One line of a Dockerfile."""

    word: str
    rest: str


@frozen
class Stage:
    """One stage: what it begins from, and its instructions."""

    name: str
    begins_from: str
    instructions: tuple[Instruction, ...]


@frozen
class Built:
    """A stage's folder, with what its processes are told."""

    root: Path
    environment: dict[str, str] = field(factory=dict)
    user: str = "0:0"
    folder: str = "/"


def stages(text: str) -> dict[str, Stage]:
    """The stages of a Dockerfile by name; an argument is replaced by its default."""
    lines = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    arguments: dict[str, str] = {}
    found: dict[str, Stage] = {}
    for line in filter(None, map(str.strip, lines)):
        word, _, rest = line.partition(" ")
        if word == "ARG":
            name, _, default = rest.partition("=")
            arguments[name] = default
        elif word == "FROM":
            source, _, name = re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], rest).partition(" AS ")
            found[name] = Stage(name, source, ())
        else:
            last = list(found.values())[-1]
            found[last.name] = Stage(last.name, last.begins_from, (*last.instructions, Instruction(word, rest)))
    return found


def debian(folder: Path) -> Path:
    """A small Debian below `folder`, made once.

    Raises:
        NoImageError: It cannot be had here.
    """
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise NoImageError("root and debootstrap are needed to do an image's steps")
    folder /= f"bookworm-{hashlib.sha256(BASE_PACKAGES.encode()).hexdigest()[:16]}"
    if not (folder / "usr/bin/python").is_symlink():
        command = ["debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=STEP_S)
        if done.returncode:
            raise NoImageError(f"debootstrap: {done.stdout[-300:]}")
        (folder / "usr/bin/python").symlink_to("python3")
        # Behind a proxy that ends TLS, as this machine has it.
        shutil.copy(HOST_AUTHORITIES, folder / "etc/ssl/certs/ca-certificates.crt")
    return folder


def with_go(base: Path, folder: Path) -> Built:
    """The same in `folder`, with Go as its own image has it.

    Raises:
        NoProgramError: There is no Go here.
    """
    command = [go_programs.go_client("frps"), "env", "GOROOT", "GOPROXY", "GOSUMDB"]
    tree, proxy, sums = go_programs.run("frps", command, Path("/")).splitlines()
    subprocess.run(["/bin/cp", "--archive", "--reflink=auto", base, folder], check=True)
    shutil.copytree(tree, folder / GO_TREE, symlinks=True)
    told = {"GOTOOLCHAIN": "local", "GOPROXY": proxy, "GOSUMDB": sums}
    return Built(folder, {"PATH": f"/{GO_TREE}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", **told})


class Workshop:
    """Makes the stages of one Dockerfile in `folder`, each at most once."""

    def __init__(self, dockerfile: Path, context: Path, folder: Path, bases: Mapping[str, Built]) -> None:
        """`bases` stand for images of others, by their names."""
        self._stages = stages(dockerfile.read_text(encoding="utf-8"))
        self._context = context
        self._keeps = kept(dockerfile.with_name(f"{dockerfile.name}.dockerignore").read_text(encoding="utf-8"))
        self._folder = folder
        self._bases = bases
        self._built: dict[str, Built] = {}

    def build(self, name: str) -> Built:
        """The stage `name`."""
        if name not in self._built:
            stage = self._stages[name]
            known = stage.begins_from in self._stages
            before = self.build(stage.begins_from) if known else self._bases[stage.begins_from.partition(":")[0]]
            root = self._folder / name
            subprocess.run(["/bin/cp", "--archive", "--reflink=auto", before.root, root], check=True)
            now = Built(root, dict(before.environment), before.user, before.folder)
            for instruction in stage.instructions:
                now = self._do(now, instruction)
            self._built[name] = now
        return self._built[name]

    def _do(self, built: Built, step: Instruction) -> Built:
        match step.word:
            case "RUN":
                done = run(built, ["sh", "-c", step.rest])
                assert done.returncode == 0, f"{step.rest}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
            case "COPY":
                self._copy(built, shlex.split(step.rest))
            case "ENV":
                pairs = dict(pair.split("=", 1) for pair in shlex.split(step.rest))
                return Built(built.root, {**built.environment, **pairs}, built.user, built.folder)
            case "USER":
                return Built(built.root, built.environment, step.rest, built.folder)
            case "WORKDIR":
                (built.root / step.rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
                return Built(built.root, built.environment, built.user, step.rest)
            case _:
                assert step.word == "CMD", step
        return built

    def _copy(self, built: Built, words: list[str]) -> None:
        source, keeps = self._context, self._keeps
        if words[0].startswith("--from="):
            source, keeps = self.build(words.pop(0).removeprefix("--from=")).root, _everything
        *paths, target = words
        place = built.root / target.lstrip("/")
        for path in paths:
            found = source / path.lstrip("/")
            into = place / found.name if target.endswith("/") else place
            for file in sorted(found.rglob("*")) if found.is_dir() else [found]:
                if (file.is_file() or file.is_symlink()) and keeps(str(file.relative_to(source))):
                    copy = into / file.relative_to(found) if file != found else into
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(file, copy, follow_symlinks=False)


def kept(text: str) -> Callable[[str], bool]:
    """Whether a `.dockerignore` lets a path of the context through: the last line that fits decides."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    rules = [(not line.startswith("!"), re.compile(_pattern(line.removeprefix("!")))) for line in lines]

    def keeps(path: str) -> bool:
        is_left_out = False
        for leaves_out, pattern in rules:
            if pattern.fullmatch(path):
                is_left_out = leaves_out
        return not is_left_out

    return keeps


def _pattern(line: str) -> str:
    """A line of it, which also speaks of everything below what it names."""
    words = re.escape(line).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
    return f"{words}(?:/.*)?"


def _everything(path: str) -> bool:
    return bool(path)


def run(built: Built, command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    """Run `command` in the stage as its user, with its variables and `more`, and with processes of its own."""
    root = built.root
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    shutil.copy("/etc/hosts", root / "etc/hosts")
    (root / "dev/shm").chmod(0o1777)  # as an engine gives it to each container
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "PIP_CERT": "/etc/ssl/certs/ca-certificates.crt",
        "HOME": "/tmp",  # noqa: S108 - inside the image
        **built.environment,
        **more,
    }
    inside = f"cd {shlex.quote(built.folder)} && exec {shlex.join(command)}"
    line = ["/usr/bin/unshare", "--mount", "--pid", "--fork", f"--mount-proc={root / 'proc'}", "--kill-child"]
    line += [
        "/usr/sbin/chroot",
        f"--userspec={built.user if ':' in built.user else f'{built.user}:0'}",
        str(root),
        "sh",
        "-c",
        inside,
    ]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=STEP_S)


def tree(folder: Path) -> dict[str, str]:
    """Every file below `folder` with what is in it, as far as an image keeps it: no times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def bill(file: Path) -> dict[str, str]:
    """The packages that a bill of materials names, with their versions."""
    listed = json.loads(file.read_text(encoding="utf-8"))
    return {each["name"]: each["version"] for each in listed["components"]}
