"""The stock Python kernel, whose toolscript extension stands on the stand-in harness."""

from ipykernel.kernelapp import IPKernelApp
from tests.kernel.standin.harness import StandIn

from toolscript_kernel import door

door.Door.__init__.__defaults__ = (StandIn,)
IPKernelApp.launch_instance()
