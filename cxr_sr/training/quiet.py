"""Lightning without its advertising."""

from __future__ import annotations

import logging
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
    """Suppress Lightning's advertising and its needless warnings."""
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        for message in NOISE:
            warnings.filterwarnings("ignore", message)
        try:
            yield
        finally:
            log.setLevel(level)
