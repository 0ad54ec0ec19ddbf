"""Releases of apps, for people."""

from typing import Final

from psycopg.errors import UniqueViolation

from services.realms.assembly import Parts
from services.realms.drafts import draft
from services.realms.installing import NO_RELEASE
from services.realms.records.apps import (
    App,
    CreateRelease,
    ListReleases,
    NameRelease,
    Release,
    ReleasePage,
    WholeRelease,
)
from services.realms.rules.apps import image_name, version_name
from services.realms.rules.templates import checked
from services.realms.store import releases as store
from shared import audit
from shared.errors import AlreadyExistsError, NotFoundError, NotSupportedError
from shared.identities import Person
from shared.names import canonical_name, lookup_name
from shared.paging import page, position_after
from shared.procedures import for_people
from shared.releases import Contents
from shared.releases import check as check_contents

NO_BUILDING: Final = "nothing is built here: push the image to a registry, and name it by its digest"


class ReleaseProcedures:
    """Realms' procedures about releases."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._apps = parts.apps

    @for_people("ironflock.realms.release.create", CreateRelease)
    async def release_create(self, person: Person, request: CreateRelease) -> Release:
        """A new release of the app (flag `RELEASE`); nothing is installed by it.

        Raises:
            NotSupportedError: It names no image, or its compose document has one built: nothing is built here.
        """
        version = version_name(request.version)
        app = await self._apps.with_flag(person, "RELEASE", request.app)
        if request.image is None:
            raise NotSupportedError(NO_BUILDING)
        image = image_name(request.image)
        if request.data_template is not None:
            checked(request.data_template)
        contents = Contents(request.environment, request.ports, request.compose)
        check_contents(contents)
        try:
            async with self._database.transaction() as connection:
                release = await store.release_insert(
                    connection,
                    app.app_key,
                    version=version,
                    version_canonical=canonical_name(version),
                    image=image,
                    data_template=request.data_template,
                    contents=contents,
                )
                await audit.record(connection, _created(person, app, release))
        except UniqueViolation as error:
            raise AlreadyExistsError(f"the app has a release {version!r} already", version=version) from error
        return release

    @for_people("ironflock.realms.release.list", ListReleases, is_reading=True)
    async def release_list(self, person: Person, request: ListReleases) -> ReleasePage:
        """The releases of an app that the caller may see, oldest first, paged."""
        after = position_after(request.cursor)
        app = await self._apps.with_flag(person, "READ", request.app)
        found = await self._database.run(
            lambda connection: store.release_list(connection, app.app_key, after=after, limit=request.limit + 1)
        )
        releases, cursor = page(found, request.limit, lambda release: release.release_key)
        return ReleasePage(releases, cursor)

    @for_people("ironflock.realms.release.show", NameRelease, is_reading=True)
    async def release_show(self, person: Person, request: NameRelease) -> WholeRelease:
        """One release of an app that the caller may see, with all that was kept of it."""
        app = await self._apps.with_flag(person, "READ", request.app)
        name = lookup_name(request.version)
        if name is None:
            raise NotFoundError(NO_RELEASE)
        found = await self._database.run(lambda one: store.release_find_whole(one, app.app_key, name))
        if found is None:
            raise NotFoundError(NO_RELEASE)
        return found


def _created(person: Person, app: App, release: Release) -> audit.Draft:
    return draft(
        person,
        audit.Action.APP_RELEASE_CREATED,
        audit.Asset("app", app.app_key),
        after={"version": release.version, "image": release.image, "release_key": release.release_key},
    )
