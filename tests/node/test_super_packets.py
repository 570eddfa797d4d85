"""A host's kernel is asked for super-packets as long as the frames of the links that it sends over may be."""

from bench.datapath import tcp
from mycelium.channel.frame_budget import RELAX_AFTER_S, SHORT_BYTES, UNUSED_AFTER_S, USED_DATAGRAMS
from mycelium.limits import GSO_BYTES
from mycelium.link.link import Link
from mycelium.node.super_packets import SuperPackets
from mycelium.outbox import GsoLimited, Outbox
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_TCP
from tests.link.lab import LinkLab
from tests.support.small_meshes import link_of, ready_pair

SLOW, SLOWER = 12_500_000.0, 5_000_000.0  # bytes a second
OF_SLOW = 8_750  # bytes


def ready_link() -> Link:
    """Returns one end of a link over a path of usual width."""
    lab = LinkLab()
    lab.drop = lambda source, destination, data: len(data) > 1_472
    lab.run(1)
    return lab.link("a")


class Watched:
    """Two links of one node, and what it asks of the kernel."""

    def __init__(self) -> None:
        self.links = {name: ready_link() for name in (b"one", b"other")}
        self.one, self.other = self.links.values()
        self.outbox = Outbox()
        self._now = 10.0
        self.super_packets = SuperPackets(self.links, self.outbox)
        self.asked()

    def asked(self, *used: Link, datagrams: int = USED_DATAGRAMS) -> list[int]:
        """Returns what is asked of the kernel after a second in which these links sent so many datagrams each."""
        for link in used:
            link.frames.budget.sent_datagrams += datagrams
        for link in self.links.values():
            link.frames.budget.sweep(now=self._now)
        return self.asked_now()

    def asked_now(self) -> list[int]:
        """Returns what is asked of the kernel at once."""
        self.outbox.clear()
        self.super_packets.look()
        assert all(isinstance(event, GsoLimited) for event in self.outbox.events)
        return [event.longest for event in self.outbox.events if isinstance(event, GsoLimited)]

    def slow(self, link: Link, rate: float) -> None:
        link.frames.budget.slow(rate, now=self._now)

    def relax(self, link: Link, *, after_s: float = RELAX_AFTER_S) -> None:
        self._now += after_s
        link.frames.budget.sweep(now=self._now)


def test_they_are_as_long_as_frames_on_the_slow_link_in_use() -> None:
    watched = Watched()
    assert watched.asked(watched.one) == []
    watched.slow(watched.one, SLOW)
    assert watched.asked(watched.one) == [OF_SLOW]
    assert watched.asked(watched.one) == []
    watched.slow(watched.one, SLOWER)
    assert watched.asked(watched.one) == [SHORT_BYTES]
    watched.slow(watched.one, 1_000.0)
    assert watched.asked(watched.one) == [], "the kernel is never asked for shorter ones"


def test_the_quickest_link_in_use_decides_and_those_at_rest_do_not() -> None:
    watched = Watched()
    watched.slow(watched.one, SLOW)
    assert watched.asked(watched.one, watched.other) == []
    assert watched.asked(watched.one, datagrams=USED_DATAGRAMS - 1) == []
    assert watched.asked(watched.one) == [OF_SLOW]
    assert watched.asked() == []
    assert watched.asked(watched.one, watched.other) == [GSO_BYTES]


def test_a_rate_that_is_measured_a_little_otherwise_and_a_trial_of_longer_frames_change_nothing() -> None:
    watched = Watched()
    watched.slow(watched.one, SLOW)
    assert watched.asked(watched.one) == [OF_SLOW]
    for rate in (SLOW * 0.8, SLOW * 1.4):
        watched.slow(watched.one, rate)
        assert watched.asked(watched.one) == []
    watched.slow(watched.one, SLOW)
    watched.relax(watched.one)
    assert watched.asked(watched.one) == []


def test_they_are_long_again_on_a_path_that_has_become_quick() -> None:
    """As long as they are short, so are frames: these prove nothing."""
    watched = Watched()
    watched.slow(watched.one, SLOW)
    lengths = [watched.asked(watched.one)]
    for wait_s in (RELAX_AFTER_S, UNUSED_AFTER_S):
        watched.relax(watched.one, after_s=wait_s)
        lengths.append(watched.asked(watched.one))
    assert lengths == [[OF_SLOW], [], [GSO_BYTES]]


def test_they_become_longer_with_the_rate() -> None:
    watched = Watched()
    watched.slow(watched.one, SLOWER)
    assert watched.asked(watched.one) == [SHORT_BYTES]
    watched.slow(watched.one, 2 * SLOW)
    assert watched.asked(watched.one) == [2 * OF_SLOW]


def test_a_trial_of_longer_frames_does_not_decide_how_long_they_are_at_first() -> None:
    """A link counts from its second look on, when a trial may be under way."""
    watched = Watched()
    watched.slow(watched.one, SLOW)
    watched.relax(watched.one)
    assert watched.asked(watched.one) == [OF_SLOW]


def test_a_link_that_is_new_counts_at_once() -> None:
    watched = Watched()
    new = watched.links[b"new"] = ready_link()
    watched.slow(new, SLOW)
    assert watched.asked(new) == [OF_SLOW]


def test_a_link_in_use_counts_until_there_was_a_second_of_rest() -> None:
    watched = Watched()
    watched.slow(watched.one, SLOW)
    watched.one.frames.budget.sent_datagrams += USED_DATAGRAMS
    assert watched.asked_now() == [OF_SLOW]
    watched.asked(watched.one, watched.other)
    assert watched.asked_now() == []
    assert watched.asked(watched.one) == [OF_SLOW]


def test_they_are_short_as_soon_as_the_link_in_use_is_found_slow() -> None:
    """Until they are, streams may keep the queue of the link full for as long as it loses some of their packets."""
    net = ready_pair(0.000_3)
    for wire in net.both("a", "b"):
        wire.reshape(bytes_per_s=SLOW)
    packet = tcp(net.hosts["a"].address, net.hosts["b"].address, 40_000)
    budget = link_of(net, "a", "b").frames.budget
    budget.sent(10_000, USED_DATAGRAMS)  # those of this mesh are longer than usual, so they are few
    while budget.usual > GSO_BYTES:
        net.send("a", packet, SUPER_TCP | PARTIAL_CHECKSUM, 1_340)
        net.run(len(packet) / SLOW)
    assert net.hosts["a"].node.neighbours._super_packets.longest == budget.usual


def test_a_neighbour_that_says_slow_again_and_again_has_the_links_looked_at_ten_times_a_second() -> None:
    watched, looks = Watched(), 0
    watched.asked(watched.one)
    watched.slow(watched.one, SLOW)
    for millisecond in range(1_000):
        watched.super_packets.longest = GSO_BYTES  # as if the path had seemed quick meanwhile
        watched.outbox.clear()
        watched.super_packets.link_slowed(now=10.0 + millisecond / 1_000)
        looks += bool(watched.outbox.events)
    assert looks == 10
