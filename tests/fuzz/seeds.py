"""What fuzzing begins with: a message of each kind, made by the encoders, so that no change of the wire makes it worthless."""

import json
from typing import Final

from mycelium.admin.secret_format import SecretKind, encode_secret
from mycelium.capture.pcapng import datagram_block, head, keys_block
from mycelium.endpoint import Endpoint
from mycelium.identity import SEED_BYTES, SUBNET_BYTES, Identity
from mycelium.node.announcing import announce
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_TCP
from mycelium.wire import lookup
from mycelium.wire.announcement import EPOCH_SHIFT, encode_announcement
from mycelium.wire.beacon import Beacon, encode_beacon
from mycelium.wire.control import (
    ANY_NODE,
    Digest,
    Item,
    Observed,
    PeersKnown,
    PeersWanted,
    Pin,
    Resume,
    Resumed,
    RouteRequest,
    SeqnoRequest,
    Update,
    encode_item,
)
from mycelium.wire.distance import distance
from mycelium.wire.echo import Echo, EchoKind, encode_echo
from mycelium.wire.frame import (
    CLOSE,
    CONTROL,
    CONTROL_HEADER,
    PROBE,
    PROBE_BODY,
    PROBE_WANTS_REPLY,
    PROOF,
    RATE,
    RATE_BODY,
    REPAIR,
    REPAIR_HEAD,
    REPAIR_RANGE,
    WHOLE_FRAME,
)
from mycelium.wire.home_record import HomeRecord, encode_home_record
from mycelium.wire.key_proof import PROOF_PART_BYTES, ProofAccepted, ProofPart, ProofWanted, encode_key_proof
from mycelium.wire.knock import KNOCK_NONCE_BYTES, KnockWanted, encode_knock
from mycelium.wire.known_peer import KnownPeer, encode_known_peers
from mycelium.wire.lease import LeaseAnswer, LeaseRequest
from mycelium.wire.meeting import Meeting, MeetingKind, encode_meeting, tail_of
from mycelium.wire.membership import (
    CERTIFICATE_BYTES,
    Chain,
    Credentials,
    encode_chain,
    encode_credentials,
    encode_removals,
    pieces_of,
)
from mycelium.wire.reachability import ProbeKind, Reach, encode_reach
from mycelium.wire.session_proof import (
    CERTIFICATE_PART_BYTES,
    CertificatePart,
    MemberWanted,
    SessionProofItem,
    encode_session_proof,
)
from mycelium.wire.signal import Signal, SignalKind, encode_signal
from mycelium.wire.speed import SpeedHead, SpeedKind, encode_speed
from mycelium.wire.survey import LinksAsked, LinksTold, ToldLink, encode_answer, encode_question
from mycelium.wire.train import (
    ANSWER,
    ERROR,
    ERROR_BODY_BYTES,
    ITEM_ECHO,
    ITEM_HEADER,
    ITEM_HOMES,
    ITEM_MEETING,
    ITEM_REACHABILITY,
    ITEM_REPORT,
    ITEM_SIGNAL,
    ITEM_SPEED,
    ITEM_SURVEY,
    LOOKUP,
    RELAY,
    REPORT,
    SESSION_COOKIE,
    SESSION_COOKIE_BYTES,
    SESSION_PROOF,
    SESSION_REPLY,
    SESSION_REPLY_BYTES,
    SESSION_REQUEST,
    SESSION_REQUEST_BYTES,
    TRAIN_HEADER,
)
from mycelium.wire.underlay_address import UnderlayAddress
from sim.net.repeatable_crypto import RepeatablePrimitives
from tests.fuzz import handshakes
from tests.fuzz.decoders import DECODERS, picking
from tests.fuzz.neighbour import FuzzAct, act
from tests.hostile.attacker import SETTINGS
from tests.packet.packets import tcp_packet
from tests.support.members import ROOT_KEY, certificate, removals

HERE: Final = UnderlayAddress("192.0.2.1", 9651)
SEQUENCE: Final = 1 << EPOCH_SHIFT
IDENTITY: Final = Identity(bytes(SEED_BYTES))
PRIMITIVES: Final = RepeatablePrimitives()
CHAIN: Final = Chain(certificate(IDENTITY, primitives=PRIMITIVES))
REMOVALS: Final = removals(1, primitives=PRIMITIVES)
HOME_RECORD: Final = HomeRecord(IDENTITY.signing_public_key, SEQUENCE, 1, bytes(8), IDENTITY.address)
LOOKUP_BODY: Final = lookup.encode_lookup(IDENTITY.address[:SUBNET_BYTES], bytes(lookup.NONCE_BYTES))
ANSWER_BODY: Final = lookup.encode_answer(bytes(lookup.NONCE_BYTES), (HOME_RECORD,))
POLICY: Final = {
    "packets": ["allow tcp 22,80-90 from @g, 400::/7", "deny icmp"],
    "links": ["deny from any"],
    "groups": {"g": ["400::1"]},
}


def items() -> list[Item]:
    """Returns control messages, of a node that nobody runs and about it."""
    own = announce(IDENTITY, SETTINGS, SEQUENCE)
    node = IDENTITY.address
    return [
        Update(node, distance(SEQUENCE, 1), own),
        Update(node, distance(SEQUENCE, 10)),
        SeqnoRequest(node, SEQUENCE + 1, 64),
        RouteRequest(ANY_NODE),
        RouteRequest(node),
        Digest(bytes(16), 3),
        Observed(HERE),
        PeersWanted(),
        PeersKnown((KnownPeer("udp", HERE, bytes(32)),)),
        LeaseRequest(node, bytes(4)),
        KnockWanted(bytes(KNOCK_NONCE_BYTES)),
        Resume(Digest(bytes(16), 3)),
        Resumed(),
        LeaseAnswer(node, bytes(4), 2, 9651, bytes(16)),
        Pin(node, node, is_pinned=True),
        Pin(node, node, is_pinned=True, record=HOME_RECORD),
        *pieces_of(CHAIN),
        *pieces_of(REMOVALS),
    ]


def contents() -> list[bytes]:
    """Returns items of trains: each kind there is."""
    token = bytes(8)
    made = [
        (ITEM_REPORT, REPORT.pack(5, 5)),
        (ITEM_SIGNAL, encode_signal(_signal())),
        (ITEM_ECHO, encode_echo(Echo(EchoKind.REQUEST, 64, token))),
        (ITEM_REACHABILITY, encode_reach(Reach(ProbeKind.PROBE, token, IDENTITY.address))),
        (ITEM_SURVEY, encode_question(LinksAsked(token))),
        (ITEM_SURVEY, encode_answer(_told())),
        (ITEM_SPEED, encode_speed(SpeedHead(SpeedKind.REQUEST, token, 3, 1.0))),
        (ITEM_MEETING, encode_meeting(Meeting(MeetingKind.HOME, node=IDENTITY.address))),
        (ITEM_MEETING, encode_meeting(_vicinity())),
        (ITEM_HOMES, lookup.encode_records((HOME_RECORD,))),
        (0, tcp_packet(bytes(64), partial=False)),
    ]
    whole = [ITEM_HEADER.pack(len(content) << 8 | kind, 0) + content for kind, content in made]
    super_packet = tcp_packet(bytes(400))
    return [*whole, ITEM_HEADER.pack(len(super_packet) << 8 | SUPER_TCP | PARTIAL_CHECKSUM, 100) + super_packet]


def _part() -> ProofPart:
    return ProofPart(0, bytes(PROOF_PART_BYTES))


def frames() -> list[bytes]:
    """Returns a kind of frame and its body, for each kind."""
    return [
        bytes((CONTROL,)) + CONTROL_HEADER.pack(1, 1, 0, 0, 0) + b"".join(map(encode_item, items()[2:5])),
        bytes((PROBE,)) + PROBE_BODY.pack(PROBE_WANTS_REPLY, bytes(3), 1, 0, 0),
        bytes((REPAIR,)) + REPAIR_HEAD.pack(1) + REPAIR_RANGE.pack(1, 0, WHOLE_FRAME),
        bytes((RATE,)) + RATE_BODY.pack(100),
        bytes((CLOSE, 0)),
        *(bytes((PROOF,)) + encode_key_proof(item) for item in (ProofWanted(bytes(16)), _part(), ProofAccepted())),
    ]


def of_decoders() -> list[bytes]:
    """Returns an input for each decoder that there is an encoder for, and some bytes for the others."""
    own = announce(IDENTITY, SETTINGS, SEQUENCE)
    made = {
        "announcement": encode_announcement(own),
        "beacon": encode_beacon(Beacon(9651, bytes(16))),
        "control": b"".join(map(encode_item, items())),
        "echo": encode_echo(Echo(EchoKind.REPLY, 3, bytes(8))),
        "known peers": encode_known_peers([KnownPeer("udp", HERE, bytes(32))]),
        "signal": encode_signal(_signal()),
        "speed": encode_speed(SpeedHead(SpeedKind.REQUEST, bytes(8))),
        "survey": encode_answer(_told()),
        "reach": encode_reach(Reach(ProbeKind.ANSWER, bytes(8))),
        "IPv6": tcp_packet(bytes(64)),
        "super-packet": bytes((SUPER_TCP | PARTIAL_CHECKSUM, 0, 100)) + tcp_packet(bytes(400)),
        "certificates": encode_chain(CHAIN),
        "removals": encode_removals(REMOVALS),
        "home record": encode_home_record(HOME_RECORD),
        "lookup": LOOKUP_BODY,
        "lookup answer": ANSWER_BODY,
        "home records": lookup.encode_records((HOME_RECORD, HOME_RECORD)),
        "key proof": encode_key_proof(_part()),
        "session proof": encode_session_proof(CertificatePart(0, CERTIFICATE_BYTES, bytes(CERTIFICATE_PART_BYTES))),
        "knock": encode_knock(bytes(KNOCK_NONCE_BYTES)),
        "meeting": encode_meeting(_vicinity()),
        "headers": tcp_packet(bytes(64)),
        **of_handshakes(),
        **of_texts(),
        "SSDP": b"HTTP/1.1 200 OK\r\nLocation: http://10.0.1.1:80/x\r\n\r\n",
    }
    return [picking(name, made.get(name, bytes(64))) for name in DECODERS]


def of_handshakes() -> dict[str, bytes]:
    """Returns messages of handshakes, and what stands in a capture."""
    own, peer = handshakes.OWN, handshakes.PEER
    first = handshakes.initiator(peer).message_1
    second = handshakes.responder(peer).receive_message_1(handshakes.initiator().message_1)
    third, _ = handshakes.initiator(peer).receive_message_2(handshakes.responder().receive_message_1(first))
    request = handshakes.session_initiator(peer, own).request
    reply = handshakes.session_reply(handshakes.session_initiator().request, peer)
    return {
        "message 1 at the gate": first,
        "message 1": first,
        "message 2": second,
        "message 3": third,
        "session request": request,
        "session reply": reply,
        "join request": handshakes.join_initiator(peer, own).requests()[0],
        "join reply": handshakes.join_reply(handshakes.join_initiator().requests()[0]),
        "captured datagram": first,
        "captured frame": bytes((CONTROL,)) + CONTROL_HEADER.pack(1, 1, 0, 0, 0) + b"".join(map(encode_item, items())),
        "captured items": b"".join(contents()),
    }


def of_texts() -> dict[str, bytes]:
    """Returns what operators write, and files."""
    url = b"udp://192.0.2.1:9651#" + b"ab" * 32
    return {
        "certificates in an answer": encode_credentials(Credentials(ROOT_KEY, CHAIN)),
        "member file": b"mycelium-member-2\n" + bytes(32) + encode_credentials(Credentials(ROOT_KEY, CHAIN)),
        "network key": encode_secret(SecretKind.NETWORK_KEY, bytes(range(32))),
        "secret": encode_secret(SecretKind.SEED, bytes(range(32))),
        "policy": json.dumps(POLICY).encode(),
        "peer URL": url,
        "listen URL": b"tcp://[::]:9651",
        "peer list URL": b"https://example.org/peers",
        "peer list": b"# peers\n" + url + b"\nwss://example.org/site",
        "proxy URL": b"socks5://user:word@[::1]:1080",
        "invitation": b"mycelium:join?v=1&p=192.0.2.1:9651%23" + b"ab" * 32 + b"&n=corp&t=" + b"A" * 22,
        "keys of a capture": b"link 00000001 00000002 1 " + b"ab" * 32 + b" " + b"cd" * 32 + b" 400::1\n",
        "capture": head()
        + keys_block("x")
        + datagram_block(bytes(20), Endpoint("udp", HERE.host, 1), "udp://192.0.2.7:1", is_sent=True, at=1.0),
    }


def of_neighbour() -> list[bytes]:
    """Returns inputs for a neighbour, each of one or a few acts."""
    trains = (
        (SESSION_REQUEST, bytes(SESSION_REQUEST_BYTES)),
        (SESSION_REPLY, bytes(SESSION_REPLY_BYTES)),
        (ERROR, bytes(ERROR_BODY_BYTES)),
        (SESSION_COOKIE, bytes(SESSION_COOKIE_BYTES)),
        (LOOKUP, LOOKUP_BODY),
        (ANSWER, ANSWER_BODY),
        (RELAY, IDENTITY.address + _inner()),
        *((SESSION_PROOF, encode_session_proof(item)) for item in _session_proofs()),
    )
    wait = act(FuzzAct.WAIT, b"\x40")
    ends = (FuzzAct.TRAIN_TO_B, FuzzAct.ITEMS_TO_B), (FuzzAct.TRAIN_TO_C, FuzzAct.ITEMS_TO_C)
    return [
        *(act(FuzzAct.FRAME, frame) + wait for frame in frames()),
        *(act(FuzzAct.CONTROL, encode_item(item)) + wait for item in items()),
        *(act(kind, bytes((train,)) + body) for train, body in trains for kind, _ in ends),
        *(act(kind, content) + wait for content in contents() for _, kind in ends),
        act(FuzzAct.DATAGRAM, bytes((0x14,)) + bytes(40)) + act(FuzzAct.OF_A_STRANGER, bytes((0x10,)) + bytes(1_231)),
    ]


def _session_proofs() -> list[SessionProofItem]:
    certificates = CertificatePart(0, CERTIFICATE_BYTES, bytes(CERTIFICATE_PART_BYTES))
    return [MemberWanted(), certificates, ProofWanted(bytes(16)), _part(), ProofAccepted()]


def _signal() -> Signal:
    here = Endpoint("udp", HERE.host, HERE.port)
    return Signal(kind=SignalKind.CALL, round=1, token=bytes(8), candidates=(here,), neighbours=(IDENTITY.address,))


def _vicinity() -> Meeting:
    return Meeting(MeetingKind.VICINITY, entries=((tail_of(IDENTITY.address), 100),))


def _inner() -> bytes:
    """Returns a train for a node that nobody runs, as a wrapper has it."""
    node = IDENTITY.address
    return TRAIN_HEADER.pack(64, 0, LOOKUP, 0, len(LOOKUP_BODY), 0, 0, node, node) + LOOKUP_BODY


def _told() -> LinksTold:
    return LinksTold(bytes(8), bytes(8), 1, 0, (ToldLink(IDENTITY.address, 100, 1_000, 0, is_suspect=False),))
