"""Commands can neither read what the harness keeps nor answer for a person, whatever the sandbox mode."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from tests.harness.approvals.parts import until
from tests.harness.approvals.test_in_script import Running, at_desk
from tests.needs import need

from toolscript.approvals.request import Choice
from toolscript.approvals.socket import OwnerSocket
from toolscript.journal.state import state_dir
from toolscript.registry.context import SandboxMode

pytestmark = pytest.mark.anyio

# What a command would have to do to consent to itself.
SELF_APPROVAL = """
import json, pathlib, socket, sys
tried = []
for path in sys.argv[1:]:
    path = pathlib.Path(path)
    for attempt in (path.read_text, lambda: list(path.parent.iterdir()), lambda: list(path.parent.parent.iterdir())):
        try:
            tried.append(["saw", str(attempt())])
        except OSError as error:
            tried.append(["refused", type(error).__name__])
    try:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path.with_suffix(".sock")))
        tried.append(["connected", ""])
    except OSError as error:
        tried.append(["refused", type(error).__name__])
print(json.dumps(tried))
"""


@pytest.mark.parametrize("mode", [SandboxMode.READ_ONLY, SandboxMode.WORKSPACE_WRITE])
async def test_a_command_neither_sees_nor_reaches_the_owners_socket(tmp_path: Path, mode: SandboxMode) -> None:
    need("landlock", "seccomp")
    (tmp_path / "self_approval.py").write_text(SELF_APPROVAL)
    source = """
        const gated = shell('rm -f a');
        const tried = await tools.exec({command: ['python3', 'self_approval.py', params.token]});
        console.log(tried.stdout + tried.stderr);
        await gated;"""
    async with at_desk(tmp_path, sandbox=mode) as desk, anyio.create_task_group() as group:
        async with OwnerSocket(desk.harness.approvals, state_dir(tmp_path)) as serving:
            assert serving.owner is not None
            token = serving.owner.socket.with_suffix(".json")
            assert serving.owner.token in token.read_text()
            running = Running(desk, group, source, params={"token": str(token)})
            await until(lambda: any(e.type == "script_log" for e in desk.events) or running.ended.is_set())
            logs = [e.text for e in desk.events if e.type == "script_log"]
            assert len(logs) == 1, running.run and running.run.error
            assert '"refused"' in logs[0] and "connected" not in logs[0]
            assert serving.owner.token not in logs[0] and serving.owner.id not in logs[0]
            assert desk.exists("a")
            await desk.answer(Choice.DENY)
            await running.result()


async def test_file_tools_do_not_see_the_state_directory_even_when_asked_for_it(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk, anyio.create_task_group() as group:
        async with OwnerSocket(desk.harness.approvals, state_dir(tmp_path)) as serving:
            assert serving.owner is not None
            token = serving.owner.socket.with_suffix(".json")
            running = Running(desk, group, "return readFile(params)", params=str(token))
            await until(lambda: bool(desk.shown) or running.ended.is_set())
            if desk.shown:
                await desk.answer(Choice.ALLOW)
            run = await running.result()
    assert run.error is not None
    assert serving.owner is None and str(run.result) == "None"
