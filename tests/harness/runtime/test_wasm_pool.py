"""The optional engine works behind the same pool, in workers that are confined as far as it lets them be."""

from __future__ import annotations

import pytest
from tests.harness.runtime.playing import play, tight

from toolscript.errors import GuestTimeExceeded, StackExceeded
from toolscript.runtime.pool import Pool

pytest.importorskip("quickjs_rs", reason="pip install toolscript[wasm]")
pytestmark = pytest.mark.anyio


@pytest.mark.slow
async def test_scripts_run_in_wasm_behind_the_same_pool():
    async with Pool(min_size=1, max_size=2, engine="quickjs-rs", grace_seconds=0.1) as pool:
        played = await play(pool, "const r: number = (await tools.echo({ n: 7 })).n; return r;")
        assert played.result == 7
        for source, kind in (
            ("for (;;) {}", GuestTimeExceeded),
            ("(() => { const f = () => f() + 1; f(); })()", StackExceeded),
        ):
            assert isinstance((await play(pool, source, limits=tight(guest_seconds=0.3))).error, kind)
        assert (await play(pool, "return 1;")).result == 1
        assert await pool.confinement() == ()
