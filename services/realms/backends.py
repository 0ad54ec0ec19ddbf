"""Data backends: wanted with an install, closed with its end, rotated by people, worked with by fleetdb.

What is done in the databases themselves is the provisioner's: here stand names, jobs and answers.
"""

import asyncio
import secrets
import string
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from services.realms.drafts import draft
from services.realms.records.backends import (
    BackendState,
    Certificate,
    CertifyBackend,
    FindBackend,
    FoundBackend,
    JobKind,
    KnownBackend,
    Names,
    Rotated,
    SettleBackend,
)
from services.realms.records.values import Stage
from services.realms.retaining import NO_BACKEND, abandon_in_txn
from services.realms.rules.public_keys import public_key_of
from services.realms.store import backends as store
from services.realms.store import provisioning
from services.realms.store.installs import install_find
from services.realms.store.projects import project_lock_in_txn
from shared import audit
from shared.database import Connection, Database
from shared.errors import ConflictError, NotFoundError, PublicError, UnavailableError
from shared.identities import Person
from shared.names import canonical_name, lookup_name

RANDOM_LETTERS: Final = 20
"""Of 26: 94 bits, so that knowing one name helps nobody to another."""
AT_ONCE: Final = 100
ALIVE_WITHIN_S: Final = 15.0
CERTIFIED_WITHIN_S: Final = 8.0
LOOK_EVERY_S: Final = 0.1
NOT_YET: Final = "the data backend is being made; try again in a moment"
INSTALLED: Final = "the app is installed there: uninstall it first, then its data can be deleted"
UNCONFIRMED: Final = "confirm with the name of the app whose data are to be deleted"
TWO_APPS: Final = "two apps of that name have left data there; say the key of one"
ROTATING: Final = "it is being rotated already; try again in a minute"
MOVING: Final = "its data are on their way to another database server; try again when they are there"
STALE: Final = "the data backend has another login by now; ask for it again"
AWAY: Final = "the provisioner does not answer; nothing was changed, try again in a moment"
SILENT: Final = "the provisioner was not at work lately"


class Backends:
    """Knows of them, and has them changed."""

    def __init__(self, database: Database, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Look in `database`; what waits sleeps by `sleep`."""
        self._database = database
        self._sleep = sleep

    async def hurry(self) -> None:
        """Wake the provisioner; it looks by itself soon."""
        with suppress(PublicError):
            await self._database.run(provisioning.hint)

    async def check(self) -> None:
        """Let pass while the provisioner is at work.

        Raises:
            UnavailableError: It was not, lately.
        """
        if not await self._database.run(lambda one: provisioning.provisioner_is_alive(one, ALIVE_WITHIN_S)):
            raise UnavailableError(SILENT)

    async def keep_up(self) -> None:
        """Have wanted what an app lacks that was installed before there were data backends.

        Raises:
            UnavailableError: The database is away.
        """
        while lacking := await self._database.run(lambda one: store.install_list_without_backend(one, AT_ONCE)):
            for project_key, app_key, stage, owner_key in lacking:
                async with self._database.transaction() as connection:
                    await project_lock_in_txn(connection, project_key)
                    found = await install_find(connection, project_key, app_key, Stage(stage))
                    known = await store.backend_find_of(connection, project_key, app_key, Stage(stage))
                    if found is not None and (known is None or known.state is BackendState.CLOSED):
                        await want_in_txn(connection, project_key, app_key, Stage(stage), account_key=owner_key)
            await self.hurry()

    async def find(self, asked: FindBackend) -> FoundBackend:
        """The backend of an app in a project at a stage, and how far it is."""
        known = await self._database.run(
            lambda one: store.backend_find_of(one, asked.project_key, asked.app_key, asked.stage)
        )
        if known is None or known.state is BackendState.CLOSED:
            return FoundBackend(None, "absent")
        if known.state is BackendState.WANTED:
            return FoundBackend(None, "wanted")
        ready = await self._database.run(lambda one: store.backend_find_ready(one, known.backend_key))
        return FoundBackend(ready, "absent" if ready is None else "ready")

    async def meant(self, project_key: int, app: int | str, stage: Stage) -> KnownBackend | None:
        """The backend of an app that is installed in the project at that stage, by the app's key or name."""
        listed = await self._database.run(lambda one: store.realm_list(one, project_key))
        name = app if isinstance(app, int) else lookup_name(app)
        keys = [
            each.app_key
            for each in listed
            if each.stage is stage and name in (each.app_key, canonical_name(each.app_name))
        ]
        if not keys:
            return None
        return await self._database.run(lambda one: store.backend_find_of(one, project_key, keys[0], stage))

    async def rotate(self, person: Person, backend: KnownBackend) -> Rotated:
        """Another login, whose name nobody has seen; the old one goes when fleetdb has left it, or after a minute.

        Raises:
            ConflictError: It is not ready, or the last rotation is not over.
        """
        async with self._database.transaction() as connection:
            known = await store.backend_lock_in_txn(connection, backend.backend_key)
            if known is None or known.state is not BackendState.READY:
                raise ConflictError(NOT_YET)
            check_settled(known)
            if known.next_login_name is not None or known.old_login_name is not None:
                raise ConflictError(ROTATING)
            await store.backend_set_next_login(connection, known.backend_key, random_name("l"))
            await provisioning.job_insert(connection, JobKind.ROTATE, known.backend_key, account_key=person.account_key)
            await audit.record(connection, _asked(person, known))
        await self.hurry()
        return Rotated(known.backend_key, known.epoch + 1)

    async def left_behind(self, project_key: int, app: int | str, stage: Stage) -> KnownBackend | None:
        """As `meant`, also of an app that is installed or there no more.

        Raises:
            ConflictError: Two apps of that name have left something.
        """
        name = app if isinstance(app, int) else lookup_name(app)
        if name is None:
            return None
        found = await self._database.run(lambda one: store.backend_list_named(one, project_key, name, stage))
        if len(found) > 1:
            raise ConflictError(TWO_APPS)
        return found[0] if found else None

    async def drop_for_good(self, person: Person, backend: KnownBackend, confirmed: str) -> None:
        """Have the backend deleted with every row; `confirmed` is the app's name.

        Raises:
            NotFoundError: It is there no more.
            ConflictError: The app is installed there, or is called otherwise.
        """
        async with self._database.transaction() as connection:
            await project_lock_in_txn(connection, backend.project_key)
            known = await store.backend_lock_in_txn(connection, backend.backend_key)
            if known is None or known.state is BackendState.DROPPED:
                raise NotFoundError(NO_BACKEND)
            check_settled(known)
            if known.state is not BackendState.CLOSED:
                raise ConflictError(INSTALLED)
            if lookup_name(confirmed) != await store.app_name_of(connection, known.backend_key):
                raise ConflictError(UNCONFIRMED)
            await store.backend_drop(connection, known.backend_key)
            await abandon_in_txn(connection, known)
            await provisioning.job_insert(connection, JobKind.DROP, known.backend_key, account_key=person.account_key)
            await audit.record(connection, _drop_asked(person, known))
        await self.hurry()

    async def certify(self, asked: CertifyBackend) -> Certificate:
        """A certificate of the backend's login, once the provisioner has signed it.

        Raises:
            InvalidArgumentError: That is no public key of the kind that is taken.
            NotFoundError, ConflictError: There is no such backend; it is not ready, or has another login by now.
            UnavailableError: The provisioner does not answer in time.
        """
        public_key_of(asked.public_key)
        known = await self._database.run(lambda one: store.backend_find(one, asked.backend_key))
        if (known if known is not None and known.is_moving else check_ready(known)).epoch != asked.epoch:
            raise ConflictError(STALE)
        job_key = await self._database.run(
            lambda one: provisioning.job_insert(
                one, JobKind.CERTIFY, asked.backend_key, epoch=asked.epoch, public_key=asked.public_key
            )
        )
        await self.hurry()
        return await self.awaited(job_key)

    async def awaited(self, job_key: int) -> Certificate:
        """What a job ends with that signs a certificate; whatever becomes of it, nobody asks for it again.

        Raises:
            ConflictError: It was not to be signed any more.
            UnavailableError: The provisioner does not answer in time.
        """
        try:
            async with asyncio.timeout(CERTIFIED_WITHIN_S):
                return await self._certified(job_key)
        except TimeoutError as error:
            raise UnavailableError(AWAY) from error
        finally:
            await self._database.run(lambda one: provisioning.job_delete(one, job_key))

    async def settle(self, asked: SettleBackend) -> None:
        """The login before is not needed any more. Of no effect where that was said already."""
        known = await self._database.run(lambda one: store.backend_find(one, asked.backend_key))
        if known is None or known.epoch != asked.epoch or known.old_login_name is None:
            return
        await self._database.run(
            lambda one: provisioning.job_insert(one, JobKind.RETIRE, asked.backend_key, epoch=asked.epoch)
        )
        await self.hurry()

    async def _certified(self, job_key: int) -> Certificate:
        while True:
            found = await self._database.run(lambda one: provisioning.job_find_certified(one, job_key))
            if found is None:
                await self._sleep(LOOK_EVERY_S)
            elif found.certificate is None or found.ends_at is None:
                raise ConflictError(STALE)
            else:
                return Certificate(found.certificate, found.ends_at)


async def want_in_txn(
    connection: Connection, project_key: int, app_key: int, stage: Stage, *, account_key: int
) -> None:
    """Have the app's backend made, or the one opened that it had; the project's row is locked."""
    known = await store.backend_find_of(connection, project_key, app_key, stage)
    if known is not None:
        check_settled(known)
    await store.project_database_ensure(connection, project_key, random_name("d"))
    names = Names(random_name("s"), random_name("o"), random_name("l"))
    backend_key = await store.backend_want(
        connection, project_key, app_key, stage, names, creator_account_key=account_key
    )
    await provisioning.job_insert(connection, JobKind.MAKE, backend_key, account_key=account_key)


async def close_in_txn(
    connection: Connection, project_key: int, app_key: int, stage: Stage, *, account_key: int
) -> None:
    """Have the app's backend closed; what is in it stays."""
    known = await store.backend_find_of(connection, project_key, app_key, stage)
    if known is None:
        return
    check_settled(known)
    await store.backend_close(connection, known.backend_key)
    await provisioning.job_insert(connection, JobKind.CLOSE, known.backend_key, account_key=account_key)


def check_settled(known: KnownBackend) -> None:
    """Let pass a backend that is not on its way to another cluster.

    Raises:
        ConflictError: It is.
    """
    if known.is_moving:
        raise ConflictError(MOVING)


def check_ready(known: KnownBackend | None) -> KnownBackend:
    """The backend, where it is ready.

    Raises:
        NotFoundError, ConflictError: It is not there, or not yet.
    """
    if known is None or known.state in (BackendState.CLOSED, BackendState.DROPPED):
        raise NotFoundError(NO_BACKEND)
    if known.state is BackendState.WANTED:
        raise ConflictError(NOT_YET)
    return known


def random_name(kind: str) -> str:
    """A name in the database that nobody can guess; `kind` is its first letter."""
    letters = (secrets.choice(string.ascii_lowercase) for _ in range(RANDOM_LETTERS))
    return f"{kind}_{''.join(letters)}"


def _drop_asked(person: Person, backend: KnownBackend) -> audit.Draft:
    return draft(
        person,
        audit.Action.BACKEND_DROP_ASKED,
        audit.Asset("data_backend", backend.backend_key),
        project_key=backend.project_key,
        before={"app_key": backend.app_key, "stage": backend.stage.value},
    )


def _asked(person: Person, backend: KnownBackend) -> audit.Draft:
    return draft(
        person,
        audit.Action.BACKEND_ROTATION_ASKED,
        audit.Asset("data_backend", backend.backend_key),
        aspect=audit.Aspect.CREDENTIAL,
        project_key=backend.project_key,
        before={"epoch": backend.epoch},
        after={"epoch": backend.epoch + 1},
    )
