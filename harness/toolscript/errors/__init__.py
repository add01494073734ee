"""Decides which failures exist, who must act on each, and the stable code that every face shows.

The tree, split by who must act::

    ToolscriptError
    ├── ScriptError               the author of the script (a model or a person) mends it
    │   ├── ScriptFormatError     the reply holds no script that can be run as it stands
    │   ├── ScriptSyntaxError     not TypeScript
    │   ├── UnsupportedTypeScript valid TypeScript that cannot be erased to JavaScript
    │   ├── ScriptThrew           an exception that the script did not catch
    │   ├── DeadlockError         nothing pending, and the script cannot go on
    │   └── ResultNotJson         a result that JSON cannot carry
    ├── LimitExceeded             the author uses less, or the owner allows more (one class a limit)
    ├── ToolError                 a tool says no; the script may handle it
    │   ├── UnknownTool, InvalidArguments, ToolNotAllowed, OutputTooLarge
    │   ├── McpToolError, OutcomeUnknown, ToolCancelled
    │   └── ApprovalError         a person or a policy says no
    │       ├── ApprovalDenied, ApprovalExpired, ApprovalUnavailable
    ├── DecisionError             an answer to a request for consent that cannot count
    │   └── AlreadyDecided, UnknownApproval, OwnerGone
    ├── RunAborted                somebody stopped the run
    ├── HostError                 ours to mend: InternalError, WorkerCrashed, PoolBusy, ProtocolFault, JournalError
    ├── JournalDamaged            a journal that cannot be believed; whoever keeps it must look
    ├── ProviderError             the model's provider, or the way to it
    └── ConfigError               whoever wrote the configuration
"""

from toolscript.errors.base import Json, Position, ToolscriptError
from toolscript.errors.host import (
    AlreadyDecided,
    ConfigError,
    DecisionError,
    HostError,
    InternalError,
    JournalDamaged,
    JournalError,
    OwnerGone,
    PoolBusy,
    ProtocolFault,
    ProviderError,
    RunAborted,
    StillInterrupted,
    UnknownApproval,
    WorkerCrashed,
)
from toolscript.errors.limit import (
    ArgumentsTooLarge,
    CallsExceeded,
    DenialsExceeded,
    GuestTimeExceeded,
    HeapExceeded,
    LimitExceeded,
    ResultTooLarge,
    SourceTooLarge,
    StackExceeded,
    StoreTooLarge,
    TimersExceeded,
    WallTimeExceeded,
)
from toolscript.errors.reviving import revive
from toolscript.errors.script import (
    DeadlockError,
    ResultNotJson,
    ScriptError,
    ScriptFormatError,
    ScriptSyntaxError,
    ScriptThrew,
    UnsupportedTypeScript,
)
from toolscript.errors.tool import (
    ApprovalDenied,
    ApprovalError,
    ApprovalExpired,
    ApprovalUnavailable,
    InvalidArguments,
    McpToolError,
    OutcomeUnknown,
    OutputTooLarge,
    ToolCancelled,
    ToolError,
    ToolNotAllowed,
    UnknownTool,
)

__all__ = [
    "AlreadyDecided",
    "ApprovalDenied",
    "ApprovalError",
    "ApprovalExpired",
    "ApprovalUnavailable",
    "ArgumentsTooLarge",
    "CallsExceeded",
    "ConfigError",
    "DeadlockError",
    "DecisionError",
    "DenialsExceeded",
    "GuestTimeExceeded",
    "HeapExceeded",
    "HostError",
    "InternalError",
    "InvalidArguments",
    "JournalDamaged",
    "JournalError",
    "Json",
    "LimitExceeded",
    "McpToolError",
    "OutcomeUnknown",
    "OutputTooLarge",
    "OwnerGone",
    "PoolBusy",
    "Position",
    "ProtocolFault",
    "ProviderError",
    "ResultNotJson",
    "ResultTooLarge",
    "RunAborted",
    "ScriptError",
    "ScriptFormatError",
    "ScriptSyntaxError",
    "ScriptThrew",
    "SourceTooLarge",
    "StackExceeded",
    "StillInterrupted",
    "StoreTooLarge",
    "TimersExceeded",
    "ToolCancelled",
    "ToolError",
    "ToolNotAllowed",
    "ToolscriptError",
    "UnknownApproval",
    "UnknownTool",
    "UnsupportedTypeScript",
    "WallTimeExceeded",
    "WorkerCrashed",
    "revive",
]
