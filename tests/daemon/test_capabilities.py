"""Capabilities that a process gives up are gone, for what it runs too."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from mycelium.daemon import capabilities
from mycelium.daemon.capabilities import NET_ADMIN
from tests.support.apart import apart

STATUS = Path("/proc/self/status")


def status(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(Uid|CapPrm|CapEff|CapInh|CapBnd|CapAmb|NoNewPrivs):\s*(\S+)", text, re.MULTILINE))


def test_the_permitted_set_is_that_of_the_kernel() -> None:
    assert capabilities.permitted() == int(status(STATUS.read_text())["CapPrm"], 16)


def test_what_is_given_up_is_gone_for_programs_too() -> None:
    kept = capabilities.permitted() & NET_ADMIN

    def reduce() -> list[dict[str, str]]:
        capabilities.bound_to(kept)
        capabilities.use(kept, permitted=kept)
        capabilities.never_gain()
        program = subprocess.run(["cat", STATUS], capture_output=True, text=True, check=True).stdout
        return [status(STATUS.read_text()), status(program)]

    own, programs = apart(reduce)
    assert {int(own[name], 16) for name in ("CapPrm", "CapEff")} == {kept}
    assert int(programs["CapEff"], 16) | kept == kept  # root's programs get what root may have
    assert own["NoNewPrivs"] == programs["NoNewPrivs"] == "1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_is_kept_outlives_the_change_of_user() -> None:
    def change() -> list[str]:
        capabilities.keep_through_change_of_user()
        os.setresuid(65_534, 65_534, 65_534)
        capabilities.use(NET_ADMIN, permitted=NET_ADMIN)
        return [status(STATUS.read_text())[name] for name in ("Uid", "CapEff")]

    assert apart(change) == ["65534", f"{NET_ADMIN:016x}"]
