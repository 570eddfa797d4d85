"""Size probes: sealed to the size asked about, opened once, under counters that frames never have."""

import pytest

from mycelium.link.keypair import LinkKeypair
from mycelium.link.size_probe import open_size_probe, seal_size_probe
from mycelium.wire.datagram import FIRST_SIZE_PROBE, FRAME_HEAD, SIZE_PROBE, SIZE_PROBE_BODY, TAG_BYTES
from tests.link.lab import LinkLab

LEAST = FRAME_HEAD.size + SIZE_PROBE_BODY.size + TAG_BYTES


@pytest.fixture
def ends() -> tuple[LinkKeypair, LinkKeypair]:
    lab = LinkLab()
    lab.run(5)
    return lab.link("a").keypairs.sending, lab.link("b").keypairs.sending


@pytest.mark.parametrize("size", [LEAST, 1_452, 8_952])
def test_a_size_probe_has_its_size_and_carries_its_token(ends: tuple[LinkKeypair, LinkKeypair], size: int) -> None:
    ours, theirs = ends
    datagram = seal_size_probe(ours, 0xDEADBEEF, size)
    assert (len(datagram), datagram[0]) == (size, SIZE_PROBE)
    assert open_size_probe(theirs, datagram) == 0xDEADBEEF


def test_the_counters_of_frames_go_on_as_if_nothing_had_been_sent(ends: tuple[LinkKeypair, LinkKeypair]) -> None:
    ours, theirs = ends
    before, opened = ours.sealing.counter, (theirs.opening.opened, theirs.opening.newest)
    counters = [FRAME_HEAD.unpack_from(seal_size_probe(ours, 1, 1_400))[2] for _ in range(3)]
    assert all(counter >= FIRST_SIZE_PROBE for counter in counters)
    assert len(set(counters)) == 3, "no nonce seals twice"
    assert open_size_probe(theirs, seal_size_probe(ours, 1, 1_400)) == 1
    assert ours.sealing.counter == before
    assert (theirs.opening.opened, theirs.opening.newest) == opened


def test_a_copy_an_older_a_forged_and_a_short_one_are_refused(ends: tuple[LinkKeypair, LinkKeypair]) -> None:
    ours, theirs = ends
    older, newer = (seal_size_probe(ours, token, 1_400) for token in (1, 2))
    assert open_size_probe(theirs, newer) == 2
    assert open_size_probe(theirs, newer) is None
    assert open_size_probe(theirs, older) is None
    forged = bytearray(seal_size_probe(ours, 3, 1_400))
    forged[-1] ^= 1
    assert open_size_probe(theirs, memoryview(forged)) is None
    assert open_size_probe(theirs, seal_size_probe(ours, 4, LEAST)[:-1]) is None
    assert open_size_probe(theirs, memoryview(b"")) is None
