"""How apps, versions and images are named.

An app's name stands in host names, in environments and in what other apps ask to read, so that it has the letters that
the published data template takes.
"""

import re
from typing import Final

from shared.errors import InvalidArgumentError
from shared.names import clean_name

MAX_IMAGE_LENGTH: Final = 400
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", re.ASCII)
_HOST: Final = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?", re.ASCII)
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_PART: Final = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*", re.ASCII)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
IMAGE: Final = "image must be a pushed one by its digest: registry.example.com/name@sha256:…"


def app_name(name: str) -> str:
    """`name` as an app has it; two are the same name where they differ in case only.

    Raises:
        InvalidArgumentError: It is empty, longer than 63 characters, a number, or has others than a-z, 0-9, `.`, `_`
            and `-`.
    """
    cleaned = clean_name(name, what="name")
    if _NAME.fullmatch(cleaned) is None:
        raise InvalidArgumentError(
            "name must be 1 to 63 of the characters a-z, 0-9, dot, underscore and hyphen, a letter or digit first",
            argument="name",
        )
    return cleaned


def version_name(version: str) -> str:
    """`version` as a release has it; two are the same where they differ in case only.

    Raises:
        InvalidArgumentError: It is empty, longer than 64 characters, or has others than letters, digits, `.`, `_`, `+`
            and `-`.
    """
    if _VERSION.fullmatch(version) is None:
        raise InvalidArgumentError(
            "version must be 1 to 64 letters, digits, dots, plus signs, hyphens and underscores, as 1.4.0-rc.1",
            argument="version",
        )
    return version


def image_name(image: str) -> str:
    """`image`, which names its registry and its digest.

    Raises:
        InvalidArgumentError: It does not. The form is that of the OCI distribution's references.
    """
    named, _, digest = image.partition("@")
    host, _, path = named.partition("/")
    *folders, last = path.split("/")
    last, colon, tag = last.partition(":")
    is_fit = (
        len(image) <= MAX_IMAGE_LENGTH
        and _is_registry(host)
        and _DIGEST.fullmatch(digest) is not None
        and all(_PART.fullmatch(part) for part in (*folders, last))
        and (not colon or _TAG.fullmatch(tag) is not None)
    )
    if not is_fit:
        raise InvalidArgumentError(IMAGE, argument="image")
    return image


def _is_registry(host: str) -> bool:
    """Whether a reference that begins so names a registry, and not a folder of a default one."""
    name, colon, port = host.partition(":")
    if colon and (_PORT.fullmatch(port) is None or int(port) > 65_535):  # noqa: PLR2004 - the highest port
        return False
    return all(_HOST.fullmatch(part) for part in name.split(".")) and (
        "." in name or bool(colon) or name == "localhost"
    )
