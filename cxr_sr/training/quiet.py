"""Lightning without its advertising."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

NOISE = (
    # Lightning 2.6 uses a name that torch 2.13 deprecates; we cannot change it.
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    # It holds last.ckpt, from which this very run resumes.
    r"Checkpoint directory .* exists and is not empty",
)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Suppress Lightning's advertising and its needless warnings.

    TensorBoard writes in a thread of its own, whose errors come again to the caller at
    the next value; here they print no traceback.
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
    """Pass over a thread that cannot write; tell all other errors as usual."""
    if not issubclass(failure.exc_type, OSError):
        threading.__excepthook__(failure)
