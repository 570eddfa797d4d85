"""Why an end is refused that must prove an ML-DSA key, in words for operators."""


def not_proved(fingerprint: bytes) -> str:
    return (
        f"it has not proved to hold the ML-DSA key {fingerprint.hex()} that its pin or certificate names: "
        "is its version too old, does it refuse this node, is the fingerprint wrong, or is somebody in between?"
    )


def wrongly_proved(fingerprint: bytes) -> str:
    named = f"the ML-DSA key {fingerprint.hex()} that its pin or certificate names"
    return f"its proof of {named} is wrong: somebody may be in between"
