"""Decides how bytes of one worker become frames in the host, and how long the loop may stand still for one."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import deque
from collections.abc import Callable

from toolscript.errors import ProtocolFault, ToolscriptError
from toolscript.runtime.frames import Parts, Splitter

_CHUNK = 1 << 16
_give_way = getattr(os, "sched_yield", lambda: None)


def _nothing() -> None:
    return None


class Link:
    """The host's end of a worker's socket. One task receives; whoever breaks the link says why."""

    def __init__(self, sock: socket.socket, limit: int) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._splitter = Splitter(limit)
        self._frames: deque[tuple[int, Parts]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._unsent = memoryview(b"")
        self.broken: ToolscriptError | EOFError | None = None
        self.on_end: Callable[[], None] = _nothing
        self.unheard = False
        """Whether the worker ended without having read all that was sent: what it did not read, it did not do."""
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._readable)

    @property
    def quiet(self) -> bool:
        """Whether nothing unasked has arrived and the link is whole."""
        return self.broken is None and not self._frames and not self._splitter.inside

    def rests(self) -> bool:
        """Ask the system itself whether nothing has arrived, not even an end that the loop has not seen yet."""
        if not self.quiet:
            return False
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def send(self, data: bytes) -> None:
        """Send without waiting; what the socket does not take now follows when it does. Never raises."""
        if self.broken is not None:
            self.unheard = True
            return
        if not self._unsent:
            try:
                sent = self._sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.unheard = True
                return  # the reader learns of the end, and says what it means
            if sent == len(data):
                return
            self._loop.add_writer(self._sock.fileno(), self._writable)
            self._unsent = memoryview(data)[sent:]
        else:
            self._unsent = memoryview(bytes(self._unsent) + data)

    def look(self, seconds: float) -> bool:
        """Look for a frame for so long without giving the loop a turn; says whether one is there, or the end."""
        until = time.perf_counter() + seconds
        while not self._frames and self.broken is None:
            if time.perf_counter() > until:
                return False
            _give_way()  # where processors are short, whoever has something to do goes first
            self._readable()
        return True

    @property
    def filled(self) -> bool:
        """Whether a frame is there."""
        return bool(self._frames)

    def arrived(self) -> tuple[int, Parts] | None:
        """Return the next frame if it is there."""
        return self._frames.popleft() if self._frames else None

    async def receive(self) -> tuple[int, Parts]:
        """Return the next frame. Raises what broke the link: EOFError, or an error that was given to it."""
        while not self._frames:
            if self.broken is not None:
                raise self.broken
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._frames.popleft()

    def break_(self, why: ToolscriptError | EOFError) -> None:
        """End the link; frames that came before are still received. The first reason stands."""
        if self.broken is not None:
            return
        self.broken = why
        self._detach()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self.on_end()

    def close(self) -> None:
        """End the link and free its socket."""
        self.break_(EOFError("closed here"))
        self._sock.close()

    def _detach(self) -> None:
        self._loop.remove_reader(self._sock.fileno())
        if self._unsent:
            self._loop.remove_writer(self._sock.fileno())
            self._unsent = memoryview(b"")

    def _readable(self) -> None:
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:  # a reset: it closed with something unread
            self.unheard = True
            data = b""
        if not data:
            self.break_(EOFError("the worker hung up"))
            return
        try:
            self._frames.extend(self._splitter.feed(data))
        except ProtocolFault as fault:
            self.break_(fault)
            return
        if self._frames and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _writable(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._unsent)
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._loop.remove_writer(self._sock.fileno())
