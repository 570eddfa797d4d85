"""A fence around the files of this process (landlock(7)): what no rule names can't be reached any more, whoever may.

Rules are about what is at a path now: a file that takes another's place is outside, one that appears in a folder is inside.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

# <linux/landlock.h>
EXECUTE: Final = 1 << 0
WRITE_FILE: Final = 1 << 1
READ_FILE: Final = 1 << 2
READ_DIR: Final = 1 << 3
REMOVE_FILE: Final = 1 << 5
MAKE_REG: Final = 1 << 8
TRUNCATE: Final = 1 << 14  # since ABI 3
IOCTL_DEV: Final = 1 << 15  # since ABI 5

READ: Final = READ_FILE | READ_DIR
CHANGE: Final = WRITE_FILE | TRUNCATE | REMOVE_FILE | MAKE_REG  # files of a folder: their contents, and which there are

_OF_FILES: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV  # the others make sense for folders only
_KNOWN: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}  # by ABI
_SCOPED_SINCE: Final = 6  # ABI
_SCOPE_SIGNAL: Final = 1 << 1
_CREATE_RULESET: Final = 444  # system calls, the same on all architectures
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_VERSION: Final = 1 << 0
_PATH_BENEATH: Final = 1
_NOT_HERE: Final = (
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.EPERM,
)  # not built in, switched off, kept away by a seccomp filter


class Rule(NamedTuple):
    """What may be done with a file, or with all that is beneath a folder."""

    path: Path
    rights: int


def restrict(rules: Iterable[Rule]) -> bool:
    """Fences in this thread and all that it starts from now on; tells whether the kernel can. Raises OSError.

    Rules for what is not there are void. No-new-privileges must be set.
    """
    try:
        abi = _call(_CREATE_RULESET, None, 0, _VERSION)
    except OSError as error:
        if error.errno in _NOT_HERE:
            return False
        raise
    handled = _KNOWN[min(abi, max(_KNOWN))]
    attributes = struct.pack("=QQQ", handled, 0, _SCOPE_SIGNAL if abi >= _SCOPED_SINCE else 0)
    ruleset = _call(_CREATE_RULESET, attributes, len(attributes) if abi >= _SCOPED_SINCE else 8, 0)
    try:
        for rule in rules:
            _add(ruleset, rule, handled)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _add(ruleset: int, rule: Rule, handled: int) -> None:
    try:
        place = os.open(rule.path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = rule.rights & handled & (-1 if rule.path.is_dir() else _OF_FILES)
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: int | bytes | None) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    words = (ctypes.c_long(one) if isinstance(one, int) else one for one in arguments)
    result = int(library.syscall(ctypes.c_long(number), *words))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
