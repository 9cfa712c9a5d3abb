"""Time-based one-time passwords (RFC 6238): HMAC-SHA-1, 6 digits, 30 s, as every authenticator app does."""

import hmac
from datetime import datetime

import pyotp

ISSUER = "BizQ"
DIGITS = 6
STEP_SECONDS = 30
# A clock may be a step ahead or behind, or the code be sent just after its step (RFC 6238, section 5.2).
_DRIFT = (-1, 0, 1)


def new_secret() -> str:
    """160 random bits in base32, as long as the output of the hash (RFC 4226, section 4, R6)."""
    return pyotp.random_base32()


def provisioning_uri(secret: str, account: str) -> str:
    """`otpauth://totp/BizQ:<account>?secret=…&issuer=BizQ`: what a QR code for authenticator apps holds
    (github.com/google/google-authenticator/wiki/Key-Uri-Format)."""
    return _totp(secret).provisioning_uri(name=account, issuer_name=ISSUER)


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The last time step around `now` that has this code; None where the code is wrong.

    Takes as long for every code of six digits.
    """
    if not (len(code) == DIGITS and code.isascii() and code.isdigit()):
        return None
    totp = _totp(secret)
    present = totp.timecode(now)
    steps = [present + drift for drift in _DRIFT]
    matches = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), code)]
    return max(matches, default=None)


def _totp(secret: str) -> pyotp.TOTP:
    return pyotp.TOTP(secret, digits=DIGITS, interval=STEP_SECONDS)
