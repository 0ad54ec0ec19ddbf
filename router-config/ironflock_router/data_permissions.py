"""THE TABLE of the data realms: what a session may call, register, publish or subscribe there, by role.

What is not here is refused. Sources: wire-sdk.md section 4, `tests/vectors/authorize.tsv` and the platform's design
decision 13. The rows of that file about URIs that begin with a project's key are the lines with `{project}`; there is
none for SUBSCRIBE, because plaintext secrets travel on such topics.

In a URI, beside `*` and `**`: `{project}`, `{app}` and `{stage}` are the realm's own (the stage in any case),
`{device}` is the caller's own device, `{own}` is any first segment that an app may give a name of its own: no reserved
word, and nothing that begins with a digit.

`svc_fleetdb` is the data backend itself: what apps call and write arrives there, and it alone publishes what became of
it. Boards are people at work: a reader hears and reads what is stored, a writer fills in forms and calls devices too.
"""

from typing import Final

from ironflock_router.permissions import FORCE, SHARED, Grant
from ironflock_router.wire_names import APP, APP_READER, BOARD_READER, BOARD_WRITER, FLEETDB, SESSION_GET, Action

DATA_REALM: Final = "realm-{project}-{app}-{stage}"

PROJECT: Final = "{project}"
APP_KEY: Final = "{app}"
STAGE: Final = "{stage}"
DEVICE_KEY: Final = "{device}"
OWN_NAME: Final = "{own}"

RESERVED: Final = frozenset(
    {
        # the router's
        "wamp",
        "crossbar",
        # the platform's
        "ironflock",
        "sys",
        "re",
        "reswarm",
        # the data backend's
        "append",
        "appendBulk",
        "bulk",
        "databackend",
        "files",
        "history",
        "secret",
        "transformed",
    }
)
"""First segments that no app gives a name of its own."""

ALIASES: Final = {"swarm_device": APP, "device": APP}
"""Older names of the role `app` (authorize.tsv)."""

# No CALL or PUBLISH carries it; asked about one, the published authorizer answers as if it were not there.
_MATCH: Final = frozenset({"match"})

_READER_TOPICS: Final = ("transformed.**", "files.events", "files.events.**")

_APP_PROCEDURES: Final = (
    "append.**",
    "appendBulk.**",
    "history.transformed.**",
    "secret.reveal.**",
    "secret.verify.**",
    "files.read.**",
    "files.write.**",
    "sys.appaccess.list",
    "sys.appaccess.resolve",
    "ironflock.location_service.update",  # wire-sdk.md section 6
    SESSION_GET,  # answered by messages.py, about the caller's own session
)

_APPS: Final = (
    # Looked through in this order: what there are many different URIs of comes first.
    *(Grant(APP, Action.CALL, DATA_REALM, uri, _MATCH) for uri in ("{project}.**", "{project}")),
    *(Grant(APP, Action.CALL, DATA_REALM, uri) for uri in ("{own}.**", "{own}")),
    *(Grant(APP, Action.CALL, DATA_REALM, uri) for uri in _APP_PROCEDURES),
    *(Grant(APP, Action.PUBLISH, DATA_REALM, uri, _MATCH) for uri in ("{project}.**", "{project}")),
    *(Grant(APP, Action.PUBLISH, DATA_REALM, uri) for uri in ("{own}.**", "{own}", "bulk.{project}.{app}.**")),
    *(Grant(APP, Action.SUBSCRIBE, DATA_REALM, uri) for uri in ("{own}.**", "{own}", *_READER_TOPICS)),
    Grant(APP, Action.SUBSCRIBE, DATA_REALM, "databackend.errors.**"),
    Grant(APP, Action.REGISTER, DATA_REALM, "{project}.{device}.{app}.{stage}", FORCE),
    Grant(APP, Action.REGISTER, DATA_REALM, "{project}.{device}.{app}.{stage}.**", FORCE),
)

_READERS: Final = (
    *(Grant(APP_READER, Action.SUBSCRIBE, DATA_REALM, uri) for uri in _READER_TOPICS),
    *(Grant(APP_READER, Action.CALL, DATA_REALM, uri) for uri in ("history.transformed.**", "files.read.**")),
    Grant(APP_READER, Action.CALL, DATA_REALM, SESSION_GET),
)

_BOARD_PROCEDURES: Final = ("history.transformed.**", "files.read.**", SESSION_GET)

_BOARDS: Final = (
    *(
        Grant(role, Action.SUBSCRIBE, DATA_REALM, uri)
        for role in (BOARD_READER, BOARD_WRITER)
        for uri in _READER_TOPICS
    ),
    *(Grant(role, Action.CALL, DATA_REALM, uri) for role in (BOARD_READER, BOARD_WRITER) for uri in _BOARD_PROCEDURES),
    # Forms, by the published boards' topics or by call; and what devices offer.
    *(Grant(BOARD_WRITER, Action.CALL, DATA_REALM, uri) for uri in ("append.**", "appendBulk.**", "{project}.**")),
    *(
        Grant(BOARD_WRITER, Action.PUBLISH, DATA_REALM, uri)
        for uri in ("{project}.{app}.**", "bulk.{project}.{app}.**")
    ),
)

_SERVED: Final = (
    "append.{project}.{app}.**",
    "appendBulk.{project}.{app}.**",
    "history.transformed.**",
    "secret.reveal.**",
    "secret.verify.**",
    "sys.appaccess.list",
    "sys.appaccess.resolve",
    "ironflock.location_service.update",
)

# What is private stays between the app and its data backend: readers hear nothing of it.
_EXCLUDING: Final = frozenset({"exclude_authrole"})

_BACKEND: Final = (
    *(Grant(FLEETDB, Action.REGISTER, DATA_REALM, uri, SHARED) for uri in _SERVED),
    Grant(FLEETDB, Action.SUBSCRIBE, DATA_REALM, "{project}.{app}.**"),
    Grant(FLEETDB, Action.SUBSCRIBE, DATA_REALM, "bulk.{project}.{app}.**"),
    Grant(FLEETDB, Action.PUBLISH, DATA_REALM, "transformed.**", _EXCLUDING),
    Grant(FLEETDB, Action.PUBLISH, DATA_REALM, "databackend.errors.**", _EXCLUDING),
    Grant(FLEETDB, Action.CALL, DATA_REALM, SESSION_GET),  # which device it is that calls
)

TABLE: Final[tuple[Grant, ...]] = (*_APPS, *_READERS, *_BOARDS, *_BACKEND)
