"""An eavesdropper injects chunks of frames that are yet to come, whose counters he can tell, in the neighbour's name."""

import random

import pytest

from mycelium.wire.datagram import CHUNK_HEAD, CHUNK_WORD
from tests.link.lab import LinkLab, endpoint

FRAMES = 400
FRAME_BYTES = 20_000
EVERY_S = 0.002
CHUNKS_PER_FRAME = 4  # 2,000 a second


class SplittingLab(LinkLab):
    """A lab whose datagrams arrive one by one, as where no kernel joins them."""

    def _arrive(self, source: str, destination: str, burst: bytes, segment_size: int) -> None:
        for start in range(0, len(burst), segment_size):
            super()._arrive(source, destination, burst[start : start + segment_size], segment_size)


def inject(lab: LinkLab, rng: random.Random, shape: tuple[int, int, int]) -> None:
    keypair = lab.link("b").keypairs.sending
    for ahead in range(1, CHUNKS_PER_FRAME + 1):
        counter = keypair.opening.newest + ahead
        chunk = CHUNK_HEAD.pack(CHUNK_WORD, keypair.local_index, counter, *shape) + rng.randbytes(1)
        lab.ends["b"].receive(endpoint("a"), chunk, len(chunk))


@pytest.mark.parametrize("shape", [(24, 24, 0), (20_088, 1_440, 4)], ids=["of another frame", "of the frame"])
def test_injected_chunks_cost_no_frame_and_no_repair(shape: tuple[int, int, int]) -> None:
    lab, rng = SplittingLab(), random.Random(1)
    lab.run(2)
    sent = [rng.randbytes(FRAME_BYTES) for _ in range(FRAMES)]
    for data in sent:
        lab.send("a", data)
        inject(lab, rng, shape)
        lab.run(EVERY_S)
    lab.run(1)
    heard = lab.heard("b")
    counters = lab.ends["b"].counters
    assert len(heard) == FRAMES
    assert heard == sent
    assert (counters.frames_given_up, counters.frames_repaired, lab.ends["a"].counters.repair_ranges_refused) == (
        0,
        0,
        0,
    )
