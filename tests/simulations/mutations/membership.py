"""Wrong rules of membership: incarnations, epochs, suspicion, death, repair, joining."""

from __future__ import annotations

from typing import Any

from meshq.engine.links import Links
from meshq.membership import member, view
from meshq.membership.appeals import Appeals
from meshq.membership.digest import Digest
from meshq.membership.joining import Joining
from meshq.membership.lag import Lag
from meshq.membership.membership import Membership
from meshq.membership.probe import Prober
from meshq.membership.rejoin import Rejoin
from meshq.membership.repair import Repair
from meshq.membership.roster import EvenRoster
from meshq.membership.rumours import Kind, Rumours
from meshq.membership.trials import Trials
from meshq.membership.view import View
from tests.simulations.mutations.bug import Code, Strike, bug


@bug(View, "_refute", "refutation", "slow", "partition")
def an_accusation_is_not_refuted(right: Code, strike: Strike) -> Code:
    """Who hears that it is suspected or dead does not raise its incarnation."""

    def refute(view: View, now: float, accused: int) -> None:
        strike()

    return refute


@bug(View, "_refute", "refutation", "partition")
def a_refutation_keeps_the_incarnation(right: Code, strike: Strike) -> Code:
    """Who refutes announces itself in the incarnation that is accused."""

    def refute(view: View, now: float, accused: int) -> None:
        strike()
        view.renew(now, Kind.REFUTATION)

    return refute


@bug(view, "precedence", "gone", "partition")
def alive_beats_dead_in_an_incarnation(right: Code, strike: Strike) -> Code:
    """At the same incarnation the account that is alive wins over a death."""

    def precedence(epoch: Any, incarnation: int, state: int) -> Any:
        if state == member.State.DEAD:
            strike()
            state = -1
        return right(epoch, incarnation, state)

    return precedence


@bug(View, "convict", "gone", "crash-storm")
def a_suspicion_never_runs_out(right: Code, strike: Strike) -> Code:
    """Nobody who is suspected is ever declared dead."""

    def convict(view: View, now: float, name: str) -> None:
        strike()

    return convict


@bug(View, "accuse", "gone", "slow")
def a_failed_probe_kills_at_once(right: Code, strike: Strike) -> Code:
    """One probe without an answer, and the member is dead, without a time to refute."""

    def accuse(view: View, now: float, accused: Any) -> None:
        right(view, now, accused)
        strike()
        view.convict(now, accused.name)

    return accuse


@bug(Rejoin, "period", "partition", "split-catalog")
def the_dead_are_never_tried_again(right: Code, strike: Strike) -> Code:
    """Neither the dead nor the seeds are asked again: a partition that outlasts the suspicion stays."""

    def period(rejoin: Rejoin, now: float) -> None:
        strike()

    return period


@bug(View, "hear_record", "crash-storm", "late-finish")
def an_earlier_epoch_is_believed(right: Code, strike: Strike) -> Code:
    """Epochs are compared the wrong way round: of two starts of a name the earlier one holds."""

    def hear_record(view: View, now: float, record: Any, by: str, **how: Any) -> Any:
        known = view.members.get(record.name)
        if known is not None and record.name != view.me.name and record.epoch > known.epoch and known.live:
            strike()
            return True
        return right(view, now, record, by, **how)

    return hear_record


@bug(View, "_yield", "resumed")
def a_later_start_of_ones_own_name_is_ignored(right: Code, strike: Strike) -> Code:
    """A node that hears of a later start of its name goes on."""

    def make_way(view: View, now: float, record: Any) -> None:
        if view.announced:
            strike()
        else:
            right(view, now, record)

    return make_way


@bug(Joining, "refused", "resumed")
def a_name_in_use_is_taken_all_the_same(right: Code, strike: Strike) -> Code:
    """A joiner that is told that its name is in use elsewhere does not stop."""

    def refused(joining: Joining, now: float, packet: Any) -> None:
        if packet.code == "NAME":
            strike()
        else:
            right(joining, now, packet)

    return refused


@bug(View, "raise_epoch", "wrong-clocks")
def an_epoch_is_the_wall_clock_alone(right: Code, strike: Strike) -> Code:
    """A start does not go above the epoch that the mesh remembers of its name: after the clock was set back the new
    start is older than the last."""

    def raise_epoch(view: View, now: float, heard: Any) -> None:
        if heard > view.me.epoch:
            strike()

    return raise_epoch


@bug(Repair, "compare", "partition", "lossy")
def views_that_differ_are_not_repaired(right: Code, strike: Strike) -> Code:
    """Digests are compared and nothing follows: what a rumour missed is missed until the periodic exchange."""

    def compare(repair: Repair, now: float, digest: int, member: Any) -> None:
        if not repair._view.digest.agrees(now, digest, repair._view.settle_s()):
            strike()

    return compare


@bug(Repair, "ask", "partition", "lossy")
def tables_are_never_exchanged(right: Code, strike: Strike) -> Code:
    """No repair at all: after a join views live by rumours only."""

    def ask(repair: Repair, now: float, member: Any) -> None:
        strike()

    return ask


@bug(Digest, "change", "lossy", "crash-storm")
def the_digest_forgets_a_change(right: Code, strike: Strike) -> Code:
    """The digest of a view is not updated when a member dies, so views that differ look equal."""

    def change(digest: Digest, now: float, before: Any, after: Any, settle_s: float) -> None:
        if not after.live:
            strike()
        else:
            right(digest, now, before, after, settle_s)

    return change


@bug(Membership, "leave", "rolling-restart", "drain-killed")
def a_leave_is_not_told(right: Code, strike: Strike) -> Code:
    """A node leaves without a goodbye, and is taken for dead."""

    def leave(machine: Membership, now: float) -> None:
        strike()

    return leave


@bug(Membership, "_resume", "slow")
def a_pause_of_ones_own_counts_against_others(right: Code, strike: Strike) -> Code:
    """A node that stood still holds the answers that it did not read against those who sent them."""

    def resume(machine: Membership, by_s: float) -> None:
        strike()

    return resume


@bug(Prober, "acked", "calm", "lossy")
def answers_of_probes_are_lost(right: Code, strike: Strike) -> Code:
    """One ack in ten is dropped unread.

    Probes are repeated by way of others and over a stream, and bytes on a link answer them too.
    """
    seen = [0]

    def acked(prober: Prober, number: int) -> Any:
        seen[0] += 1
        if seen[0] % 10 == 0:
            strike()
            return None
        return right(prober, number)

    return acked


@bug(Rumours, "_make_room", "full")
def the_rumour_queue_has_no_bound(right: Code, strike: Strike) -> Code:
    """A full queue of rumours gives nothing up."""

    def make_room(rumours: Rumours) -> None:
        strike()

    return make_room


@bug(View, "_remember", "full", "crash-storm")
def the_dead_are_remembered_for_ever(right: Code, strike: Strike) -> Code:
    """The list of the dead has no bound."""

    def remember(view: View, gone: Any) -> None:
        view.members[gone.name] = gone
        view.gone[gone.name] = None
        if len(view.gone) > view.settings.dead_max:
            strike()

    return remember


@bug(Membership, "crashed", "process-crash")
def a_refused_dial_proves_nothing(right: Code, strike: Strike) -> Code:
    """A process whose links broke, and where nobody listens any more, is waited for like a silent host."""

    def crashed(machine: Membership, now: float, name: str, epoch: Any, since: float) -> None:
        strike()

    return crashed


@bug(Links, "_check_crash", "flapping-link", "process-crash")
def a_broken_link_is_a_death(right: Code, strike: Strike) -> Code:
    """A link that ends without a goodbye is a death, without a dial that is refused."""

    def check_crash(links: Links, now: float, link: Any) -> None:
        strike()
        links._membership.crashed(now, link.name, link.epoch, now)

    return check_crash


@bug(Appeals, "waits", "slander")
def a_death_is_believed_on_hearsay(right: Code, strike: Strike) -> Code:
    """A rumour that a member is dead closes a link over which it just sent something, without a question."""

    def waits(appeals: Appeals, now: float, accused: Any, death: Any) -> bool:
        if right(appeals, now, accused, death):
            strike()
        return False

    return waits


@bug(Trials, "_end", "gone", "crash-storm")
def a_trial_never_ends(right: Code, strike: Strike) -> Code:
    """A suspicion that has run out is asked about, and no answer, nor the lack of any, makes a death of it."""

    def end(trials: Trials, now: float, trial: Any) -> None:
        strike()

    return end


@bug(Lag, "_go_on", "gone", "crash-storm")
def what_waits_for_reading_waits_for_ever(right: Code, strike: Strike) -> Code:
    """A read barrier is never passed: no failed probe counts and no suspicion becomes a death."""

    def go_on(lag: Lag, now: float, until: float) -> None:
        strike()

    return go_on


@bug(EvenRoster, "add", "gone", "crash-storm")
def newcomers_are_left_out_of_the_roster(right: Code, strike: Strike) -> Code:
    """Who joins is known, but neither probed nor told anything."""

    def add(roster: EvenRoster, name: str) -> None:
        strike()

    return add
