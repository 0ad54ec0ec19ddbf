"""A kubectl that writes down what it is asked, and knows of a cluster what new secrets need: which were handed over.

Volumes of a router follow one question late; a process that is started has the Secrets of that moment.
"""

import base64
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

HOME = Path(os.environ["HOME"])
ASKED, SECRETS, MOUNTED = HOME / "asked", HOME / "secrets.json", HOME / "mounted.json"


def main(words: list[str]) -> int:
    """Answer as asked; the exit status is kubectl's."""
    if words[:3] == ["apply", "-f", "-"]:
        text = sys.stdin.read()
        if not text:
            sys.stderr.write("error: no objects passed to apply\n")
            return 1
        SECRETS.write_text(json.dumps({each["metadata"]["name"]: each["data"] for each in json.loads(text)["items"]}))
    note(words)
    if "exec" in words:
        sys.stdout.write(answer(words[words.index("exec") + 1], " ".join(words)))
    if "pods" in words:
        sys.stdout.write("pod/router-0\n")
    return 0


def note(words: list[str]) -> None:
    """One line: what was asked, and every Secret that was handed over by then."""
    with ASKED.open("a") as file:
        file.write(json.dumps([" ".join(words), read(SECRETS)]) + "\n")


def answer(pod: str, asked: str) -> str:
    """What a program prints in that pod."""
    if "deploy.rotating" in asked:
        kind = "master-keys" if "master-keys" in asked else "person-keys"
        service = pod.removeprefix("deployment/")
        if "signing-keys" in asked:
            return ""
        active = json.loads(base64.b64decode(read(SECRETS)[service][kind]))["active"]
        return f"{kind}/{service} {active}\n" if kind == "master-keys" else f"{kind} {active}\n"
    if "sha256sum" in asked:
        mounted = read(MOUNTED)
        MOUNTED.write_text(json.dumps(read(SECRETS)["router"]))
        return "".join(
            f"{hashlib.sha256(base64.b64decode(value)).hexdigest()}  {name}\n"
            for name, value in sorted(mounted.items())
        )
    return ""


def read(file: Path) -> dict[str, Any]:
    """What was noted there; nothing yet."""
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
