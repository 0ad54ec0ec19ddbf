"""AuthZEN's questions in our words, and our answers in AuthZEN's. Source: OpenID Authorization API 1.0.

A subject is a person (`person`; its id an account key or a login name), a resource an asset (its type the kind, its id
the key), an action a flag. What nobody could hold is decided here; everything else is for privileges to say. Unknown
fields are left be (section 10.1.1); properties and context are taken and change nothing.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, NoReturn

import msgspec
from msgspec import Meta

from services.gateway.records import (
    DECISIONS_PATH,
    Answer,
    Batch,
    Decided,
    Entity,
    Evaluation,
    HttpRefusedError,
    Page,
    Search,
    Semantic,
    Sought,
)
from shared.flags import AssetKind, is_flag
from shared.identities import MAX_KEY
from shared.rights.records import Rule

CHECK: Final = "ironflock.privileges.flag.check"
CHECK_MANY: Final = "ironflock.privileges.flag.check_many"
PROCEDURES: Final = {
    Sought.SUBJECT: "ironflock.privileges.person.list",
    Sought.RESOURCE: "ironflock.privileges.asset.list",
    Sought.ACTION: "ironflock.privileges.flag.explain",
}
PERSON: Final = "person"
MAX_EVALUATIONS: Final = 1_000
MAX_LOGIN_NAME: Final = 400
MAX_PAGE: Final = 1_000
DEFAULT_PAGE: Final = 100
NOT_FOUND: Final = Decided(decision=False, context={"reason": "not_found"})
ENDPOINTS: Final = {
    "access_evaluation_endpoint": "/evaluation",
    "access_evaluations_endpoint": "/evaluations",
    "search_subject_endpoint": "/search/subject",
    "search_resource_endpoint": "/search/resource",
    "search_action_endpoint": "/search/action",
}
_PARTS: Final = ("subject", "action", "resource", "context")
_WHY: Final = ("rule", "grant_key", "until")
_KEY: Final = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
_BAD_REQUEST: Final = 400
_OUR_OWN: Final = frozenset({406, 409, 415, 422})
_STOPS_AT: Final = {
    Semantic.EXECUTE_ALL: None,
    Semantic.DENY_ON_FIRST_DENY: False,
    Semantic.PERMIT_ON_FIRST_PERMIT: True,
}
_Token = tuple[
    Annotated[int, Meta(ge=0, le=MAX_PAGE)],
    Annotated[str, Meta(max_length=32)],
    Annotated[str, Meta(max_length=200, pattern=r"\A[ -~]*\Z")] | None,
]


def configuration(url: str) -> dict[str, str]:
    """The decision point's metadata (section 9.1); there are no capabilities to name, so that they are left out."""
    endpoints = {name: f"{url}{DECISIONS_PATH}{path}" for name, path in ENDPOINTS.items()}
    return {"policy_decision_point": url, **endpoints}


def by_the_book(answer: Answer) -> Answer:
    """`answer` with a status that section 10.1.2 has: whatever is wrong with a request is 400."""
    if answer.status not in _OUR_OWN:
        return answer
    return Answer(_BAD_REQUEST, answer.content, answer.headers)


def read_evaluation(body: Any) -> Evaluation:
    """The one question of a request (section 6.1).

    Raises:
        HttpRefusedError: Something is missing, or of another type.
    """
    fields = _object(body, "the body")
    _context(fields)
    return Evaluation(_entity(fields, "subject"), _action(fields), _entity(fields, "resource"))


def read_batch(body: Any) -> Batch | None:
    """The questions of a request (section 7.1), None where it has one alone, as section 6.1 has it.

    What is wrong with one of them is its own denial; what is wrong with the defaults is everybody's.

    Raises:
        HttpRefusedError: The request as a whole cannot be understood.
    """
    fields = _object(body, "the body")
    each_of, semantic = fields.get("evaluations", []), _semantic(fields)
    if not isinstance(each_of, list) or len(each_of) > MAX_EVALUATIONS:
        _refuse(f"evaluations must be an array of at most {MAX_EVALUATIONS} objects")
    defaults: dict[str, Any] = {name: fields[name] for name in _PARTS if name in fields}
    if not each_of:
        return None
    _check_defaults(defaults)
    wholes = [{**defaults, **_object(each, "each of evaluations")} for each in each_of]
    return Batch(tuple(_item(whole) for whole in wholes), semantic)


def check_of(evaluation: Evaluation) -> dict[str, Any] | Decided:
    """The arguments of `flag.check` that ask it, or what is known without asking."""
    person, place = _person(evaluation.subject), _place(evaluation.resource)
    if person is None or place is None:
        return NOT_FOUND
    if not is_flag(AssetKind(place["kind"]), evaluation.action):
        return Decided(decision=False, context={"rule": Rule.UNKNOWN_FLAG.value})
    return {**place, "flag": evaluation.action, "account": person}


def decided(answer: Mapping[str, Any]) -> Decided:
    """What privileges answered: the rule, the grant and the end go into the context where there are any."""
    context = {name: answer[name] for name in _WHY if answer.get(name) is not None}
    return Decided(decision=answer["allowed"] is True, context=context)


def cut(decisions: Sequence[Decided], semantic: Semantic) -> list[Decided]:
    """What is answered of `decisions`: all, or up to the first that settles the matter (section 7.1.2.1)."""
    for index, each in enumerate(decisions):
        if each.decision is _STOPS_AT[semantic]:
            return list(decisions[: index + 1])
    return list(decisions)


def read_search(sought: Sought, body: Any) -> Search:
    """A search (section 8): an id of what is looked for is not looked at.

    Raises:
        HttpRefusedError: Something is missing or of another type; or the token is none, or another search's.
    """
    fields = _object(body, "the body")
    _context(fields)
    subject = _entity(fields, "subject", is_sought=sought is Sought.SUBJECT)
    resource = _entity(fields, "resource", is_sought=sought is Sought.RESOURCE)
    action = None if sought is Sought.ACTION else _action(fields)
    page = _page(sought, fields)
    arguments = _search_arguments(sought, subject, action, resource)
    if arguments is not None and sought is not Sought.ACTION:
        arguments |= {"limit": max(page.limit, 1)} | ({} if page.cursor is None else {"cursor": page.cursor})
    kind = subject.kind if sought is Sought.SUBJECT else resource.kind
    return Search(sought, kind, PROCEDURES[sought], arguments, page)


def found(search: Search, answer: Mapping[str, Any]) -> dict[str, Any]:
    """One page of what privileges found, in the order in which it did (section 8.3)."""
    match search.sought:
        case Sought.SUBJECT:
            return _paged(search.page, [_subject(each) for each in answer["people"]], answer["next"])
        case Sought.RESOURCE:
            keys = [{"type": search.kind, "id": str(key)} for key in answer["keys"]]
            return _paged(search.page, keys, answer["next"])
        case Sought.ACTION:
            return _paged(search.page, *_actions(search.page, answer["flags"]))


def nothing(search: Search) -> dict[str, Any]:
    """Nothing was found."""
    return _paged(search.page, [], None)


def _paged(page: Page, results: list[dict[str, Any]], following: str | None) -> dict[str, Any]:
    if page.limit == 0:
        token, results = (_token(page, page.cursor) if results else ""), []
    else:
        token = "" if following is None else _token(page, following)
    return {"page": {"next_token": token, "count": len(results)}, "results": results}


def _subject(person: Mapping[str, Any]) -> dict[str, Any]:
    properties = {"login_name": person["login_name"]}
    return {"type": PERSON, "id": str(person["account_key"]), "properties": properties}


def _actions(page: Page, flags: Mapping[str, Mapping[str, Any]]) -> tuple[list[dict[str, Any]], str | None]:
    """The actions of one page; a cursor is the last name of the page before."""
    names = sorted(name for name, answer in flags.items() if answer["allowed"] is True and name > (page.cursor or ""))
    shown = names[: max(page.limit, 1)]
    return [{"name": name} for name in shown], shown[-1] if len(names) > len(shown) else None


def _search_arguments(sought: Sought, subject: Entity, action: str | None, resource: Entity) -> dict[str, Any] | None:
    person, place, kind = _person(subject), _place(resource), _kind(resource)
    is_known = kind is not None and (action is None or is_flag(kind, action))
    match sought:
        case Sought.SUBJECT if subject.kind == PERSON and place is not None and is_known:
            return {**place, "flag": action}
        case Sought.RESOURCE if person is not None and kind is not None and is_known:
            return {"kind": kind.value, "flag": action, "account": person}
        case Sought.ACTION if person is not None and place is not None:
            return {**place, "account": person}
        case _:
            return None


def _page(sought: Sought, fields: Mapping[str, Any]) -> Page:
    asked = _object(fields.get("page", {}), "page")
    token, limit = asked.get("token", ""), asked.get("limit")
    if not isinstance(token, str):
        _refuse("page.token must be a string")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        _refuse("page.limit must be a whole number from 0")
    entities = [sought, {name: fields.get(name) for name in _PARTS}]
    fingerprint = hashlib.sha256(msgspec.json.encode(entities, order="deterministic")).hexdigest()[:32]
    wanted = DEFAULT_PAGE if limit is None else min(limit, MAX_PAGE)
    if not token:
        return Page(wanted, None, fingerprint)
    kept, whose, cursor = _read_token(token)
    if whose != fingerprint or (limit is not None and wanted != kept):
        _refuse("page.token belongs to another search: with a token, everything else must be as it was")
    return Page(kept, cursor, fingerprint)


def _token(page: Page, cursor: str | None) -> str:
    """Where the page after begins; it is bound to its search, and holds nothing that would have to be kept secret."""
    token = msgspec.json.encode((page.limit, page.fingerprint, cursor))
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def _read_token(text: str) -> _Token:
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        token: _Token = msgspec.json.decode(octets, type=_Token)
    except ValueError:  # msgspec's errors are some, too
        _refuse("page.token must be the next_token of an answer")
    return token


def _person(subject: Entity) -> int | str | None:
    if subject.kind != PERSON or not 1 <= len(subject.name) <= MAX_LOGIN_NAME:
        return None
    key = _key(subject.name)
    return subject.name if key is None else key


def _place(resource: Entity) -> dict[str, Any] | None:
    kind, key = _kind(resource), _key(resource.name)
    return None if kind is None or key is None else {"kind": kind.value, "key": key}


def _kind(resource: Entity) -> AssetKind | None:
    return AssetKind(resource.kind) if resource.kind in set(AssetKind) else None


def _key(text: str) -> int | None:
    return int(text) if _KEY.fullmatch(text) is not None and int(text) <= MAX_KEY else None


def _item(whole: dict[str, Any]) -> Evaluation | Decided:
    try:
        return read_evaluation(whole)
    except HttpRefusedError as error:
        return Decided(decision=False, context={"error": {"status": _BAD_REQUEST, "message": error.message}})


def _check_defaults(defaults: Mapping[str, Any]) -> None:
    for name in ("subject", "resource"):
        if name in defaults:
            _entity(defaults, name)
    if "action" in defaults:
        _action(defaults)
    _context(defaults)


def _semantic(fields: Mapping[str, Any]) -> Semantic:
    name = _object(fields.get("options", {}), "options").get("evaluations_semantic", Semantic.EXECUTE_ALL)
    if not isinstance(name, str) or name not in set(Semantic):
        _refuse(f"options.evaluations_semantic must be one of {', '.join(Semantic)}")
    return Semantic(name)


def _entity(fields: Mapping[str, Any], name: str, *, is_sought: bool = False) -> Entity:
    entity = _object(fields.get(name), name)
    _object(entity.get("properties", {}), f"{name}.properties")
    return Entity(_text(entity, name, "type"), "" if is_sought else _text(entity, name, "id"))


def _action(fields: Mapping[str, Any]) -> str:
    action = _object(fields.get("action"), "action")
    _object(action.get("properties", {}), "action.properties")
    return _text(action, "action", "name")


def _context(fields: Mapping[str, Any]) -> None:
    _object(fields.get("context", {}), "context")


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _refuse(f"{name} must be an object")
    return value


def _text(entity: Mapping[str, Any], name: str, key: str) -> str:
    value = entity.get(key)
    if not isinstance(value, str):
        _refuse(f"{name}.{key} must be a string")
    return value


def _refuse(message: str) -> NoReturn:
    raise HttpRefusedError("malformed", message)
