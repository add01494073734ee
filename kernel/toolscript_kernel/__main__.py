"""Decides how the kernel process starts: as ipykernel's application, without the workspace on Python's path."""

import gc

gc.disable()  # what is loaded stays: nothing of it need ever be looked through

from ipykernel.kernelapp import IPKernelApp  # noqa: E402

from toolscript_kernel.kernel import ToolscriptKernel  # noqa: E402

if __name__ == "__main__":
    gc.freeze()
    gc.enable()
    IPKernelApp.launch_instance(kernel_class=ToolscriptKernel, ignore_cwd=True)
