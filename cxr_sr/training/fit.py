"""Train a network; write settings, checkpoints, curves and weights to a run folder.

::

    RUN/settings.json   the settings, the hash of the data, versions
    RUN/metrics.csv     one row for each validation; curves.png, tensorboard/: the same
    RUN/checkpoints/    last.ckpt to resume from, best.ckpt by validation
    RUN/MODEL.onnx, RUN/MODEL.safetensors   the best averaged weights
    RUN/MODEL.int8.onnx   the same for int8, if trained with --quantise
    RUN/MODEL.md        the model card: data, terms, budget, metrics, limits
    RUN/validation_xS.png   a validation image: before | after | truth
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from cxr_sr import processors
from cxr_sr.errors import TrainingError
from cxr_sr.evaluation.metrics import LEVEL_WEIGHTS
from cxr_sr.files import write_text
from cxr_sr.superres.models.networks import Network, build
from cxr_sr.superres.models.spec import ModelSpec
from cxr_sr.superres.models.zoo import Model
from cxr_sr.training.data.batches import (
    Batches,
    Epoch,
    Regions,
    loader_of,
    workers_for,
)
from cxr_sr.training.data.dataset import Crops
from cxr_sr.training.data.images import TrainingImage, list_images, load
from cxr_sr.training.data.synthetic import synthetic_images
from cxr_sr.training.learner import Learner
from cxr_sr.training.loop import LoopSettings, train, trainer_of
from cxr_sr.training.losses import ms_ssim_levels
from cxr_sr.training.quantise import QuantisedTrunk, quantised, without_rounding
from cxr_sr.training.quiet import quiet_lightning
from cxr_sr.training.run import REGION_PX, Run
from cxr_sr.training.run_folder.card import model_card
from cxr_sr.training.run_folder.checkpoints import leading, start_of
from cxr_sr.training.run_folder.history import History
from cxr_sr.training.run_folder.provenance import (
    check_same,
    provenance,
    versions,
    write_settings,
)
from cxr_sr.training.run_folder.samples import draw_samples
from cxr_sr.training.start import (
    accelerator_of,
    settle_normalisation,
    start_from,
    teacher_for,
)
from cxr_sr.training.weights import write_int8_weights, write_weights

BF16_ARITHMETIC = ("avx512_bf16", "amx_bf16", "avx10_2", "bf16")
"""Torch's names of processor features: the first three on x86, the last on ARM."""
log = logging.getLogger(__name__)


def fit(
    data: Path,
    folder: Path,
    run: Run,
    *,
    resume: bool = False,
    quiet: bool = False,
    started: float | None = None,
) -> Model:
    """Train with the settings in `run`, and export the best averaged weights.

    Parameters
    ----------
    data : an index (CSV) or a folder of radiographs
    folder : a new folder for the run; or the folder of the run to `resume`
    quiet : show no progress bar
    started : `time.monotonic()` at the start of the command, where its wall time
        begins; None: now

    Raises
    ------
    SettingsError
        If the index cannot be read.
    TrainingError
        If the data or the settings do not allow a training, or the training diverges.
    """
    started = started or time.monotonic()
    checkpoint = start_of(folder, resume=resume)
    accelerator = accelerator_of(run.device)
    _tell_levels(run)
    _tell_emulation(run, accelerator)
    images = _read(data, run)
    network = _network(images["train"], run)
    teacher = _laid_out(teacher_for(network, run.teacher)) if run.teacher else None
    learner = Learner(network, run.recipe, teacher)
    learner.started = started
    training = provenance(images) | _settings(run)
    if resume:
        check_same(folder, training)
    if leading():
        write_settings(folder, training)
    _say(
        f"training with {len(images['train'])} images, validating with "
        f"{len(images['val'])}; the images took {learner.elapsed_s:.0f} s"
    )
    with quiet_lightning():
        loop = LoopSettings(accelerator, run.devices, run.epoch_steps, run.patience)
        trainer = trainer_of(folder, learner, loop, quiet=quiet)
        train(
            trainer, learner, *_loaders(images, run, learner, accelerator), checkpoint
        )
    if not trainer.is_global_zero:
        raise SystemExit  # a process that Lightning started to share the training
    _say(f"stopped after {learner.elapsed_s:.0f} s; writing the best weights")
    model = _export_best(folder, learner, run, training)
    card = model_card(model.spec, History(folder).rows())
    write_text(folder / f"{model.spec.name}.md", card)
    region = next(iter(Regions(images["val"], REGION_PX)))
    draw_samples(folder, learner.averaged, region, run.recipe.degradation)
    return model


def _loaders(
    images: dict[str, list[TrainingImage]],
    run: Run,
    learner: Learner,
    accelerator: str,
) -> tuple[DataLoader[Any], Regions]:
    crops = Crops(images["train"], run.sampling, run.recipe.seed)
    sides = run.sides
    turns = [(scale, sides[scale]) for scale in run.recipe.scales]
    batches = Batches(crops, turns, run.batch, learner)
    workers = workers_for(accelerator, run.devices)
    epoch = loader_of(batches, Epoch(learner, run.epoch_steps), workers)
    return epoch, Regions(images["val"], run.validation_px)


def _say(text: str) -> None:
    if leading():
        log.info("%s", text)


def _tell_levels(run: Run) -> None:
    side = min(side or 0 for side in run.sides.values())
    levels = ms_ssim_levels(side) if side else len(LEVEL_WEIGHTS)
    fewer = "ms-ssim" in run.recipe.loss and levels < len(LEVEL_WEIGHTS)
    if fewer and leading():
        log.warning(
            "MS-SSIM is taken over the first %d of its %d levels: more do not fit a "
            "crop of %d px",
            *(levels, len(LEVEL_WEIGHTS), side),
        )


def _tell_emulation(run: Run, accelerator: str) -> None:
    # torch before 2.11 has no list of the processor's features.
    able: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    slow = bool(able) and not any(able.get(name) for name in BF16_ARITHMETIC)
    slow &= accelerator == "cpu"
    if run.recipe.precision == "bf16" and slow and leading():
        log.warning(
            "this processor has no bf16 arithmetic: with --precision bf16 a step takes "
            "many times as long; use --precision fp32"
        )


def _read(data: Path, run: Run) -> dict[str, list[TrainingImage]]:
    """Return the images of each split; add synthetic images to the split train."""
    _say(f"reading the images of {data.name}")
    images = {split: _images(data, split, run) for split in ("train", "val")}
    images["train"] += synthetic_images(run.synthetic, run.recipe.seed)
    return images


def _images(data: Path, split: str, run: Run) -> list[TrainingImage]:
    listed = list_images(data)
    entries = [entry for entry in listed if entry.split == split]
    if not entries:
        raise TrainingError(
            f"the data has no image in the split {split!r}: it lists {len(listed)} "
            f"image(s) of {len({e.patient for e in listed})} patient(s); a training "
            "needs images of at least two patients, in train and in val"
        )
    count = len(entries) if split == "train" else run.validation_images
    images = load(entries, run.least_px, count, again=run.again, channels=run.channels)
    if not images:
        raise TrainingError(
            f"none of the {len(entries)} image(s) of the split {split!r} can be used "
            f"(sides of at least {run.least_px} px are needed); a training "
            "needs images in train and in val"
        )
    return images


def _network(images: list[TrainingImage], run: Run) -> Network:
    # torch does not know quotas of processors.
    share = max(processors.allowed() // run.devices, 1)
    torch.set_num_threads(run.threads or min(torch.get_num_threads(), share))
    torch.manual_seed(run.recipe.seed)
    network = build(_spec(run))
    settle_normalisation(network, images)
    if run.init:
        start_from(network, run.init)
    if run.quantise:
        network = quantised(network)
    return _laid_out(network)


def _laid_out(network: Network) -> Network:
    # On a CPU, this layout makes wide convolutions faster: by a tenth, in bf16 by a
    # third.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _spec(run: Run) -> ModelSpec:
    return ModelSpec(
        run.name or run.model,
        "Trained by `cxr-sr train`.",
        network=run.model,
        settings=run.network,
        scales=run.recipe.distinct_scales,
        channels=run.channels,
    )


def _settings(run: Run) -> dict[str, Any]:
    settings = dataclasses.asdict(run)
    settings["init"] = run.init.name if run.init else None
    settings["teacher"] = Path(run.teacher).name if run.teacher else None
    return {"settings": settings, "versions": versions()}


def _export_best(
    folder: Path, learner: Learner, run: Run, training: dict[str, Any]
) -> Model:
    best = folder / "checkpoints" / "best.ckpt"
    state = torch.load(best, map_location="cpu", weights_only=True)
    learner.cpu()
    learner.load_state_dict(state["state_dict"])
    reached = {"steps": state["global_step"], "seconds": round(state["elapsed_s"])}
    network = learner.averaged
    spec = dataclasses.replace(_spec(run), training=training | reached)
    if not isinstance(network, QuantisedTrunk):
        return write_weights(network, spec, folder)
    plain = without_rounding(network, build(spec))
    return write_int8_weights(network, plain, spec, folder)
