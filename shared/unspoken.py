"""What libraries load where it is there, and nobody here uses: import this before them, it keeps it out of a process.

autobahn has numpy for UBJSON and flatbuffers, Twisted has h2 for HTTP/2 (our listeners speak HTTP/1.1), structlog
has rich for tracebacks on a terminal: 15 MiB and a tenth of a second for each process.
"""

import sys
from typing import Final

UNSPOKEN: Final = ("bjdata", "autobahn.flatbuffers", "autobahn.wamp.message_fbs", "h2")

for name in UNSPOKEN:
    sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # "not there", to whoever imports it

# flockctl has rich for its tables: it is away while structlog asks for it, and no longer.
if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    del sys.modules["rich"]
