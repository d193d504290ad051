"""Make salted hashes of patients, and choose the split of each patient."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import OutputError, SettingsError
from cxr_sr.files import PREFIX

SPLITS = ("train", "val", "test")
SHORTEST_SALT = 16
"""Least length of a salt in characters. A salt must be hard to guess: with the salt,
an attacker could try all patient identifiers, as there are few."""
KEY_BYTES = 32
HASH_DIGITS = 20
"""Length of a hash in hexadecimal digits: 80 bits. Among a million patients, two share
a hash with a probability below 1e-12."""


@dataclass(frozen=True)
class Salt:
    """A secret key for hashes; without the key, nobody can try identifiers."""

    secret: bytes

    @classmethod
    def of(cls, text: str) -> Self:
        """Make a salt from the user's text.

        Raises
        ------
        SettingsError
            If the text is too short to be a secret.
        """
        if len(text) < SHORTEST_SALT:
            raise SettingsError(
                f"--salt has {len(text)} characters; expected {SHORTEST_SALT} or more, "
                "because a short salt can be guessed: give a longer salt, or leave the "
                "option out for a random salt"
            )
        return cls(text.encode())

    @classmethod
    def kept_in(cls, path: Path) -> Self:
        """Read the salt in `path`; write a random salt if there is no such file.

        Raises
        ------
        SettingsError
            If the file holds no salt.
        OutputError
            If the file cannot be written.
        """
        try:
            if not path.exists():
                _make_key(path)
            secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
        except OSError as error:
            raise OutputError(
                f"{path.name} cannot be used: {error.strerror}; check its folder"
            ) from error
        except ValueError:
            secret = b""
        if len(secret) != KEY_BYTES:
            raise SettingsError(
                f"{path.name} holds no salt; expected {2 * KEY_BYTES} hexadecimal "
                "digits: restore the file, or delete it to give all patients new hashes"
            )
        return cls(secret)

    def name(self, kind: str, *identity: str) -> str:
        """Return the salted hash of `identity`.

        Parameters
        ----------
        kind : the kind of identity, such as "patient"; a folder and a patient of the
            same name get different hashes
        """
        # JSON, so that ("a", "bc") and ("ab", "c") have different hashes.
        message = json.dumps([kind, *identity]).encode()
        digest = hmac.new(self.secret, message, hashlib.sha256)
        return digest.hexdigest()[:HASH_DIGITS]

    def name_pixels(self, stored: NDArray[np.integer[Any]]) -> str:
        """Return the salted hash of an image's shape and values, for any sample type.

        Parameters
        ----------
        stored : (H, W) or (H, W, 3), as decoded
        """
        digest = hmac.new(self.secret, repr(stored.shape).encode(), hashlib.sha256)
        for row in stored:  # row by row, so that no copy of the whole image is needed
            digest.update(row.astype("<i4").tobytes())
        return digest.hexdigest()[:HASH_DIGITS]


def _make_key(path: Path) -> None:
    """Write a random key that only the user may read; leave no partial file."""
    temporary = path.with_name(f"{PREFIX}{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class Shares:
    """The share of the patients in each split."""

    parts: Mapping[str, float]
    """Share of each split; they add up to 1."""
    seed: int = 0
    """Another seed makes another split."""

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> Self:
        """Read "train=0.8,val=0.1,test=0.1".

        Raises
        ------
        SettingsError
            If a name is not train, val or test, or the shares do not add up to 1.
        """
        pairs = [part.partition("=") for part in text.split(",")]
        try:
            given = {name.strip(): float(share) for name, _, share in pairs}
        except ValueError:
            given = {}
        # In a fixed order, because the order decides the split of each patient.
        parts = {name: given[name] for name in SPLITS if name in given}
        named = len(parts) == len(given) == len(pairs)
        shared = abs(sum(parts.values()) - 1) < 1e-6  # so a NaN is refused
        if not (named and shared) or min(parts.values()) < 0:
            raise SettingsError(
                f"--split {text!r}; expected shares of {', '.join(SPLITS)} that add up "
                "to 1, such as train=0.8,val=0.1,test=0.1"
            )
        return cls(parts, seed)

    def side(self, patient: str) -> str:
        """Return the split of a patient; only the hash and the seed decide.

        Other patients have no influence. So no patient changes its split when files
        are added, and all images of a patient are in one split.
        """
        digest = hashlib.sha256(f"{self.seed}:{patient}".encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64
        names = [name for name, share in self.parts.items() if share > 0]
        for name in names:
            place -= self.parts[name]
            if place < 0:
                return name
        return names[-1]  # a rounding error: the shares add up to a little less than 1
