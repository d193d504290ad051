"""From the options of `cxr-sr index` to rules, all checked before any work."""

import os
from pathlib import Path

from cxr_sr.cli import output
from cxr_sr.cli.index_options import Options
from cxr_sr.errors import OutputError, SettingsError
from cxr_sr.training.pacs_index import Rules
from cxr_sr.training.pacs_manifest import COLUMNS, NAME, Manifest
from cxr_sr.training.pacs_split import Salt, Shares


def rules_of(options: Options) -> Rules:
    """Return how the index is to be made.

    Raises
    ------
    SettingsError, OutputError
        If options or manifest contradict themselves, or the salt cannot be kept.
    """
    _check_output(options)
    shares = Shares.parse(options.split, options.seed)
    salt = _salt(options)
    # Links are resolved, for ".." leads out of a folder as it really lies.
    folder = os.path.relpath(options.folder.resolve(), options.output.parent.resolve())
    return Rules(salt, shares, _manifest(options, salt), Path(folder).as_posix())


def _manifest(options: Options, salt: Salt) -> Manifest:
    """Read the manifest that was given, or the one in the data."""
    if options.manifest is not None:
        return Manifest.read(options.manifest, options.folder, salt)
    path = options.folder / NAME
    if not path.is_file():
        return Manifest()
    if not Manifest.is_one(path):
        output.complain(
            f"{NAME} in the data is not used: expected a CSV file with the columns "
            f"{', '.join(COLUMNS)}"
        )
        return Manifest()
    return Manifest.read(path, options.folder, salt)


def _salt(options: Options) -> Salt:
    if options.salt is not None:
        return Salt.of(options.salt)
    key = options.beside(".key")
    if options.output.exists() and not key.exists():
        output.complain(
            f"{key.name} is gone: all patients get new hashes, and other sides than "
            "they had"
        )
    return Salt.kept_in(key)


def _check_output(options: Options) -> None:
    """Make sure that the index can be written."""
    name = options.output.name
    if options.output.suffix.lower() != ".csv":
        raise SettingsError(f"--output {name}; expected a name that ends in .csv")
    if options.output.exists() and not options.overwrite:
        raise OutputError(
            f"{name} exists already; use --overwrite to replace it (only files that "
            "are new are read), or choose another name"
        )
    options.output.parent.mkdir(parents=True, exist_ok=True)
