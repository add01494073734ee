"""Decides which workspace configurations a person has trusted: by real path and the hash of their bytes."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from toolscript.errors import ConfigError


def state_home() -> Path:
    """Return the directory of state that belongs to the user and not to a workspace."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "toolscript"


class Trust:
    """The files that were trusted, one hash each: a file that changes has to be trusted anew."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or state_home() / "trust.json"

    def trusts(self, file: Path, digest: str) -> bool:
        """Say whether exactly these bytes at this place were trusted."""
        return self._files().get(_real(file)) == digest

    def grant(self, file: Path, digest: str) -> None:
        """Trust these bytes at this place; earlier ones are trusted no longer. Raises ConfigError."""
        self._write(self._files() | {_real(file): digest})

    def revoke(self, file: Path) -> bool:
        """Take the trust back; False if there was none."""
        files = self._files()
        found = files.pop(_real(file), None) is not None
        if found:
            self._write(files)
        return found

    def _files(self) -> dict[str, str]:
        try:
            files = json.loads(self._path.read_text("utf-8"))["files"]
        except (OSError, ValueError, KeyError, TypeError):
            # Nothing that can be read: nothing is trusted.
            return {}
        return {k: v for k, v in files.items() if isinstance(v, str)} if isinstance(files, dict) else {}

    def _write(self, files: dict[str, str]) -> None:
        text = json.dumps({"version": 1, "files": files}, indent=1, sort_keys=True)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".trust-")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except OSError as error:
            raise ConfigError(f"cannot remember the trust in {self._path}: {error.strerror}") from None


def _real(file: Path) -> str:
    return str(file.resolve())
