"""What several commands share: options spelled once, and options as a dataclass."""

import dataclasses
import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Files, folders (walked), a DICOMDIR, or - for paths from standard "
        "input, one a line.",
        show_default=False,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object a line instead.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing but what went wrong.")
]
ModelName = Annotated[
    str,
    typer.Option(
        metavar="NAME|FILE",
        help="A model that `cxr-sr models` lists, or a weights file of your own.",
    ),
]

Parameters = list[inspect.Parameter]

DEBUG = inspect.Parameter(
    "debug",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[bool, typer.Option("--debug", help="Show tracebacks.")],
)


def parameters_of(function: Callable[..., Any]) -> Parameters:
    """Return a function's parameters, annotations resolved."""
    return list(inspect.signature(function, eval_str=True).parameters.values())


def with_parameters(
    function: Callable[..., Any], parameters: Parameters
) -> Callable[..., Any]:
    """Let Typer see other parameters than a wrapper's own `**given`."""
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in parameters}
    return function


def spread(command: Callable[[Any], int]) -> Callable[..., int]:
    """Let a command take one frozen dataclass, whose fields are its options.

    Typer wants every option as a parameter of a function; more than a handful are
    better read, passed on and tested as one object.
    """
    (bundle,) = parameters_of(command)

    @wraps(command)
    def call(**given: object) -> int:
        return command(bundle.annotation(**given))

    return with_parameters(
        call, [_parameter(f) for f in dataclasses.fields(bundle.annotation)]
    )


def _parameter(field: "dataclasses.Field[Any]") -> inspect.Parameter:
    required = field.default is dataclasses.MISSING
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else field.default,
        annotation=field.type,
    )


def expand_inputs(inputs: list[str], listed: Callable[[], list[str]]) -> list[Path]:
    """Return the inputs as paths, `-` replaced by the paths that were `listed`."""
    paths: list[Path] = []
    for item in inputs:
        names = listed() if item == "-" else [item]
        paths += [Path(name) for name in names]
    return paths
