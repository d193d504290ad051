"""Checkpoints that are there whole or not at all."""

from __future__ import annotations

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
