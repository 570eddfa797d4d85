"""`mycelium completion`: has a shell complete commands and flags."""

from typing import Final

import click

SHELLS: Final = ("bash", "zsh", "fish")
_VARIABLE: Final = "_MYCELIUM_COMPLETE"  # by which click knows that a shell asks


@click.command
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what has SHELL complete commands and flags.

    For bash: mycelium completion bash > /etc/bash_completion.d/mycelium
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    root = context.find_root()
    click.echo(made(root.command, {}, "mycelium", _VARIABLE).source().strip())
