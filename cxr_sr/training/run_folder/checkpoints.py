"""Checkpoints that are there whole or not at all, and what to go on from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from cxr_sr.errors import TrainingError


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place first, so that the old one is kept.

    Lightning's own writes it to the system's temporary folder and moves it: to
    another file system, such a move can break off halfway, over the old one.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: object = None,  # noqa: ARG002 - of remote stores
    ) -> None:
        """Write `checkpoint` to `path`.

        Raises
        ------
        TrainingError
            If it cannot be written, as on a full disk.
        """
        target = Path(path)
        partial = target.with_name(f"{target.name}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            torch.save(checkpoint, partial)
            partial.replace(target)
        except (OSError, RuntimeError) as error:
            partial.unlink(missing_ok=True)
            reason = error.strerror if isinstance(error, OSError) else "writing failed"
            raise TrainingError(
                f"the checkpoint {target.name} cannot be stored ({reason}; is the disk "
                "full?); the one before it is kept: make room and give --resume"
            ) from error


def start_of(folder: Path, *, resume: bool) -> Path | None:
    """Return the checkpoint that a run goes on from, None for a new one.

    Raises
    ------
    TrainingError
        If there is none to resume from, or the folder holds a run already.
    """
    last = folder / "checkpoints" / "last.ckpt"
    if resume and not last.exists():
        raise TrainingError(
            f"{folder.name} holds no checkpoints/last.ckpt to resume from; start the "
            "run without --resume"
        )
    if not resume and leading() and last.exists():
        raise TrainingError(
            f"{folder.name} holds a run already; give --resume to go on with it, or "
            "another folder"
        )
    return last if resume else None


def leading() -> bool:
    """Tell whether this is not a process that Lightning started to share the work."""
    return os.environ.get("LOCAL_RANK", "0") == "0"
