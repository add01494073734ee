"""Decides how the kernel process starts: as ipykernel's application, without the workspace on Python's path."""

from ipykernel.kernelapp import IPKernelApp

from toolscript_kernel.kernel import ToolscriptKernel

if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=ToolscriptKernel, ignore_cwd=True)
