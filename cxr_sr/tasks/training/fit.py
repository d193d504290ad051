"""Train a head; write settings, checkpoints, curves and weights to a run folder.

::

    RUN/settings.json   the settings, the hash of the data, versions
    RUN/metrics.csv     one row for each validation; curves.png, tensorboard/: the same
    RUN/checkpoints/    last.ckpt to resume from, best.ckpt by validation
    RUN/NAME.onnx, RUN/NAME.safetensors   the last averaged weights
    RUN/trunk/          with --trunk-input full: the model that makes the feature maps
    RUN/NAME.md         the model card: data, terms, budget, metrics, limits
    RUN/validation.png  found and given masks on held-out images
"""

from __future__ import annotations

import dataclasses
import logging
import time
from pathlib import Path
from typing import cast

import torch
from torch import nn

from cxr_sr.errors import TrainingError
from cxr_sr.files import write_bytes, write_text
from cxr_sr.superres.models.networks import build, load_network
from cxr_sr.superres.models.zoo import Model, load_model
from cxr_sr.tasks.heads import TRUNK, Head
from cxr_sr.tasks.labels import Labels
from cxr_sr.tasks.spec import HeadSpec
from cxr_sr.tasks.training.card import head_card
from cxr_sr.tasks.training.data import (
    AugmentedSamples,
    Example,
    HeldOut,
    SampleBatches,
    read_examples,
)
from cxr_sr.tasks.training.learner import HeadLearner
from cxr_sr.tasks.training.network import TaskNetwork, features_of
from cxr_sr.tasks.training.provenance import provenance
from cxr_sr.tasks.training.run import TaskRun
from cxr_sr.tasks.training.weights import draw_found, write_head
from cxr_sr.training.data.batches import Epoch, loader_of
from cxr_sr.training.loop import LoopSettings, train, trainer_of
from cxr_sr.training.quiet import quiet_lightning
from cxr_sr.training.run_folder.checkpoints import start_of
from cxr_sr.training.run_folder.history import History
from cxr_sr.training.run_folder.provenance import (
    check_same,
    versions,
    write_settings,
)
from cxr_sr.training.start import accelerator_of

log = logging.getLogger(__name__)


def fit_head(
    labels: Labels,
    folder: Path,
    run: TaskRun,
    *,
    resume: bool = False,
    quiet: bool = False,
    started: float | None = None,
) -> Head:
    """Train a head with the settings in `run`, and write its averaged weights.

    With `--hold-out none`, each validation uses the training images; then the scores
    say nothing about other images.

    Parameters
    ----------
    folder : a new folder for the run; or the folder of the run to `resume`
    quiet : show no progress bar
    started : `time.monotonic()` when the command began; None: now

    Raises
    ------
    ModelError
        If no model has the name of the trunk.
    SettingsError
        If the model has no trunk, such as an interpolator.
    TrainingError
        If the data do not allow a training, or if the training diverges.
    """
    started = started or time.monotonic()
    run = dataclasses.replace(run, classes=labels.classes)
    checkpoint = start_of(folder, resume=resume)
    accelerator = accelerator_of(run.device)
    spec, network = _start(run)
    train_set, held_out = _read(labels, run)
    about = provenance(train_set, held_out) | {
        "settings": dataclasses.asdict(run),
        "versions": versions(),
    }
    if resume:
        check_same(folder, about, ("kind", "classes", "trunk", "trunk_weights"))
    write_settings(folder, about)
    if spec.maps:
        _keep_trunk(load_model(run.trunk), folder / TRUNK)
    learner = HeadLearner(network, run)
    learner.started = started
    log.info(
        "training with %d images, validating with %d", len(train_set), len(held_out)
    )
    samples = AugmentedSamples(train_set, run.size_px, run.seed)
    batches = SampleBatches(samples, run.batch)
    epoch = loader_of(batches, Epoch(learner, run.epoch_steps), workers=0)
    with quiet_lightning():
        settings = LoopSettings(accelerator, 1, run.epoch_steps, run.patience)
        trainer = trainer_of(folder, learner, settings, quiet=quiet)
        train(trainer, learner, epoch, HeldOut(held_out or train_set), checkpoint)
    log.info("stopped after %.0f s; writing the weights", learner.elapsed_s)
    return _export(folder, learner, dataclasses.replace(spec, training=about), held_out)


def _start(run: TaskRun) -> tuple[HeadSpec, TaskNetwork]:
    """Return the specification of the head, and its network at the start."""
    torch.set_num_threads(run.threads or torch.get_num_threads())
    torch.manual_seed(run.seed)
    model = load_model(run.trunk)
    if not model.spec.learned:
        raise TrainingError(
            f"{model.spec.name} interpolates and has no trunk; give --trunk a trained "
            "model, such as fine or fast"
        )
    trained = run.trunk_weights != "random"
    under = features_of(load_network(model) if trained else build(model.spec))
    maps = under.width if run.trunk_input == "full" else 0
    network = TaskNetwork(maps or under, len(run.classes))
    spec = HeadSpec(
        run.name or run.kind,
        run.kind,
        run.classes,
        run.size_px,
        model.spec.name,
        model.spec.safetensors_sha256 if trained else "",
        run.trunk_weights,
        run.parts,
        _count(network) + (_count(under) if maps else 0),
        maps,
        model.spec.hashes if maps else {},
    )
    return spec, cast(
        "TaskNetwork",
        network.train().to(memory_format=torch.channels_last),  # type: ignore[call-overload]
    )


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def _keep_trunk(model: Model, folder: Path) -> None:
    """Copy a model into the run, so that the head works when the model is replaced."""
    folder.mkdir(exist_ok=True)
    copy = dataclasses.replace(model, onnx=folder / f"{model.spec.name}.onnx")
    for source, target in zip(model.hashes, copy.hashes, strict=True):
        write_bytes(target, source.read_bytes())


def _read(labels: Labels, run: TaskRun) -> tuple[list[Example], list[Example]]:
    trunk = load_model(run.trunk) if run.trunk_input == "full" else None
    splits = {}
    for split in ("train", "val"):
        rows = labels.of(split)
        splits[split] = read_examples(rows, run.size_px, again=run.again, trunk=trunk)
        if rows and not splits[split]:
            raise TrainingError(
                f"none of the {len(rows)} image(s) of the split {split!r} can be used; "
                "the warnings say why"
            )
    if not splits["train"]:
        raise TrainingError(
            f"no image is left to train on: the table lists {len(labels.rows)} "
            "image(s); give more patients, or --hold-out none"
        )
    return splits["train"], splits["val"]


def _export(
    folder: Path, learner: HeadLearner, spec: HeadSpec, held_out: list[Example]
) -> Head:
    """Write the last averaged weights; with few images, "best" is mostly chance."""
    learner.cpu()
    reached = {"steps": learner.global_step, "seconds": round(learner.elapsed_s)}
    spec = dataclasses.replace(spec, training=spec.training | reached)
    head = write_head(learner.averaged.eval(), spec, folder)
    card = head_card(head.spec, History(folder).rows())
    write_text(folder / f"{spec.name}.md", card)
    if spec.kind == "segmentation" and held_out:
        draw_found(folder / "validation.png", head, held_out)
    return head
