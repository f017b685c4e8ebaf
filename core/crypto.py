"""Encryption at rest: one data key, AES-256-GCM for columns, keyed blind indexes for look-up.

Every key that is really used is derived from the data key by HKDF-SHA256 with a purpose as its label, so
the column cipher, each blind index and anything another room derives never share a key.
"""

import base64
import binascii
import hmac
import os
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
INDEX_BYTES: Final = 16
OVERHEAD_BYTES: Final = 29
"""What `Keyring.encrypt` adds to a text: 1 version byte, 12 nonce bytes, 16 tag bytes."""

_VERSION: Final = 1
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_URLSAFE_TO_STANDARD: Final = str.maketrans("-_", "+/")


class DecryptError(Exception):
    """A stored value cannot be read: wrong key, moved to another row, damaged, or not ours.

    The message says which of these can be told apart, and never holds the value.
    """


class Keyring:
    """The hospital's data key and everything derived from it. Safe to share between threads.

    Three roots, each 32 bytes (see `parse_data_key`; any other length raises ValueError):

    `data_key` seals, and opens what it sealed;
    `previous` only opens: what the key before it sealed, until `carecall keys rotate` has sealed that anew;
    `lookup` makes the look-up values (blind indexes, check digits) and opens nothing. It never changes, because a
    look-up value cannot be made anew where the text it was made from is not kept (the do-not-call list, numbers that
    were told to callers). Without one it is the data key itself.
    """

    def __init__(self, data_key: bytes, *, previous: bytes | None = None, lookup: bytes | None = None) -> None:
        for key in (data_key, previous, lookup):
            if key is not None and len(key) != KEY_BYTES:
                raise ValueError(f"the data key must be {KEY_BYTES} bytes, this one has {len(key)}")
        self._root = bytes(data_key)
        self._previous = None if previous is None or previous == data_key else Keyring(previous)
        self._lookup = None if lookup is None or lookup == data_key else Keyring(lookup)
        self._derived: dict[str, bytes] = {}
        self._cipher = AESGCM(self.derive("column encryption"))

    def __repr__(self) -> str:
        return "Keyring(…)"

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose (a non-empty text): always the same for the same data key."""
        if not purpose:
            raise ValueError("a derived key needs a purpose")
        key = self._derived.get(purpose)
        if key is None:
            hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"carecall/" + purpose.encode())
            # Two threads may both compute it: the answer is the same, so no lock is needed.
            key = self._derived[purpose] = hkdf.derive(self._root)
        return key

    def openers(self, purpose: str) -> tuple[bytes, ...]:
        """The keys something of this purpose may have been sealed with: today's first, then the one before."""
        return (self.derive(purpose), *(self._previous.openers(purpose) if self._previous else ()))

    @property
    def rotates(self) -> bool:
        """Whether a previous key is still given: something may be sealed with it."""
        return self._previous is not None

    def encrypt(self, plain: bytes, aad: bytes) -> bytes:
        """Seal `plain` with AES-256-GCM under a fresh random nonce.

        `aad` names the place the value belongs to (table, column, row id): the same words are needed to open
        it, so a sealed value copied to another row does not open there. Returns
        `version (1) + nonce (12) + ciphertext and tag (len(plain) + 16)`.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return bytes([_VERSION]) + nonce + self._cipher.encrypt(nonce, plain, aad)

    def decrypt(self, blob: bytes, aad: bytes) -> bytes:
        """Open what `encrypt` sealed with the same `aad`; DecryptError if that cannot be done."""
        blob = bytes(blob)
        if len(blob) < 1 + _NONCE_BYTES + _TAG_BYTES:
            raise DecryptError(f"an encrypted value of {len(blob)} bytes is too short: cut, or not one")
        if blob[0] != _VERSION:
            raise DecryptError(f"an encrypted value has format {blob[0]}; this program reads {_VERSION}")
        try:
            return self._cipher.decrypt(blob[1 : 1 + _NONCE_BYTES], blob[1 + _NONCE_BYTES :], aad)
        except InvalidTag:
            if self._previous is not None:
                return self._previous.decrypt(blob, aad)
            raise DecryptError(
                "an encrypted value does not open: DATA_KEY is not the key it was written with, "
                "or the value was damaged or moved from another row"
            ) from None

    def resealed(self, blob: bytes, aad: bytes) -> bytes | None:
        """The same value sealed with today's key; None if it is already. DecryptError as in `decrypt`."""
        plain = self.decrypt(blob, aad)
        if self._previous is None:
            return None
        try:
            self._cipher.decrypt(blob[1 : 1 + _NONCE_BYTES], blob[1 + _NONCE_BYTES :], aad)
        except InvalidTag:
            return self.encrypt(plain, aad)
        return None

    def blind_index(self, value: str, purpose: str) -> bytes:
        """16 bytes by which an encrypted `value` can be looked up: HMAC-SHA256 under the purpose's own key.

        Equal values give equal bytes within one `purpose` and unrelated bytes in another. The value is taken
        exactly as given: bring it to one form first (E.164, trimmed record number).
        """
        key = (self._lookup or self).derive("blind index/" + purpose)
        return hmac.digest(key, value.encode(), sha256)[:INDEX_BYTES]


def new_data_key() -> str:
    """A fresh random data key, as the text to put into DATA_KEY (URL-safe base64, 44 characters)."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def parse_data_key(text: str) -> bytes:
    """The 32 bytes of a data key written in base64 (standard or URL-safe, padding optional).

    ValueError in words fit for the person who set DATA_KEY; the text itself is never repeated.
    """
    compact = text.strip().rstrip("=").translate(_URLSAFE_TO_STANDARD)
    try:
        key = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(
            f"the data key (a text of {len(text)} characters) is not base64; make one with `carecall key`"
        ) from None
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"the data key must be {KEY_BYTES} bytes in base64 (44 characters), this one has {len(key)}; "
            "make one with `carecall key`"
        )
    if len(set(key)) == 1:
        raise ValueError("the data key is one byte repeated, not a random key; make one with `carecall key`")
    return key
