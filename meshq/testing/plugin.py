"""The pytest plugin: a simulated mesh as the fixture ``mesh``, its seeds from the command line.

Installed with meshq as the entry point ``meshq`` of ``pytest11``; imports nothing of the simulator before a test asks
for it. Decides which seeds a test is played with, how an async test is played, and what is told when one fails.
"""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from meshq.sim import Mesh

FIXTURE: Final = "mesh"
MARKER: Final = (
    "meshq(nodes=3, config=None, weather=...): how the fixture `mesh` is made, by keyword arguments of meshq.sim.Mesh;"
    " with seed=S, or seeds=N for 1 to N, what the test is played with unless the command line says otherwise"
)
KNOWN: Final = ("nodes", "config", "weather", "seed", "seeds")
_MESH: Final = pytest.StashKey["Mesh"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which seeds."""
    group = parser.getgroup("meshq", "meshq: tests in a simulated mesh (fixture `mesh`)")
    group.addoption("--meshq-seed", type=int, metavar="SEED", help="play tests of `mesh` with this seed only")
    group.addoption("--meshq-seeds", type=int, metavar="N", help="play tests of `mesh` with each of the seeds 1 to N")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each seed."""
    if FIXTURE in metafunc.fixturenames and _is_ours(metafunc):
        seeds = _seeds(metafunc.config, metafunc.definition)
        metafunc.parametrize(FIXTURE, seeds, indirect=True, ids=[f"seed{seed}" for seed in seeds])


@pytest.fixture
def mesh(request: pytest.FixtureRequest) -> Mesh:
    """A ``meshq.sim.Mesh`` of three nodes, for one run; the mark ``meshq`` takes its other arguments.

    A test that is ``async def`` is played in it; another one calls ``mesh.run`` itself.
    """
    from meshq.sim import Mesh

    made = Mesh(seed=getattr(request, "param", 1), **_arguments(request.node))
    request.node.stash[_MESH] = made
    return made


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Play an async test of ours in virtual time."""
    ours = pyfuncitem.stash.get(_MESH, None)
    if ours is None or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    ours.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, None]:
    """To a failure, add what happened in the mesh and how to see it again."""
    outcome = yield
    ours = item.stash.get(_MESH, None)
    if ours is not None and call.when == "call" and call.excinfo is not None:
        report = outcome.get_result()
        if report.failed:
            report.sections.append(("meshq", f"{ours.report()}\n\nrepeat: {_again(item, ours.seed)}"))


def _is_ours(metafunc: pytest.Metafunc) -> bool:
    """Whether the fixture is this one: projects may have a `mesh` of their own."""
    definitions = metafunc.definition._fixtureinfo.name2fixturedefs.get(FIXTURE, ())
    return bool(definitions) and definitions[-1].func.__module__ == __name__


def _seeds(config: pytest.Config, definition: pytest.Item) -> list[int]:
    """What the command line says, else the mark, else the seed 1."""
    mark = _mark(definition)
    one, many = config.getoption("--meshq-seed"), config.getoption("--meshq-seeds")
    if one is None and many is None:
        one, many = mark.get("seed"), mark.get("seeds", 1)
    if one is None and many < 1:
        raise pytest.UsageError(f"{definition.nodeid}: play it with 1 seed or more, not {many}")
    return [one] if one is not None else list(range(1, many + 1))


def _arguments(item: pytest.Item) -> dict[str, Any]:
    return {name: value for name, value in _mark(item).items() if name not in ("seed", "seeds")}


def _mark(item: pytest.Item) -> dict[str, Any]:
    """The keyword arguments of the mark ``meshq``, the nearest one."""
    marker = item.get_closest_marker("meshq")
    if marker is None:
        return {}
    if marker.args or (unknown := [name for name in marker.kwargs if name not in KNOWN]):
        wrong = f"not {marker.args[0]!r} alone" if marker.args else f"no {unknown[0]!r}"
        raise pytest.UsageError(f"{item.nodeid}: the mark meshq takes {', '.join(KNOWN)}, by name; {wrong}")
    return dict(marker.kwargs)


def _again(item: pytest.Item, seed: int) -> str:
    return f"pytest {shlex.quote(item.nodeid)} --meshq-seed {seed}"
