"""Which release this is."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from deploy.flockctl.compliance.sources import digest
from deploy.local.state import REPOSITORY

SHOWN: Final = 12


def release() -> str:
    """Its version; of an image, in which it is no package, how the digest of its sources begins."""
    try:
        return version("ironflock")
    except PackageNotFoundError:
        return f"of sources {digest(REPOSITORY)[:SHOWN]}"
