"""Make the rules of an index from the options; check everything before any work."""

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from cxr_sr.cli import output
from cxr_sr.cli.index.options import Options
from cxr_sr.errors import OutputError, SettingsError
from cxr_sr.index.build import IndexSettings
from cxr_sr.index.given import MANIFEST_COLUMNS, NAME, Manifest
from cxr_sr.index.split import Salt, Shares
from cxr_sr.index.wanted import Wanted


def rules_of(options: Options) -> IndexSettings:
    """Return the rules for the index, without manifests found in the data.

    Raises
    ------
    SettingsError, OutputError
        If options or manifest contradict themselves, or the salt cannot be stored.
    """
    _check_output(options)
    shares = Shares.parse(options.split, options.seed)
    salt = _salt(options)
    # Resolve links first: ".." leads to the parent of the real folder.
    folder = os.path.relpath(options.folder.resolve(), options.output.parent.resolve())
    given = [] if options.manifest is None else [options.manifest]
    manifest = Manifest.read(given, options.folder, salt)
    place = Path(folder).as_posix()
    wanted = Wanted.parse(options.view, options.body_part)
    return IndexSettings(salt, shares, manifest, place, options.again, wanted)


def with_found(
    rules: IndexSettings, options: Options, names: Iterable[str]
) -> IndexSettings:
    """Return the rules with the manifests in the data, unless --manifest was given.

    Parameters
    ----------
    names : paths of the files that are no images, below the data's folder

    Raises
    ------
    SettingsError
        If the manifests contradict themselves.
    """
    if options.manifest is not None:
        return rules
    found = {name for name in names if PurePosixPath(name).name == NAME}
    # A DICOMDIR lists only images.
    found |= {NAME} if (options.folder / NAME).is_file() else set()
    nearest_last = sorted(found, key=lambda name: (name.count("/"), name))
    paths = [options.folder / name for name in nearest_last if _usable(options, name)]
    manifest = Manifest.read(paths, options.folder, rules.salt)
    return dataclasses.replace(rules, manifest=manifest)


def _usable(options: Options, name: str) -> bool:
    if Manifest.is_one(options.folder / name):
        return True
    output.complain(
        f"{name} in the data is not used: expected a CSV file with the columns "
        f"{', '.join(MANIFEST_COLUMNS)}"
    )
    return False


def _salt(options: Options) -> Salt:
    if options.salt is not None:
        return Salt.of(options.salt)
    key = options.beside(".key")
    if options.output.exists() and not key.exists():
        output.complain(
            f"{key.name} is missing: all patients get new hashes, and may get other "
            "splits; restore the file to keep both"
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
