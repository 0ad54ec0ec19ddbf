"""One CA takes over from another, in stages that are each one renamed file: whatever ends in between is carried on.

Both are trusted first, by everybody who trusts `ca.pem`; then the new one signs; then the old one is trusted no more.
"""

import datetime as dt
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.local.authority import (
    AuthorityError,
    authority_certificate,
    certificate_of,
    load_authority,
    load_key,
    pem_of,
    pem_of_key,
    trusted,
)
from deploy.local.files import sync_folder, write_atomically

NEXT_KEY: Final = "next.key"


class Stage(StrEnum):
    """How far a CA has come."""

    ALONE = "alone"
    TRUSTED = "trusted"
    """The next one is trusted too, and signs nothing."""
    ISSUING = "issuing"
    """The new one signs; the old one is still trusted."""


def stage_of(folder: Path) -> Stage:
    """How far the CA in `folder` has come."""
    following, known = folder / NEXT_KEY, trusted(folder)
    if following.exists():
        # Without its certificate it is what a crash left: nobody has heard of it.
        return Stage.ALONE if certificate_of(load_key(following), known) is None else Stage.TRUSTED
    return Stage.ALONE if len(known) == 1 else Stage.ISSUING


def have_next_trusted(folder: Path, now: dt.datetime, *, name: str) -> None:
    """Have a new CA, called `name`, trusted besides the one that signs; of no effect where one takes over already."""
    if stage_of(folder) is not Stage.ALONE:
        return
    following = folder / NEXT_KEY
    if not following.exists():
        write_atomically(following, pem_of_key(ec.generate_private_key(ec.SECP256R1())))
    _trust(folder, [load_authority(folder).certificate, authority_certificate(load_key(following), name, now)])


def have_next_sign(folder: Path) -> None:
    """Have the new CA sign from now on; of no effect where it does.

    Raises:
        AuthorityError: There is none that is trusted.
    """
    stage = stage_of(folder)
    if stage is Stage.ALONE:
        raise AuthorityError(f"no other CA is trusted yet in {folder}: that is the first stage")
    if stage is Stage.TRUSTED:
        (folder / NEXT_KEY).rename(folder / "ca.key")
        sync_folder(folder)
    # Who reads but one finds the one that signs.
    signing = load_authority(folder).certificate
    _trust(folder, [signing, *(each for each in trusted(folder) if each != signing)])


def have_signing_alone_trusted(folder: Path) -> None:
    """Trust none but the CA that signs.

    Raises:
        AuthorityError: The next one does not sign yet.
    """
    if stage_of(folder) is Stage.TRUSTED:
        raise AuthorityError(f"the new CA in {folder} signs nothing yet: that is the stage before")
    _trust(folder, [load_authority(folder).certificate])


def _trust(folder: Path, certificates: list[x509.Certificate]) -> None:
    write_atomically(folder / "ca.pem", b"".join(map(pem_of, certificates)))
