"""Decides what host, zygote and worker agree on: requests of one byte, answers, the meaning of an end."""

from __future__ import annotations

import struct

ANSWER = struct.Struct("!BiiI")
"""What; pid; status, error number, or whether a descriptor of the process comes along; length of the text."""
HELLO, SPAWNED, ENDED, REFUSED = range(1, 5)
OUT_OF_MEMORY = 71
"""The exit status of a worker whose memory ran out outside the engine."""
RING_2 = 1.1
"""How much of its guest time a script may use before the second ring acts."""
PATIENCE_SECONDS = 0.05
"""For how long one script's worker may look for answers in all: it is CPU time beside the guest's."""
FORK, FURNISH = b"F", b"T"
LENGTH = struct.Struct("!I")
"""Stands before a text: the settings, which come first of all, and the tools of :data:`FURNISH`."""
STEP_SECONDS = 0.0001
"""What a worker may use around each settlement, which is not the script's time: thousands of calls add up."""
ROUSED_SECONDS = 0.001
"""For how long a worker that was roused looks for its script."""
