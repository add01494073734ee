"""A streaming reply costs as much per piece at its end as at its start."""

from __future__ import annotations

import pytest

from toolscript.agent.reading import Reading
from toolscript.agent.step import Step
from toolscript.events import Emitter
from toolscript.models.adapter import TextDelta


@pytest.mark.anyio
async def test_a_reply_is_put_together_only_when_somebody_looks() -> None:
    step = Step("t", 1)
    looked: list[str] = []

    async def deltas():
        for number in range(1_000):
            yield TextDelta(f"{number} ")
        assert len(step.written) == 1_000
        looked.append(step.text)
        assert len(step.written) == 1
        yield TextDelta("end")

    await Reading(step, Emitter(), lambda script: None, "stop").read(deltas())

    assert looked == ["".join(f"{number} " for number in range(1_000))]
    assert step.text == step.answer == looked[0] + "end"
