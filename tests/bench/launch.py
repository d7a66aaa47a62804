"""Start one command and write what it used: wall time, processor seconds, peak memory in KiB, and its exit code.

This is a small process of its own, because Linux counts the memory of the forking process towards its child's peak.
"""

import os
import sys
import time

if __name__ == "__main__":
    result, *command = sys.argv[1:]
    started = time.monotonic()
    child = os.posix_spawnp(command[0], command, os.environ)
    _pid, status, usage = os.wait4(child, 0)
    wall = time.monotonic() - started
    with open(result, "w") as out:
        print(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status), file=out)
