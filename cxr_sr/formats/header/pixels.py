"""Set attributes of the stored values; remove those that a result must not keep."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from cxr_sr.formats.header.change import Change, drop
from cxr_sr.formats.header.elements import items, numbers, put, remove_tags, undecoded


def set_size(result: Dataset, attributes: tuple[str, ...], change: Change) -> None:
    """Write rows and columns."""
    for keyword, count in zip(attributes, change.shape, strict=True):
        put(result, keyword, count)


def update_extremes(
    result: Dataset, attributes: tuple[str, ...], change: Change
) -> None:
    """State the new smallest and largest value, if the source states its values.

    References
    ----------
    DICOM PS3.3 C.7.6.3.1: US or SS, according to PixelRepresentation
    """
    signed = numbers(change.source, "PixelRepresentation") == (1.0,)
    extremes = (change.derivation.minimum, change.derivation.maximum)
    for keyword, value in zip(attributes, extremes, strict=True):
        if keyword in result:
            put(result, keyword, value, "SS" if signed else "US")


def drop_lost_padding(
    result: Dataset, attributes: tuple[str, ...], change: Change
) -> None:
    """Remove a padding value that native pixels may also have."""
    if not change.derivation.padding_kept:
        drop(result, attributes, change)


def drop_private(result: Dataset, _attributes: tuple[str, ...], change: Change) -> None:
    """Remove private (odd) groups, at every depth."""
    if change.options.private == "drop":
        for dataset in _with_items(result):
            remove_tags(dataset, lambda tag: tag.is_private)


def drop_everywhere(
    result: Dataset, attributes: tuple[str, ...], _change: Change
) -> None:
    """Remove pixel data and related elements, at every depth.

    Pixel data in an item have the transfer syntax of the file, which may have changed.

    References
    ----------
    DICOM PS3.5 A.4
    """
    unwanted = {Tag(keyword) for keyword in attributes}
    for dataset in _with_items(result):
        remove_tags(dataset, unwanted.__contains__)


def drop_group_lengths(
    result: Dataset, _attributes: tuple[str, ...], _change: Change
) -> None:
    """Remove (gggg,0000), at every depth, because the lengths are now wrong."""
    for dataset in _with_items(result):
        remove_tags(dataset, lambda tag: tag.element == 0)


def _with_items(dataset: Dataset) -> Iterator[Dataset]:
    """Yield the dataset and all sequence items under it that can be read."""
    yield dataset
    for tag in list(dataset.keys()):
        if _may_be_sequence(dataset, tag):
            for item in items(dataset, tag) or ():
                yield from _with_items(item)


def _may_be_sequence(dataset: Dataset, tag: int) -> bool:
    """Tell whether an element may be a sequence, by its VR.

    The dictionary decides if the file states no VRs.
    """
    element = undecoded(dataset, tag)
    stated = None if element is None else element.VR
    unstated = stated in {None, "UN"} and dictionary_has_tag(tag)
    return stated == "SQ" or (unstated and dictionary_VR(tag) == "SQ")
