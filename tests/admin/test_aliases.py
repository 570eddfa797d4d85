"""Settings of the Rust implementation become what they are called here, in files and on the command line."""

from pathlib import Path

import pytest

from mycelium.admin import config
from mycelium.admin.aliases import without_aliases
from mycelium.errors import ConfigError
from mycelium.peer_url import PeerUrl

UDP, TCP = PeerUrl("udp", "::", 9651), PeerUrl("tcp", "::", 9651)

EXAMPLE = """
# REMOVE/ADD COMMENT TO ENABLE/DISABLE LINE
peers = ["tcp://192.0.2.242:9651", "quic://[2001:db8::2]:9651"]
api_addr = "127.0.0.1:8989"
tcp_listen_port = 9700
quic_listen_port = "9651"
tun_name = "mycelium"
disable_peer_discovery = false
peer_discovery_interfaces = ["eth0"]
disable_quic = false
no_tun = false
jsonrpc_addr = "127.0.0.1:8990"
metrics_api_address = "0.0.0.0:9999"
firewall_mark = 30
update_workers = 1
enable_dns = false
"""


@pytest.fixture
def example(tmp_path: Path) -> str:
    path = tmp_path / "mycelium.toml"
    path.write_text(EXAMPLE)
    return str(path)


def test_a_configuration_file_of_it_says_here_what_it_says_there(example: str) -> None:
    settings = config.load({"config_file": example})
    assert settings.listen == (UDP, PeerUrl("tcp", "::", 9700))
    assert settings.peers == (PeerUrl("tcp", "192.0.2.242", 9651), PeerUrl("quic", "2001:db8::2", 9651))
    assert (settings.no_quic, settings.peer_discovery_interface) == (False, ("eth0",))
    assert (str(settings.jsonrpc_addr), str(settings.metrics_api_address)) == ("127.0.0.1:8990", "0.0.0.0:9999")
    assert (settings.firewall_mark, settings.tun_name) == (30, "mycelium")


def test_the_command_line_overrides_the_file_under_either_name(example: str) -> None:
    assert config.load({"config_file": example, "listen": ["udp://[::]:7"]}).listen == (PeerUrl("udp", "::", 7),)
    assert config.load({"config_file": example, "tcp_listen_port": "8"}).listen == (UDP, PeerUrl("tcp", "::", 8))
    assert config.load({"config_file": example, "disable_quic": True}).no_quic


def test_what_has_no_alias_stays_and_workers_are_nobodys() -> None:
    assert without_aliases({"tun_name": "a", "update_workers": 3}) == {"tun_name": "a"}
    assert without_aliases({"quic_listen_port": 7}) == {"listen": (PeerUrl("udp", "::", 7), TCP)}


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ('tcp_listen_port = 7\nlisten = "udp://[::]:8"', r"tcp_listen_port: listen says where this node listens"),
        ("disable_quic = true\nno_quic = false", "disable_quic is no_quic of the Rust Mycelium"),
        ("tcp_listen_port = 0", r"tcp_listen_port: must be a number from 1 to 65535 \(at line 1\)"),
        ("update_workers = 255", "update_workers: must be a number from 1 to 254"),
        ("enable_dns = true", "enable_dns: a setting of the Rust Mycelium: names of nodes are resolved without it"),
        ('cdn_cache = "/x"', "cdn_cache: a setting of the Rust Mycelium: there is no CDN here"),
        ('jsonrpc_addr = "127.0.0.1:8989"', "jsonrpc_addr .*: 127.0.0.1:8989 is that of api_addr"),
    ],
)
def test_a_mistake_is_told_by_the_name_that_was_given(tmp_path: Path, lines: str, complaint: str) -> None:
    path = tmp_path / "mycelium.toml"
    path.write_text(lines)
    with pytest.raises(ConfigError, match=complaint):
        config.load({"config_file": str(path)})
