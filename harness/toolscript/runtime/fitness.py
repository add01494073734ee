"""Decides what a person is told about this machine's workers: tried with a real one, feature by feature."""

from __future__ import annotations

import importlib.util

from toolscript.confine.report import Finding
from toolscript.errors import ToolscriptError
from toolscript.runtime.pool import Pool
from toolscript.runtime.session import Start

_FOLLOWS = {
    "no_new_privs": "a worker could gain privileges by a set-uid program, if it could start one",
    "capabilities": "a worker keeps what its user may do beyond others",
    "undumpable": "other processes of this user can look into workers",
    "landlock": "files are closed to native code in a worker by seccomp alone, where that is there",
    "seccomp": "native code in a worker meets no filter of system calls, only what else is listed here",
    "parent_death": "a worker whose zygote is killed ends when it next speaks to the host, not at once",
    "address_space": "a worker's memory is bounded by its engine alone",
    "core": "a worker that crashes may leave a core dump",
    "file_size": "files that a worker could write are not bounded",
    "locked_memory": "memory that a worker locks is not bounded",
    "open_files": "a worker may open further descriptors",
    "processes": "a worker may start processes, if nothing else refuses it",
    "cpu_seconds": "the kernel does not end a worker that computes for ever; the other rings do",
}
_HELD = {
    "landlock": "workers reach no file",
    "seccomp": "workers may make a few system calls; starting programs, opening files and sockets are refused",
    "no_new_privs": "workers cannot gain privileges",
    "parent_death": "workers end with whoever started them",
}
_PROBE = Start(source="const n: number = 6 * 7; return n;", prepared=None, last_expression=False, facade=())


async def workers(engine: str = "quickjs-ng") -> list[Finding]:
    """Start a worker of this engine, run a script in it, and say what it could not give up; never raises."""
    try:
        async with Pool(min_size=1, max_size=1, engine=engine, grace_seconds=0.0) as pool:
            missing = await pool.confinement()
            async with pool.checkout() as session:
                ended = (await session.start(_PROBE)).ended
    except ToolscriptError as error:
        return [Finding(feature="workers", available=False, consequence=f"scripts cannot run: {error.message}")]
    result = getattr(ended, "result", None)
    return [_verdict(engine, missing, works=result == "42"), *_by_feature(missing), _second_engine()]


def _verdict(engine: str, missing: tuple[str, ...], *, works: bool) -> Finding:
    if not works:
        return Finding(feature="workers", available=False, consequence="a worker started, but its script did not run")
    how = "fully confined" if not missing else f"without {', '.join(missing)}"
    return Finding(
        feature="workers", available=True, consequence=f"scripts run in processes of their own ({engine}), {how}"
    )


def _by_feature(missing: tuple[str, ...]) -> list[Finding]:
    names = dict.fromkeys((*_HELD, *missing))
    return [
        Finding(
            feature=f"workers: {name.replace('_', ' ')}", available=name not in missing,
            consequence=_FOLLOWS.get(name, f"{name} could not be applied") if name in missing else _HELD[name],
        )
        for name in names
    ]  # fmt: skip


def _second_engine() -> Finding:
    there = importlib.util.find_spec("quickjs_rs") is not None
    advice = 'engine = "quickjs-rs" in [workers] runs scripts in WebAssembly'
    return Finding(
        feature="workers: webassembly", available=there,
        consequence=advice if there else f"{advice}, once pip install 'toolscript[wasm]' has brought it",
    )  # fmt: skip
