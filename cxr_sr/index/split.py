"""Names for patients that tell nothing, and the side on which each patient falls."""

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
"""Characters. A salt that can be guessed protects nothing: there are so few patient
identifiers that all of them can be tried."""
KEY_BYTES = 32
HASH_DIGITS = 20
"""Hexadecimal, 80 bits: among a million patients two share a hash with a probability
below 1e-12."""


@dataclass(frozen=True)
class Salt:
    """A secret, without which no hash can be traced back by trying identifiers."""

    secret: bytes

    @classmethod
    def of(cls, text: str) -> Self:
        """Make a salt of what a user remembers.

        Raises
        ------
        SettingsError
            If it is too short to be a secret.
        """
        if len(text) < SHORTEST_SALT:
            raise SettingsError(
                f"--salt has {len(text)} characters; expected {SHORTEST_SALT} or more, "
                "for a salt that can be guessed protects nobody: give a longer one, or "
                "none, and a random one is made"
            )
        return cls(text.encode())

    @classmethod
    def kept_in(cls, path: Path) -> Self:
        """Read the salt that `path` keeps; make a random one if there is none.

        Raises
        ------
        SettingsError
            If the file holds something else.
        OutputError
            If it cannot be written.
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
                f"{path.name} holds no salt ({2 * KEY_BYTES} hexadecimal digits were "
                "expected); restore it, or delete it to give all patients new hashes"
            )
        return cls(secret)

    def name(self, kind: str, *identity: str) -> str:
        """Return the salted hash of who or what is identified by `identity`.

        Parameters
        ----------
        kind : what is identified, so that a folder's name is no patient's number
        """
        # JSON, so that ("a", "bc") is not ("ab", "c").
        message = json.dumps([kind, *identity]).encode()
        return self._digest(message)

    def name_pixels(self, stored: NDArray[np.integer[Any]]) -> str:
        """Return the salted hash of an image's shape and values, whatever their type.

        Parameters
        ----------
        stored : (H, W) or (H, W, 3), as decoded
        """
        digest = hmac.new(self.secret, repr(stored.shape).encode(), hashlib.sha256)
        for row in stored:  # row by row: a whole image would be copied
            digest.update(row.astype("<i4").tobytes())
        return digest.hexdigest()[:HASH_DIGITS]

    def _digest(self, message: bytes) -> str:
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()[:HASH_DIGITS]


def _make_key(path: Path) -> None:
    """Write a random key that only its owner may read, whole or not at all."""
    temporary = path.with_name(f"{PREFIX}{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@dataclass(frozen=True)
class Shares:
    """Which part of the patients falls to which side."""

    parts: Mapping[str, float]
    """By name, adding up to 1."""
    seed: int = 0
    """Another seed deals all patients anew."""

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
        # In one order, however they are written: it decides who falls where.
        parts = {name: given[name] for name in SPLITS if name in given}
        named = len(parts) == len(given) == len(pairs)
        shared = abs(sum(parts.values()) - 1) < 1e-6  # so a NaN is refused
        if not (named and shared) or min(parts.values()) < 0:
            raise SettingsError(
                f"--split {text!r}; expected shares of {', '.join(SPLITS)} that add up "
                "to 1, as train=0.8,val=0.1,test=0.1"
            )
        return cls(parts, seed)

    def side(self, patient: str) -> str:
        """Return the side of a patient: a function of the hash and the seed alone.

        What other patients there are has no say, so nobody changes sides when files
        are added, and no image of one patient can be on two.
        """
        digest = hashlib.sha256(f"{self.seed}:{patient}".encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64
        names = [name for name, share in self.parts.items() if share > 0]
        for name in names:
            place -= self.parts[name]
            if place < 0:
                return name
        return names[-1]  # the shares' sum was a rounding error short of the place
