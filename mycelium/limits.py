"""Every bound of the project: what it limits, its unit, and why it has this value.

Anybody may send to a node, so each queue and table that grows with what is received has a bound here.
"""

from typing import Final, NamedTuple


class SharedRate(NamedTuple):
    """What many share: so much a second, and at once, of which half is kept for those who take little; and what is little."""

    per_second: float
    at_once: float
    little_per_second: float
    little_at_once: float


# -- sizes of datagrams and frames, bytes ------------------------------------------------------------------------------
DATAGRAM_FLOOR: Final = 1_232  # UDP payload that fits the IPv6 minimum MTU, 1,280
NARROW_DATAGRAM: Final = 548  # UDP payload that fits what every IPv4 host takes, 576 (RFC 791)
DATAGRAM_CEILING: Final = 8_952  # largest that is probed for: a 9,000-byte Ethernet MTU minus IPv6 and UDP headers
FRAME_PLAINTEXT: Final = 131_072  # room for a super-packet of 64 KiB and a batch of small packets
OVERLAY_MTU: Final = 1_400  # the same in the whole network; the Rust implementation uses it too
# largest super-packet requested of the kernel: the frame that carries it fits one UDP GSO call of 64 KiB
GSO_BYTES: Final = 62_000
QUIC_PACKET: Final = 1_200  # bytes that every path carries: the library falls back to it where one seems not to
# what one DATAGRAM frame carries in such a packet, whose header takes 13 bytes, the frame's 3 and the tag 16 (RFC 9221)
QUIC_DATAGRAM: Final = QUIC_PACKET - 32
STREAM_DATAGRAM: Final = 65_535  # what the two bytes of its length can say, where datagrams travel in a byte stream

# -- what one read of TUN may put together -----------------------------------------------------------------------------
PACKETS_PER_BATCH: Final = 64
BYTES_PER_BATCH: Final = 60_000  # a batch ends with the packet that exceeds it, which may be a super-packet

# -- links -------------------------------------------------------------------------------------------------------------
# neighbours of one node that its operator has not named; each may have a second link for a while (`node/second_links.py`)
LINKS: Final = 2_048
# links of strangers from one IPv4 address or IPv6 /64; twice, four times as many from wider networks
LINKS_PER_SUBNET: Final = 64
NEW_LINKS_PER_SECOND_AND_SUBNET: Final = 2  # of strangers, after LINKS_PER_SUBNET at once
SUBNETS: Final = 4_096  # networks of strangers with rates of their own; the one used longest ago is forgotten first
# addresses of one neighbour, each over one transport, that are in use or being probed: four transports, IPv4 and IPv6
PATHS_PER_LINK: Final = 8
PARTIAL_FRAMES_PER_KEYPAIR: Final = 256  # incomplete frames under one keypair; a new one evicts the oldest
# bytes of incomplete frames under one keypair: some round trips at full rate if every frame lost a chunk
PARTIAL_BYTES_PER_KEYPAIR: Final = 16 << 20
PARTIAL_BYTES_PER_NODE: Final = 64 << 20  # bytes of incomplete frames of all links together
GAPS_PER_KEYPAIR: Final = 512  # missing frames under one keypair that are requested again
HELD_BYTES_PER_LINK: Final = 8 << 20  # opened frames that wait for an earlier one of their flow: 40 ms at 1.6 Gbit/s
SENT_BYTES_PER_LINK: Final = 8 << 20  # sealed frames kept to be sent again
REPAIR_BYTES_PER_NODE: Final = 32 << 20  # bytes of frames kept to be sent again, and of held ones, of all links
# own proofs of ML-DSA keys made for neighbours, for known partners and for others, 0.3 ms each: members want them each time
KEY_PROOFS_OF_ALL: Final = SharedRate(200, 1_024, 0.1, 4)
# data that waits 5 s at most for the proof of its keys: of links, in sessions of known partners, of others; little is a flow's
UNPROVED_BYTES_OF_ALL: Final = SharedRate(1 << 20, at_once=16 << 20, little_per_second=64 << 10, little_at_once=1 << 20)
REPLAY_WINDOW: Final = 8_192  # counters that a frame or train may be behind the newest one opened
HANDSHAKES_REMEMBERED: Final = 32  # of links and of sessions that are over, whose last messages may still come
HALF_OPEN_HANDSHAKES: Final = 256  # handshakes that wait for message 3; a new one evicts the oldest
EARLY_BYTES: Final = 4_096  # of a link's datagrams that overtook message 3, of each handshake
# messages of handshakes of which parts have come, one of each address, 1.3 KB each; the oldest gives way
PARTIAL_HANDSHAKES: Final = 256
HANDSHAKES_PER_SECOND: Final = 50  # answered without a cookie; further initiators must return one first
MESSAGES_1_REMEMBERED: Final = 4_096  # digests of accepted first messages; a replayed one gets no answer
HANDSHAKES_PER_SECOND_WITH_COOKIE: Final = 200  # to who returned a cookie: a tenth of a slow core; with proofs four
# answered to initiators with a cookie, from one IPv4 address or IPv6 /64; twice, four times as many from wider networks
HANDSHAKES_PER_SECOND_AND_SUBNET: Final = 20
# queued for one neighbour: a change of every route of a full table; on overflow the control stream restarts
CONTROL_QUEUE_BYTES: Final = 3 << 20
# of control segments of one neighbour that are taken: 1,800 announcements, or some thousand updates without one
CONTROL_BYTES_PER_SECOND: Final = 256 << 10
# of those in a row: VERIFICATIONS_AT_ONCE announcements thrice, or a full table without them twice; 0.8 s of work
CONTROL_BYTES_AT_ONCE: Final = 4 << 20
# of all neighbours together: a third of a slow core; little are the changes of a small network, and its table
CONTROL_BYTES_OF_ALL: Final = SharedRate(2 << 20, 4 * CONTROL_BYTES_AT_ONCE, 8 << 10, 128 << 10)
# frames of one neighbour that carry no data: segments of control streams, their acknowledgements, probes
PLAIN_FRAMES_PER_SECOND: Final = 2_000
PLAIN_FRAMES_AT_ONCE: Final = 16_384  # of those in a row: some times CONTROL_BYTES_AT_ONCE in segments
# of all neighbours together: a third of a slow core; few are an honest one's acknowledgements, at most every 5 ms, and probes
PLAIN_FRAMES_OF_ALL: Final = SharedRate(16_000, 4 * PLAIN_FRAMES_AT_ONCE, 220, 1_000)
# such frames of one neighbour beyond which the operator is told, while they are still read: an honest one's, and some dumps
CHATTER_PER_SECOND: Final = 250
CHATTER_AT_ONCE: Final = 6_144  # of those in a row: segments of a full table, and their acknowledgements
# requests for repair of one neighbour, which come as often as datagrams are lost: 10 % of 1.4 Gbit/s
REPAIRS_PER_SECOND: Final = 12_000
REPAIRS_AT_ONCE: Final = 65_536  # of those in a row
# requests for each frame sent to a neighbour, beyond which it is read less; who misses a frame asks as often at most
REPAIRS_PER_FRAME: Final = 5
# control messages of one neighbour that are no updates: five times the requests that routing accepts
QUESTIONS_PER_SECOND: Final = 1_000
QUESTIONS_AT_ONCE: Final = 8_192  # of those in a row: requests for twice PENDING_REQUESTS
CONTROL_WINDOW_SEGMENTS: Final = 64  # unacknowledged segments of one control stream
CONTROL_MESSAGE_BYTES: Final = 1_024  # body of one control message
CONFIGURED_PEERS: Final = 1_024  # entries of the peer list
# neighbours of one node at most: strangers can't keep out a peer that the operator named; what is kept of each has this bound
NEIGHBOURS: Final = LINKS + CONFIGURED_PEERS
OBSERVATIONS: Final = 2 * NEIGHBOURS  # addresses at which neighbours say they see this node, for each of its sockets
PEERS_PER_LIST: Final = 256  # of a list that is read from the DNS, the web or a file
PEER_LIST_BYTES: Final = 64 << 10  # of such a list; the URL of a pinned peer takes some hundred
LOOK_UPS: Final = CONFIGURED_PEERS  # look-ups of names under way: each takes a thread, perhaps for long
ENDPOINTS_PER_PEER: Final = 4  # addresses of one name, over one transport, that are dialled side by side
DIALS_PER_SOURCE: Final = 256  # handshakes of ours under way, at most 6 s each, for each source of candidates
DIALS_WAITING_PER_SOURCE: Final = 4_096  # candidates that wait for their turn: all addresses of a full peer list

# -- end-to-end sessions -----------------------------------------------------------------------------------------------
SESSIONS: Final = 4_096  # end-to-end sessions of one node; the one used longest ago is forgotten first
SESSION_REQUESTS_PER_SECOND: Final = 2  # answered to one node that has returned a cookie
SESSION_REQUESTS_AT_ONCE: Final = 8  # of those in a row: one request and its retransmissions
# requests in a row of one neighbour that are asked for cookies or refused, beyond which the operator is told: two hundred nodes
# behind it may look for this one at once, as after its restart
SESSION_REQUESTS_UNANSWERED: Final = 512
SESSION_QUEUE_PACKETS: Final = 256  # packets that wait for one session's handshake, which a slow host answers late
SESSION_QUEUE_BYTES: Final = 256 << 10  # bytes that wait for one session's handshake
SESSION_QUEUE_BYTES_PER_NODE: Final = 16 << 20  # bytes that wait for handshakes of all sessions
# half-kilobyte parts of proofs shown: at once, to 200 partners after a restart; to one, those of four handshakes in a row
SESSION_PROOF_PARTS_OF_ALL: Final = SharedRate(2_000, 8_192, 60, 128)
# trains about proofs of one partner beyond which the operator is told: of two handshakes, 32 each, and what is shown again
PROOF_TRAINS_PER_SECOND: Final = 128
PROOF_TRAINS_AT_ONCE: Final = 1_024  # of those in a row: of SESSION_REQUESTS_AT_ONCE handshakes, shown four times each
QUOTED_PACKETS: Final = 64  # newest trains of a session that an ICMPv6 error can quote

WAYPOINTS: Final = 256  # at which others meet this node, for a while; each is a pin at all nodes on the way there
WAYPOINTS_AVOIDED: Final = 8  # by one session, as they were of no use, and as many homes; the oldest is forgotten first
VICINITY_NODES: Final = 512  # nodes that one end of a session tells the other of, besides landmarks: 3.6 KB
VICINITIES_PER_SECOND: Final = 20  # that are compared, 1 ms each
VICINITIES_TOLD_PER_SECOND: Final = 100  # to partners without a route, 0.5 ms each; the others wait for their turn
MEETINGS_PER_SECOND: Final = 1  # items about where to meet, of one partner
MEETINGS_AT_ONCE: Final = 32  # of those in a row: a vicinity with all landmarks in items of 1 KB

# -- policy ------------------------------------------------------------------------------------------------------------
POLICY_RULES: Final = 4_096  # of one list; more belong into a prefix or a group
POLICY_GROUPS: Final = 256  # groups of nodes
POLICY_NODES: Final = 4_096  # nodes of one group
POLICY_TABLES: Final = 1_024  # nodes whose rules are looked up once, with what is found; beyond, all again
FLOWS: Final = 65_536  # of packets that the policy has let pass: some 30 MB; those of the node with most give way
FLOWS_PER_NODE: Final = 8_192  # of them with one other node: a busy server behind one proxy
FRAGMENTED_PACKETS_PER_NODE: Final = 64  # packets whose first fragment has passed, for their later ones
DENIED_PER_SECOND: Final = 100  # packets of one node that are not let in, beyond which the operator is told
DENIED_AT_ONCE: Final = 4_096  # of those in a row: a scan of ports, or a stream until its sender understands
REFUSALS_PER_SECOND: Final = 10  # packets of one node that are answered by 'administratively prohibited'

# -- routing -----------------------------------------------------------------------------------------------------------
DESTINATIONS: Final = 65_536  # rows of the route table, and removed nodes whose sequences are kept, half a KB each
ROUTES: Final = 4_096  # nodes that are kept as the nearest unless the operator wants more or fewer: some 5 MiB
# the fewest that an operator may want: of so few, a path to others goes round by their landmarks
LEAST_ROUTES: Final = 4
LANDMARKS: Final = 2_048  # nodes that are kept as landmarks, those known longest; one of all those near is enough
PINS: Final = 8_192  # nodes pinned here, which are kept in scope for the sake of their homes
PINS_PER_NEIGHBOUR: Final = PINS // 4  # of those, by one neighbour
HOMES_KNOWN: Final = 4_096  # home records that were looked up, half a KB each: one for each session
LOOKUPS_PER_SECOND: Final = 50  # of addresses that packets of this host are for: a scan of the overlay is no use
LOOKUPS_WAITING: Final = 256  # lookups under way
LOOKUPS_SPACED: Final = 2 * HOMES_KNOWN  # addresses that are not looked up again for a moment, known and unknown ones
LOOKUP_MESSAGES_PER_SECOND: Final = 500  # questions for all of them: one that nobody can answer goes to all landmarks
LOOKUP_QUEUE_BYTES: Final = 4 << 20  # packets that wait for lookups, besides what waits for sessions
# lookups answered, by the neighbours that forward them: a tenth of a slow core; a little is all that a small network asks
LOOKUPS_ANSWERED: Final = SharedRate(1_000, at_once=2_000, little_per_second=20, little_at_once=200)
HOME_RECORDS: Final = 65_536  # kept by a landmark for others, half a KB each
HOME_RECORDS_PER_LANDMARK: Final = 8_192  # of those, handed over by one landmark: all that may be pinned at it
HOME_RECORDS_UNKEPT_PER_SECOND: Final = 10  # handed over in vain by one landmark, beyond which the operator is told
HOME_RECORDS_UNKEPT: Final = 16_384  # of those in a row: HOME_RECORDS_PER_LANDMARK twice
# verified for landmarks that hand them over: a twentieth of a slow core
HOME_RECORDS_TAKEN: Final = SharedRate(200, at_once=8_192, little_per_second=10, little_at_once=512)
RECORDS_HANDED_AT_ONCE: Final = 256  # records that a landmark hands over in one second
REPLICA_HASHES_AT_ONCE: Final = 16_384  # hashes to find whom they are handed to: some 10 ms of work
EVICTED_AT_ONCE: Final = 1_024  # rows that give way in a table that is nearly full: some 10 ms of work
PREFIXES_PER_NODE: Final = 16  # prefixes in one announcement
NAME_BYTES: Final = 63  # of the name in one announcement: a label of the DNS (RFC 1035 2.3.4)
# routes kept of lost neighbours, 46 bytes each, for those who are back within two minutes; who was lost first gives way
RESUMABLE_ROUTES: Final = 1 << 18
PENDING_REQUESTS: Final = 4_096  # sequence-number requests under way
REQUESTS_PER_SECOND: Final = 200  # requests accepted from one neighbour, and announcements requested from it
VERIFICATIONS_PER_SECOND: Final = 2_000  # signatures verified for one neighbour
# signatures of a new neighbour verified in a burst, as it brings a whole table: half a second of work
VERIFICATIONS_AT_ONCE: Final = 8_192
# signatures verified for all neighbours together: a quarter of a slow core, and as many in a burst as two new neighbours bring;
# little are a neighbour's own announcement, and those of a small network
VERIFICATIONS_OF_ALL: Final = SharedRate(2_500, 2 * VERIFICATIONS_AT_ONCE, 8, 64)
# of home records, apart: where all who are pinned at a hub tell theirs at once, announcements are verified all the same
HOMES_VERIFIED_OF_ALL: Final = SharedRate(1_250, 2 * VERIFICATIONS_AT_ONCE, 4, 64)
# announcements of nodes that one neighbour has told of before, beyond which the operator is told; a node makes one an hour
RENEWALS_PER_SECOND: Final = 100
RENEWALS_AT_ONCE: Final = 8_192  # of those in a row: where a mesh is whole again there is news of all nodes
STARTS_PER_SECOND: Final = 0.2  # control streams of one neighbour, each of which voids all that it has advertised
STARTS_AT_ONCE: Final = 6  # of those in a row, as when a cable is moved or a host starts again and again
DUMPS_PER_SECOND: Final = 0.2  # of the whole table that one neighbour requests
DUMPS_AT_ONCE: Final = 4  # of those in a row
DIGESTS_PER_SECOND: Final = 0.2  # of what one neighbour advertises; one that differs may cost a look at all rows
DIGESTS_AT_ONCE: Final = 8  # of those in a row
SWEPT_ROWS_AT_ONCE: Final = 1_024  # rows looked at in one go when a link is lost or its cost changes: some 5 ms of work
TOLD_AT_ONCE: Final = 4_096  # changed rows times neighbours that are told in one go: some 5 ms of work
TOLD_ROWS_AT_ONCE: Final = 16  # such rows at least: a frame for each neighbour costs as much as to fill it
DUMP_ROWS_AT_ONCE: Final = 2_048  # rows of one neighbour's dump in one batch: some 10 ms of work
DUMPED_AT_ONCE: Final = 8_192  # the same of all neighbours together
DUMPS_UNTAKEN_BYTES: Final = 64 << 10  # of all tables that a hub tells, above which it waits: 10 ms of answers
ROWS_BEFORE_OFFER: Final = 64  # of them, told to a neighbour that may have kept the others: some 9 KB
STATES_REMEMBERED: Final = 8  # of what a neighbour may hold that acknowledges nothing: any of them resumes its link
DUMP_BACKLOG_BYTES: Final = 256 << 10  # unacknowledged by a neighbour, above which it is told no more of a dump for now
CHANGES_PER_SECOND: Final = 1_000  # routes that change by one neighbour's updates and are told to others without delay
CHANGES_AT_ONCE: Final = 16_384  # of those in a row: a neighbour that is back may be the better way to everybody
REQUEST_HOPS: Final = 64  # nodes that a sequence-number request may pass
FAILED_WAYS_PER_NEIGHBOUR: Final = 256  # partners remembered that were silent over one neighbour; the oldest gives way
ASKED: Final = 256  # nodes that are to be probed once there is a session with them
HINTS_PER_SECOND: Final = 2  # of one neighbour, of nodes that it does not reach: each takes a session
HINTS_AT_ONCE: Final = 8  # of those in a row
PROBES_ANSWERED_PER_SECOND: Final = 20  # of one partner, whether what it sends arrives
WAYS_TRIED: Final = 4  # next hops, the one in use included, over which an end-to-end partner that is silent is probed
ROUTE_CHANGES: Final = 2_048  # newest changes of next hops kept until the driver reads them

# -- the journal -------------------------------------------------------------------------------------------------------
JOURNAL_ENTRIES: Final = 1_024  # newest entries kept about links, peers and sessions, and as many about routes
# entries about routes with traffic, and as many about other routes; the rest is counted
JOURNAL_ROUTES_PER_SECOND: Final = 32
# entries of one kind about one neighbour or peer: some outages in a row are told one by one
JOURNAL_EVENTS_AT_ONCE: Final = 30
JOURNAL_EVENTS_PER_MINUTE: Final = 6  # such entries after JOURNAL_EVENTS_AT_ONCE; the rest is counted
JOURNAL_SUBJECTS: Final = 1_024  # neighbours and peers with a rate of their own
COUNTED_PEERS: Final = 256  # neighbours, and configured peers, with totals of their own: each some lines of /metrics
JOURNAL_LOST_ROUTES: Final = 4_096  # lost routes whose time of loss is remembered; the oldest is forgotten first

# -- errors sent to others ---------------------------------------------------------------------------------------------
# signed errors to the sources of trains that this node cannot forward, and such checked
RELAY_ERRORS_PER_SECOND: Final = 50
# of those sent, by the neighbours whose trains draw them
RELAY_ERRORS_OF_ALL: Final = SharedRate(RELAY_ERRORS_PER_SECOND, 2 * RELAY_ERRORS_PER_SECOND, 5, 5)
LOST_TRAINS_PER_SECOND: Final = 500  # of one neighbour that cannot be forwarded, beyond which the operator is told
LOST_TRAINS_AT_ONCE: Final = 16_384  # of those in a row, as in an outage: what some TCP streams have under way
LIES_PER_SECOND: Final = 100  # errors by one neighbour that are not believed, beyond which the operator is told
LIES_AT_ONCE: Final = 1_024  # of those in a row: some seconds of honest errors that come late
ICMP_ERRORS_PER_SECOND: Final = 100  # ICMPv6 errors to local applications
HOP_LIMIT: Final = 64

# -- echoes for operators ----------------------------------------------------------------------------------------------
ECHOES_UNDER_WAY: Final = 256  # requests of this node without an answer: four traces over as many hops as there may be
ECHOES_PER_SECOND: Final = 20  # requests of one node that are answered
ECHOES_AT_ONCE: Final = 64  # of those in a row: a trace, three times over 16 hops, and some pings

# -- knocks for operators ----------------------------------------------------------------------------------------------
KNOCKS_PER_VERSION: Final = 2  # neighbours asked at once to knock over one version of IP
KNOCKS_AWAITED: Final = 32  # asked for, and perhaps still to arrive

# -- speed tests for operators -----------------------------------------------------------------------------------------
SPEED_REQUESTS_PER_SECOND: Final = 2  # of one node, which are answered: what a tester repeats until it is heard
SPEED_REQUESTS_AT_ONCE: Final = 32  # of those in a row: some tests one after the other
SPEED_TEST_LEAST_S: Final = 0.5  # of each direction; some round trips of a long way
SPEED_TEST_S: Final = 30.0  # of each direction; enough for a way of which a second is not enough
# sent in answer to tests of all other nodes together, besides never more than the tester has sent: 2 Mbit/s on average,
# and at once what a test of half a minute takes at 1 Gbit/s
SPEED_TEST_BYTES: Final = SharedRate(250_000, at_once=4 << 30, little_per_second=60_000, little_at_once=1 << 30)

# -- surveys of the mesh -----------------------------------------------------------------------------------------------
# answers to all other nodes, of which little is a page that is open; at once a node with LINKS links tells them twice
SURVEY_ANSWERS: Final = SharedRate(200, at_once=1_000, little_per_second=2, little_at_once=128)
SURVEY_WAIT_S: Final = 60  # longest wait of a question for a change of the links
SURVEYS_WAITING: Final = 256  # questions that wait for a change, one of each node; further ones are answered at once
SURVEY_QUESTIONS_PER_SECOND: Final = 25  # of this node, each of which may take a session: 1,000 nodes in 40 s
SURVEYED_NODES: Final = 1_024  # nodes that are asked, the nearest: each keeps one of SESSIONS
SURVEYED_LINKS: Final = 32_768  # links told by all nodes together, beyond which each has those of its first answer only

# -- transports --------------------------------------------------------------------------------------------------------
# requested of the kernel in each direction: 30 ms at 2 Gbit/s while Python is busy
SOCKET_BUFFER_BYTES: Final = 8 << 20
# requested for strangers' handshakes, and for all else: some hundred handshakes
STRANGERS_BUFFER_BYTES: Final = 256 << 10
STRANGERS_SHARE: Final = 0.1  # of the time of this process, for either of them: 5,000 junk datagrams a second
HANDSHAKES_SAVED_S: Final = 2.0  # of it that handshakes leave unused: for a thousand neighbours that come back at once
HANDSHAKES_SHARE: Final = 0.3  # of the time, while that lasts
STRANGERS_AT_ONCE_S: Final = 0.01  # of that time in a row, which links wait for: some handshakes
STRANGERS_WAITING: Final = 512  # handshakes that were read and wait to be answered, 1.3 KB each; the fair share decides
# batches of strangers' datagrams, 64 KB each at most, that are read before their turn to find those of new links among them
STRANGERS_SET_ASIDE: Final = 512
ENDPOINTS_REMEMBERED: Final = 4_096  # prepared addresses of a transport; forged sources evict the oldest, one by one
SEGMENT_SIZES_REMEMBERED: Final = 16  # prepared control messages for one endpoint
MEMORY_TRANSPORT_BYTES: Final = 8 << 20  # received and unread bytes of an in-memory transport, as in a socket buffer
UNSENT_DATA_BYTES: Final = 8 << 20  # bulk datagrams that wait for one transport that is full
UNSENT_CONTROL_BYTES: Final = 1 << 20  # other datagrams that wait for one: some for each of NEIGHBOURS
UNSENT_BYTES: Final = 64 << 20  # waiting for all connections of a transport together; beyond, bulk data is dropped
STALL_BYTES: Final = 8 << 20  # bulk data that waits for one that stands still for a moment: windows of some TCP streams
TCP_CONNECTIONS: Final = 512  # open at one time; each takes a descriptor, of which a process usually has 1,024
TCP_ACCEPTED_PER_SECOND: Final = 200  # the rest waits in the kernel; TLS takes 0.3 ms for each: a tenth of a slow core
TCP_STRANGERS_PER_HOST: Final = 16  # accepted from one IPv4 address or IPv6 /64 and not yet used by the node
STRANGER_BYTES: Final = 16 << 10  # read from an accepted connection before the node uses it: a handshake takes 1 KB
TCP_UNSENT_DATA_BYTES: Final = 512 << 10  # bulk data that waits for one connection: 4 ms at 1 Gbit/s
TCP_UNSENT_CONTROL_BYTES: Final = 1 << 20  # other datagrams that wait for one connection: a window of control segments
TCP_UNSENT_ANSWER_BYTES: Final = 256 << 10  # unsent answers of TLS and WebSocket, and a batch before them
WEBSOCKET_FRAME_BYTES: Final = 256 << 10  # payload of one frame, which is kept until it is complete
QUIC_CONNECTIONS: Final = 512  # open at one time, as with TCP; each takes some 100 KB
QUIC_HALF_OPEN: Final = 32  # begun from addresses that are not proved yet; further ones must return a token first
QUIC_ACCEPTED_PER_SECOND: Final = 50  # connections accepted, each of which takes 2 ms: a tenth of a slow core
QUIC_ANSWERS_PER_SECOND: Final = 500  # Retry and Version Negotiation packets, which take 0.1 ms each
QUIC_LONG_DATAGRAM: Final = 2_048  # longest that travels in a stream; messages of handshakes take 1,232 bytes
QUIC_WINDOW_BYTES: Final = 16 << 10  # most bytes in flight on a stream: those of some handshakes
QUIC_IN_FLIGHT_BYTES: Final = 4 << 20  # sent and not acknowledged on one connection; half of a socket's buffer
QUIC_UNREAD_BYTES: Final = 8 << 20  # received and not yet taken by the node, of all connections
QUIC_UNSENT_DATA_BYTES: Final = 1 << 20  # bulk data that waits for one connection: 20 ms at 400 Mbit/s
QUIC_UNSENT_CONTROL_BYTES: Final = 1 << 20  # other datagrams that wait for one connection: a window of control segments
PROXY_ANSWER_BYTES: Final = 8 << 10  # status line and headers of a proxy's answer to CONNECT

# -- shortcuts: direct links beside relays ------------------------------------------------------------------------------
SIGNAL_CANDIDATES: Final = 8  # addresses of its own that one end names; the other one sends datagrams to each
SIGNAL_NEIGHBOURS: Final = 8  # neighbours that one end names: relays that both may have in common
SHORTCUTS: Final = 64  # open at one time, each a link with its probes and routes
SHORTCUT_ATTEMPTS: Final = 32  # under way at one time
SHORTCUT_PEERS: Final = 1_024  # peers whose failed attempts are remembered; the oldest one is forgotten first
# datagrams a second to addresses that peers name: a scan of ports in the eyes of those who watch networks is far above it
SHORTCUT_DATAGRAMS_PER_SECOND: Final = 100
# bytes of trains that came over a shortcut and wait for earlier ones still under way over relays: 50 ms at 1.3 Gbit/s
OVERTAKING_BYTES: Final = 8 << 20
CALLS_PER_SECOND: Final = 1  # answered to one peer
CALLS_AT_ONCE: Final = 4  # of one peer, answered in a row: the rounds of one attempt

# -- discovery on the link ---------------------------------------------------------------------------------------------
DISCOVERED_PEERS: Final = 64  # neighbours found by beacons on one interface that it dials; others may still dial it
DISCOVERED_PER_ADDRESS: Final = 4  # discovered neighbours at one address, by port: containers of one host
# new neighbours taken from the beacons of one interface, after DISCOVERED_PEERS at once: anybody on a LAN can forge beacons
NEWCOMERS_PER_SECOND: Final = 5
BEACON_BYTES: Final = 512  # one beacon; this version uses 44
BEACONS_PER_SECOND: Final = 200  # beacons read from one interface; where more come, it is not read for a second
BEACON_BUFFER_BYTES: Final = 64 << 10  # the kernel's receive buffer for one interface
DISCOVERY_INTERFACES: Final = 64  # interfaces with discovery, each with two sockets; a container host may have far more

# -- automatic peers ---------------------------------------------------------------------------------------------------
AUTO_PEERS: Final = 32  # the most that an operator may configure; each costs what any link does
# addresses of other nodes that neighbours have told of and that could be dialled: enough to find AUTO_PEERS that answer
KNOWN_PEERS: Final = 256
KNOWN_PER_TEACHER: Final = 32  # of them that one neighbour told, or all those that dialled this node together
KNOWN_PER_NETWORK: Final = 4  # of them at one IPv4 address or in one IPv6 /64; twice, four times as many in wider ones
KNOWN_PER_KEY: Final = 4  # of them for one node
KNOWN_PEERS_KEPT: Final = KNOWN_PER_TEACHER  # of them on disk, which is a teacher too
KNOWN_PEERS_BYTES: Final = 16 << 10  # of that file; an address and its key take some hundred
PEERS_PER_MESSAGE: Final = 16  # addresses in one answer, 51 bytes each
CANDIDATES_AT_ONCE: Final = 4  # learned addresses dialled for one automatic peer, of which the quickest is kept
# -- leases of a relay's ports -----------------------------------------------------------------------------------------
LEASES: Final = 256  # given by one relay at one time; each takes a port, a descriptor and some rules of the kernel
LEASES_PER_NEIGHBOUR: Final = 16  # leases that one neighbour is an end of, requests without their other end included
LEASES_HELD: Final = 64  # leases that this node has or asks for at relays
LEASE_REQUESTS_PER_SECOND: Final = 16  # of one neighbour: all that it may have, when their relay is back
LEASE_BINDS_PER_SECOND: Final = 50  # datagrams that are looked at, at one leased port: two ends and their repetitions

# -- joining by invitation ---------------------------------------------------------------------------------------------
INVITATIONS: Final = 64  # of one member, those that are used up or have expired included, of which the oldest give way
INVITATION_USES: Final = 1_000  # of one invitation; each node that used it is noted
INVITATION_BYTES: Final = 16 << 20  # of the file of a member's invitations: 67 for each node that used one
JOIN_REQUESTS_PER_SECOND: Final = 2  # opened, of those who have a token, after JOIN_REQUESTS_AT_ONCE
JOIN_REQUESTS_AT_ONCE: Final = 50  # of those in a row: a class that joins by one QR code
JOIN_REQUESTS_REMEMBERED: Final = 64  # requests that may come again, with their answers of up to 11 KB
JOIN_REPLIES: Final = 10  # for each part of one answer, each reply for one copy of its request

# -- members of a network ----------------------------------------------------------------------------------------------
# for which a certificate may be valid; a node that is removed and was not admitted here stays on the list as long
MEMBER_DAYS: Final = 3_650
REMOVED_PER_PART: Final = 512  # removed members, until their certificates expire: as long as the longest certificates
REMOVAL_PARTS: Final = 14  # 7,168 removed members; 103 KiB that a neighbour is told when its link comes up
# certificates and parts of removals that are verified for one neighbour, 0.3 ms each, or 0.5 of two signatures
MEMBER_CHECKS_PER_SECOND: Final = 10
MEMBER_CHECKS_AT_ONCE: Final = 64  # of those in a row: all parts, and all again that have changed meanwhile
# of all neighbours, and as many of all partners: a twentieth of a slow core each; at once, one of each, as after a restart
MEMBER_CHECKS_OF_ALL: Final = SharedRate(100, at_once=NEIGHBOURS, little_per_second=0.1, little_at_once=4)

# -- the TUN device ----------------------------------------------------------------------------------------------------
# repairs without a wait, each a process of 0.2 s; an operator who tries things needs some
TUN_REPAIRS_AT_ONCE: Final = 10
TUN_REPAIRS_PER_SECOND: Final = 0.05  # repairs after TUN_REPAIRS_AT_ONCE: undoing every one costs little

# -- the router that may map a port ------------------------------------------------------------------------------------
# datagrams read while one answer is waited for; the rest of a flood stays in the socket, whose buffer is bounded
ROUTER_ANSWERS: Final = 64
ROUTER_ANSWER_BYTES: Final = 2_048  # of one answer; those of PCP have at most 1,100

# -- the operator's side -----------------------------------------------------------------------------------------------
API_HEAD_BYTES: Final = 16 << 10  # request line and headers of one request to the HTTP API
API_BODY_BYTES: Final = 16 << 10  # body of one request to the HTTP API; a peer URL takes some hundred bytes
# open connections to the HTTP API; a further one takes the place of the one that has waited for its caller longest, or for
# whose caller the daemon has waited longest
API_CONNECTIONS: Final = 64
API_RESPONSE_BYTES: Final = 64 << 20  # response that the command line accepts: all routes of a full table
API_STREAMS: Final = 16  # open streams of changes: each page that is open has one, and one more while it shows the mesh
API_EVENTS_PER_UPDATE: Final = 256  # events in one update of a stream: to put them into words takes 30 us each
CAPTURE_BYTES: Final = 8 << 20  # datagrams of a capture that its reader has not taken: 0.1 s at 640 Mbit/s
API_WAIT_S: Final = 30.0  # longest wait for events before an empty list is returned
CONFIG_FILE_BYTES: Final = 1 << 20  # configuration file: thousands of peers and rules; what is longer is something else
CERTIFICATE_FILE_BYTES: Final = 1 << 20  # certificate chain, or its key: some KB each
OPEN_FILES_AT_START: Final = 128  # a node without links has 25; imports, look-ups and listeners take some more
HOSTS_NAMES: Final = 4_096  # names written into a hosts file, which each look-up reads from its beginning
LOG_KEYS: Final = 256  # topics of the log with a rate of their own, and as many subjects
LOG_LINES_AT_ONCE: Final = 10  # lines of one topic at once, as all events of links are: a start with many is told
LOG_LINES_PER_MINUTE: Final = 6  # lines of one topic after LOG_LINES_AT_ONCE; the rest is counted
# lines of one topic about one neighbour, interface or device: it leaves others some
LOG_LINES_OF_SUBJECT_AT_ONCE: Final = 5
LOG_LINES_OF_SUBJECT_PER_MINUTE: Final = 1  # such lines after that
LOG_TRACEBACKS_AT_ONCE: Final = 2  # tracebacks of one origin in a row; each has some thirty lines
LOG_TRACEBACKS_PER_MINUTE: Final = 0.2  # tracebacks of one origin after that

# -- super-packets -----------------------------------------------------------------------------------------------------
SEGMENTS_PER_SUPER_PACKET: Final = 1_300  # GSO_BYTES at the smallest TCP MSS of Linux, 48 bytes
# small packets read from TUN, or written to it, as one: the most that Linux accepts as a UDP super-packet
PACKETS_PER_RUN: Final = 128

# -- the simulator -----------------------------------------------------------------------------------------------------
SIM_NODES: Final = 20_000  # nodes of one simulated mesh; full tables of more exceed the memory of a machine
SIM_FILE_BYTES: Final = 64 << 20  # a topology read from a file
