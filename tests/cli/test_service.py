"""`mycelium service`, on a host whose systemd is a few scripts that write down what they are asked."""

import os
import sys
from pathlib import Path

import pytest

from mycelium.cli import service
from mycelium.cli.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What was asked of the programs of a host with systemd."""
    programs, calls = tmp_path / "programs", tmp_path / "calls"
    programs.mkdir()
    for name in ("systemctl", "useradd"):
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {calls}\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(service, "SYSTEMD", tmp_path)
    monkeypatch.setattr(service, "UNIT_FILE", tmp_path / "mycelium.service")
    monkeypatch.setattr(service, "PACKAGED_UNIT_FILE", tmp_path / "packaged")
    monkeypatch.setattr(service, "POLKIT_RULES", tmp_path / "rules.d")
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
    assert first.endswith("--home-dir /var/lib/mycelium mycelium")
    assert rest == ["systemctl daemon-reload", "systemctl enable mycelium", "systemctl restart mycelium"]


def test_the_unit_of_a_package_is_used_where_there_is_one(asked: Path, tmp_path: Path) -> None:
    (tmp_path / "packaged").write_text("")
    assert main(["service", "install"]) == main(["service", "uninstall"]) == 0
    assert not (tmp_path / "mycelium.service").exists()
    assert asked.read_text().splitlines()[-2:] == ["systemctl disable --now mycelium", "systemctl daemon-reload"]


def test_a_user_that_exists_is_kept(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pwd.getpwnam", lambda name: name)
    assert main(["service", "install"]) == 0
    assert "useradd" not in asked.read_text()


def test_uninstall_stops_it_and_says_what_stays(asked: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "mycelium.service").write_text("")
    assert main(["service", "uninstall"]) == 0
    assert "what stays: /etc/mycelium, /var/lib/mycelium with the key" in capsys.readouterr().out
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
