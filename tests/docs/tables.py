"""Makes the tables of the reference pages from the code.

    python -m tests.docs.tables         # writes them between their marks

``test_tables`` fails when a page and the code have drifted apart.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import typing
from itertools import pairwise
from types import ModuleType
from typing import Any

from meshq import config
from meshq.machine import settings
from meshq.sim import checkers
from meshq.sim.run import NAMES
from meshq.sim.scenario import SCENARIOS
from meshq.wire import frames
from tests.architecture.source import REPOSITORY

DOCS = REPOSITORY / "docs"
KNOWN = {name: SCENARIOS[name] for name in NAMES}


def frames_table() -> str:
    """Number, name, fields and meaning of every frame."""
    rows = ["| kind | frame | fields | is |", "|---|---|---|---|"]
    for number, kind in frames.KINDS.items():
        fields = ", ".join(name for name in kind.__annotations__ if name != "options")
        rows.append(f"| {number} | {kind.__name__} | {fields} | {_meaning(kind)} |")
    return "\n".join(rows)


def gossip_table() -> str:
    """The packets of membership, as the module draws them, and what each is for."""
    return f"{_packets('gossip')}\n\nRumours and records:\n\n{_drawing('rumours')}"


def interest_table() -> str:
    """The packets of catalog and interest, as the module draws them."""
    return _packets("interest")


def checkers_table() -> str:
    """Every checker, its statement as the module says it, and where it is looked at."""
    rows = ["| checker | what must hold | in |", "|---|---|---|"]
    for found in pkgutil.iter_modules(checkers.__path__):
        module = importlib.import_module(f"{checkers.__name__}.{found.name}")
        own = [kind for kind in vars(module).values() if getattr(kind, "__module__", "") == module.__name__]
        for kind in own if found.name != "base" else ():
            if isinstance(kind, type) and issubclass(kind, checkers.Checker):
                rows.append(f"| `{kind.__name__}` | {_meaning(module)} | {_watched(kind)} |")
    return "\n".join(rows)


def _watched(kind: type[checkers.Checker]) -> str:
    if kind in checkers.STANDARD:
        without = [f"`{name}`" for name, scenario in KNOWN.items() if kind in scenario.without]
        return "every scenario" + (f" but {', '.join(without)}" if without else "")
    return ", ".join(f"`{name}`" for name, scenario in KNOWN.items() if kind in scenario.more)


def scenarios_table() -> str:
    """Every scenario and what it is for."""
    rows = ["| scenario | what happens, and what it breaks |", "|---|---|"]
    rows += [f"| `{name}` | {_line(scenario.why)} |" for name, scenario in KNOWN.items()]
    return "\n".join(rows)


def _packets(name: str) -> str:
    module = importlib.import_module(f"meshq.wire.{name}")
    rows = [_drawing(name), "", "| packet | is |", "|---|---|"]
    for kind in typing.get_args(module.Packet):
        rows.append(f"| {kind.__name__} | {_meaning(kind)} |")
    return "\n".join(rows)


def _drawing(name: str) -> str:
    """The layouts in a module's docstring: its indented lines."""
    text = importlib.import_module(f"meshq.wire.{name}").__doc__ or ""
    return "\n".join(line for line in text.splitlines() if line.startswith("    "))


def config_tables() -> str:
    """Every setting, a table per group."""
    parts = [_config_table("the node", config.Config, "")]
    for field in dataclasses.fields(config.Config):
        if dataclasses.is_dataclass(field.default_factory):
            parts.append(_config_table(field.name, field.default_factory, f"{field.name}."))
    return "\n\n".join(parts)


def _config_table(title: str, group: Any, prefix: str) -> str:
    notes = _notes(config, group.__name__)
    rows = [f"### {title}", "", _meaning(group), "", "| setting | default | is |", "|---|---|---|"]
    for field in dataclasses.fields(group):
        if dataclasses.is_dataclass(field.default_factory):
            continue
        default = "required" if field.default is dataclasses.MISSING else f"`{_shown(field.default)}`"
        rows.append(f"| `{prefix}{field.name}` | {default} | {notes.get(field.name, '')} |")
    return "\n".join(rows)


def names_tables() -> str:
    """Every setting of topics and channels, a table each."""
    return "\n\n".join(
        _names_table(title, table, kind)
        for title, table, kind in (
            ("a topic", settings.TOPIC, settings.TopicSettings),
            ("a channel", settings.CHANNEL, settings.ChannelSettings),
        )
    )


def _names_table(title: str, table: dict[str, settings.Setting], kind: Any) -> str:
    notes = _notes(settings, kind.__name__)
    rows = [f"### {title}", "", _meaning(kind), "", "| setting | values | is |", "|---|---|---|"]
    rows += [f"| `{name}` | {one.values} | {notes[name]} |" for name, one in table.items() if not one.verb]
    return "\n".join(rows)


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else repr(value)


def _notes(module: ModuleType, name: str) -> dict[str, str]:
    """The text under each field of a class: what its reader sees in the source."""
    tree = ast.parse(inspect.getsource(module))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    notes: dict[str, str] = {}
    for field, note in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(note, ast.Expr) and isinstance(note.value, ast.Constant):
            notes[ast.unparse(field.target)] = _line(str(note.value.value))
    return notes


def _meaning(thing: Any) -> str:
    return _line(inspect.getdoc(thing) or "")


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("``", "`").replace("|", "\\|").strip()


TABLES = {
    ("protocol.md", "gossip"): gossip_table,
    ("protocol.md", "interest"): interest_table,
    ("protocol.md", "frames"): frames_table,
    ("configuration.md", "settings"): config_tables,
    ("configuration.md", "names"): names_tables,
    ("simulation.md", "checkers"): checkers_table,
    ("simulation.md", "scenarios"): scenarios_table,
}


def filled(page: str, mark: str, table: str) -> str:
    """The page with the table between its marks."""
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    head, rest = page.split(begin)
    return f"{head}{begin}\n{table}\n{end}{rest.split(end)[1]}"


def main() -> None:
    """Write every table into its page."""
    for (name, mark), table in TABLES.items():
        page = DOCS / name
        page.write_text(filled(page.read_text(encoding="utf-8"), mark, table()), encoding="utf-8")


if __name__ == "__main__":
    main()
