"""`cxr-sr models`: list models, show their training, verify and copy their weights."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from cxr_sr.cli import output
from cxr_sr.cli.errors import DONE, exit_code, guarded
from cxr_sr.cli.options import Json
from cxr_sr.errors import ModelError, OutputError
from cxr_sr.files import write_bytes
from cxr_sr.superres.models import zoo
from cxr_sr.superres.models.spec import ModelSpec

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE", help="A model from `cxr-sr models`, or a weights file."
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Names of models [default: all]."),
]
Folder = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the copies.")
]

NESTED = ("training", "clean")
MODEL_COLUMNS = ["model", "scales", "parameters", "receptive field", "description"]


def listed(*, as_json: Json = False) -> int:
    """List the models with their scales, sizes and purposes."""
    specs = list(zoo.MODELS.values())
    rows = [row(spec) for spec in specs]
    output.listing(specs, MODEL_COLUMNS, rows, as_json=as_json)
    return DONE


def row(spec: ModelSpec) -> list[str]:
    """Return a model's row in the tables of `cxr-sr models` and docs/models.md."""
    scales = ", ".join(str(s) for s in spec.scales)
    side = 2 * spec.radius_px + 1
    seen = f"{side} x {side} px of the {spec.grid}" if spec.learned else "-"
    parameters = f"{spec.parameters:,}"
    if spec.clean:
        parameters += f" and {spec.clean.parameters:,}"
    return [spec.name, scales, parameters, seen, spec.summary]


def show(name: Name, *, as_json: Json = False) -> int:
    """Show all facts about a model, such as training data, terms and hashes."""
    fields = dataclasses.asdict(zoo.load_model(name).spec)
    if as_json:
        output.record(fields)
        return DONE
    output.table(["field", "value"], [[k, _text(v)] for k, v in _facts(fields)])
    return DONE


def _facts(fields: dict[str, Any], before: str = "") -> Iterator[tuple[str, object]]:
    """Yield the fields, and those of nested fields under names with a dot."""
    for name, value in fields.items():
        if name in NESTED and value:
            yield from _facts(value, f"{before}{name}.")
        else:
            yield before + name, value


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def verify(names: Names = None) -> int:
    """Check the weights against the hashes of this release."""
    chosen = names or [spec.name for spec in zoo.MODELS.values() if spec.learned]
    failed = [name for name in chosen if not _sound(name)]
    return exit_code(len(chosen) - len(failed), len(failed))


def _sound(name: str) -> bool:
    try:
        zoo.load_model(name)
    except ModelError as error:
        output.complain(f"{name}: {error}")
        return False
    output.data(f"{name}: ok")
    return True


def export(name: Name, folder: Folder) -> int:
    """Copy a model's weights (.onnx, .safetensors, .int8.onnx) to a folder."""
    model = zoo.load_model(name)
    if not model.spec.learned:
        raise ModelError(f"{name!r} is an interpolator and has no weights to export")
    folder.mkdir(parents=True, exist_ok=True)
    copies = {folder / path.name: path for part in model.parts for path in part.hashes}
    for target in copies:
        if target.exists():
            raise OutputError(f"{target.name} exists already; choose another --output")
    for done, (target, source) in enumerate(copies.items()):
        try:
            write_bytes(target, source.read_bytes())
        except OutputError as error:
            output.complain(f"{target.name}: {error}")
            return exit_code(done, failed=1)
        output.data(str(target), stands=True)
    return DONE


app = typer.Typer(help="List, show, verify or export the models.")
app.command("list")(guarded(listed))
app.command("show")(guarded(show))
app.command("verify")(guarded(verify))
app.command("export")(guarded(export))


@app.callback(invoke_without_command=True)
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        guarded(listed)(debug=False)
