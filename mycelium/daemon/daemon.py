"""Starts and stops a node on this host: opens what it needs in order, runs until told to stop, gives everything back.

API's address and what takes root -> own user, few rights -> key and epoch -> sockets -> TUN device -> node and driver
-> peers are dialled -> TUN's address -> API answers
"""

import asyncio
import contextlib
import gc
import importlib
import logging
import os
import random
import signal
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from ipaddress import IPv6Address
from time import monotonic, process_time
from typing import Final

import mycelium
from mycelium.admin import interpreter, logs
from mycelium.admin.config import Settings
from mycelium.admin.zones import url_of
from mycelium.crypto.primitives import RealPrimitives
from mycelium.daemon.capturing import Capturing
from mycelium.daemon.claim import claimed_identity
from mycelium.daemon.confinement import confine
from mycelium.daemon.copies import CopyWatch
from mycelium.daemon.discovery import LanDiscovery, where_to_announce
from mycelium.daemon.driver import Driver
from mycelium.daemon.epoch import next_epoch
from mycelium.daemon.events import EventLog, tell_what_is_held_back
from mycelium.daemon.icmpwatch import IcmpWatch
from mycelium.daemon.invitations import Inviter, NetworkSecrets
from mycelium.daemon.knocking import knock
from mycelium.daemon.known_peers import KnownPeersFile
from mycelium.daemon.leases import KernelLeases
from mycelium.daemon.listeners import configured_transports
from mycelium.daemon.live_control import LiveControl
from mycelium.daemon.members import Members
from mycelium.daemon.name_server import NameServer
from mycelium.daemon.netwatch import NetWatch
from mycelium.daemon.node_metrics import NodeMetrics
from mycelium.daemon.open_files import allow_enough, explained
from mycelium.daemon.own_addresses import reachable_at
from mycelium.daemon.peer_lists import PeerLists
from mycelium.daemon.peers import Peers
from mycelium.daemon.policing import Policing
from mycelium.daemon.port_mapper import PortMapper, node_port_mapper
from mycelium.daemon.privileged import Privileged
from mycelium.daemon.process import LoopLag
from mycelium.daemon.proxied import ProxiedPeers
from mycelium.daemon.reload import Configuration
from mycelium.daemon.service_manager import ServiceManager
from mycelium.daemon.spare_memory import SpareMemory, forget_files
from mycelium.daemon.stop import Stopped, end_soon, on_stop, raise_stopped
from mycelium.daemon.tun_keeper import NodePassage, TunKeeper
from mycelium.endpoint import Endpoint
from mycelium.huge_pages import collapse_memory
from mycelium.node.copied import drop_keys
from mycelium.node.names import Names
from mycelium.node.node import Node
from mycelium.node.zone import Zone
from mycelium.outbox import BeaconDue, EchoAnswered, Event, GsoLimited, IndicesChanged, JoinAsked, KnockDue, ResolvePeer
from mycelium.policy.node_policy import NodePolicy
from mycelium.transport.set import TransportSet
from mycelium.tun.linux import LinuxTun
from mycelium.tun.upkeep import TunUpkeep

log = logging.getLogger("mycelium")

UDP: Final = "udp"
# Modules whose libraries take memory and time, by the scheme of peers: imported at the start only if such a peer is configured.
LIBRARIES: Final = {"wss": "mycelium.transport.streams.websocket", "quic": "mycelium.transport.quic.engine"}


def run(settings: Settings) -> int:
    """Runs a node until SIGINT or SIGTERM; returns the exit code. Raises LocalError where it can't start."""
    try:
        import uvloop
    except ImportError:
        loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    else:
        loop_factory = uvloop.new_event_loop
    allow_enough()
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(Daemon(settings, last_resort=end_soon, confine=confine).serve())
    except (ExceptionGroup, OSError) as error:  # the former is of the task group
        raise explained(error) from error


class Daemon:
    """One running node and what it holds of this host."""

    def __init__(
        self,
        settings: Settings,
        *,
        last_resort: Callable[[], None] = lambda: None,
        confine: Callable[[Settings], str] = lambda _: "running unconfined",
    ) -> None:
        self._settings = settings
        self._confine = confine  # called once what takes root is open
        self._last_resort = last_resort  # called upon a signal to stop, in case that the stopping hangs
        self._stopping = asyncio.Event()
        self._peers: Peers
        self._lists: PeerLists
        self._known: KnownPeersFile
        self._configuration: Configuration
        self._control: LiveControl
        self._driver: Driver
        self._node: Node
        self._event_log: EventLog
        self._discovery: LanDiscovery | None = None
        self._keeper: TunKeeper | None = None
        self._leases: KernelLeases
        self._mapper: PortMapper
        self._listening: list[Endpoint]
        self._transports: TransportSet
        self._opened: Privileged
        self._lag = LoopLag()
        self._tasks: asyncio.TaskGroup
        self._manager = ServiceManager(os.environ)

    async def serve(self) -> int:
        """Starts, waits for a signal, stops."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))  # which the command line may have held back
        async with AsyncExitStack() as stack:
            try:
                with on_stop(raise_stopped):
                    self._open(stack, loop)
            except Stopped:
                return 0
            with on_stop(lambda: self._told_to_stop(loop)):
                await self._run(stack, loop)
        return 0

    def _told_to_stop(self, loop: asyncio.AbstractEventLoop) -> None:
        self._last_resort()
        loop.call_soon_threadsafe(self._stopping.set)

    async def _run(self, stack: AsyncExitStack, loop: asyncio.AbstractEventLoop) -> None:
        """Lives until it is told to stop, then waits for nobody."""
        living = asyncio.ensure_future(self._live(stack, loop))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((living, stopping), return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                log.info("stopping")
                self._manager.stopping()
        finally:
            stopping.cancel()
            living.cancel()
            self._driver.stop()  # first of all: neighbours that are told of the end use other routes at once
            with contextlib.suppress(asyncio.CancelledError):
                await living

    async def _live(self, stack: AsyncExitStack, loop: asyncio.AbstractEventLoop) -> None:
        """Does all that a daemon does besides the driver, until it is cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            self._driver.start()
            self._tasks.create_task(self._discover())
            self._lists.follow(self._settings.peers)  # links form while the rest of the start goes on
            self._known.keep(self._settings.auto_peers)
            self._tasks.create_task(self._known.run())
            self._tasks.create_task(self._mapper.run())
            self._tasks.create_task(self._lag.run())
            self._tasks.create_task(self._members.run())
            await self._open_to_operator(stack, loop)
            self._tasks.create_task(self._keep_tun())
            self._tasks.create_task(tell_what_is_held_back())
            gc.collect()
            gc.freeze()  # what is alive now stays: the collector need not walk it again
            forget_files()
            spare = SpareMemory(collapse_memory(), used_s=process_time())
            self._tasks.create_task(spare.run())
            self._manager.ready()
            self._tasks.create_task(self._manager.keep_alive())
            await self._stopping.wait()

    def _open(self, stack: AsyncExitStack, loop: asyncio.AbstractEventLoop) -> None:
        """Opens the API's address, key, sockets and TUN device, and makes the node that lives on them."""
        settings = self._settings
        opened = self._opened = Privileged(settings, stack)
        confined = self._confine(settings)
        identity = stack.enter_context(claimed_identity(settings.key_file))
        proxied = None if settings.proxy is None else ProxiedPeers(settings.proxy)
        transports = self._transports = configured_transports(settings, opened.certificate, proxied)
        stack.callback(transports.close)
        tun = None if settings.no_tun else LinuxTun.open(settings.tun_name)
        if tun is not None:
            stack.callback(tun.close)
        policy = NodePolicy(settings.policy, is_private=any(opened.node_settings.psk))
        self._node = Node(
            identity,
            settings=opened.node_settings,
            epoch=next_epoch(settings.key_file),
            entropy=os.urandom,
            rng=random.Random(os.urandom(16)),
            primitives=RealPrimitives(),
            policy=policy,
            now=monotonic(),
        )
        self._node.receiving.has_device = tun is not None
        if tun is not None:
            self._node.metrics.add(tun.counters, prefix="tun_")
            transports.underlay.follow(tun.name)
        transports.register(self._node.metrics)
        self._node.metrics.add(opened.servers.counters, prefix="api_")
        self._listening = transports.local_endpoints
        self._driver = Driver(
            self._node,
            transports=transports,
            tun=tun,
            loop=loop,
            on_event=self._on_event,
            on_journal=self._on_journal,
            on_tun_lost=self._on_tun_lost,
        )
        if tun is not None:
            upkeep = TunUpkeep(tun, str(IPv6Address(identity.address)))
            self._keeper = TunKeeper(upkeep, NodePassage(self._node, self._driver, tun, transports.underlay))
        self._leases = KernelLeases(self._node.leasing, transports.underlay, act=self._driver.act, loop=loop)
        stack.callback(self._leases.close)
        self._mapper = node_port_mapper(self._node, transports, settings)
        self._peers = Peers(self._node, self._driver.act, transports.underlay.objection, proxied)
        self._lists = PeerLists(self._peers, lambda reading: self._tasks.create_task(reading), settings.proxy)
        self._known = KnownPeersFile(self._node, self._driver.act, settings.key_file)
        self._control = self._make_control(policy)
        self._tell_start(None if tun is None else tun.name, confined)

    def _make_control(self, policy: NodePolicy) -> LiveControl:
        """Makes what the API asks."""
        network, key_file, act = self._opened.network, self._settings.key_file, self._driver.act
        self._members = Members(self._node, policy, network, key_file, act)
        secrets = NetworkSecrets(self._settings.network_name, network.key)
        self._inviter = Inviter(self._node, act, secrets, key_file, admit=self._members.admit)
        self._names = names = Names(self._node.routing, is_private=policy.is_private)
        self._policing = Policing(self._node, policy, names, act)
        self._event_log = EventLog(self._node.journal, names)
        metrics = NodeMetrics(self._node, names, self._lag.histogram)
        capturing = Capturing(self._node, self._driver.tap)
        asked = (self._peers, self._leases, self._lists, self._mapper, metrics, capturing, self._inviter)
        self._configuration = Configuration(self._settings, self._lists, self._known, self._policing, self._members)
        others = (act, names, self._configuration, self._policing, self._members)
        return LiveControl(self._node, self._transports, self._keeper, *asked, *others)

    def _tell_start(self, interface: str | None, confined: str) -> None:
        """Logs what this node is, what it runs on, as whom, and where it is found and asked."""
        address = IPv6Address(self._node.identity.address)
        listening = logs.listed([url_of(one) for one in self._listening])
        log.info("mycelium %s: this node is %s", mycelium.__version__, address)
        log.info("running on %s", interpreter.description())
        log.info("%s", confined)
        log.info("interface %s, %s, listening at %s", interface or "none", str(self._opened.servers), listening)
        log.info("policy %s", self._policing.summary())
        if self._settings.peers:
            log.info("dialling %s", logs.listed([str(url) for url in self._settings.peers]))

    async def _open_to_operator(self, stack: AsyncExitStack, loop: asyncio.AbstractEventLoop) -> None:
        """Gives the TUN device its address, has the API answer, and watches the network."""
        if self._keeper is not None:
            self._keeper.start()
        self._serve_names(stack, loop)
        schemes = {peer.scheme for peer in self._settings.peers}
        needed = [module for scheme, module in LIBRARIES.items() if scheme in schemes]
        for module in needed:  # these imports take a fifth of a second, in which links form
            with contextlib.suppress(ImportError):  # not every platform has the library of QUIC
                await loop.run_in_executor(None, importlib.import_module, module)
        await self._opened.servers.start(self._control, stack)
        self._watch(stack, loop)
        if self._settings.no_relay_leases:
            self._leases.switch_off()
        else:
            await self._leases.offer()

    def _serve_names(self, stack: AsyncExitStack, loop: asyncio.AbstractEventLoop) -> None:
        """Has programs of this host find nodes by their names."""
        settings = self._settings
        zone = Zone(self._names, domain=settings.domain, network_name=settings.network_name)
        if self._opened.hosts_file is not None:
            self._tasks.create_task(self._opened.hosts_file.run(zone))
        if self._keeper is not None:
            server = NameServer(zone, str(IPv6Address(self._node.identity.address)))
            server.open(loop)
            stack.callback(server.close, loop)
            has_hosts_file = self._opened.hosts_file is not None
            self._tasks.create_task(server.introduce(self._keeper.name, has_hosts_file=has_hosts_file))

    def _watch(self, stack: AsyncExitStack, loop: asyncio.AbstractEventLoop) -> None:
        """Has the node told what the system says of the network."""
        node, driver, transports = self._node, self._driver, self._transports

        def act(action: Callable[[float], None]) -> None:
            transports.routes_changed()
            driver.act(action)
            self._leases.routes_changed()
            self._mapper.network_changed()

        network = NetWatch(
            loop,
            on_loss=lambda lost: act(lambda now: node.host_lost(lost, now=now)),
            on_gain=lambda: act(lambda now: node.host_gained(now=now)),
            on_change=lambda: act(lambda now: node.network_changed(now=now)),
            on_news=self._look_at_tun,
            on_addresses=self._name_addresses,
        )
        stack.callback(network.close)
        ports = frozenset(one.port for one in self._listening if one.scheme == UDP)
        icmp = IcmpWatch(
            loop,
            self._opened.icmp,
            ports,
            lambda told: driver.act(lambda now: node.unreachable(told, now=now)),
        )
        stack.callback(icmp.close)
        stack.callback(CopyWatch(loop, lambda: driver.act(lambda now: drop_keys(node, now=now))).close)

    def _name_addresses(self, interfaces: Mapping[bytes, int]) -> None:
        """Tells the node at which addresses of this host others may reach it."""
        leads_inside = self._transports.underlay.leads_inside
        self._node.outside.set_own(reachable_at(interfaces, self._listening, leads_inside=leads_inside))

    async def _keep_tun(self) -> None:
        """Keeps the TUN device as it is set up until it is cancelled."""
        if self._keeper is not None:
            await self._keeper.run()

    def _look_at_tun(self) -> None:
        if self._keeper is not None:
            self._keeper.look()

    def _on_tun_lost(self) -> None:
        assert self._keeper is not None
        self._keeper.lost()

    def _reload(self) -> None:
        if not self._stopping.is_set():
            self._configuration.ask(self._tasks, self._manager)

    async def _discover(self) -> None:
        """Finds neighbours on the links of this host until it is cancelled."""
        settings = self._settings
        if settings.disable_peer_discovery:
            return
        place = where_to_announce(self._listening)
        if place is None:
            log.info("no peer discovery: it takes a socket that listens on [::] or 0.0.0.0")
            return
        port, groups = place
        discovery = self._node.discovery
        self._discovery = LanDiscovery(
            groups,
            port=settings.peer_discovery_port,
            only=settings.peer_discovery_interface,
            beacon=discovery.beacon,
            on_beacon=lambda data, source: self._driver.act(
                lambda now: self._node.beacon_received(data, source, now=now)
            ),
            underlay=self._transports.underlay,
        )
        self._node.metrics.add(self._discovery.counters)
        self._driver.act(lambda now: self._node.start_discovery(port, now=now))
        await self._discovery.run()

    # -- events --------------------------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        if self._stopping.is_set():
            return
        match event:
            case ResolvePeer():
                self._tasks.create_task(self._peers.resolve(event.url))
            case BeaconDue():
                assert self._discovery is not None
                self._discovery.announce()
            case IndicesChanged():
                self._transports.expect(self._node.own_indices())
            case JoinAsked():
                self._tasks.create_task(self._inviter.serve(event))
            case KnockDue():
                knock(event, self._transports.underlay)
            case EchoAnswered():
                self._control.diagnosis.echo_answered(event)
            case GsoLimited():
                if self._keeper is not None:
                    self._keeper.limit_super_packets(event.longest)
            case _:
                self._leases.serve(event)

    def _on_journal(self) -> None:
        self._event_log.write_new()
        self._control.journal_grew()
