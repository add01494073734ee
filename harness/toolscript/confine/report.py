"""Decides what a person is told about the confinement of this machine: what holds, what is missing, what follows."""

from __future__ import annotations

from dataclasses import dataclass

from toolscript.confine.detect import Capabilities, detect
from toolscript.confine.modes import Means, hiding, means


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One feature of the machine, whether it is there, and what follows from that for scripts and commands."""

    feature: str
    available: bool
    consequence: str


def findings(found: Capabilities | None = None, by: Means | None = None) -> list[Finding]:
    """Return what this machine can hold scripts and commands to; tried, not guessed (about 50 ms, once)."""
    found, by = found or detect(), by or means()
    return [*_features(found), *commands(by, found)]


def _features(found: Capabilities) -> list[Finding]:
    missing = found.missing()
    return [
        Finding(feature=name.replace("_", " "), available=name not in missing, consequence=missing.get(name) or text)
        for name, text in _PRESENT.items()
    ]


_PRESENT = {
    "landlock": "the kernel holds scripts and commands to the files that they may touch",
    "seccomp": "the kernel refuses system calls that scripts and commands have no business with",
    "user_namespaces": "commands can be given a view of the files of their own",
    "mount_namespaces": "secret directories are hidden from commands, protected files frozen",
    "bubblewrap": "it stands in where the kernel refuses namespaces to us",
    "subreaper": "processes that leave their group end with their command all the same",
    "pidfd": "the end of the host is noticed in every way it can come",
}


def commands(by: Means, found: Capabilities) -> list[Finding]:
    """Return what holds for commands with these means."""
    mounted = (by.landlock and by.namespace) or bool(by.bubblewrap)
    confined = by.seccomp and (by.landlock or mounted)
    return [
        Finding(feature="commands: files", available=confined, consequence=_files(by, confined=confined)),
        Finding(feature="commands: network", available=confined, consequence=_NETWORK[confined]),
        Finding(feature="commands: secret directories", available=confined and mounted,
                consequence=_secrets(confined=confined, mounted=mounted, escalated=hiding((), by) is not None)),
        Finding(feature="commands: protected files", available=confined and mounted,
                consequence=_protected(confined=confined, mounted=mounted)),
        Finding(feature="commands: other processes", available=confined and (found.landlock >= 6 or not by.landlock),
                consequence=_signals(found, by, confined=confined)),
    ]  # fmt: skip


_UNCONFINED = "commands run unconfined here: those not known to be safe need consent (policy never refuses them)"
_NETWORK = {
    True: "sockets are refused to commands unless the network is allowed; local sockets always",
    False: _UNCONFINED,
}


def _files(by: Means, *, confined: bool) -> str:
    if not confined:
        return _UNCONFINED
    if by.landlock and (by.namespace or not by.bubblewrap):
        return "commands write only in the workspace and in temporary directories (by Landlock)"
    return "commands write only in the workspace and in temporary directories (by bubblewrap)"


_ESCALATED = {True: ", escalated ones too", False: "; not from escalated ones"}


def _secrets(*, confined: bool, mounted: bool, escalated: bool) -> str:
    if mounted and confined:
        return f"the state directory and Jupyter's runtime directory are hidden from commands{_ESCALATED[escalated]}"
    if confined:
        return (
            "they are closed by rules on their siblings: the directories above cannot be listed by commands, and if "
            "the workspace holds them, commands that are not known to be safe ask"
        )
    return _UNCONFINED


def _protected(*, confined: bool, mounted: bool) -> str:
    if mounted and confined:
        return (
            "git hooks and configuration, toolscript.toml and the user's own settings are frozen; what a command newly "
            "makes of them is removed, or made harmless"
        )
    return (
        "git hooks and configuration and toolscript.toml are put back, with a report, if a command changes them; if "
        "the workspace holds the user's own settings, commands that are not known to be safe ask"
    )


def _signals(found: Capabilities, by: Means, *, confined: bool) -> str:
    if not confined:
        return _UNCONFINED
    if found.landlock >= 6 or not by.landlock:
        return "commands cannot signal processes that are not their own"
    return "commands can signal other processes of this user (Linux 6.12 or newer keeps them from it)"
