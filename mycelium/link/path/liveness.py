"""Whether a path still carries frames both ways, told by evidence.

Evidence is an answered probe, or an echo by the peer of something newer than it echoed before: each proves both directions.
Frames that merely come prove one, and a path that is cut one way is cut.

A frame that wants an echo starts a silence; what the path's probe timeout (PTO) allows for is the round trip and the time the
peer may take before it echoes. One PTO later we ask by a probe, then once every PTO. So a path under traffic notices a cut in a
tenth of a second, and an idle one after its role's probe interval. Probes that stay unanswered make the path SUSPECT, which
costs routing little, then DEAD. How many it takes depends on how many the path loses anyway, and never less than a time in
which a busy process may not be run, or, while frames still come, in which a queue in front of ours may fill. Where something
besides silence speaks for a cut (`doubt`) probes begin at once, and suspicion waits for nothing else. Where this host has lost
what the path runs over (`cut`) it is suspect, and dead as soon as a probe is overdue: there may be another way.

Silence while *we* were not run is not the peer's: a deadline that is handled late is put off, once, and asks again.
"""

import math
from enum import Enum, auto
from typing import Final

from mycelium.link.path.rtt import RttEstimator

ANSWER_WITHIN_S: Final = 0.020  # the receiver of data that has nothing to say echoes within this time
ECHO_GAP_S: Final = (
    0.050  # but not sooner after its last frame, nor than the round trip and the above where that is less
)
SUSPECT_AFTER_S: Final = 0.070  # at least, since the first unanswered probe,
SUSPECT_WAITS: Final = 8.0  # and so many times longer than processes have lately been late with their answers
DEAD_AFTER_S: Final = 0.205  # at least: a peer that is not run for 200 ms is not dead
DEAD_AFTER_HEARD_S: Final = 0.5  # at least, while frames of the peer still come
HEARD_WITHIN_S: Final = 0.1  # the newest of them
DEAD_INTERVAL_S: Final = 1.0  # between probes of a dead path, to notice that it is back
LATE_S: Final = 0.025  # a deadline handled later than this tells that we were not run
QUIET_S: Final = 0.06  # since data came on a busy path

FALSE_ALARMS_PER_DAY: Final = 0.01  # wrong deaths that loss may cause on one path
LEAST_PROBES: Final = 3  # unanswered before a path is dead
MOST_PROBES: Final = 10
LEAST_TO_SUSPECT: Final = 2
REMEMBERED_PROBES: Final = 128  # about as many tell the loss
LUCK: Final = 1.5  # standard deviations of what so many can tell
FIRST_LOSS: Final = 0.01  # assumed before they were sent

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

    BUSY = (
        0.2  # carries traffic; also asked when that has stopped to come, for the peer may have died, not just be done
    )
    SELECTED = 2.0  # in use, but idle: what is sent will be missed at once, so this is for who is on the way
    SPARE = 5.0


class Action(Enum):
    """What `handle_timeout` asks for, to be done at once."""

    NONE = auto()
    PROBE = auto()  # send a probe that wants a reply
    ECHO = auto()  # send a frame, whatever it holds: its header echoes what has come


class Liveness:
    """Watches one path. `rtt` is the path's estimator, fed by the owner."""

    __slots__ = (
        "_answered",
        "_asked",
        "_asked_at",
        "_data_at",
        "_deadline",
        "_echoed",
        "_is_cut",
        "_is_doubted",
        "_is_forgiven",
        "_overdue",
        "_pending",
        "_probe_at",
        "_rtt",
        "_sent",
        "_sent_at",
        "_silent_since",
        "_wanted",
        "died_at",
        "echo_due",
        "heard_at",
        "role",
        "state",
    )

    def __init__(self, rtt: RttEstimator, *, now: float, role: Role = Role.SELECTED) -> None:
        self.state = PathState.ALIVE
        self.role = role
        self.died_at = -_INFINITY  # when it was last found dead
        self.heard_at = now  # when a frame last came
        self.echo_due = _INFINITY  # when the peer is owed a frame
        self._rtt = rtt
        self._sent = 0  # newest counter sent on this path
        self._sent_at = -_INFINITY
        self._wanted = 0  # newest counter sent that wants an echo
        self._echoed: int | None = None  # low 32 bits of the newest counter the peer has echoed
        self._silent_since = _INFINITY  # infinity: nothing is waited for
        self._data_at = -_INFINITY  # when data came last
        self._probe_at = -_INFINITY
        self._asked_at = 0.0  # when the first of the pending probes was sent
        self._pending = 0  # probes sent since the last evidence
        self._overdue = 0  # of them, waited for a probe timeout
        self._is_cut = False  # since the last evidence
        self._is_doubted = False  # the same, by more than silence
        self._is_forgiven = False
        self._asked = float(REMEMBERED_PROBES)  # both decay
        self._answered = REMEMBERED_PROBES * (1 - FIRST_LOSS)
        self._deadline = now  # may lie before `_due`, which is looked at when it has come

    def sent(self, counter: int, now: float, wants_echo: bool) -> None:
        """Notes a frame sent; probes, data and control messages want an echo, replies and mere echoes do not."""
        self._sent = counter
        self._sent_at = now
        self.echo_due = _INFINITY
        if wants_echo:
            self._wanted = counter
            if self._silent_since == _INFINITY:
                self._silent_since = now
                self._deadline = min(self._deadline, now + self._rtt.pto)

    def received(self, now: float, wants_echo: bool = False) -> None:
        """Notes an opened frame; `wants_echo` when it held data or control messages."""
        self.heard_at = now
        if wants_echo:
            self._data_at = now
            if self.role is Role.BUSY and self._deadline > now + QUIET_S:
                self._deadline = now + QUIET_S
        if wants_echo and self.echo_due == _INFINITY:
            # The gap stays below the peer's probe timeout, or it would have to ask for what it is about to be told.
            gap = min(ECHO_GAP_S, ANSWER_WITHIN_S + (self._rtt.srtt or 0.0))
            self.echo_due = max(now + ANSWER_WITHIN_S, self._sent_at + gap)

    def echoed(self, counter_low32: int, now: float) -> None:
        """Notes the echo in an opened frame's header; 0 is none."""
        if counter_low32 == self._echoed or counter_low32 == 0:
            return
        if (self._sent - counter_low32) & _LOW_32 >= _HALF:
            return
        if self._echoed is not None and (counter_low32 - self._echoed) & _LOW_32 >= _HALF:
            return
        self._echoed = counter_low32
        self._take_evidence(now)

    def probe_answered(self, now: float) -> None:
        """Notes the reply to one of our probes, however late."""
        self._answered += 1
        self._take_evidence(now)

    def set_role(self, role: Role) -> None:
        """Changes how often the path is probed while nothing is wrong."""
        self.role = role
        self._deadline = min(self._deadline, self._due())

    def doubt(self, now: float) -> None:
        """Asks for a probe at once: there is news of the network, which proves nothing but is no accident either."""
        self._is_doubted = True
        if not self._pending or self.state is PathState.DEAD:
            self._probe_at = -_INFINITY
            self._deadline = now

    def rumour(self, now: float) -> None:
        """Takes an ICMP error, which anybody may have made: a doubt that costs at most a probe a probe timeout."""
        if self._pending:
            self._is_doubted = True
        elif now >= self._probe_at + self._rtt.pto:
            self.doubt(now)

    def cut(self, now: float) -> None:
        """The host has lost what the path ran over: only an answer to what is sent from here on saves it."""
        if self.state is PathState.DEAD or self._is_cut:
            return
        self._is_cut = True
        self._echoed = self._sent & _LOW_32
        self._silent_since = min(self._silent_since, now)
        if self.state is PathState.ALIVE:
            self._change(PathState.SUSPECT)
        self.ask_again(now)

    def ask_again(self, now: float) -> None:
        """Forgets the questions that a lost path may not have let out, and asks afresh."""
        if self._is_cut:
            self._pending = self._overdue = 0
            self.doubt(now)

    def restart_counters(self) -> None:
        """The session's keys are new and its frames count from the start again."""
        self._sent = self._wanted = 0
        self._echoed = None
        if not self._pending:
            self._silent_since = _INFINITY

    def next_deadline(self) -> float:
        """Returns when `handle_timeout` must be called."""
        return min(self._deadline, self.echo_due)

    def handle_timeout(self, now: float) -> Action:
        """Judges the silence at or after `next_deadline`; a probe or echo it asks for counts as sent."""
        if now >= self._deadline and self._is_probe_due(now):
            self._probe_at = now
            if not self._pending:
                self._asked_at = now
            self._pending += 1
            self._deadline = self._due()
            return Action.PROBE
        return Action.ECHO if now >= self.echo_due else Action.NONE

    @property
    def silent_since(self) -> float:
        """Since when something of ours waits for an answer; infinity where nothing does."""
        return self._silent_since

    @property
    def loss(self) -> float:
        """The share of probes that stay unanswered, for whichever direction's loss."""
        return min(max(1 - self._answered / self._asked, 0.001), 0.5)

    @property
    def probes_to_die(self) -> int:
        """How many unanswered probes mean a cut, so that loss alone causes FALSE_ALARMS_PER_DAY.

        The loss is taken to be a little more than was seen: a run of luck must not make us hasty.
        """
        trials_per_day = 86_400 / self.role.value
        loss = self.loss + LUCK * math.sqrt(self.loss * (1 - self.loss) / REMEMBERED_PROBES)
        probes = math.ceil(math.log(trials_per_day / FALSE_ALARMS_PER_DAY) / -math.log(loss))
        return min(max(probes, LEAST_PROBES), MOST_PROBES)

    def _due(self) -> float:
        if self.state is PathState.DEAD:
            return self._probe_at + max(DEAD_INTERVAL_S, self.role.value)
        if not self._pending:
            due = min(self._probe_at + self.role.value, self._silent_since + self._rtt.pto)
            if self.role is Role.BUSY and self._data_at > self._probe_at:
                due = min(due, self._data_at + QUIET_S)
            return due
        due = self._probe_at + self._rtt.pto
        if self._overdue >= self.probes_to_die and (dies_at := self._dies_at(self._probe_at)) > self._probe_at:
            due = min(due, dies_at)
        return due

    def _dies_at(self, now: float) -> float:
        is_heard = now - self.heard_at < HEARD_WITHIN_S
        round_trip_s = (self._rtt.srtt or 0.0) + 4 * self._rtt.rttvar
        return self._asked_at + round_trip_s + (DEAD_AFTER_HEARD_S if is_heard else DEAD_AFTER_S)

    def _is_probe_due(self, now: float) -> bool:
        late = now - self._deadline
        due = self._due()
        if now < due:
            self._deadline = due
            return False
        if late > LATE_S and not self._is_forgiven:
            self._is_forgiven = True
            self._asked_at += late
            return True
        self._is_forgiven = False
        if self._pending and self.state is not PathState.DEAD:
            self._overdue += now >= self._probe_at + self._rtt.pto
            self._judge(now)
        return True

    def _judge(self, now: float) -> None:
        probes_to_die = self.probes_to_die
        probes_to_suspect = max(LEAST_TO_SUSPECT, probes_to_die // 2)
        if self.state is PathState.ALIVE:
            patience = 0.0 if self._is_doubted else SUSPECT_AFTER_S + SUSPECT_WAITS * self._waits_s(now)
            if self._overdue >= probes_to_suspect and now >= self._asked_at + patience:
                self._change(PathState.SUSPECT)
        elif (self._is_cut and self._overdue) or (self._overdue >= probes_to_die and now >= self._dies_at(now)):
            self._change(PathState.DEAD)
            self.died_at = now

    def _waits_s(self, now: float) -> float:
        """Returns how long answers lately took beyond what the wire needs."""
        return max((self._rtt.srtt or 0.0) - self._rtt.minimum(now=now), 0.0)

    def _take_evidence(self, now: float) -> None:
        was_asked = self._pending > 0
        if was_asked and self.state is not PathState.DEAD:  # a cut tells nothing of loss
            keep = 1 - self._pending / REMEMBERED_PROBES
            self._asked = self._asked * keep + self._pending
            self._answered *= keep
        if self.state is not PathState.ALIVE:
            self._change(PathState.ALIVE)
        self._pending = 0
        self._overdue = 0
        self._is_cut = self._is_doubted = False
        is_all_echoed = self._echoed is not None and (self._echoed - self._wanted) & _LOW_32 < _HALF
        self._silent_since = _INFINITY if is_all_echoed else now
        if was_asked:
            self._deadline = self._due()  # an idle host is not to be woken for an answer that has come

    def _change(self, state: PathState) -> None:
        assert state in TRANSITIONS[self.state], f"{self.state} -> {state}"
        self.state = state
