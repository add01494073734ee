"""Decides how a notebook is run from a shell and told cell by cell."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import nbformat
import typer
from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from rich.console import Console
from rich.rule import Rule
from rich.syntax import Syntax
from rich.text import Text
from traitlets.config import Config

from toolscript.errors import ConfigError, HostError
from toolscript.language.inert import visible
from toolscript_extension.cli.exits import Exit
from toolscript_extension.cli.streams import screen

OUTPUT_LINES = 60
QUICKSTART = Path("notebooks/01-quickstart.ipynb")


def command(
    notebook: Annotated[Path, typer.Argument(help="The notebook to run.")] = QUICKSTART,
    output: Annotated[Path | None, typer.Option(help="Where the executed notebook goes.")] = None,
    timeout: Annotated[int, typer.Option(help="Seconds that one cell may take.")] = 120,
) -> None:
    """Run a notebook with its kernel and print what each cell did."""
    console = screen()
    _check_place(output)
    target = output or notebook.parent / ".work" / f"{notebook.stem}.executed.ipynb"
    document = _read(notebook)
    began = time.monotonic()
    failed = _execute(document, notebook.parent, timeout, console)
    if output is None:
        target.parent.mkdir(exist_ok=True)
    target.write_text(nbformat.writes(document) + "\n", encoding="utf-8")
    _close(console, notebook, target, time.monotonic() - began, failed)
    raise typer.Exit(Exit.FAILED if failed else Exit.COMPLETED)


def _check_place(output: Path | None) -> None:
    """Raise ConfigError for a place that no file can have, before anything runs."""
    if output is not None and not output.parent.is_dir():
        raise ConfigError(f"--output {output}: there is no directory {output.parent}; make it, or name another")
    if output is not None and output.is_dir():
        raise ConfigError(f"--output {output} is a directory; name a file in it")


def _close(console: Console, notebook: Path, target: Path, seconds: float, failed: bool) -> None:
    ending = "stopped at the cell that failed" if failed else "all cells ran"
    _heading(console, f"{ending}, {seconds:.1f} s")
    beside = Path(sys.executable).with_name("jupyter")
    jupyter = _short(beside) if beside.is_file() else "jupyter"
    console.print(Text(f"What it looks like now: {target}"), soft_wrap=True)
    console.print(Text(f"Open it:                {jupyter} lab {target}"), soft_wrap=True)
    console.print(Text(f"Run it yourself:        {jupyter} lab {notebook}"), soft_wrap=True)


def _short(path: Path) -> Path:
    """Return a path as it is typed from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _heading(console: Console, text: str) -> None:
    """Print a line that parts what follows: a rule on a terminal, plain text in a file."""
    if console.is_terminal:
        console.print(Rule(Text(text, style="cyan"), align="left", style="dim"))
    else:
        console.print(Text(f"── {text}"))


def _read(path: Path) -> Any:
    try:
        return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except OSError as error:
        hint = "; give the path of a notebook, or go to the top of a clone" if path == QUICKSTART else ""
        raise ConfigError(f"cannot read {path}: {error.strerror}{hint}") from None
    except Exception as error:
        raise ConfigError(f"{path} is not a notebook: {str(error).splitlines()[0][:200]}") from None


def _execute(document: Any, folder: Path, timeout: int, console: Console) -> bool:
    """Run all cells, telling of each as it ends; returns whether one failed. Raises HostError without a kernel."""
    with TemporaryDirectory(prefix="toolscript-") as private:
        client = _client(document, folder, timeout, Path(private))
        try:
            with client.setup_kernel():
                return any(_fails(client, cell, index, console) for index, cell in enumerate(document.cells))
        except NoSuchKernel as error:
            raise ConfigError(
                f"there is no Jupyter kernel {error.name!r} here; installing toolscript adds its own"
            ) from None
        except CellTimeoutError:
            raise HostError(f"a cell took more than {timeout} s; --timeout allows more") from None
        except RuntimeError as error:  # the kernel died, or never answered
            raise HostError(f"the notebook's kernel: {error}") from None


def _client(document: Any, folder: Path, timeout: int, private: Path) -> NotebookClient:
    # Over a local socket: what the kernel says of TCP without encryption would only alarm. Its place is told, since
    # by default it is a name that means one thing to the kernel and another to us, who work elsewhere.
    local = Config({"KernelManager": {"transport": "ipc", "ip": str(private / "kernel")}})
    where = {"metadata": {"path": str(folder.resolve())}}
    return NotebookClient(document, config=local, timeout=timeout, resources=where)


def _fails(client: NotebookClient, cell: Any, index: int, console: Console) -> bool:
    if cell.cell_type != "code" or not cell.source.strip():
        _tell_prose(cell, console)
        return False
    began, failed = time.monotonic(), False
    try:
        client.execute_cell(cell, index)
    except CellExecutionError:
        failed = True
    _tell(cell, time.monotonic() - began, console)
    return failed


def _tell_prose(cell: Any, console: Console) -> None:
    heading = next((line for line in cell.source.splitlines() if line.startswith("#")), None)
    if heading:
        console.print(Text(visible(f"\n{heading.lstrip('# ')}"), style="bold underline"))


def _tell(cell: Any, seconds: float, console: Console) -> None:
    _heading(console, f"In [{cell.execution_count}]  {seconds:.1f} s")
    source = visible(cell.source)
    if console.is_terminal:
        language = "typescript" if cell.source.startswith("%%toolscript") else "text"
        console.print(Syntax(source, language, background_color="default", word_wrap=True))
    else:
        console.print(Text(source), soft_wrap=True)
    for output in cell.outputs:
        for line in _lines(output):
            console.print(Text(f"  {line}", style="dim" if output.output_type == "stream" else ""), soft_wrap=True)


def _lines(output: Any) -> list[str]:
    if output.output_type == "stream":
        text = output.text
    elif output.output_type == "error":
        text = f"{output.ename}: {output.evalue}"
    else:
        text = output.data.get("text/plain", "")
    lines = visible("".join(text)).rstrip("\n").splitlines()
    if len(lines) > OUTPUT_LINES:
        lines = [*lines[:OUTPUT_LINES], f"… {len(lines) - OUTPUT_LINES} more lines in the executed notebook"]
    return lines
