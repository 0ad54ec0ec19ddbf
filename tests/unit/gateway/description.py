"""The OpenAPI description, made from the table of routes and the records that the procedures decode and answer.

`python -m tests.unit.gateway.description` writes it anew; a test compares what is checked in.
"""

import inspect
import json
import re
from pathlib import Path
from typing import Any, Final, get_type_hints

import attrs
import msgspec

from services.gateway.keeping import MAX_CONTENT_OCTETS, MAX_KEPT
from services.gateway.records import BASE_PATH, JSON_TYPE, TEXTS, Kind, Route
from services.gateway.rules.arguments import MAX_MANY
from services.gateway.rules.headers import KEY_FORM, MAX_KEY
from services.gateway.rules.refusals import HTTP_STATUS, STATUS
from services.gateway.rules.routes import ROUTES
from shared.procedures import Audience, Declaration
from tests.unit.shared.test_every_procedure_is_known import SURFACES

FILE: Final = Path(__file__).parents[3] / "services" / "gateway" / "openapi.json"
TWICE: Final = re.compile(r"services\.([a-z]+)\.records(?:\.[a-z_]+)?\.([A-Z]\w+)")  # a name that two services have
REF: Final = "#/components/schemas/{name}"
ABOUT: Final = f"""\
Everything that people do on the platform's bus, as HTTPS requests. Each request carries one API key or access token
and is checked by the backend before anything runs. The documented paths say *swarm* where the platform says project.

Lists are paged: `next` of an answer is the `cursor` of the page after, and the header `Link` has the whole address.

A POST may carry an `Idempotency-Key`: within a day the same key with the same request gets the same answer, and nothing
is done again. Answers that show a secret, or are longer than {MAX_CONTENT_OCTETS} octets, are not kept: a repetition is
told so (409). At most {MAX_KEPT} keys of one credential are kept.

What streams (`watch`, `tail`, `export` of the log) is for the bus: see `flockctl`.
"""
CREDENTIAL: Final = "An API key or access token."
TAGS: Final = {
    "devices": "Devices: the registry, and flashing.",
    "groups": "Groups of devices.",
    "rollouts": "Rollouts: one change for many devices, in waves.",
    "alerts": "What is wrong, and that somebody knows.",
    "alert-channels": "Who is told of alerts.",
    "swarms": "Projects, which the wire calls swarms.",
    "apps": "Apps and their releases.",
    "boards": "Boards: what people look at data with.",
    "tunnels": "Tunnels to what devices offer.",
    "visits": "Who came to what devices offer.",
    "account": "One's own account.",
    "sessions": "Where one is signed in.",
    "factors": "One's second factors.",
    "api-keys": "API keys, for oneself and for one's service accounts.",
    "service-accounts": "Accounts that no person signs in by.",
    "consents": "What one lets clients know and do.",
    "clients": "Clients of the OpenID provider.",
    "invitations": "People who are asked to come.",
    "accounts": "Other people's accounts.",
    "audit": "The transparency log.",
    "swarm-invitations": "People who are asked to work in a project.",
    "transfers": "Projects that are offered to another owner.",
    "flags": "Which rights there are.",
    "checks": "Whether somebody has a right.",
    "explanations": "Which rights somebody has on one asset, and why.",
    "assets": "Where somebody has a right.",
    "people": "Who has a right.",
    "changes": "What was changed in rights, when, by whom and why.",
    "grants": "Rights that were given to one person on one asset.",
    "clusters": "Database servers that have projects, each in a region.",
    "cells": "Routers that have projects' devices and apps, each in a region.",
    "moves": "Projects on their way to another database server.",
    "locks": "What keeps people, API keys, devices and projects out.",
}
# What each parameter and field is; where one name has two meanings, the procedure's last words stand before it.
WORDS: Final = {
    "terminal": "A terminal, as its first answer names it.",
    "keys": "What is typed, as a terminal sends it.",
    "columns": "How many signs a line has.",
    "rows": "How many lines there are.",
    "values": "Variables by name; null takes one away.",
    "secrets": "The names of those whose values nobody is to see; one that is secret stays so.",
    "ports": "The ports of the app, all of them: each a port, and its protocol where that is not http.",
    "alert_key": "The alert's key.",
    "channel_key": "The channel's key.",
    "is_on": "Whether there are alerts of this kind at all; null is as it comes.",
    "severity": "How grave it is; null is as it comes.",
    "after_s": "After how many seconds of trouble; null is as it comes.",
    "url": "Where a webhook is posted to, https:// alone.",
    "min_severity": "From which severity on.",
    "time_zone": "By which clock quiet times are, for example `Europe/Berlin`.",
    "quiet": "When only what is critical is told: the days on which it begins, from when to when.",
    "to": "The project that it goes to, by its key or by a name of one's own.",
    "set": "Tags by name.",
    "remove": "Names of tags that go.",
    "tag": "Tags that a device must have: names, or `name=value`, separated by commas.",
    "status": "How the device is: `CONNECTED`, `DISCONNECTED`, `CONFIGURING` or `EMERGENCY`.",
    "agent_version": "The agent's release.",
    "architecture": "The machine's architecture, as its agent says it.",
    "data": "What becomes of the rows that it wrote: `keep`.",
    "region": "A region; without it that of the installation's first database server.",
    "cluster": "A database server, by its name.",
    "cell": "A cell, by its name.",
    "endpoint": "What its devices, apps and boards dial, without a path.",
    "move_key": "The move's key.",
    "capacity": "How many projects it may have.",
    "cursor": "Where the page begins: the `next` of the answer before.",
    "limit": "How many at most.",
    "offset": "How many of the newest to leave out.",
    "project": "A project, by its key or by a name of one's own.",
    "swarm_key": "The project's key.",
    "device_key": "The device's key.",
    "group_key": "The group's key.",
    "group": "A group of devices, by its key or by its name.",
    "app_key": "The app's key.",
    "stage": "In which stage the app is meant, `DEV` or `PROD`.",
    "closed": "Whether what uninstalled apps have left is listed too.",
    "table": "One table; without it all that the release has.",
    "keep_s": "For how many seconds rows are kept; without it for as long as the release says.",
    "is_claimable": "Whether the device may be claimed; each time that this is said, an earlier code ends.",
    "code": "The device's claim code.",
    "device": "A device, by its key; where a text is taken, by its name.",
    "ids": "Keys of devices, separated by commas.",
    "name": "What it is called; names that differ only by case, outer blanks or Unicode form are the same name.",
    "description": "What it is, in one's own words.",
    "display_name": "How the person is called.",
    "locale": "The language that the person is written to in.",
    "confirm": "The name of what is to go for good: the account's own login name, or that of the app.",
    "required": "Whether a second factor is asked for.",
    "with_projects": "Whether projects that the account owns may stay without an owner who can sign in.",
    "session": "The session's name, as the list has it.",
    "but_this": "Whether the session that asks stays.",
    "despite_locks": "Also where a lock keeps them out, as it will be when that ends.",
    "passkey": "The passkey's name, as the list has it (base64url).",
    "address": "An e-mail address.",
    "account_key": "The account's key.",
    "reason": "Why; it stands in the log.",
    "app": "An app, by its key; of a tunnel, by its name.",
    "board_key": "The board's key.",
    "content": "The board's template, as JSON.",
    "tunnel_key": "The tunnel's key.",
    "port": "A port of the app.",
    "protocol": "`http`, `https`, `tcp` or `udp`.",
    "visit_key": "The visit's key.",
    "apps": "The apps whose raw tunnels carry terminals; none: nothing is recorded.",
    "part": "From which part of the recording on: the `next` of the answer before.",
    "hours": "For how many hours the visit may last; the installation says how many at most.",
    "is_public": "Whether everybody may see the app and install it.",
    "version": "A release's version, for example `1.4.0`; where it may be left out, the newest.",
    "image": "A pushed image by its digest: `registry.example.com/name@sha256:...`.",
    "environment": "The variables that a release reads, by name.",
    "compose": "How the app is made of several containers: a Compose document as an object. Nothing in it is built.",
    "data_template": "What `.ironflock/data-template.yml` has, as JSON.",
    "provider": "The app whose data is to be read, by its name in lower case; `*` for all in the project.",
    "mode": "`strict`, `own_realm_only` or `dual`.",
    "account": "An account's key; where a text is taken, a login name will do. Left out: oneself, or everybody.",
    "aspect": "What of the asset was changed, for example `name`.",
    "action": "What was done, for example `device.created`.",
    "actor": "Who did it: an account's key, or a service's name.",
    "outcome": "How it ended, for example `done`.",
    "since": "The earliest time (RFC 3339).",
    "until": "The time before which (RFC 3339, with a zone); left out, for good.",
    "entry_id": "The entry's key.",
    "from_size": "The number of entries of an earlier head.",
    "client_id": "The client's name in OpenID Connect.",
    "redirect_uris": "Where it may send people back to, letter by letter.",
    "post_logout_redirect_uris": "Where it may send people who have signed out.",
    "backchannel_logout_uri": "Where it is told that somebody has signed out.",
    "grant_types": "How it gets tokens (RFC 7591).",
    "token_endpoint_auth_method": "How it shows who it is (RFC 7591); `none` for a public client.",
    "is_first_party": "Whether people are not asked, since it belongs to the installation.",
    "key_id": "The part of the key's text that names it.",
    "scopes": "How far it reaches: `all`, `read`, or one for one asset, `read@project/3`; a client's are OpenID's.",
    "ends_at": "When it ends by itself (RFC 3339, with a zone).",
    "overlap_s": "For how many seconds the old key opens beside the new one.",
    "days": "How many days entries are kept; null keeps them for ever.",
    "kind": "What kind of thing it is.",
    "key": "The thing's key; of an API key that is locked, the part of its text that names it.",
    "flag": "A right, as the table of flags has it.",
    "flags": "Rights, as the table of flags has them; where they may be left out, all of them.",
    "at": "On which day and at what time (RFC 3339, with a zone); left out: now.",
    "checks": "What is asked; all is answered as of one moment.",
    "is_visit": "Whether it is for somebody who is no member: for seven days at most, and without `GRANT`.",
    "invitation_key": "The invitation's key.",
    "lock_key": "The lock's key.",
    "command": "The program, by its name or path: no shell reads it.",
    "arguments": "What the program is given; recorded, so no secrets.",
    "timeout_s": "After how many seconds the device ends it.",
    "include_named": "Whether unused images that have a name go too.",
    "interface": "The interface's name on the device.",
    "mac": "The hardware address of the interface.",
    "method": "`auto` (DHCP), or `manual`.",
    "prefix": "The length of the network's prefix.",
    "ssid": "The wireless network's name.",
    "password": "The wireless network's password; it is recorded nowhere.",
    "priority": "Of the known networks in reach, the one with the highest is joined.",
    "security": "How the network is secured, where the device is to be told.",
    "lines": "How many lines at most, the newest.",
    "level": "The least grave level.",
    "target": "How the app is wanted: `PRESENT` or `RUNNING`.",
    "rollout_key": "The rollout's key.",
    "devices": "Devices, by their keys or names.",
    "pace": "How it goes from device to device: waves, soak time, budget, windows, time limits.",
    "digest": "The plan that is meant: refused where something else would be done by now.",
    "state": "Only those that stand so; left out, all devices, or alerts that are not resolved. Of a database server:"
    " `open` takes new projects, `closed` and `draining` do not.",
    "retry": "Whether devices that failed get another turn.",
    "roll_back": "Whether each app is to be again as it was wanted before its device's turn.",
    "timestamps": "Whether each line begins with its time.",
}
EXAMPLES: Final[dict[str, Any]] = {
    "POST /swarms": {"name": "plant", "description": "the first line"},
    "POST /swarms/{swarm_key}/devices": {"name": "press-1"},
    "PATCH /devices/{device_key}": {"name": "press-2"},
    "PATCH /devices/{device_key}/tags": {"set": {"line": "4"}, "remove": ["hall"]},
    "POST /devices/{device_key}/decommission": {"data": "keep"},
    "POST /devices/{device_key}/move": {"to": "depot"},
    "PUT /devices/{device_key}/claimable": {"is_claimable": True},
    "POST /devices/{device_key}/exec": {"command": "df", "arguments": ["-h"]},
    "POST /devices/{device_key}/images/prune": {"include_named": False},
    "PUT /devices/{device_key}/address": {"interface": "eth0", "mac": "02:00:00:00:00:01", "method": "auto"},
    "POST /devices/{device_key}/wifi/add": {"ssid": "hall", "password": "correct horse"},
    "POST /devices/{device_key}/wifi/remove": {"ssid": "hall"},
    "POST /devices/{device_key}/wifi/select": {"ssid": "hall", "mac": "02:00:00:00:00:01"},
    "PUT /swarms/{swarm_key}/alert-rules": {"kind": "device_offline", "after_s": 600},
    "POST /swarms/{swarm_key}/alert-channels": {"name": "duty", "url": "https://hooks.example.com/duty"},
    "POST /swarms/{swarm_key}/groups": {"name": "line-4"},
    "PUT /groups/{group_key}/apps/{app_key}/{stage}": {"version": "1.4.0", "target": "RUNNING"},
    "POST /swarms/{swarm_key}/rollouts/plan": {"action": "upgrade", "app": 7, "stage": "PROD", "version": "1.4.0"},
    "POST /swarms/{swarm_key}/rollouts": {
        "action": "upgrade",
        "app": 7,
        "stage": "PROD",
        "version": "1.4.0",
        "pace": {"waves": [1, "10%"], "soak_s": 600, "budget": "3%"},
    },
    "POST /rollouts/{rollout_key}/resume": {"retry": True},
    "POST /rollouts/{rollout_key}/abort": {"roll_back": True},
    "POST /swarms/{swarm_key}/boards": {"name": "line-4"},
    "PATCH /boards/{board_key}": {"name": "line-5"},
    "POST /devices/{device_key}/tunnels": {"app": "ssh", "port": 22, "protocol": "tcp"},
    "PUT /tunnels/{tunnel_key}/public": {"until": "2027-01-01T00:00:00Z"},
    "POST /boards/{board_key}/open": {"app": "press-monitor", "stage": "PROD"},
    "POST /apps": {"name": "press-monitor"},
    "POST /apps/{app_key}/releases": {
        "version": "1.4.0",
        "image": f"registry.example.com/press-monitor@sha256:{'0a' * 32}",
        "data_template": {
            "data": {"tables": [{"tablename": "strokes", "columns": [{"id": "tsp", "dataType": "timestamp"}]}]}
        },
    },
    "PUT /swarms/{swarm_key}/apps/{app_key}": {"stage": "PROD", "version": "1.4.0"},
    "PUT /swarms/{swarm_key}/access/{app_key}": {"provider": "opc-ua"},
    "PUT /swarms/{swarm_key}/legacy-mode": {"mode": "own_realm_only", "ends_at": "2027-01-01T00:00:00Z"},
    "PATCH /account": {"display_name": "Ann", "locale": "en"},
    "POST /api-keys": {"name": "reports", "scopes": ["read"]},
    "POST /api-keys/{key_id}/rotate": {"overlap_s": 3600},
    "POST /clients": {"name": "reports", "redirect_uris": ["https://reports.example.com/callback"]},
    "POST /service-accounts": {"name": "reports"},
    "POST /invitations": {"address": "bert@example.com", "locale": "de"},
    "PUT /swarms/{swarm_key}/retention": {"days": 365},
    "POST /swarms/{swarm_key}/invitations": {"account": "bert@example.com", "reason": "second shift"},
    "POST /swarms/{swarm_key}/transfer": {"account": "bert@example.com"},
    "POST /swarms/{swarm_key}/defaults": {"kind": "device", "flags": ["READ"]},
    "POST /checks": {"checks": [{"kind": "device", "key": 7, "flag": "READ"}]},
    "POST /grants": {"account": "bert@example.com", "kind": "device", "key": 7, "flags": ["READ", "MAINTAIN"]},
    "POST /clusters": {"name": "south-1", "region": "south", "capacity": 500},
    "PUT /clusters/{cluster}": {"state": "closed"},
    "POST /cells": {"name": "south", "region": "south", "endpoint": "wss://south.example.com", "capacity": 500},
    "PUT /cells/{cell}": {"state": "closed"},
    "POST /moves": {"project": 7, "cluster": "south-1"},
    "POST /locks": {"kind": "device", "key": "7", "ends_at": "2027-01-01T00:00:00Z", "reason": "stolen"},
}
ERRORS: Final = {
    400: "The request is malformed: its query, its body or a header.",
    401: "There is no credential, or it opens nothing; or this needs a factor that was shown lately (RFC 9470).",
    403: "The caller is known, and may not do this.",
    404: "There is no such thing, or the caller may not know that there is.",
    406: "The request does not accept JSON.",
    409: "The name is taken, or the thing is in another state, or the Idempotency-Key is in use.",
    413: "The body is too large.",
    415: "The body is not JSON, or does not say so.",
    422: "An argument is missing, unknown, malformed or out of range; or the key belongs to another request.",
    429: "Too many requests, or too much in one.",
    500: "Something of ours went wrong; `incident` finds it in the log.",
    503: "A part of the platform is away; nothing was changed.",
    504: "A part of the platform went away before it answered; look before you repeat.",
}
BODY_ERRORS: Final = frozenset({413, 415})


def declarations() -> dict[str, tuple[Declaration, Any]]:
    """Every procedure for people, and the method that answers it."""
    methods = [method for kinds in SURFACES.values() for kind in kinds for _, method in inspect.getmembers(kind)]
    found = {m.declaration.uri: (m.declaration, m) for m in methods if hasattr(m, "declaration")}
    return {uri: each for uri, each in found.items() if each[0].audience is Audience.PEOPLE}


def description() -> dict[str, Any]:
    """The whole description."""
    procedures = declarations()
    answers = {uri: get_type_hints(method)["return"] for uri, (_, method) in procedures.items()}
    routed = sorted({route.procedure for route in ROUTES})
    kinds = [answers[uri] for uri in routed]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=REF)
    answered = dict(zip(routed, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        declared, method = procedures[route.procedure]
        made = operation(route, declared, inspect.getdoc(method) or "", answered[route.procedure])
        paths.setdefault(route.template, {})[route.method.lower()] = made
    whole: dict[str, Any] = ecma(
        {
            "openapi": "3.1.0",
            "info": {"title": "IronFlock REST API", "version": "1", "description": ABOUT},
            "servers": [{"url": BASE_PATH}],
            "security": [{"bearer": []}],
            "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
            "paths": paths,
            "components": {
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": CREDENTIAL}},
                "schemas": {**components, **OWN_SCHEMAS},
                "responses": {str(status): error(status) for status in ERRORS},
                "headers": HEADERS,
            },
        }
    )  # fmt: skip
    return whole


def operation(route: Route, declared: Declaration, doc: str, answer: dict[str, Any]) -> dict[str, Any]:
    """One operation."""
    fields = {field.name: field for field in attrs.fields(declared.payload)}
    summary, _, rest = doc.partition("\n")
    made: dict[str, Any] = {
        "operationId": route.procedure.removeprefix("ironflock.") + ("_many" if route.many == "ids" else ""),
        "tags": ["devices" if "devices" in route.segments else route.segments[0]],
        "summary": summary.strip(),
        "description": "\n\n".join(filter(None, [rest.strip(), *notes(route)])),
        "parameters": parameters(route, fields),
        "responses": responses(route, answer),
        "x-procedure": route.procedure,
    }
    if route.body is not None:
        made["requestBody"] = request_body(route, fields)
    return made


def notes(route: Route) -> list[str]:
    """What the method's own words do not say."""
    said = [f"Procedure `{route.procedure}`."]
    if route.many == "devices":
        said.append(f"One object, or up to {MAX_MANY} in an array: each by itself, what is refused undoes nothing.")
    if route.many == "ids":
        said.append(f"Up to {MAX_MANY}: each is deleted by itself, what is refused undoes nothing.")
    if route.is_secret:
        said.append("The answer is not for keeping: a repetition with the same Idempotency-Key does not get it again.")
    return said


def parameters(route: Route, fields: dict[str, Any]) -> list[dict[str, Any]]:
    """What stands in path, query and headers."""
    in_path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": WORDS[name],
            "schema": path_schema(name, fields[of]),
        }
        for name, of in route.path.items()
    ]
    in_query = [query_parameter(name, kind, fields) for name, kind in route.query.items()]
    key = [{"$ref": "#/components/parameters/IdempotencyKey"}] if route.method == "POST" else []
    return [*in_path, *in_query, *key]


def path_schema(name: str, field: Any) -> dict[str, Any]:
    """A key is a whole number; what else stands in a path is made of letters that need no escape."""
    if name not in TEXTS:
        return {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}
    return {"minLength": 1, "pattern": "^[A-Za-z0-9_-]+$", **schema_of(field)}


def query_parameter(name: str, kind: Kind, fields: dict[str, Any]) -> dict[str, Any]:
    """One parameter of the query; empty ones are left out, so that none is null."""
    made: dict[str, Any] = {"name": name, "in": "query", "description": WORDS[name]}
    if kind is Kind.KEYS:
        key = {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}
        keys = {"type": "array", "items": key, "minItems": 1, "maxItems": MAX_MANY, "uniqueItems": True}
        return {**made, "required": True, "style": "form", "explode": False, "schema": keys}
    schema = without_null(schema_of(fields[name]))
    if fields[name].default is attrs.NOTHING:
        made["required"] = True
    if kind is Kind.NAMES:
        made |= {"style": "form", "explode": False}
    is_time = "datetime" in str(fields[name].type)
    return {**made, "schema": {**schema, "format": "date-time"} if is_time else schema}


def request_body(route: Route, fields: dict[str, Any]) -> dict[str, Any]:
    """The object, or the array of some."""
    names = route.body or ()
    one: dict[str, Any] = {
        "type": "object",
        "properties": {name: {"description": WORDS[name], **schema_of(fields[name])} for name in names},
        "required": [name for name in names if fields[name].default is attrs.NOTHING],
        "additionalProperties": False,
    }
    several = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_MANY}
    content: dict[str, Any] = {"schema": {"anyOf": [one, several]} if route.many else one}
    example = EXAMPLES.get(f"{route.method} {route.template}")
    if example is not None:
        content["example"] = example
    return {"required": bool(names), "content": {JSON_TYPE: content}}


def responses(route: Route, answer: dict[str, Any]) -> dict[str, Any]:
    """Every answer that there may be."""
    link = {"Link": {"$ref": "#/components/headers/Link"}} if "cursor" in route.query else {}
    limits = {name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS if name.startswith("RateLimit")}
    done: dict[str, Any] = {"description": "Done.", "headers": {**link, **limits}}
    several = {"$ref": REF.format(name="Deleted" if route.many == "ids" else "Made")}
    made: dict[str, Any] = {}
    if route.many:
        one_or_more = several if route.many == "ids" else {"anyOf": [answer, several]}
        made[str(route.status)] = {**done, "content": {JSON_TYPE: {"schema": one_or_more}}}
        made["207"] = {**done, "description": "Some were refused.", "content": {JSON_TYPE: {"schema": several}}}
    elif answer == {"type": "null"}:
        made["204"] = done
    else:
        made[str(route.status)] = {**done, "content": {JSON_TYPE: {"schema": answer}}}
    statuses = ERRORS if route.body is not None else ERRORS.keys() - BODY_ERRORS
    return {**made, **{str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}}


def error(status: int) -> dict[str, Any]:
    """One refusal, with every code that it may have."""
    codes = {kind.uri.rpartition(".")[2] for kind, each in STATUS.items() if each == status}
    codes |= {code for code, each in HTTP_STATUS.items() if each == status}
    codes |= {"content_too_large"} if status == 413 else set()
    shape = {"allOf": [{"$ref": REF.format(name="Error")}, {"properties": {"code": {"enum": sorted(codes)}}}]}
    made: dict[str, Any] = {"description": ERRORS[status], "content": {JSON_TYPE: {"schema": shape}}}
    if status == 401:
        made["headers"] = {"WWW-Authenticate": {"$ref": "#/components/headers/WWW-Authenticate"}}
    if status in (429, 503):
        made["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return made


TEXT: Final = {"type": "string"}
HEADERS: Final = {
    "Link": {"description": "The page after this one (RFC 8288).", "schema": TEXT},
    "RateLimit": {"description": "What is left (draft-ietf-httpapi-ratelimit-headers).", "schema": TEXT},
    "RateLimit-Policy": {"description": "How many requests in how many seconds.", "schema": TEXT},
    "RateLimit-Limit": {"description": "How many requests.", "schema": {"type": "integer"}},
    "RateLimit-Remaining": {"description": "How many are left.", "schema": {"type": "integer"}},
    "RateLimit-Reset": {"description": "In how many seconds all are back.", "schema": {"type": "integer"}},
    "Retry-After": {"description": "In how many seconds to try again.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "RFC 6750, RFC 9470.", "schema": TEXT},
}  # fmt: skip
_REFUSED: Final = {
    "type": "object",
    "properties": {"index": {"type": "integer"}, "status": {"type": "integer"}, "error": TEXT, "code": TEXT},
    "required": ["index", "status", "error", "code"],
}
OWN_SCHEMAS: Final[dict[str, Any]] = {
    "Error": {
        "type": "object",
        "description": "A refusal: a sentence for people, a stable code and details for programs.",
        "properties": {"error": TEXT, "code": TEXT},
        "required": ["error", "code"],
    },
    "Made": {
        "type": "object",
        "description": "What several in one request came to; `index` counts from 0.",
        "properties": {
            "devices": {"type": "array", "items": {"$ref": REF.format(name="PublicDevice")}},
            "errors": {"type": "array", "items": _REFUSED},
        },
        "required": ["devices", "errors"],
    },
    "Deleted": {
        "type": "object",
        "description": "The keys that are gone, and what was refused; `index` counts from 0.",
        "properties": {
            "deleted": {"type": "array", "items": {"type": "integer"}},
            "errors": {"type": "array", "items": _REFUSED},
        },
        "required": ["deleted", "errors"],
    },
}
PARAMETERS: Final = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Anything of one's own that names this request, for example a UUID.",
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": KEY_FORM},
    }
}


def schema_of(field: Any) -> dict[str, Any]:
    """The JSON schema of a record's field."""
    made = inlined(msgspec.json.schema(field.type))
    default = field.default.factory() if hasattr(field.default, "factory") else field.default
    if default is not attrs.NOTHING and default is not None:
        made["default"] = msgspec.to_builtins(default)
    return made


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that stands by itself: what it only names is put in its place."""
    defined = schema.get("$defs", {})

    def put(value: Any) -> Any:
        if isinstance(value, list):
            return [put(each) for each in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return put(defined[value["$ref"].rpartition("/")[2]])
        return {name: put(each) for name, each in value.items() if name != "$defs"}

    made: dict[str, Any] = put(schema)
    return made


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema whose value is left out instead of being null."""
    if "anyOf" not in schema:
        return schema
    rest = [each for each in schema["anyOf"] if each != {"type": "null"}]
    return dict(rest[0]) if len(rest) == 1 else {**schema, "anyOf": rest}


def ecma(value: Any) -> Any:
    """The patterns as JSON Schema reads them."""
    if isinstance(value, dict):
        return {
            name: re.sub(r"\\A(.*)\\Z", r"^\1$", each) if name == "pattern" and isinstance(each, str) else ecma(each)
            for name, each in value.items()
        }
    return [ecma(each) for each in value] if isinstance(value, list) else value


def text() -> str:
    """The description as it is checked in."""
    made = description()
    made["components"]["parameters"] = PARAMETERS
    return TWICE.sub(lambda found: found[1].title() + found[2], json.dumps(made, indent=1, ensure_ascii=False)) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
