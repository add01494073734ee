"""Real kernels for tests: started by jupyter_client, spoken to on their channels, ended afterwards."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager
from tests.kernel import versions

ROOT = Path(__file__).parents[2]
PACKAGES = [str(ROOT / name) for name in ("harness", "tools", "kernel", "extension", ".")]
DEADLINE = 30.0


@dataclass
class Reply:
    """All that one cell gave: its reply and its outputs in order, updates left aside."""

    reply: dict[str, Any]
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def outputs(self) -> list[dict[str, Any]]:
        kinds = {"stream", "display_data", "execute_result", "error"}
        return [{"type": m["msg_type"], **m["content"]} for m in self.messages if m["msg_type"] in kinds]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [m["content"] for m in self.messages if m["msg_type"] == kind]

    @property
    def stdout(self) -> str:
        return "".join(m["text"] for m in self.of("stream") if m["name"] == "stdout")


class Kernel:
    """One running kernel and one client of it."""

    def __init__(self, manager: KernelManager, client: Any, cwd: Path) -> None:
        self.cwd = cwd
        self.manager = manager
        self.client = client

    def send(
        self, code: str, *, allow_stdin: bool = False, cell_id: str | None = None,
        metadata: dict[str, Any] | None = None, **options: Any,
    ) -> str:  # fmt: skip
        content = {
            "code": code, "silent": False, "store_history": True, "user_expressions": {},
            "allow_stdin": allow_stdin, "stop_on_error": True, **options,
        }  # fmt: skip
        message = self.client.session.msg(
            "execute_request", content, metadata=metadata or ({"cellId": cell_id} if cell_id else {})
        )
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def run(self, code: str, **options: Any) -> Reply:
        return self.finish(self.send(code, **options))

    def finish(self, msg_id: str) -> Reply:
        messages = list(
            self.until(msg_id, lambda m: m["msg_type"] == "status" and m["content"]["execution_state"] == "idle")
        )
        return Reply(self.shell_reply(msg_id), messages)

    def shell_reply(self, msg_id: str) -> dict[str, Any]:
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            reply = self.client.get_shell_msg(timeout=DEADLINE)
            if reply["parent_header"].get("msg_id") == msg_id:
                return reply
        raise TimeoutError(msg_id)

    def until(self, msg_id: str | None, found: Any) -> Iterator[dict[str, Any]]:
        """Yield the messages of a request until one is found (it is yielded as well)."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            try:
                message = self.client.get_iopub_msg(timeout=DEADLINE)
            except Empty:
                break
            if msg_id is None or message["parent_header"].get("msg_id") == msg_id:
                yield message
                if found(message):
                    return
        raise TimeoutError("the message did not come")

    def ask(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        """Send a shell request and return its reply."""
        message = self.client.session.msg(kind, content)
        self.client.shell_channel.send(message)
        return self.shell_reply(message["header"]["msg_id"])

    def tell(
        self, kind: str, content: dict[str, Any], *, metadata: dict[str, Any] | None = None, **header: Any
    ) -> None:
        message = self.client.session.msg(kind, content, metadata=metadata)
        message["header"].update(header)
        self.client.shell_channel.send(message)

    def handshake(self) -> None:
        """Do what a notebook page does that renders widgets."""
        content = {"comm_id": "control", "target_name": "jupyter.widget.control", "data": {}}
        self.tell("comm_open", content, metadata={"version": "1.0.0"})

    def click(self, model_id: str, **header: Any) -> None:
        data = {"method": "custom", "content": {"event": "click"}}
        self.tell("comm_msg", {"comm_id": model_id, "data": data}, **header)

    def subshell(self) -> str:
        """Begin a subshell, as JupyterLab does for clicks, and return its id."""
        message = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(message)
        return str(self.client.get_control_msg(timeout=DEADLINE)["content"]["subshell_id"])

    def set(self, model_id: str, **state: Any) -> None:
        """Do what a page does when a person changes a widget."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        self.tell("comm_msg", {"comm_id": model_id, "data": data})


def environment() -> dict[str, str]:
    """Return an environment in which a kernel keeps away from the history and settings of whoever runs the tests."""
    folder = tempfile.mkdtemp(prefix="toolscript-ipython-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "IPYTHONDIR": folder}


def manager_of(*, standin: bool = True, ipykernel: str | None = None, module: str | None = None) -> KernelManager:
    """Return a manager of our kernel, on the stand-in harness or the real one; it is not installed for this.

    ``ipykernel`` is another version than the installed one, see :mod:`tests.kernel.versions`.
    """
    module = module or "tests.kernel.standin" if standin else "toolscript_kernel"
    packages = [*([str(versions.FOLDER / ipykernel)] if ipykernel else []), *PACKAGES]
    code = (
        f"import sys, runpy; sys.path[:0] = {packages!r}; "
        f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    )
    manager = KernelManager()
    manager._kernel_spec = KernelSpec(
        argv=[sys.executable, "-P", "-c", code, "-f", "{connection_file}"],
        display_name="toolscript", language="toolscript", interrupt_mode="signal",
        metadata={"supported_encryption": ["curve"]},
    )  # fmt: skip
    return manager


@contextmanager
def kernel(
    *, standin: bool = True, cwd: Path | None = None, ipykernel: str | None = None, module: str | None = None
) -> Iterator[Kernel]:
    """Run a kernel while the block runs."""
    manager = manager_of(standin=standin, ipykernel=ipykernel, module=module)
    manager.start_kernel(cwd=str(cwd or Path.cwd()), env=environment())
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=DEADLINE)
        yield Kernel(manager, client, cwd or Path.cwd())
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=not manager.is_alive())
        manager.cleanup_resources()


@contextmanager
def page(folder: Path) -> Iterator[Kernel]:
    """Run a kernel on the real harness, spoken to by a page that renders widgets, while the block runs."""
    with kernel(standin=False, cwd=folder) as it:
        it.handshake()
        it.run("%%py\n1")
        yield it
