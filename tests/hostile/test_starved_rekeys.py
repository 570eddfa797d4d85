"""Somebody on the way drops the handshakes that renew keys, of links or of sessions, and lets all else pass."""

from mycelium.channel.keypair import REJECT_AFTER_S, REKEY_AFTER_S, RESPONDER_REKEYS_LATER_S
from mycelium.link.causes import KEYS_TOO_OLD
from mycelium.wire.datagram import CHUNK, FRAME, SIZE_PROBE
from tests.session.lab import DELAY_S, Delays, SentTrain, SessionLab
from tests.support.small_meshes import deliver, is_up, link_of, reaches, ready_pair

OPEN_KINDS = {FRAME, CHUNK, SIZE_PROBE}


def test_a_link_whose_handshakes_are_dropped_goes_down_and_comes_back_with_new_keys() -> None:
    net = ready_pair()
    old = {link_of(net, one, other).keypairs.sending for one, other in ("ab", "ba")}
    net.drop = lambda sender, receiver, data: data[0] not in OPEN_KINDS
    net.run(REJECT_AFTER_S - 60)
    assert is_up(net, "a", "b")
    net.run(65)
    assert not is_up(net, "a", "b")
    [death] = net.hosts["a"].deaths
    assert death.cause == KEYS_TOO_OLD
    assert all(keypair.sealing.is_worn_out for keypair in old)
    for link in (link for host in net.hosts.values() for link in host.node.links.values()):
        assert not old & set(link.keypairs.by_index.values())

    net.capture = []
    net.run(60)
    assert {data[0] for *_, data in net.capture} & OPEN_KINDS == set()
    net.drop = lambda sender, receiver, data: False
    net.run(40, until=lambda: reaches(net, "a", "b") and reaches(net, "b", "a"))
    deliver(net, "a", "b")


def test_a_session_whose_requests_are_dropped_sends_nothing_more_until_one_is_answered() -> None:
    lab = SessionLab("ab")
    lab.send("a", "b", b"first")
    lab.run(1)
    starved_at = lab.now

    def starve(train: SentTrain) -> Delays:
        return [DELAY_S] if train.text.endswith(("data", "confirm")) else []

    lab.fate = starve
    while lab.now < starved_at + REJECT_AFTER_S + 60:
        lab.send("a", "b", b"data")
        lab.send("b", "a", b"data")
        lab.run(5)
    lab.heard("b")
    for one, other in ("ab", "ba"):
        session = lab.session(one, other)
        assert (session.sending, session.keypairs) == (None, [])
    lab.run(60)
    assert lab.heard("b") == []

    lab.fate = lambda train: [DELAY_S]
    lab.send("a", "b", b"at last")
    lab.run(10)
    assert b"at last" in lab.heard("b")


def test_an_honest_link_and_its_sessions_never_notice() -> None:
    net = ready_pair()
    seen = set()
    for _ in range(int(2 * REJECT_AFTER_S / 60)):
        net.run(60)
        deliver(net, "a", "b", within=0.05)
        seen.add(link_of(net, "a", "b").keypairs.sending)
    assert net.hosts["a"].deaths == net.hosts["b"].deaths == []
    assert len(seen) >= 2 * REJECT_AFTER_S // (REKEY_AFTER_S + RESPONDER_REKEYS_LATER_S)
