"""What can be set, each once: its flag, environment variable, key in the configuration file, help and example.

`config.py` checks values by their kind. This module imports nothing, so that the command line's help comes at once.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, NamedTuple


class Kind(Enum):
    """What a value must be."""

    FLAG = auto()
    FILE = auto()
    PEERS = auto()
    LISTENERS = auto()
    PROXY = auto()
    MARK = auto()
    INTERFACE = auto()
    INTERFACES = auto()
    AUTO_PEERS = auto()
    PORT = auto()
    NETWORK_NAME = auto()
    NODE_NAME = auto()
    USER = auto()
    ADDRESS = auto()
    DOMAIN = auto()
    LOG_FORMAT = auto()
    SHARED_WITH = auto()
    POLICY = auto()
    WORKERS = auto()
    ROUTES = auto()
    STANDING = auto()


LISTS: Final = (Kind.PEERS, Kind.LISTENERS, Kind.INTERFACES)
WORDS: Final[Mapping[Kind, tuple[str, ...]]] = {  # what a value can be where it is one of a few words, or often is
    Kind.LOG_FORMAT: ("compact", "logfmt", "plain", "json", "journald"),
    Kind.SHARED_WITH: ("members", "all", "none"),
    Kind.STANDING: ("auto", "yes", "no"),
    Kind.POLICY: ("open", "closed"),
}


class Setting(NamedTuple):
    """One setting. `example` is a value in TOML: the default, where that is one that can be written down."""

    name: str  # of the field in `Settings`, and of the key
    kind: Kind
    help: str
    example: str
    metavar: str = ""  # flags have none
    short: str = ""

    @property
    def flag(self) -> str:
        """How the command line has it."""
        return flag(self.name)

    @property
    def variable(self) -> str:
        """How the environment has it."""
        return variable(self.name)


def flag(name: str) -> str:
    """Returns the flag of a setting."""
    return f"--{name.replace('_', '-')}"


def variable(name: str) -> str:
    """Returns the environment variable of a setting."""
    return f"MYCELIUM_{name.upper()}"


SETTINGS: Final = (
    Setting(
        "peers",
        Kind.PEERS,
        "Peers to keep a link with: host:port[#publickey], by UDP or, where that is blocked, by TCP; or udp://, quic://, "
        "tcp:// and so on, by this alone; dns://, https:// or file: for a list of them.",
        '["hub.example.org:9651", "tls://hub.example.org:443"]',
        metavar="URL...",
    ),
    Setting(
        "listen",
        Kind.LISTENERS,
        "Addresses to listen at; default udp://[::]:9651 (quic:// too) and tcp://[::]:9651 (tls:// and wss:// too).",
        '["udp://[::]:9651", "tcp://[::]:9651"]',
        metavar="URL...",
    ),
    Setting(
        "proxy",
        Kind.PROXY,
        "Proxy to tcp://, tls:// and wss:// peers: http:// or socks5://[user:password@]host:port.",
        '"http://proxy.example.org:3128"',
        metavar="URL",
    ),
    Setting(
        "tls_certificate",
        Kind.FILE,
        "Certificate chain shown to tls:// and wss:// peers; default self-made.",
        '"/etc/mycelium/server.crt"',
        metavar="FILE",
    ),
    Setting("tls_key", Kind.FILE, "The key of --tls-certificate.", '"/etc/mycelium/server.key"', metavar="FILE"),
    Setting(
        "firewall_mark",
        Kind.MARK,
        "Mark of the packets sent to peers, for policy routing: a number such as 51820 or 0xca6c.",
        "0",
        metavar="MARK",
    ),
    Setting("tun_name", Kind.INTERFACE, "Name of the TUN interface.", '"mycelium"', metavar="NAME"),
    Setting("no_tun", Kind.FLAG, "Relay for other nodes only, without privileges.", "false"),
    Setting("no_quic", Kind.FLAG, "Neither answer nor dial QUIC at the ports of UDP.", "false"),
    Setting(
        "no_dscp",
        Kind.FLAG,
        "Do not copy the DSCP of packets to the datagrams that carry them, which shows it.",
        "false",
    ),
    Setting("no_shortcuts", Kind.FLAG, "Do not look for direct links with nodes whose packets pass relays.", "false"),
    Setting(
        "no_relay_leases",
        Kind.FLAG,
        "Do not lease UDP ports to neighbours, whose datagrams the kernel would pass on.",
        "false",
    ),
    Setting("no_speed_tests", Kind.FLAG, "Do not answer speed tests of other nodes.", "false"),
    Setting(
        "no_port_mapping",
        Kind.FLAG,
        "Behind a NAT, do not ask the router to let others reach this node.",
        "false",
    ),
    Setting(
        "share_links",
        Kind.SHARED_WITH,
        "Whom to tell with which neighbours this node has links, for their view of the mesh: members (of its private "
        "network), all (in the open network too) or none; default members.",
        '"members"',
        metavar="WHOM",
    ),
    Setting(
        "routes",
        Kind.ROUTES,
        "Keep routes to the N nearest nodes; others are looked up, and reached by landmarks near them. Default 4096.",
        "4096",
        metavar="N",
    ),
    Setting(
        "landmark",
        Kind.STANDING,
        "Be a landmark, to which all nodes keep a route: yes, no, or auto (default): where one is needed.",
        '"auto"',
        metavar="WORD",
    ),
    Setting("no_transit", Kind.FLAG, "Tell of this node only, so that no packets of other nodes pass it.", "false"),
    Setting(
        "auto_peers",
        Kind.AUTO_PEERS,
        "Keep links with N more nodes, which neighbours tell of; tells others of this one too. Default 0.",
        "0",
        metavar="N",
    ),
    Setting("disable_peer_discovery", Kind.FLAG, "Do not find neighbours on local links.", "false"),
    Setting(
        "peer_discovery_interface",
        Kind.INTERFACES,
        "Interfaces to find neighbours on; default all with link-local multicast.",
        '["eth0"]',
        metavar="NAME...",
    ),
    Setting("peer_discovery_port", Kind.PORT, "UDP port for finding neighbours; default 9650.", "9650", metavar="PORT"),
    Setting(
        "name",
        Kind.NODE_NAME,
        "What other nodes of a private network call this one, such as berlin.",
        '"berlin"',
        metavar="NAME",
    ),
    Setting("network_name", Kind.NETWORK_NAME, "Name of a private network.", '"corp"', metavar="NAME"),
    Setting(
        "network_key_file",
        Kind.FILE,
        "Key shared by all nodes of a private network.",
        '"/etc/mycelium/corp.key"',
        metavar="FILE",
    ),
    Setting(
        "domain",
        Kind.DOMAIN,
        "Domain of the names of nodes, as in berlin.corp.myc; default myc.",
        '"myc"',
        metavar="DOMAIN",
    ),
    Setting(
        "hosts_file",
        Kind.FILE,
        "Write the names of nodes into FILE, such as /etc/hosts, where systemd-resolved does not ask for them.",
        '"/etc/hosts"',
        metavar="FILE",
    ),
    Setting(
        "policy",
        Kind.POLICY,
        "What comes in from other nodes: open (everything), closed (answers, ICMPv6 echo and errors), or rules, as a table "
        "[policy] in the file. Default closed in the open network, open in a private one.",
        '{ default = "closed", packets = ["allow tcp 22 from @admins"], groups = { admins = ["4ab:1234::1"] } }',
        metavar="WORD",
    ),
    Setting(
        "api_addr",
        Kind.ADDRESS,
        "Address of the daemon's API: host:port or unix:/path.",
        '"127.0.0.1:8989"',
        metavar="ADDRESS",
    ),
    Setting(
        "api_socket",
        Kind.FILE,
        "Unix socket at which the API is too, without a token, for this user and root.",
        '"/run/mycelium/api"',
        metavar="FILE",
    ),
    Setting(
        "api_token_file",
        Kind.FILE,
        "Token that API calls over TCP need.",
        '"/etc/mycelium/token"',
        metavar="FILE",
    ),
    Setting(
        "metrics_api_address",
        Kind.ADDRESS,
        "Address for Prometheus alone, at /metrics; the API has them too.",
        '"127.0.0.1:9100"',
        metavar="ADDRESS",
    ),
    Setting(
        "jsonrpc_addr",
        Kind.ADDRESS,
        "Address for JSON-RPC as the Rust Mycelium has it; default none.",
        '"127.0.0.1:8990"',
        metavar="ADDRESS",
    ),
    Setting(
        "key_file",
        Kind.FILE,
        "The node's secret key.",
        '"~/.local/share/mycelium/priv_key.bin"',
        metavar="FILE",
        short="-k",
    ),
    Setting(
        "user",
        Kind.USER,
        "User to become once what takes root is open; default mycelium, where the key is in a folder of that user's.",
        '"mycelium"',
        metavar="USER",
    ),
    Setting("debug", Kind.FLAG, "Log details too.", "false", short="-d"),
    Setting("silent", Kind.FLAG, "Log errors only.", "false"),
    Setting("log_format", Kind.LOG_FORMAT, "compact, logfmt, plain, json or journald.", '"compact"', metavar="FORMAT"),
)
# Of the Rust implementation, so that what starts it starts this one: `aliases.py` says what they are here.
ALIASES: Final = (
    Setting("tcp_listen_port", Kind.PORT, "", "9651", metavar="PORT", short="-t"),
    Setting("quic_listen_port", Kind.PORT, "", "9651", metavar="PORT", short="-q"),
    Setting("disable_quic", Kind.FLAG, "", "false"),
    Setting("update_workers", Kind.WORKERS, "", "1", metavar="N"),
)
# In files only: the flag has another name there too.
_KEYS: Final = (Setting("peer_discovery_interfaces", Kind.INTERFACES, "", '["eth0"]', metavar="NAME..."),)
BY_NAME: Final = {setting.name: setting for setting in (*SETTINGS, *ALIASES, *_KEYS)}
