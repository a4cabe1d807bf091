"""Where a setting's value comes from: flags, then ``MESHQ_*``, then a TOML file, then the default.

Pure: the environment and the parsed file are given. Decides the value and remembers the source; what
the values mean is checked by ``Config.check`` and by whoever uses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from meshq.config import (
    DRAIN_TIMEOUT_S,
    BrokerConfig,
    Config,
    LinkConfig,
    MembershipConfig,
    RoutingConfig,
    membership_profile,
)
from meshq.errors import ConfigError

ENVIRONMENT_PREFIX: Final = "MESHQ_"
GROUPS: Final[dict[str, type[Any]]] = {
    "membership": MembershipConfig,
    "routing": RoutingConfig,
    "broker": BrokerConfig,
    "link": LinkConfig,
}
DEFAULT: Final = "default"

_NODE: Final[dict[str, Any]] = {
    "seeds": (),
    "name": "",
    "label": "meshq",
    "zone": "",
    "profile": "lan",
    "bind": "",
    "port": 4155,
    "http_port": 4151,
    "http_names": (),
    "advertise": "",
    "open": False,
    "key": "",
    "data": "",
    "memory": False,
    "drain_timeout_s": DRAIN_TIMEOUT_S,
}
_YES: Final = frozenset(("1", "true", "yes", "on"))
_NO: Final = frozenset(("0", "false", "no", "off"))


class Value(NamedTuple):
    """An effective value and where it comes from: ``flag``, ``MESHQ_PORT``, a file's name or ``default``."""

    value: Any
    source: str

    @property
    def given(self) -> bool:
        """Whether somebody asked for it."""
        return self.source != DEFAULT


class Settings:
    """The effective settings of a node, by name; those of a machine as ``group.field``."""

    def __init__(self, values: dict[str, Value]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return self._values[name].value

    def given(self, name: str) -> bool:
        """Whether somebody asked for this value, by whatever way."""
        return self._values[name].given

    def items(self) -> list[tuple[str, Value]]:
        """Every setting in the order of the manual."""
        return list(self._values.items())

    def config(self) -> Config:
        """The node's frozen settings, checked; raises ConfigError. Ports are filled in by the runtime."""
        groups = {group: self._group(group, kind) for group, kind in GROUPS.items()}
        plain = {name: self[name] for name in ("name", "label", "zone", "seeds")}
        return Config(**plain, **groups).check()

    def _group(self, group: str, kind: type[Any]) -> Any:
        prefix = group + "."
        given = {
            name.removeprefix(prefix): each.value for name, each in self._values.items() if name.startswith(prefix)
        }
        return replace(kind(), **given)


def defaults(profile: str = "lan") -> dict[str, Any]:
    """The default of every setting by its name; the membership's are those of a profile."""
    found = dict(_NODE)
    for group, kind in GROUPS.items():
        for field in fields(kind):
            assert field.default is not MISSING, f"{group}.{field.name} has no default"
            found[f"{group}.{field.name}"] = field.default
    chosen = membership_profile(profile)
    found |= {f"membership.{field.name}": getattr(chosen, field.name) for field in fields(chosen)}
    return found


def resolve(
    flags: Mapping[str, Any], environment: Mapping[str, str], file: Mapping[str, Any], file_name: str = ""
) -> Settings:
    """Every setting with its source. A flag that is None or empty was not given.

    Raises ConfigError naming the setting and its source when a value has the wrong form, and for an
    unknown name in the file; unknown ``MESHQ_*`` variables are somebody else's.
    """
    by_file = _flatten(file, file_name)

    def value(name: str, default: Any) -> Value:
        variable = ENVIRONMENT_PREFIX + name.replace(".", "_").upper()
        if flags.get(name) not in (None, (), [], ""):
            return Value(_from_flag(flags[name]), "flag")
        if environment.get(variable, "") != "":
            return Value(_from_text(environment[variable], default, variable), variable)
        if name in by_file:
            return Value(_from_file(by_file[name], default, f"{name} in {file_name}"), file_name)
        return Value(default, DEFAULT)

    profile = value("profile", _NODE["profile"])
    return Settings({name: value(name, default) for name, default in defaults(profile.value).items()})


def _flatten(file: Mapping[str, Any], file_name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in file.items():
        if isinstance(value, dict):
            found.update({f"{name}.{inner}": each for inner, each in value.items()})
        else:
            found[name] = value
    known = defaults()
    for name in found:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise ConfigError(f"{file_name}: no setting is called {name!r}" + (f"; is it {near[0]!r}?" if near else ""))
    return found


def _from_flag(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _from_text(text: str, default: Any, where: str) -> Any:
    """A value of the default's kind out of an environment variable."""
    try:
        if isinstance(default, bool):
            return _switch(text)
        if isinstance(default, int):
            return int(text)
        if isinstance(default, float):
            return float(text)
    except ValueError:
        raise ConfigError(f"{where}={text!r}: {_wanted(default)} is wanted{_service_link(text)}") from None
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _from_file(value: Any, default: Any, where: str) -> Any:
    """A TOML value, which must be of the default's kind; whole numbers may stand for others."""
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if isinstance(default, tuple) and isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    if type(value) is not type(default):
        raise ConfigError(f"{where}: {value!r} found where {_wanted(default)} is wanted")
    return value


def _switch(text: str) -> bool:
    word = text.strip().lower()
    if word not in _YES | _NO:
        raise ValueError(text)
    return word in _YES


def _wanted(default: Any) -> str:
    kinds = {bool: "true or false", int: "a whole number", float: "a number", tuple: "a list of texts"}
    return kinds.get(type(default), "a text")


def _service_link(text: str) -> str:
    if not text.startswith("tcp://"):
        return ""
    return " (Kubernetes sets this for a service called meshq: give the pod enableServiceLinks: false)"
