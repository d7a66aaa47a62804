"""`make e2e`: get what the cluster needs, run the scenarios in a sandbox, then check that nothing is left of them.

Arguments are passed to pytest. With arguments only the scenarios are run.
"""

import os
import subprocess
import sys
from collections.abc import Sequence

from tests.e2e import parts, remains, sandbox
from tests.e2e.layout import RESULTS
from tests.harness.cluster import ROOT

# No pytest cache: root would own its files in a checkout that may be a user's. The scenarios run in their order.
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "--verbose")
FOLDER = ROOT / "tests" / "e2e"


def main(arguments: Sequence[str]) -> int:
    if sys.platform != "linux" or os.geteuid() != 0:
        print("make e2e needs root on Linux: it makes namespaces, mounts and cgroups", file=sys.stderr)
        return 1
    environment = parts.prepare()
    RESULTS.mkdir(parents=True, exist_ok=True)
    remains.TRACES.unlink(missing_ok=True)  # traces of an earlier run prove nothing
    code = sandbox.run([*PYTEST, str(FOLDER / "scenarios"), *arguments], environment)
    if arguments:
        return code
    return code or subprocess.run([*PYTEST, str(FOLDER / "removal")], env=environment, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # while something is built; the sandbox handles signals itself
        sys.exit(130)
