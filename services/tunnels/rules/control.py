"""The server's side of one control stream: Login, then proxies. Octets in, events out; answers in, octets out.

agent: Login                      -> `Login` is told; the shell looks for the device
edge:  LoginResp, in clear        <- `accept_login` or `refuse_login`
both:  from here on encrypted
edge:  ReqWorkConn, a few         <- `want_work_conn`
agent: NewProxy ...               -> `NewProxy` is told
edge:  NewProxyResp               <- `answer_proxy`
agent: CloseProxy, Ping           -> `CloseProxy` is told, a Ping is answered
"""

from typing import Final

from services.tunnels.errors import RemoteProtocolError
from services.tunnels.records.messages import (
    CloseProxy,
    Login,
    LoginResp,
    Message,
    NewProxy,
    NewProxyResp,
    Ping,
    Pong,
    ReqWorkConn,
)
from services.tunnels.rules.cipher import Decrypting, Encrypting
from services.tunnels.rules.messages import MessageReader, encode

VERSION: Final = "0.70.0"
"""Of frp, whose server we stand for; agents only show it."""
MAX_EARLY_OCTETS: Final = 16_384
"""What an agent may send before its login was answered; an honest one waits."""

ControlEvent = Login | NewProxy | CloseProxy


class ControlSession:
    """One agent's control stream."""

    def __init__(self, key: bytes) -> None:
        """Encrypt with `key` once the login is answered."""
        self._key = key
        self._reader = MessageReader()
        self._is_asked = False
        self._early = b""
        self._encrypting: Encrypting | None = None
        self._decrypting: Decrypting | None = None
        self._out: list[bytes] = []

    def receive(self, octets: bytes) -> list[ControlEvent]:
        """What `octets` tell.

        Raises:
            RemoteProtocolError: The agent broke the protocol.
        """
        if self._decrypting is not None:
            return self._told(self._reader.feed(self._decrypting.decrypt(octets)))
        if self._is_asked:
            return self._keep(octets)
        login = self._reader.feed_one(octets)
        if login is None:
            return []
        if not isinstance(login, Login):
            raise RemoteProtocolError("the first message is no Login")
        self._is_asked = True
        self._keep(self._reader.rest)
        return [login]

    def _keep(self, octets: bytes) -> list[ControlEvent]:
        self._early += octets
        if len(self._early) > MAX_EARLY_OCTETS:
            raise RemoteProtocolError("much was sent before the login was answered")
        return []

    def refuse_login(self, error: str) -> None:
        """Answer the Login with why not."""
        self._out.append(encode(LoginResp(VERSION, error=error)))

    def accept_login(self, run_id: str, iv: bytes) -> list[ControlEvent]:
        """Answer the Login, and encrypt from here on, with `iv`; what the agent sent meanwhile is told now."""
        self._out.append(encode(LoginResp(VERSION, run_id)))
        self._encrypting, self._decrypting = Encrypting(self._key, iv), Decrypting(self._key)
        early, self._early = self._early, b""
        self._reader = MessageReader()
        return self.receive(early)

    def want_work_conn(self) -> None:
        """Ask for one more work stream."""
        self._send(ReqWorkConn())

    def answer_proxy(self, proxy_name: str, *, remote_addr: str = "", error: str = "") -> None:
        """Answer a NewProxy."""
        self._send(NewProxyResp(proxy_name, remote_addr, error))

    def octets_to_send(self) -> bytes:
        """What the stream is to carry next."""
        out, self._out = self._out, []
        return b"".join(out)

    def _told(self, messages: list[Message]) -> list[ControlEvent]:
        events: list[ControlEvent] = []
        for message in messages:
            match message:
                case NewProxy() | CloseProxy():
                    events.append(message)
                case Ping():
                    self._send(Pong())
                case _:
                    raise RemoteProtocolError(f"a {type(message).__name__} on the control stream")
        return events

    def _send(self, message: Message) -> None:
        if self._encrypting is None:
            raise RemoteProtocolError("the login was not answered yet")
        self._out.append(self._encrypting.encrypt(encode(message)))
