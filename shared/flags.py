"""Which flags there are on which kind of asset: `flags.yaml`, read once.

Every right is one flag of one person on one asset; a flag that the table does not have is a refusal everywhere.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

FILE: Final = Path(__file__).with_name("flags.yaml")


class AssetKind(StrEnum):
    """What flags are given on."""

    PROJECT = "project"
    DEVICE = "device"
    GROUP = "group"
    APP = "app"
    BOARD = "board"
    DATA_BACKEND = "data_backend"
    INSTALLATION = "installation"


def load(text: str) -> Mapping[AssetKind, Mapping[str, str]]:
    """The table: for each kind its flags, each with what it allows; a group has every flag of a device besides its own.

    Raises:
        msgspec.ValidationError: A kind is unknown, or a line is none of `FLAG: meaning`.
        ValueError: A kind is missing, or has no flags.
    """
    own = msgspec.yaml.decode(text, type=dict[AssetKind, dict[str, str]])
    missing = [kind for kind in AssetKind if not own.get(kind)]
    if missing:
        raise ValueError(f"there are no flags for {missing[0]}")
    conferred = {flag: f"{meaning} (of each device in the group)" for flag, meaning in own[AssetKind.DEVICE].items()}
    own[AssetKind.GROUP] = {**conferred, **own[AssetKind.GROUP]}
    return MappingProxyType({kind: MappingProxyType(own[kind]) for kind in AssetKind})


FLAGS: Final = load(FILE.read_text(encoding="utf-8"))


def is_flag(kind: AssetKind, flag: str) -> bool:
    """Whether there is such a flag on such an asset."""
    return flag in FLAGS[kind]
