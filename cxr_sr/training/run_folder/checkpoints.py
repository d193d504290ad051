"""Write complete checkpoints, and find the checkpoint to resume from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from cxr_sr.errors import TrainingError

State = dict[str, Any]
_PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")
"""Values of Lightning's ModelCheckpoint that are paths of checkpoints."""


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file in the same folder, then renames it.

    Lightning writes to the system's temporary folder, and then moves the file. If a
    move to another file system stops halfway, the old checkpoint is lost.

    The file holds names in place of Lightning's paths. So it tells no folder of this
    machine, and a run goes on from its best checkpoint after its folder was moved.
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
            torch.save(_placed(checkpoint, ""), partial)
            partial.replace(target)
        except (OSError, RuntimeError) as error:
            partial.unlink(missing_ok=True)
            reason = error.strerror if isinstance(error, OSError) else "writing failed"
            raise TrainingError(
                f"the checkpoint {target.name} cannot be stored ({reason}); the one "
                "before it is kept: make room and give --resume"
            ) from error

    def load_checkpoint(self, path: str | Path, *more: Any, **named: Any) -> State:  # noqa: ANN401 - Lightning's
        """Return a checkpoint; its paths lead to the folder that holds it now."""
        checkpoint: State = super().load_checkpoint(path, *more, **named)
        return _placed(checkpoint, os.path.realpath(Path(path).parent))


def _placed(checkpoint: State, folder: str) -> State:
    """Return a checkpoint whose paths are in `folder`; "" leaves only names."""

    def place(path: str) -> str:
        return str(Path(folder, Path(path).name)) if path else ""

    def placed(state: State) -> State:
        if "dirpath" not in state:
            return state
        models = {place(path): n for path, n in state["best_k_models"].items()}
        paths = {name: place(state[name]) for name in _PATHS if name in state}
        return state | paths | {"dirpath": folder, "best_k_models": models}

    callbacks = checkpoint.get("callbacks", {})
    return checkpoint | {"callbacks": {k: placed(s) for k, s in callbacks.items()}}


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
