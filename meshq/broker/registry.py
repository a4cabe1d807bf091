"""What a broker is made of, found by name: topics, channels, receivers, consumers, peers.

Makes what is asked for and forgets what is left, with both of its ends, so that no table keeps what another has
let go. Decides nothing else.
"""

from __future__ import annotations

from meshq.broker.borrower import Borrower
from meshq.broker.channel import Channel
from meshq.broker.consumer import Consumer
from meshq.broker.parties import FramesToOrigin, FramesToReceiver
from meshq.broker.peer import Peer
from meshq.broker.receiver import Receiver
from meshq.broker.source import OwnSource, Source
from meshq.broker.topic import Topic
from meshq.broker.turn import Turn
from meshq.names import ChannelKey


class Registry:
    """The tables of one broker."""

    __slots__ = ("channels", "consumers", "name", "peers", "receivers", "topics", "turn")

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.name = turn.config.name
        self.topics: dict[str, Topic] = {}
        self.channels: dict[ChannelKey, Channel] = {}
        self.receivers: dict[ChannelKey, Receiver] = {}
        self.consumers: dict[int, Consumer] = {}
        self.peers: dict[str, Peer] = {}

    # finding, and making

    def peer(self, name: str) -> Peer:
        """The other node of that name."""
        found = self.peers.get(name)
        if found is None:
            found = self.peers[name] = Peer(name)
        return found

    def receiver(self, key: ChannelKey) -> Receiver:
        """This node's receiving end of the channel."""
        receiver = self.receivers.get(key)
        if receiver is None:
            receiver = self.receivers[key] = Receiver(self.turn, key)
            channel = self.channels.get(key)
            if channel is not None:
                self._introduce(channel, receiver)
        return receiver

    def channel(self, key: ChannelKey) -> Channel:
        """A new channel, as the origin of its topic's messages here."""
        channel = self.channels[key] = Channel(self.turn, key)
        receiver = self.receivers.get(key)
        if receiver is not None:
            self._introduce(channel, receiver)
        return channel

    def borrower(self, channel: Channel, name: str) -> Borrower:
        """The receiver at another node, as the channel sees it."""
        borrower = channel.borrowers.get(name)
        if borrower is None:
            peer = channel.peers[name] = self.peer(name)
            borrower = Borrower(channel, name, FramesToReceiver(channel.key, peer.outbox))
            channel.borrowers[name] = peer.borrowers[channel.key] = borrower
            if peer.session and peer.epoch is not None:
                borrower.begin(peer.epoch)
        return borrower

    def source(self, peer: Peer, key: ChannelKey) -> Source:
        """The origin at another node, as this node's receiver sees it; only while there is a session."""
        source = peer.sources.get(key)
        if source is None:
            receiver = self.receiver(key)
            source = Source(receiver, peer.name, FramesToOrigin(key, peer.outbox))
            peer.sources[key] = receiver.sources[peer.name] = source
            source.begin()
        return source

    def _introduce(self, channel: Channel, receiver: Receiver) -> None:
        """The own node's logs are one origin of its receiver, its receiver one borrower of the channel."""
        own = OwnSource(receiver, self.name)
        borrower = Borrower(channel, self.name, own)
        own.meet(borrower)
        borrower.session = True
        borrower.interested = bool(receiver.consumers)
        channel.own = borrower
        receiver.sources[self.name] = own
        channel.touch()

    # forgetting

    def forget_borrower(self, channel: Channel, name: str) -> None:
        """Nothing is left between the channel and that node."""
        del channel.borrowers[name]
        del channel.peers[name]
        del self.peers[name].borrowers[channel.key]

    def forget_channel(self, channel: Channel) -> None:
        """The channel is over. The credit that borrowers have goes back, so that both ends agree."""
        for name, borrower in channel.borrowers.items():
            if borrower.session and (borrower.messages or borrower.bytes or borrower.recalled):
                borrower.give_credit_back()
            peer = self.peers[name]
            del peer.borrowers[channel.key]
            peer.flagged.pop(channel, None)
        receiver = self.receivers.get(channel.key)
        own = receiver.sources.pop(self.name, None) if receiver is not None else None
        if own is not None:
            own.end()
        self.turn.channels.pop(channel, None)
        del self.channels[channel.key]

    def forget_receiver(self, receiver: Receiver) -> None:
        """The receiver is gone, with whatever it held."""
        del self.receivers[receiver.key]
        for name in receiver.sources:
            if name != self.name:
                source = self.peers[name].sources.pop(receiver.key)
                self.turn.finishing.pop(source, None)
        channel = self.channels.get(receiver.key)
        if channel is not None:
            channel.own = None
        self.turn.receivers.pop(receiver, None)
        receiver.credit.end()

    def forget_peer(self, name: str) -> None:
        """The node will not come back under this name as far as anybody knows."""
        found = self.peers.pop(name, None)
        self.turn.wanted.names.pop(name, None)
        if found is not None:
            for borrower in found.borrowers.values():
                borrower.channel.borrowers.pop(name, None)
                borrower.channel.peers.pop(name, None)
            for source in found.sources.values():
                source.receiver.forget_source(source)
                self.tidy_receiver(source.receiver)

    def tidy_source(self, peer: Peer, source: Source) -> None:
        """Forget the source when nothing of it is left."""
        if source.empty():
            source.receiver.forget_source(source)
            del peer.sources[source.receiver.key]
            self.tidy_receiver(source.receiver)

    def tidy_receiver(self, receiver: Receiver) -> None:
        """Forget the receiver when nothing of it is left."""
        if receiver.empty() and self.receivers.get(receiver.key) is receiver:
            self.forget_receiver(receiver)
