"""What a daemon opens and reads before it gives up being root."""

import socket
from contextlib import AsyncExitStack
from time import monotonic

from mycelium.admin.config import Settings
from mycelium.daemon.hosts_file import HostsFile
from mycelium.daemon.icmpwatch import open_icmp
from mycelium.daemon.node_settings import network_of, node_settings
from mycelium.daemon.servers import Servers
from mycelium.transport.certificate import ServerCertificate


class Privileged:
    """The addresses of the API, the network's key, the certificate of TLS, raw sockets, the hosts file; until `stack` is left.

    Raises LocalError.
    """

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self.servers = Servers(settings, stack)
        self.network = network_of(settings)
        self.node_settings = node_settings(settings, self.network)
        certificate, key = settings.tls_certificate, settings.tls_key
        files = None if certificate is None or key is None else (certificate, key)
        self.certificate = ServerCertificate(files, now=monotonic())
        self.hosts_file = None if settings.hosts_file is None else HostsFile(settings.hosts_file)
        if self.hosts_file is not None:
            stack.callback(self.hosts_file.close)
        self.icmp: list[socket.socket] = open_icmp()
        for icmp in self.icmp:
            stack.callback(icmp.close)
