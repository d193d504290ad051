"""Define options of several commands; make options from a dataclass."""

import codecs
import dataclasses
import inspect
import math
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial, wraps
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cxr_sr.errors import SettingsError
from cxr_sr.hints import similar_file
from cxr_sr.names import SCALES

if TYPE_CHECKING:
    from cxr_sr.radiograph import RegionFinder
    from cxr_sr.tasks.heads import Head


SomeSize = TypeVar("SomeSize")

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="Files, folders (with their subfolders), a DICOMDIR, or - to read paths "
        "from standard input: one path a line, or the output of find -print0.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON: one object a line.")]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Print only results, warnings about the data, and errors."
    ),
]
Again = Annotated[
    bool,
    typer.Option(
        "--again",
        help="Also process results of cxr-sr. By default, they are left out.",
    ),
]
ResultFolder = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR",
        help="Output folder. It gets the same subfolders as the input.",
    ),
]
RunFolder = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder for all files of the run.")
]
ModelName = Annotated[
    str,
    typer.Option(
        metavar="NAME|FILE",
        help="A model from `cxr-sr models`, or your own weights file.",
    ),
]

DEFAULT_MODEL = "fine"

SCALE = "|".join(map(str, SCALES))
"""A scale in --help."""

ENGINE = "The engine that runs the network. auto: onnx, or openvino for int8."
ON_ERROR = "Continue with the next file when a file fails, or stop the run."
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]

Parameters = list[inspect.Parameter]

OF_ALL = tuple(
    inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation
    )
    for name, annotation in (("quiet", Quiet), ("debug", Debug))
)
"""Options of every command."""


def parameters_of(function: Callable[..., Any]) -> Parameters:
    """Return a function's parameters with their annotations resolved."""
    return list(inspect.signature(function, eval_str=True).parameters.values())


def with_parameters(
    function: Callable[..., Any], parameters: Parameters
) -> Callable[..., Any]:
    """Let Typer see `parameters` instead of the wrapper's `**given`."""
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in parameters}
    return function


def spread(command: Callable[[Any], int | None]) -> Callable[..., int | None]:
    """Let a command take one frozen dataclass whose fields are its options.

    Typer wants every option as a parameter of a function. Many options are easier to
    read, pass on and test as one object.
    """
    (bundle,) = parameters_of(command)

    @wraps(command)
    def call(**given: object) -> int | None:
        return command(bundle.annotation(**given))

    return with_parameters(
        call, [_parameter(f) for f in dataclasses.fields(bundle.annotation)]
    )


def _parameter(field: "dataclasses.Field[Any]") -> inspect.Parameter:
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    required = default is dataclasses.MISSING
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else default,
        annotation=field.type,
    )


def paths(inputs: list[str]) -> list[Path]:
    """Return the inputs as paths; replace `-` by the paths on standard input.

    Raises
    ------
    SettingsError
        If an input does not exist. A missing file from standard input fails later, as
        one bad file.
    """
    missing = [name for name in inputs if name != "-" and not Path(name).exists()]
    if missing:
        raise SettingsError(
            f"there is no file or folder {missing[0]!r}{similar_file(Path(missing[0]))}"
        )
    named: list[str] = []
    for name in inputs:
        named += _listed(_standard_input()) if name == "-" else [name]
    return [Path(name) for name in named]


def _standard_input() -> bytes:
    binary = getattr(sys.stdin, "buffer", None)
    return binary.read() if binary else sys.stdin.read().encode()


def _listed(data: bytes) -> list[str]:
    """Return the names of a list: one a line, or as `find -print0` separates them.

    Lines may end with CR LF, as on Windows. A byte-order mark is no part of a name.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", "replace").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        names = data.split(b"\0")
    else:
        names = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return [os.fsdecode(name) for name in names if name]


def seconds_of(text: str | None) -> float | None:
    """Return a --max-time, HH:MM:SS, in seconds.

    Raises
    ------
    SettingsError
        If the text has another form.
    """
    if text is None:
        return None
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise SettingsError(
            f"--max-time {text} is not of the form HH:MM:SS, such as 01:30:00 for 90 "
            "minutes"
        )
    hours, minutes, seconds = map(int, parts)
    return float(3600 * hours + 60 * minutes + seconds)


def size_of(
    options: object, kinds: Mapping[str, Callable[[Any], SomeSize]]
) -> SomeSize | None:
    """Return the size that the options ask for; None if they ask for none.

    Parameters
    ----------
    kinds : names of the options that exclude each other, each with the class of its
        size

    Raises
    ------
    SettingsError
        If two options are given, or a number is not positive.
    """
    numbers = {name: getattr(options, name) for name in kinds}
    given = {name: number for name, number in numbers.items() if number is not None}
    told = [f"--{name.replace('_', '-')} {given[name]}" for name in given]
    if len(given) > 1:
        raise SettingsError(f"{' and '.join(told)} exclude each other; give one")
    for name, number in given.items():
        if not 0 < number < math.inf:
            raise SettingsError(f"{told[0]}: expected more than 0")
        return kinds[name](number)
    return None


def region_of(head: str | None) -> "RegionFinder | None":
    """Return a function that makes a mask with a head; None without a head.

    Raises
    ------
    ModelError
        If no head has this name.
    SettingsError
        If the head makes no masks.
    """
    if head is None:
        return None
    from cxr_sr.tasks.heads import load_head
    from cxr_sr.tasks.infer import check_masks, find_region

    found = load_head(head)
    check_masks(found)
    return partial(find_region, head=found)


def require(*packages: str) -> None:
    """Make sure before a run that optional packages are installed.

    Raises
    ------
    ModuleNotFoundError
        If a package is missing.
    """
    for package in packages:
        if find_spec(package) is None:
            raise ModuleNotFoundError(name=package)


def check_highdicom(head: "Head", form: str) -> None:
    """Check before a run that masks can become DICOM.

    Parameters
    ----------
    form : --format of the command: same or dicom may ask for DICOM

    Raises
    ------
    ModuleNotFoundError
        If the package that writes DICOM Segmentation is not installed.
    """
    if head.spec.kind == "segmentation" and form in ("same", "dicom"):
        require("highdicom")
