"""Random stories of a small mesh: use, delete, subscribe, cuts, false deaths, restarts; and what must hold."""

from __future__ import annotations

import random
from typing import Any

from meshq.errors import Overloaded
from meshq.routing.effects import BarrierDone, ChannelEnded
from meshq.wire.interest import LIFE_MAX
from tests.routing.net import Net, Node

TOPICS = ("orders", "mail")
CHANNELS = ("billing", "audit", "live#ephemeral")


def knows(node: Node, topic: str, channel: str, generation: int, life_of_topic: int) -> bool:
    """Whether the node has the channel in that generation, or knows that it, or its topic, is over."""
    found = node.routing._catalog.topics.get(topic)
    if found is None:
        return False
    if found.dead or found.generation != life_of_topic:
        return found.generation >= life_of_topic
    if "#" in channel:
        return (topic, channel, generation) in node.born
    its = found.channels.get(channel)
    return its is not None and its.life >= generation & LIFE_MAX


class Story:
    """One seed, one story. The net's check asserts every barrier when it ends."""

    def __init__(self, net: Net, seed: int, *, restarts: bool = True) -> None:
        self.net = net
        self.rng = random.Random(seed)
        self.restarts = restarts
        self.epochs = dict.fromkeys(net.nodes, 1)
        self.tokens = 0
        self.asked: dict[int, tuple[str, str, int, int]] = {}
        self.full = 0
        net.check = self._check

    def go(self, steps: int) -> None:
        """Do ``steps`` random things, with random pauses."""
        verbs = [self._subscribe] * 6 + [self._use] * 2 + [self._unsubscribe] * 3 + [self._delete] * 2
        verbs += [self._cut, self._heal, self._false_death, self._setting]
        verbs += [self._restart] if self.restarts else []
        for _ in range(steps):
            self.rng.choice(verbs)()
            self.net.turn()
            if self.rng.random() < 0.7:
                self.net.run(self.rng.choice((0.001, 0.01, 0.1, 1.0, 3.0)))

    def heal(self) -> None:
        """End every fault, and give repair its time."""
        self._heal()
        self.net.loss = self.net.doubled = 0.0
        self.net.run_until(self.net.same, 120.0)

    def _check(self, node: Node, effect: Any) -> None:
        if type(effect) is ChannelEnded:  # its consumers are told, and go
            node.routing.consumers(self.net.now, effect.topic, effect.channel, 0)
        if type(effect) is BarrierDone and effect.token in self.asked:
            asked = self.asked[effect.token]
            knowing = [other.name for other in self.net.nodes.values() if knows(other, *asked)]
            assert effect.answered <= len(knowing), (node.name, effect, asked, knowing)
            assert 1 <= effect.answered <= effect.asked <= len(self.net.nodes)
            self.full += effect.answered == effect.asked

    def _pick(self) -> Node:
        return self.rng.choice(list(self.net.nodes.values()))

    def _key(self) -> tuple[str, str]:
        return self.rng.choice(TOPICS), self.rng.choice(CHANNELS)

    def _use(self) -> None:
        self._pick().routing.use_topic(self.net.now, self.rng.choice(TOPICS))

    def _subscribe(self) -> None:
        node, (topic, channel) = self._pick(), self._key()
        self.tokens += 1
        try:
            generation = node.routing.use_channel(self.net.now, topic, channel)
        except Overloaded:
            return
        self.asked[self.tokens] = topic, channel, generation, node.routing.known(topic) or 0
        node.routing.consumers(self.net.now, topic, channel, self.rng.randrange(1, 4))
        node.routing.barrier(self.net.now, self.tokens, topic, channel, 1.0)
        self.net._turn(node)

    def _unsubscribe(self) -> None:
        """An ephemeral channel that nobody consumes any more need not be known to anybody."""
        node, key = self._pick(), self._key()
        node.routing.consumers(self.net.now, *key, 0)
        if "#" in key[1]:
            self.asked = {token: asked for token, asked in self.asked.items() if asked[:2] != key}

    def _delete(self) -> None:
        node, (topic, channel) = self._pick(), self._key()
        if self.rng.random() < 0.4:
            node.routing.delete_topic(self.net.now, topic)
        else:
            node.routing.delete_channel(self.net.now, topic, channel)

    def _setting(self) -> None:
        node = self._pick()
        node.routing.wall(self.net.now, self.rng.choice((0, 10**18, 2 * 10**18)))
        topic, channel = self._key()
        values = {"key": self.rng.choice((None, *range(5)))}
        node.routing.configure(self.net.now, topic, self.rng.choice(("", channel)), values)

    def _cut(self) -> None:
        names = list(self.net.nodes)
        self.rng.shuffle(names)
        at = self.rng.randrange(1, len(names))
        self.net.cut("".join(names[:at]), "".join(names[at:]))
        if self.rng.random() < 0.7:
            for one in names[:at]:
                for other in names[at:]:
                    self.net.down(one, other)
                    self.net.down(other, one)

    def _heal(self) -> None:
        self.net.cut("".join(self.net.nodes))
        self.net.meet()

    def _false_death(self) -> None:
        one, other = self.rng.sample(list(self.net.nodes), 2)
        self.net.down(one, other)
        self.net.run(self.rng.choice((0.0, 0.2, 2.0)))
        self.net.up(one, other)

    def _restart(self) -> None:
        name = self._pick().name
        self.epochs[name] += 1
        self.net.start(name, self.epochs[name])
        for other in self.net.nodes:
            if other != name:
                if self.rng.random() < 0.5:
                    self.net.down(other, name)
                self.net.up(other, name)
                self.net.up(name, other)
        seed = self.rng.choice([node for node in self.net.nodes.values() if node.name != name])
        if self.rng.random() < 0.8:
            self.net[name].want_catalog(self.net.now, seed.address)
