"""The suite that Jupyter offers for kernels, on ours."""

from __future__ import annotations

import unittest
from typing import Any, ClassVar

import jupyter_kernel_test
import pytest
from tests.kernel import versions
from tests.kernel.running import environment, manager_of


class ToolscriptProtocol(jupyter_kernel_test.KernelTests):  # type: ignore[misc]
    kernel_name = "toolscript"
    language_name = "toolscript"
    file_extension = ".md"
    code_hello_world = "%%toolscript\nlog hello, world"
    code_stderr = "%%toolscript\nwarn oops"
    code_page_something = "?print"
    code_generate_error = "%%toolscript\nthrow no"
    code_execute_result: ClassVar[list[dict[str, str]]] = [
        {"code": "%%toolscript\nreturn [1, 2]", "result": "[1, 2]"},
        {"code": "%%py\n6 * 7", "result": "42"},
    ]
    code_display_data: ClassVar[list[dict[str, str]]] = [
        {"code": "%%py\nfrom IPython.display import HTML, display\ndisplay(HTML('<b>x</b>'))", "mime": "text/html"},
    ]
    completion_samples: ClassVar[list[dict[str, Any]]] = [
        {"text": "%%py\nimport sys\nsys.exe", "matches": {"executable", "exec_prefix"}}
    ]
    complete_code_samples: ClassVar[list[str]] = ["Find it", "%%toolscript\nreturn 1\n\n", "%%py\n1\n\n"]
    incomplete_code_samples: ClassVar[list[str]] = ["%%toolscript\nreturn 1", "%%py\nfor i in (1, 2):"]
    code_inspect_sample = "%%py\nprint"
    code_clear_output = "%%py\nfrom IPython.display import clear_output\nclear_output()"
    # The stock Python kernel fails "range" as well: the test expects the number of an old session.
    code_history_pattern = "*6 ?*7"
    supported_history_operations = ("tail", "search")

    ipykernel: ClassVar[str | None] = None

    @classmethod
    def setUpClass(cls) -> None:
        cls.km = manager_of(standin=True, ipykernel=cls.ipykernel)
        cls.km.start_kernel(env=environment())
        cls.kc = cls.km.client()
        cls.kc.start_channels()
        cls.kc.wait_for_ready(timeout=30)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.kc.stop_channels()
        cls.km.shutdown_kernel()
        cls.km.cleanup_resources()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("version", versions.ALL, ids=lambda v: v or "installed")
def test_jupyters_own_suite_for_kernels_passes(version: str | None):
    ToolscriptProtocol.ipykernel = versions.have(version)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(ToolscriptProtocol)
    result = unittest.TextTestRunner(verbosity=0).run(suite)

    assert [(str(case), text) for case, text in (*result.failures, *result.errors)] == []
    assert result.testsRun >= 12


# Only the function above is a test: pytest would otherwise run each case without its kernel.
ToolscriptProtocol.__test__ = False
