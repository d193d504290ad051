"""Derive the header of a super-resolved radiograph from the header of its source.

`derive` is a pure function over one table: no files, no pixels, no global state.
"""

from __future__ import annotations

import copy
from datetime import datetime

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.header.change import Change, HeaderOptions, Rule
from cxr_sr.formats.header.identity import local_time
from cxr_sr.formats.header.rules import RULES
from cxr_sr.radiograph import Derivation
from cxr_sr.texts import markdown_table

__all__ = ["RULES", "HeaderOptions", "Rule", "derive", "describe_rules"]

DEFAULT_OPTIONS = HeaderOptions()


def derive(
    header: Dataset,
    derivation: Derivation,
    shape: tuple[int, ...],
    now: datetime,
    options: HeaderOptions = DEFAULT_OPTIONS,
) -> Dataset:
    """Return the header of the image that `derivation` made.

    Elements that no rule names are copied unchanged, without decoding. A value that a
    rule cannot read (an empty spacing, text in a number) stays as it is.

    Parameters
    ----------
    header : header of the source; it is not changed
    shape : (rows, columns, ...) of the result
    now : time of the run; converted to TimezoneOffsetFromUTC if it has a time zone

    Returns
    -------
    A data set without file meta information and without pixel data: the writer adds
    both.

    Raises
    ------
    UnreadableError
        If sequences are nested too deep, or PixelRepresentation is damaged.
    """
    source = header[:]  # a copy, so that decoding an element does not change the source
    change = Change(
        source, derivation, (shape[0], shape[1]), local_time(source, now), options
    )
    try:
        result = copy.deepcopy(source)
        for rule in RULES:
            rule.action(result, rule.attributes, change)
    except RecursionError as error:
        raise UnreadableError(
            "the header's sequences are nested deeper than any radiograph's; the file "
            "is damaged or hostile: export it again"
        ) from error
    return result


def describe_rules() -> str:
    """Return the table of rules as Markdown, for the documentation."""
    rows = ([", ".join(map(_name, r.attributes)), r.told, r.source] for r in RULES)
    return markdown_table(("Attribute", "In the result", "Why"), rows)


def _name(attribute: str) -> str:
    return f"`{attribute}`" if tag_for_keyword(attribute) is not None else attribute
