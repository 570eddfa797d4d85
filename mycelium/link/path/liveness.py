"""Whether a path still carries frames both ways, judged by evidence.

Evidence is an answered probe, or an acknowledgement by the peer of a counter newer than it acknowledged before: each proves
both directions. Frames that merely arrive prove one direction, and a path that is cut in one direction is cut.

A frame that wants an acknowledgement starts a silence. The probe timeout (PTO, RFC 9002 section 6.2) allows for the round
trip and the time that the peer may take to acknowledge. After one PTO of silence a probe is sent, then one every PTO. So a
path under traffic notices a cut within a tenth of a second, an idle one after the probe interval of its role. Unanswered
probes make the path SUSPECT, which costs routing little, then DEAD. Their number depends on how many probes the path loses
anyway, and their time is never less than a busy process may be kept from running, or, while frames still arrive, than a queue
on our sending side takes to fill. Where other evidence than silence speaks for a cut (`probe_now`), probes start at once and
suspicion has no minimum time. Where this host has lost what the path ran over (`lose`), the path is SUSPECT at once, and DEAD
as soon as a probe is overdue.

Silence while *this process* did not run is not the peer's: a deadline that is handled late is postponed once, and a probe is
sent.
"""

import math
from enum import Enum, auto
from typing import Final

from mycelium.link.path.rtt import RttEstimator

# Data is acknowledged within this time if nothing else is sent meanwhile.
ANSWER_WITHIN_S: Final = 0.020
# The least time from the last frame sent to one that carries nothing but an acknowledgement; on short paths the round trip plus
# ANSWER_WITHIN_S, if that is less.
ACK_GAP_S: Final = 0.050
# The least time from the first unanswered probe to SUSPECT, before the peer's scheduling delay is added.
SUSPECT_AFTER_S: Final = 0.070
# The multiple of the peer's recent scheduling delay that is added to SUSPECT_AFTER_S.
SUSPECT_DELAY_FACTOR: Final = 8.0
# The least time from the first unanswered probe to DEAD: a peer that gets no processor for 200 ms is not dead.
DEAD_AFTER_S: Final = 0.205
# The least time from the first unanswered probe to DEAD while frames of the peer still arrive.
DEAD_AFTER_HEARD_S: Final = 0.5
# Frames of the peer count as still arriving when the newest is no older than this.
HEARD_WITHIN_S: Final = 0.1
DEAD_INTERVAL_S: Final = 1.0  # between probes of a dead path, which find out that it is back
# A path whose probe has waited for this much longer than two round trips takes no frames over from another one.
SILENT_AFTER_S: Final = 0.030
LATE_S: Final = 0.025  # a deadline handled later than this shows that this process did not run
# A busy path is probed when no data has arrived for this time: the peer may have died, not just finished.
QUIET_S: Final = 0.06

FALSE_ALARMS_PER_DAY: Final = 0.01  # wrong deaths that loss alone may cause on one path
LEAST_PROBES: Final = 3  # fewest unanswered probes of a DEAD path
MOST_PROBES: Final = 10  # unanswered probes that are always enough for DEAD
LEAST_TO_SUSPECT: Final = 2  # fewest unanswered probes of a SUSPECT path
REMEMBERED_PROBES: Final = 128  # sample size of the loss estimate
LOSS_MARGIN_DEVIATIONS: Final = 1.5  # standard deviations added to the loss estimate
FIRST_LOSS: Final = 0.01  # estimate before any probe was sent

_INFINITY: Final = math.inf
_LOW_32: Final = 0xFFFF_FFFF
_HALF: Final = 0x8000_0000


class PathState(Enum):
    """ALIVE: use it. SUSPECT: prefer any other feasible path, retract where there is none. DEAD: it is cut."""

    ALIVE = auto()
    SUSPECT = auto()
    DEAD = auto()


TRANSITIONS: Final = {
    PathState.ALIVE: (PathState.SUSPECT,),
    PathState.SUSPECT: (PathState.ALIVE, PathState.DEAD),
    PathState.DEAD: (PathState.ALIVE,),
}


class Role(Enum):
    """What a path is used for; the value is the interval between probes in seconds while nothing is wrong."""

    BUSY = 0.2  # carries traffic
    SELECTED = 2.0  # in use but idle: what is sent will be missed at once, so probes serve what is under way to us
    SPARE = 5.0  # not in use


class Action(Enum):
    """What `handle_timeout` asks its caller to do at once."""

    NONE = auto()
    PROBE = auto()  # send a probe that wants a reply
    ACK = auto()  # send any frame: its header acknowledges what has arrived


class Liveness:
    """Watches one path. `rtt` is the path's estimator, fed by the owner."""

    __slots__ = (
        "_acked",
        "_answered",
        "_asked_at",
        "_data_at",
        "_has_other_evidence",
        "_is_postponed",
        "_overdue",
        "_pending",
        "_probe_at",
        "_rtt",
        "_sent",
        "_sent_at",
        "_wanted",
        "ack_due",
        "deadline",
        "died_at",
        "heard_at",
        "lost_because",
        "role",
        "silent_since",
        "state",
    )

    def __init__(self, rtt: RttEstimator, *, role: Role = Role.SELECTED, now: float) -> None:
        self.state = PathState.ALIVE
        self.role = role
        self.died_at = -_INFINITY  # when it was last found dead
        self.heard_at = now  # when a frame last arrived
        self.silent_since = _INFINITY  # since when something sent waits for evidence; infinity where nothing does
        self.ack_due = _INFINITY  # when the peer is owed an acknowledgement
        self.deadline = now  # when silence is judged next; may be earlier than needed, then `_due` tells the right time
        self._rtt = rtt
        self._sent = 0  # newest counter sent on this path
        self._sent_at = -_INFINITY
        self._wanted = 0  # newest counter sent that wants an acknowledgement
        self._acked: int | None = None  # low 32 bits of the newest counter that the peer has acknowledged
        self._data_at = -_INFINITY  # when data last arrived
        self._probe_at = -_INFINITY
        self._asked_at = 0.0  # when the first of the pending probes was sent
        self._pending = 0  # probes sent since the last evidence
        self._overdue = 0  # pending probes that are older than a PTO
        # why this host can't send over the path, for people; None once the peer has been heard again
        self.lost_because: str | None = None
        # a cut was reported, not only concluded from silence, and the peer has not been heard since
        self._has_other_evidence = False
        self._is_postponed = False
        self._answered = REMEMBERED_PROBES * (1 - FIRST_LOSS)  # of the last REMEMBERED_PROBES; older ones decay

    def sent(self, counter: int, *, wants_ack: bool, now: float) -> None:
        """Notes a frame sent; probes, data and control messages want an acknowledgement, replies and mere acks do not."""
        self._sent = counter
        self._sent_at = now
        self.ack_due = _INFINITY
        if wants_ack:
            self._wanted = counter
            if self.silent_since == _INFINITY:
                self.silent_since = now
                self.deadline = min(self.deadline, now + self._rtt.pto)

    def received(self, *, ack: int = 0, wants_ack: bool = False, now: float) -> float:
        """Notes an opened frame, with the acknowledgement in it; `wants_ack` when it held data or control messages.

        Returns the next deadline.
        """
        self.heard_at = now
        if ack != self._acked:
            self.acknowledged(ack, now=now)
        if wants_ack:
            self._data_at = now
            if self.role is Role.BUSY and self.deadline > now + QUIET_S:
                self.deadline = now + QUIET_S
            if self.ack_due == _INFINITY:
                # The gap stays below the peer's PTO: otherwise it would probe for what it is about to be told.
                gap = min(ACK_GAP_S, ANSWER_WITHIN_S + (self._rtt.srtt or 0.0))
                self.ack_due = max(now + ANSWER_WITHIN_S, self._sent_at + gap)
        return self.deadline if self.deadline < self.ack_due else self.ack_due

    def acknowledged(self, counter_low32: int, *, now: float) -> None:
        """Takes the acknowledgement in an opened frame's header; 0 is none."""
        acked = self._acked
        if counter_low32 in (acked, 0) or (self._sent - counter_low32) & _LOW_32 >= _HALF:
            return
        if acked is not None and (counter_low32 - acked) & _LOW_32 >= _HALF:
            return
        self._acked = counter_low32
        self._take_evidence(now=now)

    def probe_answered(self, *, now: float) -> None:
        """Notes the reply to one of our probes, however late."""
        self._answered += 1
        self._take_evidence(now=now)

    def set_role(self, role: Role) -> None:
        """Changes how often the path is probed while nothing is wrong."""
        self.role = role
        self.deadline = min(self.deadline, self._due())

    def probe_now(self, *, now: float) -> None:
        """Has a probe sent at once: something besides silence suggests a cut, such as news of this host's network."""
        self._has_other_evidence = True
        if not self._pending or self.state is PathState.DEAD:
            self._probe_at = -_INFINITY
            self.deadline = now

    def reported_unreachable(self, *, now: float) -> None:
        """Takes an ICMP error. Anybody can forge one, so it costs at most one probe per PTO."""
        if self._pending:
            self._has_other_evidence = True
        elif now >= self._probe_at + self._rtt.pto:
            self.probe_now(now=now)

    def lose(self, cause: str, *, now: float) -> None:
        """Notes that this host has lost what the path ran over: only an answer to what is sent from here on counts."""
        if self.state is PathState.DEAD or self.lost_because is not None:
            return
        self.lost_because = cause
        self._acked = self._sent & _LOW_32
        self.silent_since = min(self.silent_since, now)
        if self.state is PathState.ALIVE:
            self._change(PathState.SUSPECT)
        self.retry(now=now)

    def retry(self, *, now: float) -> None:
        """Discards the pending probes of a lost path, which may never have left this host, and probes afresh."""
        if self.lost_because is not None:
            self._pending = self._overdue = 0
            self.probe_now(now=now)

    def restart_counters(self) -> None:
        """Starts counting anew: frames are sealed under another keypair from now on."""
        self._sent = self._wanted = 0
        self._acked = None
        if not self._pending:
            self.silent_since = _INFINITY

    def next_deadline(self) -> float:
        """Returns when `handle_timeout` must be called."""
        return min(self.deadline, self.ack_due)

    def handle_timeout(self, *, now: float) -> Action:
        """Judges the silence at or after `next_deadline`; a probe or acknowledgement that it asks for counts as sent."""
        if now >= self.deadline and self._is_probe_due(now=now):
            self._probe_at = now
            if not self._pending:
                self._asked_at = now
            self._pending += 1
            self.deadline = self._due()
            return Action.PROBE
        return Action.ACK if now >= self.ack_due else Action.NONE

    @property
    def is_doubtful(self) -> bool:
        """Tells whether a probe has waited for longer than answers take."""
        return self._overdue > 0

    def is_silent(self, *, now: float) -> bool:
        """Tells whether a probe has waited for longer than an answer takes where nobody is busy."""
        return self._pending > 0 and now - self._asked_at > 2 * self._rtt.minimum(now=now) + SILENT_AFTER_S

    @property
    def loss(self) -> float:
        """The share of probes that stay unanswered, whichever direction lost them."""
        return min(max(1 - self._answered / REMEMBERED_PROBES, 0.001), 0.5)

    @property
    def probes_to_die(self) -> int:
        """How many unanswered probes mean a cut, so that loss alone causes FALSE_ALARMS_PER_DAY.

        The loss is taken to be a little more than was seen, since a small sample may have been a lucky one.
        """
        trials_per_day = 86_400 / self.role.value
        loss = self.loss + LOSS_MARGIN_DEVIATIONS * math.sqrt(self.loss * (1 - self.loss) / REMEMBERED_PROBES)
        probes = math.ceil(math.log(trials_per_day / FALSE_ALARMS_PER_DAY) / -math.log(loss))
        return min(max(probes, LEAST_PROBES), MOST_PROBES)

    def _due(self) -> float:
        if self.state is PathState.DEAD:
            return self._probe_at + max(DEAD_INTERVAL_S, self.role.value)
        if not self._pending:
            due = min(self._probe_at + self.role.value, self.silent_since + self._rtt.pto)
            if self.role is Role.BUSY and self._data_at > self._probe_at:
                due = min(due, self._data_at + QUIET_S)
            return due
        due = self._probe_at + self._rtt.pto
        if self._overdue >= self.probes_to_die and (dies_at := self._dies_at(now=self._probe_at)) > self._probe_at:
            due = min(due, dies_at)
        return due

    def _dies_at(self, *, now: float) -> float:
        is_heard = now - self.heard_at < HEARD_WITHIN_S
        round_trip_s = (self._rtt.srtt or 0.0) + 4 * self._rtt.rttvar
        return self._asked_at + round_trip_s + (DEAD_AFTER_HEARD_S if is_heard else DEAD_AFTER_S)

    def _is_probe_due(self, *, now: float) -> bool:
        late = now - self.deadline
        due = self._due()
        if now < due:
            self.deadline = due
            return False
        if late > LATE_S and not self._is_postponed:
            self._is_postponed = True
            self._asked_at += late
            return True
        self._is_postponed = False
        if self._pending and self.state is not PathState.DEAD:
            self._overdue += now >= self._probe_at + self._rtt.pto
            self._judge(now=now)
        return True

    def _judge(self, *, now: float) -> None:
        probes_to_die = self.probes_to_die
        probes_to_suspect = max(LEAST_TO_SUSPECT, probes_to_die // 2)
        if self.state is PathState.ALIVE:
            patience_s = 0.0
            if not self._has_other_evidence:
                patience_s = SUSPECT_AFTER_S + SUSPECT_DELAY_FACTOR * self._scheduling_delay_s(now=now)
            if self._overdue >= probes_to_suspect and now >= self._asked_at + patience_s:
                self._change(PathState.SUSPECT)
        elif (self.lost_because is not None and self._overdue) or (
            self._overdue >= probes_to_die and now >= self._dies_at(now=now)
        ):
            self._change(PathState.DEAD)
            self.died_at = now

    def _scheduling_delay_s(self, *, now: float) -> float:
        """Returns how much longer answers lately took than the wire needs."""
        return max((self._rtt.srtt or 0.0) - self._rtt.minimum(now=now), 0.0)

    def _take_evidence(self, *, now: float) -> None:
        is_all_acked = self._acked is not None and (self._acked - self._wanted) & _LOW_32 < _HALF
        self.silent_since = _INFINITY if is_all_acked else now
        if self._pending or self._has_other_evidence:
            self._end_doubt()

    def _end_doubt(self) -> None:
        was_asked = self._pending > 0
        if was_asked and self.state is not PathState.DEAD:  # probes lost in a cut are no sample of the loss
            self._answered *= 1 - self._pending / REMEMBERED_PROBES
        if self.state is not PathState.ALIVE:
            self._change(PathState.ALIVE)
        self._pending = 0
        self._overdue = 0
        self.lost_because = None
        self._has_other_evidence = False
        if was_asked:
            self.deadline = self._due()  # an idle host must not be woken for an answer that has arrived

    def _change(self, state: PathState) -> None:
        assert state in TRANSITIONS[self.state], f"{self.state} -> {state}"
        self.state = state
