"""``topics`` and ``channels`` with a verb: create, configure, pause, resume, empty, delete.

Decides how settings are read from the command line, and what is said of what was done. What may be set is
``meshq.machine.settings``'s; what a verb does is the mesh's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from meshq.cli import client, out
from meshq.cli.exits import WrongUse
from meshq.cli.start import ONCE, read_start
from meshq.errors import ConfigError
from meshq.machine.settings import Plain, What, check, shown

_PAST = {"pause": "is paused", "resume": "goes on", "delete": "is deleted"}


def do(
    verb: str, nodes: Sequence[str] | None, topic: str, channel: str | None, given: Sequence[str], *, as_json: bool
) -> None:
    """Do ``verb`` to a topic, or with ``channel`` to one of its channels, and say so.

    Raises WrongUse for settings that can't be, and what the mesh refuses.
    """
    settings = read("topic" if channel is None else "channel", given)
    answer = client.run(lambda: _asked(nodes, verb, topic, channel, settings))
    if as_json:
        out.document({"topic": topic, "channel": channel, "verb": verb, **answer})
    else:
        print(_sentence(verb, topic, channel, answer, given=bool(settings)))
        if "start" in settings and answer.get("created") is False:
            out.say(f"it existed: {ONCE}")


def read(what: What, given: Sequence[str]) -> dict[str, Plain | None]:
    """Settings as NAME=VALUE; an empty value takes one back. Raises WrongUse."""
    settings: dict[str, Any] = {}
    start: str | None = None
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise WrongUse(f"{text!r} is no setting: give NAME=VALUE, and NAME= to take one back")
        if what == "channel" and name == "start" and value:
            start = read_start(value)
        else:
            settings[name] = _value(value)
    try:
        checked = check(what, settings)
    except ConfigError as exc:
        raise WrongUse(str(exc)) from exc
    return checked if start is None else {**checked, "start": start}


def _value(text: str) -> Any:
    """A word as it stands; numbers, true and false as JSON writes them, and 1e3 is the whole number that it is."""
    if not text:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, float) and "e" in text.lower() and value.is_integer():
        return int(value)
    return value if isinstance(value, bool | int | float) else text


async def _asked(
    nodes: Sequence[str] | None, verb: str, topic: str, channel: str | None, settings: dict[str, Any]
) -> dict[str, Any]:
    from meshq.client import connect
    from meshq.client.start import setting

    async with connect(*client.addresses(nodes), key=client.key()) as mesh:
        match verb:
            case "create":
                return {"created": await mesh.create(topic, channel, **settings)}
            case "configure":
                if settings.get("start") is not None:
                    settings = {**settings, "start": setting(settings["start"])}
                return {"settings": await mesh.configure(topic, channel, **settings)}
            case "empty":
                answer = await mesh.ask("empty", {"topic": topic, **({"channel": channel} if channel else {})})
                return {"channels": answer["channels"], "retained": answer.get("retained", False)}
            case "pause":
                await mesh.pause(topic, channel)
            case "resume":
                await mesh.resume(topic, channel)
            case _:
                await mesh.delete(topic, channel)
    return {}


def _sentence(verb: str, topic: str, channel: str | None, answer: dict[str, Any], *, given: bool) -> str:
    name = f"topic {topic}" if channel is None else f"channel {topic}/{channel}"
    if verb == "empty":
        if channels := answer["channels"]:
            what = "has forgotten what it retained" if answer["retained"] else "keeps nothing itself"
            more = f"what waits is in its channels: {', '.join(channels)} (`meshq channels empty {topic} CHANNEL`)"
            return f"{name} {what}; {more}"
        return f"{name} is emptied"
    if verb == "create":
        if answer["created"]:
            return f"{name} is created"
        return f"{name} was there" + ("; it is set" if given else "")
    if verb == "configure":
        own = shown(answer["settings"])
        return f"{name} is set: {own}" if own else f"{name} is set as by default"
    return f"{name} {_PAST[verb]}"
