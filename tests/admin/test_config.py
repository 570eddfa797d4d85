import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.admin import config
from mycelium.admin.api_address import ApiAddress
from mycelium.admin.proxy_url import ProxyUrl
from mycelium.errors import ConfigError, IdentityError
from mycelium.limits import CONFIGURED_PEERS, DISCOVERY_INTERFACES
from mycelium.peer_url import PeerUrl
from mycelium.policy.settings import PolicySettings, parse_policy
from mycelium.routing.parameters import Standing


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "some.toml"
    path.write_text(text)
    return path


def test_without_file_and_flags_everything_has_its_default(home: Path) -> None:
    assert config.load({}) == config.Settings(
        name="",
        peers=(),
        listen=(),
        key_file=home / ".local/share/mycelium/priv_key.bin",
        tun_name="mycelium",
        no_tun=False,
        no_quic=False,
        no_dscp=False,
        no_shortcuts=False,
        no_relay_leases=False,
        no_speed_tests=False,
        no_port_mapping=False,
        routes=4_096,
        landmark=Standing.AUTO,
        no_transit=False,
        auto_peers=0,
        disable_peer_discovery=False,
        peer_discovery_interface=(),
        peer_discovery_port=9650,
        api_addr=ApiAddress("127.0.0.1", 8989),
        api_socket=None,
        api_token_file=None,
        metrics_api_address=None,
        jsonrpc_addr=None,
        policy=PolicySettings(),
        network_name="",
        network_key_file=None,
        domain="myc",
        hosts_file=None,
        user="",
        debug=False,
        silent=False,
        log_format="compact",
        given={},
    )


EVERY_KEY = """
peers = ["udp://a:1", "udp://[2001:db8::1]"]
name = "Berlin-2"
listen = "udp://0.0.0.0:7"
key_file = "keys/mine"
tun_name = "mesh0"
no_tun = true
no_quic = true
no_dscp = true
no_shortcuts = true
no_relay_leases = true
no_speed_tests = true
no_port_mapping = true
routes = 512
landmark = "no"
no_transit = true
auto_peers = 3
disable_peer_discovery = true
peer_discovery_interface = ["eth0", "wlan0"]
peer_discovery_port = 9000
api_addr = "unix:/run/mycelium.sock"
api_socket = "/run/mycelium/api"
api_token_file = "/etc/token"
metrics_api_address = "0.0.0.0:9100"
jsonrpc_addr = "127.0.0.1:8990"
network_name = "home"
network_key_file = "~/psk"
domain = "Mesh.example.org."
hosts_file = "/etc/hosts"
user = "mesh"
proxy = "http://me:secret@proxy.corp:3128"
tls_certificate = "server.crt"
tls_key = "/etc/server.key"
firewall_mark = 0xca6c
debug = true
silent = true
log_format = "json"
"""


def test_a_file_sets_every_key(home: Path) -> None:
    path = written(home, EVERY_KEY)
    assert config.load({"config_file": str(path)}) == config.Settings(
        peers=(PeerUrl("udp", "a", 1), PeerUrl("udp", "2001:db8::1")),
        name="berlin-2",
        listen=(PeerUrl("udp", "0.0.0.0", 7),),
        key_file=home / "keys/mine",
        tun_name="mesh0",
        no_tun=True,
        no_quic=True,
        no_dscp=True,
        no_shortcuts=True,
        no_relay_leases=True,
        no_speed_tests=True,
        no_port_mapping=True,
        routes=512,
        landmark=Standing.NO,
        no_transit=True,
        auto_peers=3,
        disable_peer_discovery=True,
        peer_discovery_interface=("eth0", "wlan0"),
        peer_discovery_port=9000,
        api_addr=ApiAddress.parse("unix:/run/mycelium.sock"),
        api_socket=Path("/run/mycelium/api"),
        api_token_file=Path("/etc/token"),
        metrics_api_address=ApiAddress("0.0.0.0", 9100),
        jsonrpc_addr=ApiAddress("127.0.0.1", 8990),
        network_name="home",
        network_key_file=home / "psk",
        domain="mesh.example.org",
        hosts_file=Path("/etc/hosts"),
        user="mesh",
        proxy=ProxyUrl("http", "proxy.corp", 3128, ("me", "secret")),
        tls_certificate=home / "server.crt",
        tls_key=Path("/etc/server.key"),
        firewall_mark=0xCA6C,
        debug=True,
        silent=True,
        log_format="json",
        given={"config_file": str(path)},
    )


@pytest.mark.parametrize("given", [{}, {"api_addr": "127.0.0.1:9100"}])
def test_metrics_alone_are_at_another_address_than_the_api(given: dict[str, str]) -> None:
    same = given.get("api_addr", "127.0.0.1:8989")
    with pytest.raises(ConfigError, match=f"metrics_api_address .*: {same} is that of api_addr"):
        config.load({**given, "metrics_api_address": same})
    assert config.load({**given, "metrics_api_address": "127.0.0.1:1"})


@pytest.mark.parametrize("other", ["api_addr", "jsonrpc_addr", "metrics_api_address"])
def test_a_socket_of_the_api_is_no_other_servers(other: str, tmp_path: Path) -> None:
    path = tmp_path / "api"
    with pytest.raises(ConfigError, match=rf"\(--.*\): unix:{path} is that of (api_addr|api_socket): choose another"):
        config.load({"api_socket": str(path), other: f"unix:{path}"})
    assert config.load({"api_socket": str(path), other: f"unix:{path}2"})


@pytest.mark.parametrize("key", ["tls_certificate", "tls_key"])
def test_a_certificate_without_its_key_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=r"--tls-certificate and --tls-key .* belong together"):
        config.load({key: "file"})


def test_each_key_may_be_written_as_its_flag(home: Path) -> None:
    path = written(home, 'tun-name = "mesh0"\npeer-discovery-interface = ["eth0"]\nno-tun = true')
    settings = config.load({"config_file": str(path)})
    assert (settings.tun_name, settings.peer_discovery_interface, settings.no_tun) == ("mesh0", ("eth0",), True)


def test_the_command_line_wins_over_the_file(home: Path) -> None:
    path = written(home, 'peers = "udp://file:1"\ntun_name = "fromfile"\nno_tun = true')
    settings = config.load({"config_file": str(path), "peers": ["udp://flag:1"], "no_tun": False})
    assert settings.peers == (PeerUrl("udp", "flag", 1),)
    assert settings.tun_name == "fromfile"
    assert not settings.no_tun


def test_the_default_file_is_read_where_it_exists(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
    (home / "xdg/mycelium").mkdir(parents=True)
    (home / "xdg/mycelium/mycelium.toml").write_text('tun_name = "found"')
    assert config.load({}).tun_name == "found"


def test_a_relative_xdg_folder_is_ignored_as_its_specification_says(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert config.default_config_file() == home / ".config/mycelium/mycelium.toml"


def test_what_was_given_loads_the_changed_file_again(home: Path) -> None:
    path = written(home, 'peers = "udp://a:1"')
    before = config.load({"config_file": str(path), "tun_name": "mine"})
    path.write_text('peers = "udp://b:1"')
    after = config.load(before.given)
    assert (after.peers, after.tun_name) == ((PeerUrl("udp", "b", 1),), "mine")


def test_a_peers_interface_may_come_after_the_start() -> None:
    assert str(config.load({"peers": ["udp://[fe80::1%later0]:9651"]}).peers[0]) == "udp://[fe80::1%later0]:9651"


def test_a_peer_named_twice_is_one_peer() -> None:
    assert config.load({"peers": ["udp://HOST", "udp://host:9651"]}).peers == (PeerUrl("udp", "host"),)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tun-nmae = 'x'", "tun-nmae: unknown setting; did you mean tun_name? (at line 1)"),
        ("wxyz = 1", "wxyz: unknown setting (at line 1)"),
        ("# first\ntun-name = 'a'\n\n  tun_name = 'b'", "tun_name: set twice, as tun-name and tun_name (at line 4)"),
        ("silent = true\n[peers]\na = 1", "peers: must be a list of URLs, not a table (at line 2)"),
        (
            "debug = true\n'log-format' = 'xml'",
            "log-format: 'xml' is not one of compact, logfmt, plain, json, journald (at line 2)",
        ),
        ("a.b.c = 1", "a: unknown setting (at line 1)"),
        (
            "debug = true\nvsock_listen_port = 9651",
            "vsock_listen_port: a setting of the Rust Mycelium: there are no links over vsock",
        ),
        ("enable-dns = true", "enable-dns: a setting of the Rust Mycelium: "),
        ("config_file = 'x'", "config_file: unknown setting"),
        ("no_tun = 'yes'", "no_tun: must be true or false, not a string"),
        ("tun_name = 7", "tun_name: must be a string in quotes, not a number"),
        ("tun_name = ''", "tun_name: '' is not a valid interface name"),
        ("tun_name = 'sixteen-letters-'", "tun_name: 'sixteen-letters-' is not a valid interface name"),
        ("tun_name = '..'", "tun_name: '..' is not a valid interface name"),
        ("tun_name = 'a/b'", "tun_name: 'a/b' is not a valid interface name"),
        ("tun_name = 'a%d'", "tun_name: 'a%d' is not a valid interface name"),
        ("peer_discovery_interface = 1", "peer_discovery_interface: must be a list of interfaces, not a number"),
        ("peer_discovery_interface = ['a/b']", "peer_discovery_interface: 'a/b' is not a valid interface name"),
        (
            "peer_discovery_interfacs = 'eth0'",
            "peer_discovery_interfacs: unknown setting; did you mean peer_discovery_interface",
        ),
        ("peer_discovery_port = 0", "peer_discovery_port: must be a number from 1 to 65535"),
        ("peer_discovery_port = 65536", "peer_discovery_port: must be a number from 1 to 65535"),
        ("peer_discovery_port = true", "peer_discovery_port: must be a number from 1 to 65535"),
        ("auto_peers = 33", "auto_peers: must be a number from 0 to 32"),
        ("routes = 3", "routes: must be a number from 4 to 65536"),
        ('landmark = "perhaps"', "landmark: 'perhaps' is not one of auto, yes, no"),
        ("auto_peers = -1", "auto_peers: must be a number from 0 to 32"),
        ("peer_discovery_port = '9x'", "peer_discovery_port: must be a number from 1 to 65535"),
        ("peers = 1", "peers: must be a list of URLs, not a number"),
        ("peers = [1]", "peers: must be a string in quotes, not a number"),
        ("peers = ['sctp://a']", "peers: 'sctp://a' is not a valid URL: 'sctp' is not one of the schemes"),
        ("listen = 'udp://name'", "listen: 'udp://name' is not a valid URL"),
        ("api_addr = '8989'", "api_addr: '8989' is not a valid API address"),
        ("key_file = ''", "key_file: must be a file path"),
        ("key_file = '~nobody-of-this-name/x'", "key_file: '~nobody-of-this-name/x': "),
        ("network_name = 'x'", "network_name: must be 2 to 64 bytes long"),
        (
            "network_name = 'home'",
            "network_name: a name alone keeps no one out: add --network-key-file (network_key_file)",
        ),
        ("policy = 'opened'", "policy: 'opened' is neither open nor closed (at line 1)"),
        ("policy = 1", "policy: must be open, closed, or a table [policy] of rules in the configuration file"),
        (
            "[policy]\npackets = [\n  'allow tcp 22',\n  'allow tcp ssh',\n]",
            "policy: packets: 'allow tcp ssh': 'ssh' is neither a port, such as 22, nor a range of ports, such as "
            "8000-8099 (at line 4)",
        ),
        (
            "debug = true\n[policy]\npacket = []",
            "policy: packet: is not one of default, packets, sessions, links, groups (",
        ),
        ("[policy.groups]\nall = []", "policy: groups: all: names no node (at line 2)"),
        (
            "[policy]\npackets = ['allow from berlin']",
            "policy: 'berlin' is a name, and only nodes of a private network",
        ),
        ("[policy]\npackets = ['allow from b_n']", "policy: 'b_n' is not a valid name"),
        ("log_format = 'xml'", "log_format: 'xml' is not one of compact, logfmt, plain, json"),
        ("debug = 1979-05-27", "debug: must be true or false, not a date"),
        ("peers = [", "not valid TOML: "),
        ("a = " + "[" * 100_000, "not valid TOML: "),
    ],
)
def test_each_mistake_names_file_and_key(home: Path, text: str, told: str) -> None:
    path = written(home, text)
    with pytest.raises(ConfigError) as caught:
        config.load({"config_file": str(path)})
    assert str(caught.value).startswith(f"{path}: {told}")


def test_a_policy_is_a_word_or_a_table_and_the_command_line_replaces_it(home: Path) -> None:
    path = str(written(home, "network_key_file = 'key'\n[policy]\npackets = ['allow tcp 22 from berlin']"))
    assert config.load({"config_file": path}).policy.names() == ["berlin"]
    assert config.load({"config_file": path, "policy": "open"}).policy == parse_policy("open")


def test_a_mistake_on_the_command_line_names_the_flag() -> None:
    with pytest.raises(ConfigError, match=r"^--tun-name: 'a b' is not a valid interface name"):
        config.load({"tun_name": "a b"})


def test_a_network_name_needs_a_key_wherever_both_are_given(home: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^--network-name: a name alone keeps no one out: .*generate-network-key FILE"
    ):
        config.load({"network_name": "home"})
    path = written(home, "network_key_file = 'psk'")
    assert config.load({"network_name": "home", "config_file": str(path)}).network_key_file == home / "psk"
    path = written(home, "network_name = 'home'")
    assert config.load({"network_key_file": "psk", "config_file": str(path)}).network_name == "home"
    assert config.load({"network_key_file": "psk"}).network_name == ""


def test_a_network_name_from_a_terminal_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^--network-name: must be UTF-8$"):
        config.load({"network_name": "caf\udce9", "network_key_file": "psk"})


def test_a_named_file_must_exist(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"/none\.toml: No such file or directory"):
        config.load({"config_file": str(home / "none.toml")})


def test_bytes_that_are_no_text_are_no_toml(home: Path) -> None:
    path = home / "bytes.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"bytes\.toml: line 1 is not UTF-8: save the file as text of this encoding"):
        config.load({"config_file": str(path)})
    path.write_bytes(b'debug = true\nname = "J\xf6rg"\n')
    with pytest.raises(ConfigError, match=r"bytes\.toml: line 2 is not UTF-8"):
        config.load({"config_file": str(path)})


def test_a_file_of_another_systems_editor_is_read(home: Path) -> None:
    path = home / "editor.toml"
    path.write_bytes(b"\xef\xbb\xbfdebug = true\r\nroutes = 64\r\n")
    settings = config.load({"config_file": str(path)})
    assert (settings.debug, settings.routes) == (True, 64)


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(ConfigError, match=r"^/dev/zero: longer than 1024 KiB: this is no configuration file$"):
        config.load({"config_file": "/dev/zero"})


def test_a_file_may_be_a_pipe(home: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"routes = 64\n")
    os.close(writing)
    assert config.load({"config_file": f"/dev/fd/{reading}"}).routes == 64
    os.close(reading)


def test_brackets_in_brackets_are_a_mistake_in_words(home: Path) -> None:
    path = home / "deep.toml"
    path.write_text(f"peers = {'[' * 9_999}{']' * 9_999}")
    with pytest.raises(ConfigError, match=r"not valid TOML: its brackets are nested too deeply$"):
        config.load({"config_file": str(path)})


def test_there_is_a_bound_on_peers() -> None:
    with pytest.raises(ConfigError, match=f"at most {CONFIGURED_PEERS} URLs"):
        config.load({"peers": [f"udp://a:{port}" for port in range(1, CONFIGURED_PEERS + 2)]})


def test_there_is_a_bound_on_interfaces_to_discover_on() -> None:
    with pytest.raises(ConfigError, match=f"at most {DISCOVERY_INTERFACES} interfaces"):
        config.load({"peer_discovery_interface": [f"eth{number}" for number in range(DISCOVERY_INTERFACES + 1)]})


def test_a_user_without_home_can_name_the_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", no_home)
    assert config.load({"key_file": str(home / "key")}).key_file == home / "key"
    with pytest.raises(IdentityError, match="no home"):
        config.load({})


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(key=st.sampled_from(config.Settings.__struct_fields__) | st.text(), value=VALUES)
def test_any_key_with_any_value_is_settings_or_a_config_error(key: str, value: object) -> None:
    try:
        settings = config.load({key: value})
    except ConfigError:
        return
    assert isinstance(settings, config.Settings)


def test_lists_of_peers_stand_among_peers(home: Path) -> None:
    settings = config.load({"peers": ["hub.example", "dns://mesh.example", "file:/etc/peers"]})
    assert [str(peer) for peer in settings.peers] == ["hub.example:9651", "dns://mesh.example", "file:/etc/peers"]
    with pytest.raises(ConfigError, match="--peers: 'file:peers' is not the URL of a peer list"):
        config.load({"peers": ["file:peers"]})


def test_an_interface_by_name_and_by_index_is_one_peer_wherever_it_is_given(tmp_path: Path) -> None:
    index = socket.if_nametoindex("lo")
    file = tmp_path / "mycelium.toml"
    file.write_text(f'peers = ["udp://[fe80::1%lo]:9651", "udp://[fe80::1%{index}]:9651"]')
    by_flag = config.load({"peers": [f"udp://[fe80::1%{index}]:9651"]})
    assert [str(url) for url in config.load({"config_file": str(file)}).peers] == ["udp://[fe80::1%lo]:9651"]
    assert [str(url) for url in by_flag.peers] == ["udp://[fe80::1%lo]:9651"]


def test_the_environment_counts_before_the_file_and_behind_the_command_line(home: Path) -> None:
    path = written(home, 'tun_name = "file"\nauto_peers = 1\nlog_format = "json"\n')
    environment = {
        "MYCELIUM_CONFIG_FILE": str(path),
        "MYCELIUM_TUN_NAME": "variable",
        "MYCELIUM_AUTO_PEERS": "2",
        "MYCELIUM_PEERS": "udp://a:1 udp://b:2",
        "MYCELIUM_DEBUG": "1",
        "MYCELIUM_NAME": "",  # as good as unset
        "MYCELIUM_OF_ANOTHER_PROGRAM": "x",
    }
    settings, sources = config.read({"auto_peers": "3"}, environment)
    assert (settings.tun_name, settings.auto_peers, settings.log_format) == ("variable", 3, "json")
    assert (settings.debug, settings.name, settings.peers) == (
        True,
        "",
        (PeerUrl("udp", "a", 1), PeerUrl("udp", "b", 2)),
    )
    assert sources == {
        "tun_name": "MYCELIUM_TUN_NAME",
        "auto_peers": "--auto-peers",
        "log_format": str(path),
        "peers": "MYCELIUM_PEERS",
        "debug": "MYCELIUM_DEBUG",
    }


def test_a_mistake_in_the_environment_names_the_variable() -> None:
    with pytest.raises(ConfigError, match=r"^MYCELIUM_AUTO_PEERS: must be a number"):
        config.read({}, {"MYCELIUM_AUTO_PEERS": "many"})
    with pytest.raises(ConfigError, match=r"^MYCELIUM_NETWORK_NAME: a name alone keeps no one out"):
        config.read({}, {"MYCELIUM_NETWORK_NAME": "corp"})


@pytest.mark.parametrize("key", ["tun_name", "key_file", "name", "log_format", "auto_peers"])
def test_an_empty_value_on_the_command_line_is_a_mistake_and_not_as_good_as_none(key: str) -> None:
    with pytest.raises(ConfigError, match=f"^--{key.replace('_', '-')}: "):
        config.load({key: ""})
