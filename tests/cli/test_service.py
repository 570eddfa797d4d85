"""`mycelium service`, on a host whose systemd is a few scripts that write down what they are asked."""

import os
import pwd
import sys
from pathlib import Path

import pytest

from mycelium.admin.keyfile import create_identity, epoch_path, load_identity
from mycelium.cli import service
from mycelium.cli.main import main
from mycelium.daemon.claim import claimed_identity
from mycelium.identity import Identity

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What was asked of the programs of a host with systemd."""
    programs, calls = tmp_path / "programs", tmp_path / "calls"
    programs.mkdir()
    for name in ("systemctl", "useradd", "journalctl"):
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {calls}\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(service, "SYSTEMD", tmp_path)
    monkeypatch.setattr(service, "UNIT_FILE", tmp_path / "mycelium.service")
    monkeypatch.setattr(service, "PACKAGED_UNIT_FILE", tmp_path / "packaged")
    monkeypatch.setattr(service, "POLKIT_RULES", tmp_path / "rules.d")
    monkeypatch.setattr(service, "STATE_FOLDER", tmp_path / "state")
    monkeypatch.setattr(service, "CONFIG_FILE", tmp_path / "etc" / "mycelium.toml")
    monkeypatch.setattr(service, "_needed", tuple)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "root"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "executable", "/opt/mesh/bin/python3")
    monkeypatch.setattr(sys, "argv", ["pytest"])
    return calls


def test_install_makes_the_user_and_starts_the_service(asked: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["service", "install"]) == 0
    assert "the daemon runs, now and from each start of this host" in capsys.readouterr().out
    assert "ExecStart=/opt/mesh/bin/mycelium\n" in (tmp_path / "mycelium.service").read_text()
    first, *rest = asked.read_text().splitlines()
    assert first.startswith("useradd --system")
    assert first.endswith(f"--home-dir {tmp_path}/state mycelium")
    assert rest == ["systemctl daemon-reload", "systemctl enable mycelium", "systemctl restart mycelium"]


def test_the_unit_of_a_package_is_used_where_there_is_one(asked: Path, tmp_path: Path) -> None:
    (tmp_path / "packaged").write_text("")
    assert main(["service", "install"]) == main(["service", "uninstall"]) == 0
    assert not (tmp_path / "mycelium.service").exists()
    assert asked.read_text().splitlines()[-2:] == ["systemctl disable --now mycelium", "systemctl daemon-reload"]


def test_a_user_that_exists_is_kept(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pwd.getpwnam", lambda _: pwd.getpwuid(os.getuid()))
    assert main(["service", "install"]) == 0
    assert "useradd" not in asked.read_text()


def test_uninstall_stops_it_and_says_what_stays(asked: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "mycelium.service").write_text("")
    assert main(["service", "uninstall"]) == 0
    assert f"what stays: {tmp_path}/etc, {tmp_path}/state with the key" in capsys.readouterr().out
    assert not (tmp_path / "mycelium.service").exists()
    assert asked.read_text().splitlines() == ["systemctl disable --now mycelium", "systemctl daemon-reload"]


def test_what_was_not_installed_is_not_removed(asked: Path, capsys: Capture) -> None:
    assert main(["service", "uninstall"]) == 1
    assert "no service was installed" in capsys.readouterr().err
    assert not asked.exists()


def test_what_systemd_complains_about_is_told(asked: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "programs" / "systemctl").write_text("#!/bin/sh\necho Unit is masked. >&2\nexit 1\n")
    assert main(["service", "install"]) == 1
    assert capsys.readouterr().err == "mycelium: 'systemctl daemon-reload' failed: Unit is masked.\n"


def test_what_the_daemon_says_is_told_where_the_service_does_not_start(
    asked: Path, tmp_path: Path, capsys: Capture
) -> None:
    programs = asked.parent / "programs"
    (programs / "systemctl").write_text("#!/bin/sh\n[ $1 != restart ] || { echo Job failed. >&2; exit 1; }\n")
    assert main(["service", "install"]) == 1
    assert "'systemctl restart mycelium' failed: Job failed.\n" in capsys.readouterr().err
    said = "mycelium: an earlier word\\nmycelium: peers: no URL\\nMain process exited"
    (programs / "journalctl").write_text(f'#!/bin/sh\necho "$@" >> {asked}\nprintf "{said}"\n')
    assert main(["service", "install"]) == 1
    assert capsys.readouterr().err == "mycelium: the service does not start: peers: no URL\n"
    assert asked.read_text().splitlines()[-1].startswith("--unit mycelium --since @")
    (programs / "journalctl").unlink()
    os.environ["PATH"] = str(programs)
    assert main(["service", "install"]) == 1
    assert "'systemctl restart mycelium' failed: Job failed.\n" in capsys.readouterr().err


@pytest.fixture
def of_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The key of a daemon that root has started by hand, with an epoch; this user stands for the service's."""
    user = pwd.getpwuid(os.getuid())
    monkeypatch.setattr("pwd.getpwnam", lambda _: user)
    key = tmp_path / "root" / "mycelium" / "priv_key.bin"
    create_identity(key, bytes(range(32)), parents=True)
    epoch_path(key).write_text("7\n")
    return key


def test_the_service_goes_on_with_the_address_that_a_daemon_of_root_s_had(
    asked: Path, of_root: Path, tmp_path: Path, capsys: Capture
) -> None:
    kept = tmp_path / "state" / of_root.name
    assert main(["service", "install"]) == 0
    told = capsys.readouterr().out
    assert f"its address is that of the key of root, which is now {kept}\n" in told
    assert f"what you gave the daemon by hand goes into {tmp_path}/etc/mycelium.toml" in told
    assert load_identity(kept).address == Identity(bytes(range(32))).address
    assert epoch_path(kept).read_text() == "7\n"
    assert kept.parent.stat().st_mode & 0o077 == 0
    assert list(of_root.parent.iterdir()) == []
    create_identity(of_root, bytes(32))
    assert main(["service", "install"]) == 0  # which has its own
    assert "its address" not in capsys.readouterr().out
    assert of_root.exists()
    assert asked.read_text().count("systemctl restart mycelium") == 2


def test_a_key_of_another_user_stays_where_it_is(
    asked: Path, of_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: of_root.stat().st_uid + 1)  # as by a sudo that keeps HOME
    assert main(["service", "install"]) == 0
    told = capsys.readouterr().out
    assert f"the service has a key of its own: {of_root} is not root's, and stays where it is\n" in told
    assert (of_root.exists(), (tmp_path / "state").exists()) == (True, False)
    assert "systemctl restart mycelium" in asked.read_text()


def test_a_key_that_a_daemon_runs_with_is_not_moved(
    asked: Path, of_root: Path, tmp_path: Path, capsys: Capture
) -> None:
    with claimed_identity(of_root):
        assert main(["service", "install"]) == 1
    assert capsys.readouterr().err.endswith(f"by hand runs with the key {of_root}: stop it first\n")
    assert not asked.exists()
    (tmp_path / "state").write_text("")  # no folder
    assert main(["service", "install"]) == 1
    assert f"cannot move {of_root.parent} to {tmp_path}/state: File exists" in capsys.readouterr().err
    assert of_root.exists()


@pytest.mark.usefixtures("asked")
def test_what_is_a_link_beside_the_key_is_not_followed_and_the_key_stays(
    of_root: Path, tmp_path: Path, capsys: Capture
) -> None:
    """The key is the last to move: it is what a second attempt begins with."""
    epoch_path(of_root).unlink()
    (tmp_path / "secret").write_text("of others")
    epoch_path(of_root).symlink_to(tmp_path / "secret")
    assert main(["service", "install"]) == 1
    assert f"cannot read {epoch_path(of_root)}: " in capsys.readouterr().err
    assert of_root.exists()
    assert list((tmp_path / "state").iterdir()) == []


@pytest.mark.usefixtures("asked")
def test_the_unit_can_be_printed(capsys: Capture) -> None:
    assert main(["service", "unit"]) == 0
    assert capsys.readouterr().out.startswith("[Unit]\n")


@pytest.mark.usefixtures("asked")
def test_only_root_and_only_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    assert main(["service", "install"]) == 1
    assert "try it with sudo" in capsys.readouterr().err
    monkeypatch.setattr(service, "SYSTEMD", tmp_path / "none")
    assert main(["service", "install"]) == 1
    assert "systemd does not run on this host" in capsys.readouterr().err


@pytest.mark.usefixtures("asked")
def test_polkit_is_told_where_there_is_one_that_the_service_may_name_its_interface_s_servers(tmp_path: Path) -> None:
    assert main(["service", "install"]) == 0
    rule = tmp_path / "rules.d" / "50-mycelium.rules"
    assert not rule.parent.exists()
    rule.parent.mkdir()
    assert main(["service", "install"]) == 0
    assert 'subject.user == "mycelium"' in rule.read_text()
    assert main(["service", "uninstall"]) == 0
    assert not rule.exists()
