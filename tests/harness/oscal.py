"""OSCAL documents as compliance-trestle reads them, in an environment of its own."""

import json
import subprocess
from pathlib import Path
from typing import Final

import pytest

TRESTLE: Final = Path(__file__).parents[2] / ".venv-oscal" / "bin" / "python"
needs_trestle = pytest.mark.skipif(not TRESTLE.exists(), reason="`make test` makes its environment: .venv-oscal")
_READER: Final = """
import json, re, sys
from pathlib import Path
from trestle.common.err import TrestleError
from trestle.oscal import OSCAL_VERSION_REGEX
from trestle.oscal.assessment_results import AssessmentResults

def refusal(path):
    try:
        document = AssessmentResults.oscal_read(path)
    except TrestleError as error:
        return str(error)
    version = document.metadata.oscal_version.root.root
    return "" if re.fullmatch(OSCAL_VERSION_REGEX, version) else f"these models are not of OSCAL {version}"

print(json.dumps([refusal(Path(name)) for name in sys.argv[1:]]))
"""


def refusals(*documents: Path) -> list[str]:
    """Why each of these assessment results is refused; an empty text where it is not."""
    done = subprocess.run([TRESTLE, "-c", _READER, *documents], capture_output=True, text=True, timeout=120, check=True)
    said: list[str] = json.loads(done.stdout.splitlines()[-1])
    return said
