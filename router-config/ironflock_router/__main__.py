"""`python -m ironflock_router`: the router, one process, until it is told to stop."""

import sys

from ironflock_router.absent import leave_out

leave_out()

import shared.unspoken  # noqa: E402, F401 - before what it speaks of

# isort: split
import txaio  # noqa: E402
from twisted.internet import reactor  # noqa: E402

from ironflock_router.component import RouterComponent  # noqa: E402
from ironflock_router.realms import Realms  # noqa: E402
from ironflock_router.wire_names import SYSTEM  # noqa: E402
from shared import logging  # noqa: E402


def main() -> int:
    """Run it; 1 where it could not start."""
    logging.configure("router")
    # Crossbar logs every join with all its details.
    txaio.set_global_log_level("warn")  # type: ignore[attr-defined]  # txaio names it at run time
    realms = Realms()
    realms.start(SYSTEM)
    component = RouterComponent(realms)
    reactor.callWhenRunning(realms.embed, component, SYSTEM)
    reactor.run()
    return 1 if component.has_failed else 0


if __name__ == "__main__":
    sys.exit(main())
