"""Sessions that ``make test`` does not run: the notebook's promises on each version of ipykernel that people have.

python -m nox                        all of them
python -m nox -s 'ipykernel(7.1.0)'  one
"""

from __future__ import annotations

import sys

import nox

VERSIONS = ["6.29.5", "6.31.0", "7.0.1", "7.1.0", "7.2.0", "7.3.0", "7.4.0"]
PROMISES = ["tests/kernel/test_busy.py", "tests/kernel/test_protocol.py", "tests/extension/test_ipython.py"]

nox.options.default_venv_backend = "none"


@nox.session
@nox.parametrize("version", VERSIONS, ids=VERSIONS)
def ipykernel(session: nox.Session, version: str) -> None:
    """Run what depends on ipykernel on one version, beside the environment's other packages."""
    session.run(
        sys.executable, "-m", "pytest", "-q", *PROMISES, *session.posargs, env={"TOOLSCRIPT_IPYKERNELS": version}
    )
