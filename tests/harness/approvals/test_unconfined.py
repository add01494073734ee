"""Consent to a command without the sandbox holds for the program that the person was shown, and no other."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from tests.harness.approvals.parts import Person, until

from toolscript.approvals.request import Choice, Decision
from toolscript.harness import Harness

pytestmark = pytest.mark.anyio
SOURCE = """
const options = {withEscalatedPermissions: true, justification: "x"};
const output = await tools.exec({command: ["./deploy.sh"], ...options});
return output.stdout"""


async def test_a_program_that_changes_while_somebody_decides_is_asked_for_again(tmp_path: Path) -> None:
    program = tmp_path / "deploy.sh"
    program.write_text("#!/bin/sh\necho shown\n")
    program.chmod(0o755)
    results = []

    async def run(harness: Harness) -> None:
        results.append((await harness.run(SOURCE)).result)

    async with Harness(tmp_path) as harness:
        person = Person("person")
        with harness.approvals.attach(person), anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(run, harness)
                await until(lambda: len(person.shown) == 1)
                program.write_text("#!/bin/sh\necho planted\n")
                allow = Decision(choice=Choice.ALLOW, by="person")
                await harness.approvals.decide(person.shown[0].approval_id, allow)
                await until(lambda: len(person.shown) == 2)
                program.write_text("#!/bin/sh\necho shown\n")
                await harness.approvals.decide(person.shown[1].approval_id, allow)
                await until(lambda: len(person.shown) == 3)
                await harness.approvals.decide(person.shown[2].approval_id, allow)

    assert results == ["shown\n"]
    assert [str(program) in " ".join(each.classification.reasons) for each in person.shown] == [True] * 3
