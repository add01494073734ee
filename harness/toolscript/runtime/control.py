"""Decides in which words host and zygote speak: what is asked for by a byte, and how an answer is laid out."""

from __future__ import annotations

import struct

ANSWER = struct.Struct("!BiiI")
"""What; pid; status, error number, or whether a descriptor of the process comes along; length of the text."""
HELLO, SPAWNED, ENDED, REFUSED = range(1, 5)
FORK, FURNISH = b"F", b"T"
LENGTH = struct.Struct("!I")
"""Stands before a text: the settings, which come first of all, and the tools of :data:`FURNISH`."""
