"""What a shell completes besides commands and options, asking nobody: flags, kinds of things, profiles."""

import os
from collections.abc import Iterable

from deploy.flockctl.errors import CommandError
from deploy.flockctl.profiles import read_profiles
from shared.flags import FLAGS, AssetKind


def flags(incomplete: str) -> list[str]:
    """The flags of everything, in capitals or not as they were begun; of several with commas the last one."""
    before, comma, begun = incomplete.rpartition(",")
    known = dict.fromkeys(flag for of_kind in FLAGS.values() for flag in of_kind)
    words = [flag.lower() for flag in known] if begun.islower() else known
    return _beginning(f"{before}{comma}", words, begun)


def kinds(incomplete: str) -> list[str]:
    """What flags are held on."""
    return _beginning("", [kind.value for kind in AssetKind], incomplete)


def things(incomplete: str) -> list[str]:
    """The same with the colon before a name or key; there is one installation."""
    named = [kind.value if kind is AssetKind.INSTALLATION else f"{kind.value}:" for kind in AssetKind]
    return _beginning("", named, incomplete)


def profiles(incomplete: str) -> list[str]:
    """The installations that have a name; none where the file of names cannot be read."""
    try:
        return _beginning("", sorted(read_profiles(os.environ).profiles), incomplete)
    except CommandError:
        return []


def _beginning(prefix: str, words: Iterable[str], begun: str) -> list[str]:
    return [f"{prefix}{word}" for word in words if word.startswith(begun)]
