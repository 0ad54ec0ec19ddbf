"""`... | python -m deploy.trust WHAT [AUTHORITY]`: who is believed inside a cluster.

It reads what `kubectl get issuers.cert-manager.io,secrets -o json` prints.

bundle   prints the Secret that says so, for `kubectl apply -f -`: both CAs of the pair; with --alone the one there is
idle     prints the CA that has signed nothing which is shown: the one that may be made anew
issued   prints what that CA has not signed yet; exit status 1 where there is something
"""

import argparse
import json
import sys
from typing import Any

from deploy.trust.bundling import ASKED, NEXT, PAIRS, TrustError, authorities, bundle, idle


def main(words: list[str]) -> int:
    """Do it and return the exit status."""
    asked = parser().parse_args(words)
    name = str(asked.authority)
    try:
        found = authorities(_read(), name.removesuffix(NEXT))
        if asked.what == "bundle":
            sys.stdout.write(json.dumps(bundle(found, asked.namespace, is_alone=asked.alone)) + "\n")
        elif asked.what == "idle":
            sys.stdout.write(idle(found) + "\n")
        else:
            left = sorted(set(found.issued) - set(found.signed_by(name)))
            sys.stdout.write("".join(f"{each}\n" for each in left))
            return 1 if left else 0
    except TrustError as error:
        sys.stderr.write(f"trust: {error}\n")
        return 1
    return 0


def _read() -> dict[str, Any]:
    try:
        found = json.load(sys.stdin)
    except ValueError as error:
        raise TrustError(f"that is not what `{ASKED}` prints") from error
    if not isinstance(found, dict):
        raise TrustError(f"that is not what `{ASKED}` prints")
    return found


def parser() -> argparse.ArgumentParser:
    """Of the words that it takes."""
    names = [name for each in PAIRS for name in (each, each + NEXT)]
    made = argparse.ArgumentParser(prog="python -m deploy.trust", description="who is believed inside a cluster")
    made.add_argument("what", choices=["bundle", "idle", "issued"])
    made.add_argument("authority", nargs="?", default="internal-ca", choices=names)
    made.add_argument("--namespace", default="ironflock")
    made.add_argument("--alone", action="store_true", help="of `bundle`: the next CA is not there, and not waited for")
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
