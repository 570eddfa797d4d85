from mycelium.channel.byte_budget import ByteBudget
from mycelium.limits import PARTIAL_BYTES_PER_NODE
from mycelium.link.chunk_tags import ChunkTags
from mycelium.link.counters import LinkCounters
from mycelium.link.handshakes import Completed
from mycelium.link.keypair import MESSAGE_3_AGAIN_S, LinkKeypair
from mycelium.link.reassembly import PartialBudget
from mycelium.wire.datagram import CHUNK_HEAD, CHUNK_TAG_SHIFT, CHUNK_WORD
from tests.channel.support import agreed_keys
from tests.link.support import HERE


def test_an_initiator_s_message_3_is_due_again_a_while_after_the_handshake() -> None:
    completed = Completed(agreed_keys(is_initiator=True), HERE, b"message 3")
    keypair = LinkKeypair(completed, PartialBudget(), ByteBudget(0), LinkCounters(), now=5.0)
    assert (keypair.message_3, keypair.message_3_due) == (b"message 3", 5.0 + MESSAGE_3_AGAIN_S)
    assert keypair.endpoint == HERE


def test_a_closed_keypair_gives_back_what_it_held_of_incomplete_and_of_waiting_frames() -> None:
    partial, held = PartialBudget(), ByteBudget(PARTIAL_BYTES_PER_NODE)
    completed = Completed(agreed_keys(is_initiator=False, index=7), HERE, None)
    keypair = LinkKeypair(completed, partial, held, LinkCounters(), now=0.0)
    tagged = ChunkTags(keypair.opening.cipher).of(1) << CHUNK_TAG_SHIFT | 2_016
    chunk = CHUNK_HEAD.pack(CHUNK_WORD, 7, 1, tagged, 1_440, 0) + bytes(1_000)
    keypair.reassembly.add_burst(memoryview(chunk), len(chunk))
    keypair.gaps.opened(2, now=0.0, srtt=0.002)
    keypair.gaps.admit(2, 1, memoryview(bytes(500)), [])
    assert partial.held_bytes > 1_000
    assert held.held_bytes >= 500
    keypair.close()
    assert (partial.held_bytes, held.held_bytes) == (0, 0)
