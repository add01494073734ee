from __future__ import annotations

import importlib.util
from collections.abc import Callable

import pytest

from toolscript.runtime.engine import Engine
from toolscript.runtime.pool import Pool
from toolscript.runtime.quickjs import QuickJSEngine


def _wasm() -> Engine:
    from toolscript.runtime.wasm import WasmEngine

    return WasmEngine()


ENGINES: dict[str, Callable[[], Engine]] = {"quickjs-ng": QuickJSEngine, "quickjs-rs": _wasm}


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Callable[[], Engine]:
    """Makes fresh engines, of each kind that is installed."""
    if request.param == "quickjs-rs" and importlib.util.find_spec("quickjs_rs") is None:
        pytest.skip("quickjs-rs is not installed (pip install toolscript[wasm])")
    return ENGINES[request.param]


@pytest.fixture
async def pool():
    async with Pool(min_size=1, max_size=4, grace_seconds=0.5) as opened:
        yield opened
