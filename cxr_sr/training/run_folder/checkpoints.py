"""Write complete checkpoints, and find the checkpoint to resume from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from cxr_sr.errors import TrainingError


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file in the same folder, then renames it.

    Lightning writes to the system's temporary folder, and then moves the file. If a
    move to another file system stops halfway, the old checkpoint is lost.
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
            If the checkpoint cannot be written, for example on a full disk.
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
                f"the checkpoint {target.name} cannot be stored ({reason}); the one "
                "before it is kept: make room and give --resume"
            ) from error


def start_of(folder: Path, *, resume: bool) -> Path | None:
    """Return the checkpoint to resume from; None for a new run.

    Raises
    ------
    TrainingError
        If there is no checkpoint to resume from, or a new run's folder holds a run.
    """
    last = folder / "checkpoints" / "last.ckpt"
    if resume and not last.exists():
        raise TrainingError(
            f"{folder.name} holds no checkpoints/last.ckpt to resume from; start the "
            "run without --resume"
        )
    if not resume and leading() and last.exists():
        raise TrainingError(
            f"{folder.name} holds a run already; give --resume to continue it, or "
            "another folder"
        )
    return last if resume else None


def leading() -> bool:
    """Tell whether this is the first process; Lightning starts the others."""
    return os.environ.get("LOCAL_RANK", "0") == "0"
