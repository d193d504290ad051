"""`cxr-sr train`: train a network; leave its weights in a run folder."""

import time

from cxr_sr.cli import output
from cxr_sr.cli.errors import run_folder
from cxr_sr.cli.train.options import Options


def train(options: Options) -> None:
    """Train a network; print the path of its weights.

    Give a budget with --max-steps, --max-time or both. To continue a run that was
    stopped, repeat the command with --resume.
    """
    started = time.monotonic()  # loading torch is part of the wall time
    from cxr_sr.cli.train.request import run_of
    from cxr_sr.training.fit import fit

    with run_folder(options.run):
        model = fit(
            options.data,
            options.run,
            run_of(options),
            resume=options.resume,
            quiet=options.quiet,
            started=started,
        )
    output.data(str(model.onnx), stands=True)
