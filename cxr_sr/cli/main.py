"""The wiring of `cxr-sr`; each command has a file of its own."""

import signal

import typer

from cxr_sr.cli import models
from cxr_sr.cli.errors import guarded

app = typer.Typer(
    name="cxr-sr",
    help="Super-resolution of chest radiographs: DICOM in, DICOM out. "
    "For research only; not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(models.app, name="models")


def _version(*, wanted: bool) -> None:
    if wanted:
        from cxr_sr import __version__

        typer.echo(f"cxr-sr {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line."""
    # A batch system ends a job with SIGTERM: as clean an end as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
