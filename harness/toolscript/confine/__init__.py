"""What the operating system holds, whatever a script or a command tries."""

from toolscript.confine.detect import Capabilities, detect

__all__ = ["Capabilities", "detect"]
