"""Every bound of the project in one place: what it limits, its unit, and why it has this value.

A node is open to strangers, so each queue and table that they can fill ends here.
"""

from typing import Final

# -- sizes of datagrams and frames, bytes ------------------------------------------------------------------------------
DATAGRAM_FLOOR: Final = 1_232  # UDP payload that fits the IPv6 minimum MTU of 1,280
DATAGRAM_CEILING: Final = 8_952  # what path MTU probing may reach: a 9,000-byte Ethernet less IPv6 and UDP headers
FRAME_PLAINTEXT: Final = 131_072  # one super-packet of 64 KiB beside a batch of small ones
OVERLAY_MTU: Final = 1_400  # a constant of the network, the same as the Rust implementation's
GSO_BYTES: Final = (
    62_000  # largest super-packet asked of the kernel: its sealed frame still fits one 64-KiB UDP GSO call
)

# -- what one read of TUN may put together -----------------------------------------------------------------------------
PACKETS_PER_BATCH: Final = 64
BYTES_PER_BATCH: Final = 60_000  # reading ends beyond it; the last packet may be a super-packet

# -- links -------------------------------------------------------------------------------------------------------------
LINKS: Final = 1_024  # authenticated neighbours of a node
PATHS_PER_LINK: Final = 4  # addresses at which one neighbour is kept or tried
PARTIAL_FRAMES_PER_SESSION: Final = 256  # frames some chunks of which have come; the oldest gives way
PARTIAL_BYTES_PER_SESSION: Final = 16 << 20  # what comes within some round trips, if all of it has lost something
PARTIAL_BYTES_PER_NODE: Final = 64 << 20
HOLES_PER_SESSION: Final = 512  # missing frames that are asked for at one time
HELD_BYTES_PER_LINK: Final = 8 << 20  # opened frames that wait for an earlier one of their flow: 40 ms at 1.6 Gbit/s
SENT_BYTES_PER_LINK: Final = 8 << 20  # sealed frames kept to be sent again, on a lossy link
REPAIR_BYTES_PER_NODE: Final = 32 << 20  # both of these, each, over all links
REPLAY_WINDOW: Final = 8_192  # counters a late frame may be behind the newest
HALF_OPEN_HANDSHAKES: Final = 256  # as responder; beyond it the oldest gives way
HANDSHAKES_PER_SECOND: Final = 50  # answered without a cookie; beyond it a cookie is asked first
REMEMBERED_EPHEMERALS: Final = 4_096  # first handshake messages whose replay draws no answer
HANDSHAKES_PER_SECOND_WITH_COOKIE: Final = 200  # answered to proven addresses: a tenth of a slow core
HANDSHAKES_PER_SECOND_AND_SUBNET: Final = 20  # of them to one IPv4 /24 or IPv6 /64
HANDSHAKE_SUBNETS: Final = 4_096  # subnets whose budget is remembered; the one heard of longest ago gives way
CONTROL_QUEUE_BYTES: Final = 12 << 20  # for one neighbour: a full table; beyond it the link is resynchronised
CONTROL_WINDOW_SEGMENTS: Final = 64  # unacknowledged control segments
CONTROL_MESSAGE_BYTES: Final = 1_024  # one control message
CONFIGURED_PEERS: Final = 1_024
ENDPOINTS_PER_PEER: Final = 4  # addresses of one name that are dialled side by side
DIALS_PER_SOURCE: Final = 256  # handshakes of ours under way, at most 6 s each, for each source of candidates
DIALS_WAITING_PER_SOURCE: Final = 4_096  # candidates that wait for their turn: all addresses of a full peer list

# -- end-to-end sessions -----------------------------------------------------------------------------------------------
SESSIONS: Final = 4_096
SESSION_QUEUE_PACKETS: Final = 64  # first packets that wait for one session's handshake
SESSION_QUEUE_BYTES: Final = 256 << 10
SESSION_QUEUE_BYTES_PER_NODE: Final = 16 << 20
QUOTED_PACKETS: Final = 64  # newest trains of a session whose first bytes are kept for ICMPv6 errors

# -- routing -----------------------------------------------------------------------------------------------------------
DESTINATIONS: Final = 65_536  # nodes in the route table
PREFIXES_PER_NODE: Final = 16  # prefixes in one announcement
PENDING_REQUESTS: Final = 4_096  # sequence-number requests that wait for an answer
REQUESTS_PER_SECOND: Final = 200  # sequence-number requests accepted from one neighbour
VERIFICATIONS_PER_SECOND: Final = 2_000  # signatures checked for one neighbour,
VERIFICATIONS_AT_ONCE: Final = 8_192  # and for a new one, which brings a whole mesh: half a second of work
REQUEST_HOPS: Final = 64
ROUTE_CHANGES: Final = 2_048  # newest changes of next hops kept until the driver has read them

# -- the journal -------------------------------------------------------------------------------------------------------
JOURNAL_ENTRIES: Final = 1_024  # newest entries kept of links, peers and sessions, and as many of routes
JOURNAL_ROUTES_PER_SECOND: Final = 32  # entries of routes with traffic, and as many of others; the rest is counted
JOURNAL_LOST_ROUTES: Final = 4_096  # lost routes whose beginning is remembered; the oldest give way
JOURNAL_LINES_PER_SECOND: Final = 20  # entries that are logged

# -- errors sent to others ---------------------------------------------------------------------------------------------
RELAY_ERRORS_PER_SECOND: Final = 50  # signed errors towards sources of trains that can't be forwarded
ICMP_ERRORS_PER_SECOND: Final = 100  # ICMPv6 errors to local applications
HOP_LIMIT: Final = 64

# -- transports --------------------------------------------------------------------------------------------------------
SOCKET_BUFFER_BYTES: Final = 8 << 20  # asked of the kernel each way: 30 ms at 2 Gbit/s, while Python is busy elsewhere
ENDPOINTS_REMEMBERED: Final = 4_096  # prepared addresses of a transport; forged sources evict the oldest, one by one
SEGMENT_SIZES_REMEMBERED: Final = 16  # prepared control messages of one endpoint
MEMORY_TRANSPORT_BYTES: Final = 8 << 20  # waiting in an in-memory transport, as in a socket buffer
UNSENT_DATA_BYTES: Final = 8 << 20  # bulk datagrams that wait for one transport that is full
UNSENT_CONTROL_BYTES: Final = 1 << 20  # other datagrams that wait for it, besides: some for each of LINKS neighbours

# -- discovery on the link ---------------------------------------------------------------------------------------------
DISCOVERED_PEERS: Final = 64  # neighbours on the same links that a node dials; others may still dial it
DIALS_PER_SECOND: Final = 20  # to neighbours discovered: in a public network anybody on the link can make beacons
BEACON_BYTES: Final = 512  # a beacon of this version has 44
BEACONS_PER_SECOND: Final = 200  # read from one interface; beyond it the node closes its ears there for a second
BEACON_BUFFER_BYTES: Final = 64 << 10  # of a kernel's buffer for one interface
DISCOVERY_INTERFACES: Final = 64  # that a node discovers on; hosts of containers have more than anyone looks for

# -- the operator's side -----------------------------------------------------------------------------------------------
API_BODY_BYTES: Final = 16 << 10  # one request to the HTTP API; a peer's URL has at most some hundred
API_CONNECTIONS: Final = 64  # open at one time; beyond it a new one is closed at once
API_RESPONSE_BYTES: Final = 64 << 20  # what the command line reads of one answer: all routes of a full table
API_WAIT_S: Final = 30.0  # for events that are yet to come; then the answer is an empty list
LOG_KEYS: Final = 256  # different warnings whose rate is remembered

# -- super-packets -----------------------------------------------------------------------------------------------------
SEGMENTS_PER_SUPER_PACKET: Final = 1_300  # GSO_BYTES at the least TCP MSS of Linux, 48; tinier would flood the kernel
PACKETS_PER_RUN: Final = 128  # small packets merged before a write to TUN: what Linux takes as one UDP super-packet

# -- the simulator -----------------------------------------------------------------------------------------------------
SIM_NODES: Final = 20_000  # of one simulated mesh: full tables of more fit no machine's memory
SIM_FILE_BYTES: Final = 64 << 20  # a topology read from a file
