"""The plugin API of frps, version 0.1.0: JSON in, JSON out. Pure. Source: fatedier/frp v0.70.0 pkg/plugin/server."""

from typing import Any, Final, TypeVar

import msgspec

from services.tunnels.errors import RemoteProtocolError
from services.tunnels.records.messages import CloseProxy, Login, NewProxy, NewWorkConn
from services.tunnels.records.plugin import (
    LoginAsked,
    Op,
    Pinged,
    PluginCall,
    ProxyAsked,
    ProxyClosed,
    UserConnAsked,
    Verdict,
    WorkConnAsked,
)

VERSION: Final = "0.1.0"
PROOF: Final = "tunnel_proof"
_Decoded = TypeVar("_Decoded")


class _Envelope(msgspec.Struct):
    version: str
    op: str
    content: msgspec.Raw


class _User(msgspec.Struct):
    run_id: str = ""
    metas: dict[str, str] | None = None


class _Owned(msgspec.Struct):
    user: _User


class _Address(msgspec.Struct):
    client_address: str = ""


class _UserConn(msgspec.Struct):
    proxy_name: str = ""
    remote_addr: str = ""


def parse(op: str, body: bytes) -> PluginCall:
    """What frps asks in a request about `op` with that body.

    Raises:
        RemoteProtocolError: That is nothing that frps asks.
    """
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
        if envelope.op != op or envelope.version != VERSION:
            raise RemoteProtocolError("the request is about another op or version than its content")
        return _call(Op(op), bytes(envelope.content))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        # Not its text, which may repeat what came.
        raise RemoteProtocolError("no request of frps' plugin API") from error


def _call(op: Op, content: bytes) -> PluginCall:
    if op is Op.LOGIN:
        return LoginAsked(
            login=_decoded(content, Login),
            client_address=_decoded(content, _Address).client_address,
            content=_decoded(content, dict[str, Any]),
        )
    user = _decoded(content, _Owned).user
    match op:
        case Op.NEW_PROXY:
            return ProxyAsked(user.run_id, _decoded(content, NewProxy))
        case Op.CLOSE_PROXY:
            return ProxyClosed(user.run_id, _decoded(content, CloseProxy).proxy_name)
        case Op.PING:
            return Pinged(user.run_id, (user.metas or {}).get(PROOF, ""))
        case Op.NEW_WORK_CONN:
            return WorkConnAsked(user.run_id, _decoded(content, NewWorkConn).run_id)
        case Op.NEW_USER_CONN:
            said = _decoded(content, _UserConn)
            return UserConnAsked(user.run_id, said.proxy_name, said.remote_addr)


def _decoded(content: bytes, kind: type[_Decoded]) -> _Decoded:
    return msgspec.json.decode(content, type=kind)


def encode(verdict: Verdict) -> bytes:
    """The body of the answer, whose status is 200 whatever it says: frps takes any other as no answer."""
    said: dict[str, Any] = {"reject": verdict.reason is not None}
    if verdict.reason is not None:
        said["reject_reason"] = verdict.reason
    elif verdict.content is None:
        said["unchange"] = True
    else:
        said |= {"unchange": False, "content": verdict.content}
    return msgspec.json.encode(said)
