"""`cxr-sr task`: the group of commands for tasks."""

import typer

from cxr_sr.cli.errors import guarded
from cxr_sr.cli.options import spread
from cxr_sr.cli.task.evaluate import evaluate
from cxr_sr.cli.task.listed import listed
from cxr_sr.cli.task.run import run
from cxr_sr.cli.task.train import train

app = typer.Typer(
    help="Segment and classify radiographs: train, run, evaluate, list heads."
)
app.command("train")(guarded(spread(train)))
app.command("run")(guarded(spread(run)))
app.command("evaluate")(guarded(spread(evaluate)))
app.command("list")(guarded(listed))
