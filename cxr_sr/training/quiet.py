"""Suppress the advertising of Lightning."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

NOISE = (
    # Lightning 2.6 uses a name that torch 2.13 deprecates; we cannot change Lightning.
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    # The folder holds last.ckpt, from which this run resumes.
    r"Checkpoint directory .* exists and is not empty",
)
"""Warnings that a user need not see, as regular expressions."""


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Suppress the advertising and the needless warnings of Lightning.

    TensorBoard writes in its own thread. If it fails, the next value raises the error
    again in the main thread; so the thread itself prints no traceback.
    """
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.WARNING)
    hook, threading.excepthook = threading.excepthook, _passed_over
    with warnings.catch_warnings():
        for message in NOISE:
            warnings.filterwarnings("ignore", message)
        try:
            yield
        finally:
            log.setLevel(level)
            threading.excepthook = hook


def _passed_over(failure: threading.ExceptHookArgs) -> None:
    """Ignore a thread that cannot write; print all other errors as usual."""
    if not issubclass(failure.exc_type, OSError):
        threading.__excepthook__(failure)
