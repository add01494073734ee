"""A toolscript kernel on the stand-in harness."""

from ipykernel.kernelapp import IPKernelApp
from tests.kernel.standin.harness import StandIn

from toolscript_kernel import door
from toolscript_kernel.kernel import ToolscriptKernel

door.Door.__init__.__defaults__ = (StandIn,)
IPKernelApp.launch_instance(kernel_class=ToolscriptKernel, ignore_cwd=True)
