"""Signed releases of agents: a folder of binaries with a manifest that an operator's key vouches for (Ed25519).

A release is a folder `<os>/<arch>/<version>/reagent[.exe]` with `manifest.json`, which names each file with its SHA-256
and length, and `manifest.json.sig`, the signature over the octets of the manifest. Agents look at neither, so that they
are verified before anything is put where agents find it.
"""

import base64
import binascii
import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Annotated, Final

import msgspec
from attrs import frozen
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from msgspec import Meta

from deploy.flockctl.errors import CommandError

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.json.sig"
SERVED: Final = "re-agent"
"""Below the gateway's folder, as in the URL that agents ask."""
VERSIONS: Final = "availableVersions.json"
ENVIRONMENTS: Final = ("production", "test", "local", "all")
FORM: Final = "ironflock/agent-release/v1"
CONTEXT: Final = b"ironflock/agent-release/v1\n"
"""Stands before the manifest where it is signed: the key vouches for nothing else by that."""
MAX_MANIFEST_OCTETS: Final = 1_000_000
_PATH: Final = re.compile(
    r"(?:linux|darwin|windows)/(?:amd64|arm64|armv[567])/([0-9A-Za-z.+-]+)/reagent(?:\.exe)?", re.ASCII
)
_VERSION: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:[-+][0-9A-Za-z.+-]+)?", re.ASCII)
Version = Annotated[str, Meta(max_length=64)]
Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


@frozen
class ReleaseFile:
    """One binary: where it lies in the release, its SHA-256 and its length in octets."""

    path: str
    sha256: Digest
    size: Annotated[int, Meta(ge=1)]


@frozen
class Manifest:
    """What a release consists of."""

    form: str
    version: Version
    files: Annotated[list[ReleaseFile], Meta(min_length=1, max_length=100)]


def sign(folder: Path, version: str, key_file: Path) -> Manifest:
    """Write manifest and signature of the binaries of `version` that lie in `folder`.

    Raises:
        CommandError: There are none, or the key is no Ed25519 key.
    """
    key = _private_key(key_file)
    found = sorted(path for path in folder.glob(f"*/*/{version}/reagent*") if _PATH.fullmatch(_relative(folder, path)))
    if _VERSION.fullmatch(version) is None or not found:
        raise CommandError("not_found", f"{folder} has no <os>/<arch>/{version}/reagent", argument="version")
    files = [ReleaseFile(_relative(folder, path), *_measured(path)) for path in found]
    manifest = Manifest(FORM, version, files)
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (folder / MANIFEST).write_bytes(content)
    (folder / SIGNATURE).write_bytes(base64.b64encode(key.sign(CONTEXT + content)) + b"\n")
    return manifest


def verify(folder: Path, key_file: Path) -> Manifest:
    """The manifest of the release in `folder`, if the key vouches for it and every binary is as it says.

    Raises:
        CommandError: It is not, or something else is wrong; the text says what.
    """
    content, signature = _read(folder / MANIFEST), _read(folder / SIGNATURE)
    try:
        _public_key(key_file).verify(base64.b64decode(signature.strip(), validate=True), CONTEXT + content)
        manifest = msgspec.json.decode(content, type=Manifest)
    except (InvalidSignature, binascii.Error) as error:
        raise CommandError("not_verified", "the key does not vouch for this manifest", argument="key") from error
    except msgspec.ValidationError as error:
        raise CommandError("not_verified", f"the manifest is malformed: {error}") from error
    except msgspec.DecodeError as error:
        raise CommandError("not_verified", "the manifest is no JSON") from error
    if manifest.form != FORM or _VERSION.fullmatch(manifest.version) is None:
        raise CommandError("not_verified", "the manifest is of another form")
    for file in manifest.files:
        _check(folder, manifest.version, file)
    return manifest


def publish(folder: Path, manifest: Manifest, into: Path, environments: tuple[str, ...]) -> None:
    """Put a verified release where agents find it, `into`/re-agent; what they are told comes last, so it is whole then.

    Raises:
        CommandError: It cannot be written, or what is copied is not what was verified.
    """
    served = into / SERVED
    try:
        for file in manifest.files:
            _place(folder / file.path, served / file.path, file)
        if environments:
            known = served / VERSIONS
            told = json.loads(known.read_text(encoding="utf-8")) if known.exists() else {}
            told |= dict.fromkeys(environments, manifest.version)
            _write(known, json.dumps(told, indent=2).encode())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise CommandError("unavailable", f"{into} cannot be written: {reason}", argument="into") from error


def _check(folder: Path, version: str, file: ReleaseFile) -> None:
    shape = _PATH.fullmatch(file.path)
    if shape is None or shape[1] != version:
        raise CommandError("not_verified", f"a release of {version} has no {file.path!a}")
    path = folder / file.path
    if path.is_symlink() or not path.is_file() or _measured(path) != (file.sha256, file.size):
        raise CommandError("not_verified", f"{file.path} is not what the manifest says")


def _place(source: Path, target: Path, file: ReleaseFile) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, draft)
    if _measured(draft) != (file.sha256, file.size):
        draft.unlink()
        raise CommandError("not_verified", f"{file.path} has changed while it was copied")
    draft.chmod(0o644)
    draft.replace(target)
    _write(target.with_name(f"{target.name}.sha256"), f"{file.sha256}  {target.name}\n".encode())


def _write(target: Path, content: bytes) -> None:
    draft = target.with_name(f".{target.name}.new")
    with draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.chmod(0o644)
    draft.replace(target)


def _measured(path: Path) -> tuple[str, int]:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size
    except OSError as error:
        raise CommandError("not_found", f"{path} cannot be read: {error.strerror}") from error


def _relative(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_MANIFEST_OCTETS + 1)
    except OSError as error:
        raise CommandError("not_found", f"{path} cannot be read: {error.strerror}") from error
    if len(content) > MAX_MANIFEST_OCTETS:
        raise CommandError("not_verified", f"{path} is too large")
    return content


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CommandError("invalid_argument", f"{path} is no private key in PEM", argument="key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise CommandError("invalid_argument", f"{path} is no Ed25519 key", argument="key")
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CommandError("invalid_argument", f"{path} is no public key in PEM", argument="key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise CommandError("invalid_argument", f"{path} is no Ed25519 key", argument="key")
    return key
