from math import inf

import pytest

from mycelium.channel.byte_budget import ByteBudget
from mycelium.channel.keypair import IDLE_KEPT_S, REJECT_AFTER_S
from mycelium.channel.simultaneous_open import SIMULTANEOUS_S
from mycelium.link.counters import LinkCounters
from mycelium.link.handshakes import Completed
from mycelium.link.keypair import MESSAGE_3_AGAIN_S, MESSAGE_3_PATIENCE_S
from mycelium.link.keypairs import KEYPAIRS_PER_LINK, Keypairs
from mycelium.link.reassembly import PartialBudget
from mycelium.outbox import Outbox
from tests.channel.support import OWN_KEY, agreed_keys
from tests.link.support import HERE


def completed(index: int, *, is_initiator: bool = True) -> Completed:
    keys = agreed_keys(is_initiator=is_initiator, index=index)
    return Completed(keys, HERE, b"message 3" if is_initiator else None)


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def keypairs(outbox: Outbox) -> Keypairs:
    return Keypairs(
        completed(1),
        own_exchange_key=OWN_KEY,
        partial_budget=PartialBudget(),
        held_budget=ByteBudget(0),
        counters=LinkCounters(),
        outbox=outbox,
        now=0.0,
    )


def test_beyond_the_bound_the_oldest_keypair_that_is_not_in_use_is_removed(keypairs: Keypairs) -> None:
    for index in range(2, KEYPAIRS_PER_LINK + 3):
        keypairs.add(completed(index), now=0.0)
    assert list(keypairs.by_index) == [1, 4, 5, 6]


def test_the_first_frame_under_a_keypair_ends_its_message_3_and_switches_to_it(keypairs: Keypairs) -> None:
    new = keypairs.add(completed(2), now=1.0)
    assert keypairs.confirm(new)
    assert new.message_3 is None


def test_a_frame_under_the_keypair_in_use_switches_nothing(keypairs: Keypairs) -> None:
    assert not keypairs.confirm(keypairs.sending)
    assert keypairs.sending.message_3 is None


def test_a_straggler_under_an_older_keypair_switches_nothing(keypairs: Keypairs) -> None:
    old = keypairs.sending
    keypairs.confirm(old)
    keypairs.sending = keypairs.add(completed(2), now=SIMULTANEOUS_S + 1)
    assert not keypairs.confirm(old)


def test_a_responder_s_keypair_is_switched_to_if_it_supersedes_the_one_in_use(keypairs: Keypairs) -> None:
    early = keypairs.add(completed(2, is_initiator=False), now=1.0)
    late = keypairs.add(completed(3, is_initiator=False), now=SIMULTANEOUS_S + 1)
    assert not keypairs.confirm(early)  # a simultaneous open, which the lower key wins: OWN_KEY
    assert keypairs.confirm(late)


def test_message_3_is_sent_again_until_it_is_given_up(keypairs: Keypairs, outbox: Outbox) -> None:
    times = []
    while (now := keypairs.next_deadline()) < MESSAGE_3_PATIENCE_S + 1:
        keypairs.handle_timeout(now=now)
        times += [now] * len(outbox.transmits)
        outbox.clear()
    assert times == [pytest.approx(MESSAGE_3_AGAIN_S * number) for number in range(1, len(times) + 1)]
    assert times[-1] == pytest.approx(MESSAGE_3_PATIENCE_S)
    assert keypairs.sending.message_3 is None


def test_message_3_goes_to_where_the_handshake_was(keypairs: Keypairs, outbox: Outbox) -> None:
    keypairs.handle_timeout(now=MESSAGE_3_AGAIN_S / 2)
    assert outbox.transmits == []
    keypairs.handle_timeout(now=MESSAGE_3_AGAIN_S)
    [(endpoint, [data], size, is_bulk, _)] = outbox.transmits
    assert (endpoint, bytes(data), size, is_bulk) == (HERE, b"message 3", 9, False)


def test_an_idle_keypair_out_of_use_is_removed_and_the_one_in_use_never(keypairs: Keypairs) -> None:
    keypairs.confirm(keypairs.sending)
    other = keypairs.add(completed(2, is_initiator=False), now=0.0)
    keypairs.handle_timeout(now=IDLE_KEPT_S)
    assert other.local_index in keypairs.by_index
    keypairs.handle_timeout(now=IDLE_KEPT_S + 0.1)
    assert list(keypairs.by_index) == [1]


def test_a_keypair_that_is_too_old_is_removed_and_worn_out_even_if_in_use(keypairs: Keypairs) -> None:
    first = keypairs.sending
    assert keypairs.sweep(now=first.established + REJECT_AFTER_S) is False
    assert keypairs.sweep(now=first.established + REJECT_AFTER_S + 1) is True
    assert (first.local_index in keypairs.by_index, first.sealing.is_worn_out) == (False, True)
    assert keypairs.sweep(now=first.established + REJECT_AFTER_S + 2) is False
    keypairs.close()
    assert keypairs.next_deadline() == inf


def test_a_closed_set_is_empty(keypairs: Keypairs) -> None:
    keypairs.add(completed(2), now=0.0)
    keypairs.close()
    assert keypairs.by_index == {}


def test_of_another_process_only_its_own_keypair_is_kept(keypairs: Keypairs) -> None:
    keypairs.add(completed(2), now=1.0)
    new = keypairs.add(completed(3), now=2.0)
    keypairs.keep_only(new)
    assert list(keypairs.by_index.values()) == [new]
    assert keypairs.sending is new
