"""A daemon is started with what a test says of it, and tells what is wrong with it."""

from pathlib import Path

import pytest

from tests.lab.daemon import LabDaemon
from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost


@pytest.fixture
def daemon(tmp_path: Path) -> LabDaemon:
    return LabDaemon(LabHost("a", "nowhere"), tmp_path, options=["--no-tun"], seed=bytes(range(32)))


def test_a_seed_makes_the_same_node_again(daemon: LabDaemon, tmp_path: Path) -> None:
    again = LabDaemon(LabHost("b", "nowhere"), tmp_path, seed=bytes(range(32)))
    other = LabDaemon(LabHost("c", "nowhere"), tmp_path)
    assert again.address == daemon.address != other.address
    other.key_file.unlink()
    assert LabDaemon(LabHost("c", "nowhere"), tmp_path).address == other.address
    assert daemon.subnet.endswith("::/64")


def test_the_command_line_has_peers_and_options(daemon: LabDaemon) -> None:
    daemon.peers.append("udp://10.0.1.2:9651")
    words = daemon.arguments()
    assert words[1:3] == ["--peers", "udp://10.0.1.2:9651"]
    assert {"--no-tun", "--disable-peer-discovery"} <= set(words)
    assert "--tun-name" not in words


def test_a_traceback_in_the_log_is_a_complaint(daemon: LabDaemon) -> None:
    assert daemon.complaint() == ""
    daemon.log_file.write_text("x\nTraceback (most recent call last):\n")
    assert daemon.complaint() == "a had an error"


def test_one_that_does_not_run_is_not_running(daemon: LabDaemon) -> None:
    assert not daemon.is_running
    with pytest.raises(AssertionError, match="does not run"):
        daemon.stop()


@pytest.mark.netns
def test_one_that_ends_on_its_own_is_a_complaint(tmp_path: Path) -> None:
    with Lab() as lab:
        [host] = lab.add_hosts(["a"])
        daemon = LabDaemon(host, tmp_path, options=["--no-such-flag"])
        daemon.start()
        with pytest.raises(AssertionError, match="a ended on its own"):
            daemon.wait_ready()
        assert daemon.complaint().startswith("a ended on its own with status")


@pytest.mark.netns
def test_one_that_does_not_answer_in_time_tells_what_it_does(tmp_path: Path) -> None:
    with Lab() as lab:
        [host] = lab.add_hosts(["a"])
        daemon = LabDaemon(host, tmp_path, options=["--no-tun"])
        daemon.start()
        daemon.wait_ready()
        daemon.freeze()
        daemon.api_socket.unlink()
        with pytest.raises(AssertionError, match=r"not within 0\.1 s: a answers; process") as failure:
            daemon.wait_ready(0.1)
        for told in ("--no-tun", "state T: ", "Fatal Python error: Aborted", "most recent call first", '.py", line '):
            assert told in str(failure.value)
        assert not daemon.is_running
