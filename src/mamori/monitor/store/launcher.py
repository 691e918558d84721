"""Becomes the program named on the command line, tied to the life of its parent.

Run as ``python -I -S launcher.py PARENT_PID PROGRAM ARGUMENT…``. Linux sends SIGKILL to a process
that asked for it with PR_SET_PDEATHSIG when its parent dies, however it dies; the wish survives
exec. Imports nothing of Mamori, so that it starts in some 20 ms.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(arguments: list[str]) -> None:
    """Tie, check that the parent did not die before that, and become the program."""
    parent_pid, program = int(arguments[0]), arguments[1]
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "prctl"):
        sys.exit(
            "this system has no prctl: the server could not be tied to its parent (Linux only)"
        )
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent_pid:
        sys.exit("the parent died before its server could be tied to it")
    # The program and its arguments come from EmbeddedValkey; no shell reads them.
    os.execv(program, arguments[1:])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
