"""Commands: exec and shell, how they are classified, run and reported."""

from toolscript_tools.shell.classify import dangerous, known_safe, split_script
from toolscript_tools.shell.interception import PatchCall, apply_patch_invocation
from toolscript_tools.shell.tool import Exec, Shell, tools

__all__ = [
    "Exec", "PatchCall", "Shell", "apply_patch_invocation", "dangerous", "known_safe", "split_script", "tools",
]  # fmt: skip
