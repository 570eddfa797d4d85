"""An operator reads which key was wanted, and why it was not proved."""

from mycelium.channel.proof_causes import not_proved, wrongly_proved


def test_causes_name_the_key() -> None:
    fingerprint = bytes(range(16))
    assert f"the ML-DSA key {fingerprint.hex()}" in not_proved(fingerprint)
    assert f"the ML-DSA key {fingerprint.hex()}" in wrongly_proved(fingerprint)
