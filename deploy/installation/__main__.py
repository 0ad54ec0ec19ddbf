"""`python -m deploy.installation FOLDER`: the secrets of an installation, and where it is.

Makes what is missing in FOLDER. With `--anew KIND` each secret of that kind is followed by another one: both count
until `--finish`. With `--kubernetes` it prints the secrets as Secrets, one JSON list, for `kubectl` or
for whatever seals them. With `--endpoints` it reads what `kubectl kustomize` prints and writes `endpoints.json`
there, for flockctl with `IRONFLOCK_LOCAL_STATE=FOLDER`. The folder is all that opens the installation's data: it
belongs into a safe.
"""

import argparse
import json
import sys
from pathlib import Path

from deploy.installation.anew import SEALING, SUCCESSIONS, begin, finish
from deploy.installation.endpoints import ManifestsError, documents, endpoints
from deploy.installation.secrets import IRREPLACEABLE, ensure_secrets, manifests
from deploy.local.errors import PlatformError
from deploy.local.files import write_atomically
from deploy.local.kinds import Kind


def main(arguments: list[str]) -> int:
    """Do it and return the exit status."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.finish and not asked.anew:
        parser.error("--finish goes with --anew KIND")
    folder: Path = asked.folder.absolute()
    try:
        ensure_secrets(folder, asked.new)
        if asked.anew:
            sys.stderr.write(f"installation: {_follow(folder, asked.anew, is_finish=asked.finish)}\n")
        found = ensure_secrets(folder, asked.new)
        if asked.endpoints:
            content = endpoints(documents(sys.stdin.read()), folder, (asked.ca or folder / "ca.pem").absolute())
            write_atomically(folder / "endpoints.json", json.dumps(content, indent=2).encode() + b"\n")
    except (ManifestsError, PlatformError) as error:
        sys.stderr.write(f"installation: {error}\n")
        return 1
    if asked.kubernetes is None:
        sys.stdout.write("".join(f"{folder / path}\n" for path in found))
    else:
        listed = {"apiVersion": "v1", "kind": "List", "items": manifests(found, asked.kubernetes)}
        sys.stdout.write(json.dumps(listed) + "\n")
    return 0


def _follow(folder: Path, kind: Kind, *, is_finish: bool) -> str:
    """Begin or finish, and say what was done."""
    if not is_finish:
        begun = begin(folder, kind)
        if not begun:
            return f"{kind}: another one was begun before, both count; --finish takes the old one out"
        return f"{kind}: {', '.join(begun)} followed by another one, both count now"
    finished = finish(folder, kind, sys.stdin if kind in SEALING and not sys.stdin.isatty() else ())
    if not finished:
        return f"{kind}: none was begun, so none is finished"
    return f"{kind}: the old one of {', '.join(finished)} is gone, the new one alone counts"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.installation", description="an installation's secrets")
    parser.add_argument("folder", type=Path, help="where they are kept, one a file; what is missing is made")
    parser.add_argument("--kubernetes", metavar="NAMESPACE", help="print them as Secrets of this namespace")
    parser.add_argument("--endpoints", action="store_true", help="write endpoints.json from `kubectl kustomize ... |`")
    parser.add_argument(
        "--new", action="append", default=[], choices=IRREPLACEABLE, metavar="NAME",
        help="make this one, though the folder is not new: no release before had it, or what it sealed is lost",
    )  # fmt: skip
    parser.add_argument("--anew", type=Kind, choices=list(SUCCESSIONS), help="have these followed by new ones")
    parser.add_argument("--finish", action="store_true", help="with --anew: the old ones are needed no more")
    parser.add_argument("--ca", type=Path, help="who vouches for the public names (default: ca.pem in the folder)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
