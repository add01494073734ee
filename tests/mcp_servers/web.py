"""A hand-made MCP server over HTTP that misbehaves in the way it is told; it runs in a thread of the test."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """Answers the handshake and the list properly, and calls as ``mode`` says."""

    protocol_version = "HTTP/1.1"
    server: Web

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, dict(self.headers), request.get("method")))
        match request.get("method"):
            case "initialize":
                version = request["params"]["protocolVersion"]
                info = {"name": "web", "version": "1"}
                self.answer(request, {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info})
            case "tools/list":
                self.answer(request, {"tools": [{"name": "go", "inputSchema": {"type": "object"}}]})
            case "tools/call":
                self.misbehave(request)
            case _ if "id" in request:
                error = {"code": -32601, "message": "Method not found"}
                self.body(json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}).encode())
            case _:
                self.body(b"", status=202)

    def do_GET(self) -> None:
        self.body(b"", status=405)

    def do_DELETE(self) -> None:
        self.server.seen.append((self.path, dict(self.headers), "DELETE"))
        self.body(b"")

    def misbehave(self, request: dict[str, Any]) -> None:
        match self.server.mode:
            case "redirect":
                self.body(b"", status=307, Location=self.server.target)
            case "see_other":
                self.body(b"", status=303, Location=self.server.target)
            case "gzip":
                self.body(gzip.compress(b" " * 50_000_000), **{"Content-Encoding": "gzip"})
            case "endless":
                self.stream("application/json", b" " * 65_536)
            case "endless_events":
                self.stream("text/event-stream", b"data: " + b"x" * 65_536)
            case "comments":
                self.stream("text/event-stream", b": still here\n\n", pause=0.01)
            case "page":
                self.body(b"<html>not here</html>", **{"Content-Type": "text/html"})
            case "error":
                self.body(b"oops", status=500, **{"Content-Type": "text/plain"})
            case "forgets":
                self.server.mode = "works"
                self.body(b"", status=404)
            case "cut":
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b'{"jsonrpc"')
                self.close_connection = True
            case _:
                self.answer(request, {"content": [{"type": "text", "text": "went"}]})

    def answer(self, request: dict[str, Any], result: dict[str, Any]) -> None:
        self.body(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode())

    def body(self, data: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Mcp-Session-Id": "s1", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, kind: str, chunk: bytes, pause: float = 0) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            while not self.server.over.wait(pause):
                self.wfile.write(chunk)
        except OSError:
            return

    def log_message(self, format: str, *args: Any) -> None:
        return


class Web(ThreadingHTTPServer):
    """The server with what it was told and what it saw."""

    daemon_threads = True

    def __init__(self, mode: str, target: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.mode = mode
        self.target = target
        self.seen: list[tuple[str, dict[str, str], str]] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/mcp"

    def methods(self) -> list[str]:
        return [method for _, _, method in self.seen]


@contextmanager
def serving(mode: str, target: str = "") -> Iterator[Web]:
    """Run the server while the block runs."""
    with Web(mode, target) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
