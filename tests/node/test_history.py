"""What a link has been through does not slow it down: soon afterwards it carries as much as a fresh one, for as little work."""

from dataclasses import dataclass
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from bench.datapath import tcp
from mycelium.channel.frame_size import LONGEST_WAIT_S
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_TCP
from tests.support.examples import examples
from tests.support.small_meshes import link_of, ready_pair

DELAY_S: Final = 0.000_3
MTU: Final = 1_500
SUPER: Final = SUPER_TCP | PARTIAL_CHECKSUM
SUPER_BYTES: Final = 40_000
SEGMENT: Final = 1_340
EVERY_S: Final = 0.004  # between super-packets
SOON_S: Final = LONGEST_WAIT_S + 1.0  # of traffic after the cause is gone
MEASURED: Final = 200  # super-packets


@dataclass
class Speed:
    """What a link delivers, and for how much work."""

    delivered: float  # share of the bytes sent
    datagrams_per_frame: float


class Pair:
    """Two nodes with a link and a session, whose wire can be spoiled and put right again."""

    def __init__(self) -> None:
        self.net = ready_pair(DELAY_S)
        self.mend()
        self.bulk("a", 5.0)  # finds the path MTU

    def spoil(self, **changes: float) -> None:
        for wire in self.net.both("a", "b"):
            wire.reshape(**changes)

    def mend(self) -> None:
        self.spoil(loss=0.0, delay_s=DELAY_S, jitter_s=0.0, reorder=0.0, duplicate=0.0, bytes_per_s=0.0, mtu=MTU)

    def bulk(self, source: str, seconds: float, *, every_s: float = EVERY_S) -> None:
        other = "b" if source == "a" else "a"
        packet = tcp(self.net.hosts[source].address, self.net.hosts[other].address, SUPER_BYTES)
        for _ in range(round(seconds / every_s)):
            self.net.send(source, packet, SUPER, SEGMENT)
            self.net.run(every_s)

    def small(self, source: str, seconds: float, *, size: int) -> None:
        other = "b" if source == "a" else "a"
        packet = tcp(self.net.hosts[source].address, self.net.hosts[other].address, size)
        for _ in range(round(seconds / EVERY_S)):
            self.net.send_batch(source, [(packet, 0, 0)] * 30)
            self.net.run(EVERY_S)

    def speed(self, source: str, *, loss: float) -> Speed:
        """Measures after some traffic under the same loss."""
        self.spoil(loss=loss)
        self.bulk(source, 0.5)
        other = "b" if source == "a" else "a"
        frames = link_of(self.net, source, other).frames
        counter, datagrams = frames.keypairs.sending.sealing.counter, frames.budget.sent_datagrams
        before = len(self.net.hosts[other].delivered)
        self.bulk(source, MEASURED * EVERY_S)
        self.net.run(0.1)
        arrived = sum(len(packet) for packet, *_ in self.net.hosts[other].delivered[before:])
        sent = frames.keypairs.sending.sealing.counter - counter
        self.spoil(loss=0.0)
        return Speed(arrived / (MEASURED * SUPER_BYTES), (frames.budget.sent_datagrams - datagrams) / sent)


LOSSES: Final = (0.0, 0.01, 0.05)


def fresh_speeds() -> list[Speed]:
    return [Pair().speed("a", loss=loss) for loss in LOSSES]


FRESH: Final[list[Speed]] = []


def check(pair: Pair, source: str, loss: float) -> None:
    """Fails unless the link is about as fast as a fresh one."""
    if not FRESH:
        FRESH.extend(fresh_speeds())
    fresh = FRESH[LOSSES.index(loss)]
    pair.mend()
    pair.bulk(source, SOON_S)
    found = pair.speed(source, loss=loss)
    assert found.delivered > fresh.delivered - 0.02
    assert found.datagrams_per_frame > 0.7 * fresh.datagrams_per_frame


def test_a_link_that_was_slow_is_soon_as_quick_as_before() -> None:
    pair = Pair()
    for seconds in (3.0, 0.2):
        pair.spoil(bytes_per_s=1e6)
        pair.bulk("a", seconds)
        pair.spoil(bytes_per_s=0.0)
    check(pair, "a", 0.01)


sources = st.sampled_from("ab")
seconds = st.sampled_from((0.2, 1.0, 3.0))


class AnyHistory(RuleBasedStateMachine):
    """A link under whatever happens to it."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()
        self.lasted_s = 0.0

    @rule(source=sources, seconds=seconds, loss=st.sampled_from((0.003, 0.01, 0.05, 0.3)))
    def lose(self, source: str, seconds: float, loss: float) -> None:
        self.pair.spoil(loss=loss)
        self.pair.bulk(source, seconds)

    @rule(source=sources, seconds=seconds, megabytes=st.sampled_from((1, 5)))
    def overload(self, source: str, seconds: float, megabytes: float) -> None:
        self.pair.spoil(bytes_per_s=megabytes * 1e6)
        self.pair.bulk(source, seconds)
        self.pair.spoil(bytes_per_s=0.0)

    @rule(source=sources, seconds=seconds, size=st.sampled_from((64, 1_200)), loss=st.sampled_from((0.0, 0.1)))
    def flood(self, source: str, seconds: float, size: int, loss: float) -> None:
        self.pair.spoil(loss=loss)
        self.pair.small(source, seconds, size=size)

    @rule(source=sources, seconds=seconds, delay_s=st.sampled_from((0.005, 0.06)))
    def delay(self, source: str, seconds: float, delay_s: float) -> None:
        self.pair.spoil(delay_s=delay_s, jitter_s=delay_s / 4, reorder=0.1, duplicate=0.1)
        self.pair.bulk(source, seconds)

    @rule(source=sources, seconds=seconds)
    def shrink(self, source: str, seconds: float) -> None:
        self.pair.spoil(mtu=1_330)
        self.pair.bulk(source, seconds)

    @rule(pause_s=st.sampled_from((1.0, 70.0, 200.0)))
    def wait(self, pause_s: float) -> None:
        self.pair.mend()
        self.pair.net.run(pause_s)

    @rule(source=sources, loss=st.sampled_from(LOSSES))
    def check(self, source: str, loss: float) -> None:
        check(self.pair, source, loss)

    def teardown(self) -> None:
        check(self.pair, "a", 0.01)


AnyHistory.TestCase.settings = settings(max_examples=examples(5), stateful_step_count=6, deadline=None)
TestAnyHistory = AnyHistory.TestCase
