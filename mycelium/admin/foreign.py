"""Settings and commands of the Rust implementation that this one does not have, and what to write in their place."""

from typing import Final

_OF_RUST: Final = "the Rust Mycelium"
_SETTINGS: Final = {
    "vsock_listen_port": "there are no links over vsock here, so leave it out",
    "topic_config": "messages and topics are not carried here, so leave it out",
    "cdn_cache": "there is no CDN here, so leave it out",
    "enable_dns": "names of nodes are resolved without it, and nothing else is, so leave it out",
}
_COMMANDS: Final = {
    "message": "messages and topics are not carried here",
    "dns": "names of nodes are resolved without it, see --domain",
}


def foreign_flag(flag: str) -> str | None:
    """Returns a sentence about a flag of the other implementation, typed as given; None for any other."""
    name = flag.removeprefix("--").replace("-", "_")
    return f"{flag} is a flag of {_OF_RUST}: {_SETTINGS[name]}" if name in _SETTINGS else None


def foreign_key(key: str) -> str | None:
    """Returns a sentence about a key of the other implementation's configuration file; None for any other."""
    advice = _SETTINGS.get(key.replace("-", "_"))
    return None if advice is None else f"a setting of {_OF_RUST}: {advice}"


def foreign_command(name: str) -> str | None:
    """Returns a sentence about a command of the other implementation; None for any other."""
    return f"'{name}' is a command of {_OF_RUST}: {_COMMANDS[name]}" if name in _COMMANDS else None
