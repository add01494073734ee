"""Decides how the controls look with which a person answers in a notebook: core widgets only, reached by keyboard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from toolscript.approvals.visible import one_line
from toolscript.errors import Json
from toolscript_kernel.front import ipywidgets

BORDER = "1px solid rgba(183,121,31,.75)"
MARK = "4px solid #b7791f"


def button(label: str, act: Callable[[], None], *, style: str = "", tip: str = "") -> Any:
    """Return a button; ``act`` is called on the loop that runs now, wherever the click arrives."""
    widgets, loop = ipywidgets(), asyncio.get_running_loop()
    made = widgets.Button(
        description=label, button_style=style, tooltip=tip, layout=widgets.Layout(width="auto", flex="0 0 auto")
    )
    # On some versions of ipykernel, clicks come on the thread of a subshell.
    made.on_click(lambda _: loop.call_soon_threadsafe(act))
    return made


def row(*controls: Any) -> Any:
    """Return controls side by side, wrapped where the page is narrow."""
    widgets = ipywidgets()
    return widgets.Box(
        list(controls),
        layout=widgets.Layout(display="flex", flex_flow="row wrap", align_items="center", grid_gap="4px"),
    )


def card(*parts: Any, name: str) -> Any:
    """Return parts below each other in a box that calls for attention."""
    widgets = ipywidgets()
    layout = widgets.Layout(border=BORDER, border_left=MARK, padding="8px 12px", margin="6px 0", max_width="960px")
    box = widgets.VBox(list(parts), layout=layout)
    box.add_class(name)
    return box


def line(placeholder: str) -> Any:
    """Return a field for one line of text."""
    widgets = ipywidgets()
    layout = widgets.Layout(width="auto", flex="1 1 180px", min_width="120px")
    return widgets.Text(placeholder=placeholder, continuous_update=True, layout=layout)


class JsonField:
    """A field in which a value is edited as JSON."""

    def __init__(self, value: Json) -> None:
        widgets = ipywidgets()
        text = json.dumps(value, ensure_ascii=True, indent=2)
        layout = widgets.Layout(width="auto", height=f"{min(18, text.count(chr(10)) + 3) * 1.5}em")
        self.widget = widgets.Textarea(text, continuous_update=True, layout=layout, placeholder="arguments as JSON")

    def read(self) -> Json:
        """Return what was written. Raises ValueError that says where it is no JSON."""
        return json.loads(self.widget.value)


class Form:
    """Fields for the answer to a question that describes its answer by a JSON schema."""

    def __init__(self, schema: dict[str, Json] | None) -> None:
        widgets = ipywidgets()
        properties = (schema or {}).get("properties") or {}
        self._required = frozenset((schema or {}).get("required") or ())
        self._kinds = {name: str(sub.get("type", "string")) for name, sub in properties.items()}
        self._fields = {name: _field(widgets, name, sub) for name, sub in properties.items()}
        self.widgets = tuple(self._fields.values())

    def read(self) -> dict[str, Json]:
        """Return what was filled in, fields left empty left out. Raises ValueError naming a field that is wrong."""
        found: dict[str, Json] = {}
        for name, field in self._fields.items():
            if field.value in ("", None) and self._kinds[name] != "boolean":
                if name in self._required:
                    raise ValueError(f"{name} is missing")
                continue
            found[name] = _typed(name, field.value, self._kinds[name])
        return found


def _field(widgets: Any, name: str, schema: dict[str, Json]) -> Any:
    label = one_line(str(schema.get("title") or name))
    layout = widgets.Layout(width="auto")
    options: dict[str, Any] = {"description": label, "style": {"description_width": "initial"}, "layout": layout}
    if schema.get("type") == "boolean":
        return widgets.Checkbox(value=bool(schema.get("default")), indent=False, **options)
    if "enum" in schema:
        choices = [("", "")] + [(one_line(str(v)), v) for v in schema["enum"]]
        return widgets.Dropdown(options=choices, value=schema.get("default", ""), **options)
    hint = one_line(str(schema.get("description") or ""))
    return widgets.Text(value=str(schema.get("default") or ""), placeholder=hint, **options)


def _typed(name: str, value: Any, kind: str) -> Json:
    if kind not in ("integer", "number"):
        return value
    try:
        return int(value) if kind == "integer" else float(value)
    except ValueError:
        raise ValueError(f"{name} must be a number, got {value!r}") from None
