"""How many examples a generated test tries that needs more or fewer than others."""

from hypothesis import settings


def examples(number: int) -> int:
    """Returns the `max_examples` of a test that tries so many of them in the gate: the profile in use has more or fewer."""
    return number * settings().max_examples // settings.get_profile("ci").max_examples
