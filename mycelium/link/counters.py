"""Counters of the links and handshakes of a node, all of them together."""

from dataclasses import dataclass

from mycelium.channel.key_proofs import KeyProofCounters
from mycelium.counters import counter, drops


@dataclass(slots=True)
class LinkCounters(KeyProofCounters):
    """Totals over all links since the node started."""

    frames_malformed: int = drops("Malformed frames and control messages from neighbours, dropped.")
    frames_not_opened: int = drops("Frames dropped: not authentic, replayed, or under a keypair that is gone.")
    frames_incomplete: int = drops("Frames dropped: some of their chunks never arrived, or too many were incomplete.")
    frames_repaired: int = counter("Frames that arrived after they were requested again.")
    frames_given_up: int = counter("Missing frames that were not repaired in time.")
    control_over_budget: int = counter("Control segments not taken for now: a neighbour sends too many.")
    frames_over_budget: int = drops("Frames without data dropped: a neighbour sends too many.")
    questions_over_budget: int = drops("Control messages other than updates dropped: a neighbour sends too many.")
    chunks_refused: int = drops("Chunks dropped: they fit no frame that could still be opened.")
    mtu_probes_sent: int = counter("Path MTU probes sent; those that are too long for their path are lost on purpose.")
    mtu_probes_answered: int = counter("Path MTU probes of neighbours answered.")
    repair_bytes_resent: int = counter("Bytes resent to neighbours that requested them.")
    repair_ranges_refused: int = counter("Ranges of frames that neighbours requested and did not get.")
    frames_unproved: int = drops("Frames dropped: under keys for which the neighbour has not proved its ML-DSA key.")


@dataclass(slots=True)
class HandshakeCounters:
    """Totals since the node started; `HandshakeGate` counts the first messages."""

    handshakes_refused: int = counter("Handshake messages dropped: not authentic, or unexpected.")
    handshakes_incomplete: int = drops("Handshake messages dropped: some of their parts never arrived.")
    handshakes_repeated: int = counter("Handshake messages that came after their handshake was over.")
    datagrams_early: int = drops("Datagrams dropped that came before the end of their handshake, which never came.")
    handshakes_given_up: int = counter("Handshakes given up: no answer.")
