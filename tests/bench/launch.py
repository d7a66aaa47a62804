"""Starts one command and writes what it used: wall, processor seconds, peak in KiB, exit code.

A process of its own and small: Linux counts the memory of whoever forks towards the peak of the forked one.
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
