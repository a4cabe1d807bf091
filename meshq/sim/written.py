"""Stories as Python files that a person can read, run and keep in ``simulations/``.

Decides how values are written: without what is the default, a call over several lines when it is long. What a story is
made of is in ``story``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from textwrap import indent, wrap
from typing import Any, Final

from meshq.sim.faults import Fault
from meshq.sim.run import play_scenario
from meshq.sim.scenario import Scenario
from meshq.sim.shrink import Shrunk
from meshq.sim.stage import Settings, Stage
from meshq.sim.story import Act, Administering, Consuming, Part, Story

WIDTH: Final = 110
FOLDER: Final = "simulations"
VIOLATIONS_TOLD: Final = 3
NUMBERS_MAX: Final = 1000


def save(shrunk: Shrunk, under: Path) -> Path:
    """Write a shrunk story into ``under/simulations``, or into ``under`` where there is no such folder; its path.

    Never overwrites a file that says something else.
    """
    folder = under / FOLDER if (under / FOLDER).is_dir() else under
    text, name = program(shrunk), _identifier(shrunk.before.name)
    for number in range(1, NUMBERS_MAX):
        path = folder / (f"{name}.py" if number == 1 else f"{name}_{number}.py")
        if not path.exists():
            path.write_text(text, encoding="utf-8")
            return path
        if path.read_text(encoding="utf-8") == text:
            return path
    raise FileExistsError(f"{folder}/{name}.py and {NUMBERS_MAX} more")


def program(shrunk: Shrunk) -> str:
    """The whole file."""
    story, name = shrunk.story, _identifier(shrunk.before.name)
    calls = [*_calls(story)]
    scenario = code(
        Written(
            "Scenario",
            {"name": story.name, "prepare": Written(name), "active_s": story.active_s, **_scenario(story.scenario)},
        )
    )
    body = [
        f"def {name}(stage: Stage) -> list[Fault]:",
        f'    """{_sizes(story)}."""',
        *(indent(call, "    ") for call in calls),
        *_plan(story.plan),
        "",
        "",
        'if __name__ == "__main__":',
        indent(f"story = {scenario}", "    "),
        f"    seed = int(sys.argv[1]) if len(sys.argv) > 1 else {story.seed}",
        f"    sys.exit(play_scenario(story, {code(story.nodes)}, seed).tell())",
    ]
    head = [f'"""{_docstring(shrunk)}"""', "", "from __future__ import annotations", "", "import sys", ""]
    return "\n".join([*head, *_imports(story), "", "", *body, ""])


class Written:
    """A name, or a call of it with these arguments."""

    def __init__(self, name: str, arguments: dict[str, Any] | None = None, *values: Any) -> None:
        self.name = name
        self.arguments = arguments
        self.values = values


def code(value: Any) -> str:
    """A value as an expression. Dataclasses without the fields that are as by default."""
    if isinstance(value, Written):
        if value.arguments is None:
            return value.name
        arguments = [*map(code, value.values), *(f"{key}={code(each)}" for key, each in value.arguments.items())]
        return _bracketed(f"{value.name}(", arguments, ")")
    if is_dataclass(value) and not isinstance(value, type):
        changed = {each.name: found for each in fields(value) if (found := getattr(value, each.name)) != _default(each)}
        return code(Written(type(value).__name__, changed))
    if isinstance(value, tuple):
        return _bracketed("(", [code(each) for each in value], ",)" if len(value) == 1 else ")")
    if isinstance(value, dict):
        return _bracketed("{", [f"{code(key)}: {code(each)}" for key, each in value.items()], "}")
    if isinstance(value, type) or callable(value):
        return str(value.__name__)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _bracketed(opening: str, items: Sequence[str], closing: str) -> str:
    line = f"{opening}{', '.join(items)}{closing}"
    if "\n" not in line:
        if len(line) <= WIDTH - 8:
            return line
        if len(line) - len(opening) <= WIDTH - 12:
            return f"{opening}\n    {', '.join(items)}\n{closing.lstrip(',')}"
    return f"{opening}\n{indent(''.join(f'{item},' + chr(10) for item in items), '    ')}{closing.lstrip(',')}"


def _default(each: Field[Any]) -> Any:
    return each.default_factory() if each.default_factory is not MISSING else each.default


def _calls(story: Story) -> Iterator[str]:
    """What the story does with the stage, a call each."""
    acting = [act.who for act in story.acts]
    if (story.level, story.memory_bytes) != (story.scenario.settings().level, 0):
        budget = [code(story.memory_bytes)] if story.memory_bytes else []
        yield f"stage.keep_at({', '.join([code(story.level), *budget])})"
    for part in story.cast:
        yield (f"{part.name} = " if part.name in acting else "") + _enters(part)
    for node in story.twins:
        yield f"stage.twin({code(node)})"
    for act in story.acts:
        yield f"stage.act({', '.join([code(act.at_s), _verb(act), *map(code, act.arguments)])})"
    if story.forgiven:
        yield f"stage.forgiven |= {{{', '.join(map(code, story.forgiven))}}}"
    for topic, channel in story.owed:
        yield f"stage.owe_everything({code(topic)}, {code(channel)})"


def _enters(part: Part) -> str:
    told = {each.name: found for each in fields(part) if (found := getattr(part, each.name)) != _default(each)}
    verb = {Consuming: "consumer", Administering: "admin"}.get(type(part), "publisher")
    if told.pop("operator", False):
        verb = "operator"
    values = [told.pop(each) for each in ("node", "topic", "channel", "habits") if each in told]
    return code(Written(f"stage.{verb}", told, *values))


def _verb(act: Act) -> str:
    return {"stage": "stage.", "fleet": "stage.fleet."}.get(act.who, f"{act.who}.") + act.verb


def _plan(plan: Sequence[Fault]) -> Iterator[str]:
    if not plan:
        yield "    return []"
        return
    yield "    return ["
    for fault in plan:
        yield indent(code(fault), "        ") + ","
    yield "    ]"


def _scenario(scenario: Scenario) -> dict[str, Any]:
    """The fields of a scenario that are not as by default."""
    told: dict[str, Any] = {"settle_s": scenario.settle_s} if scenario.settle_s != 90.0 else {}
    settings = scenario.settings()
    if settings != Settings():
        told["settings"] = Written(f"lambda: {code(settings)}")
    for name in ("more", "without"):
        if makers := getattr(scenario, name):
            told[name] = makers
    return told


def _imports(story: Story) -> Iterator[str]:
    names: dict[str, dict[str, None]] = {}
    for value in (Fault, play_scenario, Scenario, Stage, *_used(story)):
        names.setdefault(value.__module__, {})[value.__name__] = None
    for module in sorted(names):
        yield f"from {module} import {', '.join(sorted(names[module], key=str.lower))}"


def _used(story: Story) -> Iterator[Any]:
    """Every class and function that the file names, beside those that every file does."""
    yield from (kind for part in story.cast for kind in _kinds(getattr(part, "habits", None)))
    yield from (kind for fault in story.plan for kind in _kinds(fault))
    if story.scenario.settings() != Settings():
        yield from _kinds(story.scenario.settings())
    yield from (*story.scenario.more, *story.scenario.without)


def _kinds(value: Any) -> Iterator[type[Any]]:
    """The dataclasses that ``code(value)`` names."""
    if is_dataclass(value) and not isinstance(value, type):
        yield type(value)
        for each in fields(value):
            if getattr(value, each.name) != _default(each):
                yield from _kinds(getattr(value, each.name))


def _docstring(shrunk: Shrunk) -> str:
    before = shrunk.before
    found = f"meshq sim {before.scenario.name} --nodes {len(before.nodes)} --seed {before.seed}"
    left = f"Made small from {_sizes(before)} to {_sizes(shrunk.story)}; it fails in the same way."
    told = shrunk.result.violations[:VIOLATIONS_TOLD]
    lines = [
        f"What `{found}` found: {shrunk.kind}.",
        "",
        *(indent("\n".join(wrap(line, WIDTH)), "    ") for each in told for line in _ends(each)),
        "",
        *wrap(left, WIDTH),
    ]
    return "\n".join(lines).replace("\\", "\\\\").replace('"""', "'''") + "\n"


def _ends(violation: str) -> list[str]:
    """Its first and last line: what is between is the path of an error through the code."""
    lines = violation.strip().splitlines()
    return lines if len(lines) < 2 else [lines[0], lines[-1]]


def _sizes(story: Story) -> str:
    return ", ".join(
        f"{count} {noun}{'' if count == 1 else 's'}"
        for count, noun in ((len(story.plan), "fault"), (len(story.nodes), "node"), (len(story.cast), "client"))
    )


def _identifier(name: str) -> str:
    text = "".join(char if char.isalnum() else "_" for char in name)
    return text if text.isidentifier() else f"found_{text}"
