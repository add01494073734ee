from __future__ import annotations

from dataclasses import replace

import pytest
from tests.needs import need
from tests.tools.shell.bench import EXEC, Bench
from tests.tools.shell.tables import table

from toolscript.approvals.policy import judge
from toolscript.approvals.request import Policy
from toolscript.registry.context import SandboxMode

pytestmark = pytest.mark.anyio
need("landlock", "seccomp")


@pytest.mark.parametrize(("policy", "mode", "escalated", "argv", "verdict"), table("approval", "rows"))
async def test_the_policy_decides_by_what_is_known_of_the_command(
    bench: Bench, policy: str, mode: str, escalated: bool, argv: list[str], verdict: str
) -> None:
    bench.context = replace(bench.context, sandbox=SandboxMode(mode))
    seen = await bench.classify(*argv, withEscalatedPermissions=escalated, justification="x" if escalated else "")
    # As the facade tells the policy: a mode without a sandbox counts as chosen, and so does leaving one.
    sandboxed = seen.confined or seen.escalated or bench.context.sandbox is SandboxMode.DANGER_FULL_ACCESS
    arguments = {"command": argv}
    found, why = judge(Policy(policy), EXEC.spec, seen, sandboxed=sandboxed, arguments=arguments)
    assert found.value == verdict, why
