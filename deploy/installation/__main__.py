"""`python -m deploy.installation FOLDER`: the secrets of an installation, and where it is.

Makes what is missing in FOLDER. With `--kubernetes` it prints the secrets as Secrets, one JSON list, for `kubectl` or
for whatever seals them. With `--endpoints` it reads what `kubectl kustomize` prints and writes `endpoints.json`
there, for flockctl with `IRONFLOCK_LOCAL_STATE=FOLDER`. The folder is all that opens the installation's data: it
belongs into a safe.
"""

import argparse
import json
import sys
from pathlib import Path

from deploy.installation.endpoints import ManifestsError, documents, endpoints
from deploy.installation.secrets import IRREPLACEABLE, ensure_secrets, manifests
from deploy.local.files import write_atomically
from deploy.local.preparation import SecretLostError


def main(arguments: list[str]) -> int:
    """Do it and return the exit status."""
    asked = _parser().parse_args(arguments)
    folder: Path = asked.folder.absolute()
    try:
        found = ensure_secrets(folder, asked.new)
        if asked.endpoints:
            content = endpoints(documents(sys.stdin.read()), folder, (asked.ca or folder / "ca.pem").absolute())
            write_atomically(folder / "endpoints.json", json.dumps(content, indent=2).encode() + b"\n")
    except (ManifestsError, SecretLostError) as error:
        sys.stderr.write(f"installation: {error}\n")
        return 1
    if asked.kubernetes is None:
        sys.stdout.write("".join(f"{folder / path}\n" for path in found))
    else:
        listed = {"apiVersion": "v1", "kind": "List", "items": manifests(found, asked.kubernetes)}
        sys.stdout.write(json.dumps(listed) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.installation", description="an installation's secrets")
    parser.add_argument("folder", type=Path, help="where they are kept, one a file; what is missing is made")
    parser.add_argument("--kubernetes", metavar="NAMESPACE", help="print them as Secrets of this namespace")
    parser.add_argument("--endpoints", action="store_true", help="write endpoints.json from `kubectl kustomize ... |`")
    parser.add_argument(
        "--new", action="append", default=[], choices=IRREPLACEABLE, metavar="NAME",
        help="make this one, though the folder is not new: no release before had it, or what it sealed is lost",
    )  # fmt: skip
    parser.add_argument("--ca", type=Path, help="who vouches for the public names (default: ca.pem in the folder)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
