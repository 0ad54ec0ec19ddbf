"""What Crossbar imports and this router has no use for, left out: import this before anything of Crossbar.

Crossbar brings a blockchain with it (web3 and what it is built on), a store for cookies, links between routers, and the
worker that a node's configuration is carried out by. It imports all of them to have their names, and asks nothing of
them while a router serves sessions: 80 MiB and two seconds of processor for names. A stand-in has every name, as a
class that is nobody's; whoever made one and used it would fail at once.
"""

import sys
from types import ModuleType
from typing import Any, Final

from typing_extensions import override

ABSENT: Final = (
    "web3", "eth_typing", "eth_abi", "eth_abi.abi", "xbr", "xbr._schema", "txtorcon",
    "crossbar.router.cookiestore", "crossbar.worker.router", "crossbar.worker.proxy", "crossbar.node.native",
)  # fmt: skip
WITHOUT: Final = ("nacl", "numpy")
"""Optional to Crossbar and autobahn; the first is for a way to sign in that nobody here offers."""


class Absent(ModuleType):
    """A module in name only."""

    @override
    def __getattr__(self, name: str) -> Any:
        """A class for whatever name is asked for."""
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def leave_out() -> None:
    """Have these modules stand for themselves from now on; what is imported already stays."""
    for name in ABSENT:
        sys.modules.setdefault(name, Absent(name))
        package, _, last = name.rpartition(".")
        if isinstance(sys.modules.get(package), Absent):
            setattr(sys.modules[package], last, sys.modules[name])
    for name in WITHOUT:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # "not there", to whoever imports it
