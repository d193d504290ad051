"""Find and retrieve instances: by C-FIND and C-GET, or by QIDO-RS and WADO-RS."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from pydicom.dataset import Dataset
from pydicom.uid import UID

from cxr_sr.errors import SettingsError
from cxr_sr.files import replacing
from cxr_sr.formats.dicom.layout import PROJECTIONS
from cxr_sr.formats.dicom.limits import check_sequences
from cxr_sr.formats.guard import quiet
from cxr_sr.formats.header.elements import text
from cxr_sr.pacs.network.peers import DicomPeer
from cxr_sr.pacs.network.services import RECEIVED_SYNTAXES
from cxr_sr.pacs.network.store_scu import AwayError, RefusedError, associate, entity_of

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.events import Event

LEVELS = ("STUDY", "SERIES", "IMAGE")
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
KEYS = {
    "StudyDate": "STUDY",
    "StudyTime": "STUDY",
    "AccessionNumber": "STUDY",
    "ModalitiesInStudy": "STUDY",
    "ReferringPhysicianName": "STUDY",
    "StudyDescription": "STUDY",
    "PatientName": "STUDY",
    "PatientID": "STUDY",
    "PatientBirthDate": "STUDY",
    "PatientSex": "STUDY",
    "StudyID": "STUDY",
    "StudyInstanceUID": "STUDY",
    "Modality": "SERIES",
    "SeriesDescription": "SERIES",
    "SeriesNumber": "SERIES",
    "BodyPartExamined": "SERIES",
    "StationName": "SERIES",
    "SeriesInstanceUID": "SERIES",
    "SOPClassUID": "IMAGE",
    "InstanceNumber": "IMAGE",
    "SOPInstanceUID": "IMAGE",
}
"""Keys of a query, and their levels; PS3.4 C.6.2, PS3.18 10.6.1."""
_TOLD: dict[str, tuple[str, ...]] = {
    "STUDY": (),
    "SERIES": (),
    "IMAGE": ("SOPClassUID",),
}
"""Attributes that the archive must return besides the UIDs."""
Uids = tuple[str, ...]


def parse_query(given: str) -> dict[str, dict[str, str]]:
    """Read KEYWORD=VALUE&KEYWORD=VALUE; return the keys of each level.

    Raises
    ------
    SettingsError
        If a keyword is unknown, or has no value.
    """
    keys: dict[str, dict[str, str]] = {level: {} for level in LEVELS}
    for part in given.split("&"):
        keyword, equals, value = part.partition("=")
        if keyword not in KEYS or not equals or not value:
            raise SettingsError(
                f"--query: {part!r} is no KEYWORD=VALUE; known keywords are "
                f"{', '.join(KEYS)}"
            )
        keys[KEYS[keyword]][keyword] = value
    if "Modality" in keys["SERIES"]:  # so that other studies need no query of their own
        keys["STUDY"].setdefault("ModalitiesInStudy", keys["SERIES"]["Modality"])
    return keys


class Archive(Protocol):
    """An archive that answers queries and returns instances."""

    def find(self, level: str, uids: Uids, keys: Mapping[str, str]) -> list[Dataset]:
        """Return the matches at a level, below the given study and series.

        Raises
        ------
        AwayError, RefusedError
            If the archive does not answer, or refuses the query.
        """
        ...

    def get(self, uids: Uids, sop_class: str) -> Dataset:
        """Return an instance, with file meta information.

        Parameters
        ----------
        uids : UIDs of the study, the series and the instance
        sop_class : SOP class of the instance; "" if it is unknown

        Raises
        ------
        AwayError, RefusedError
            If the archive does not send the instance.
        """
        ...


@dataclass(frozen=True)
class FoundInstance:
    """An instance that matches the query."""

    uids: Uids
    """UIDs of the study, the series and the instance."""
    sop_class: str = ""
    """"" if the archive does not state it."""

    @property
    def name(self) -> str:
        """Path of the file below the output folder.

        It has a folder for the study and a folder for the series. The names are hashes,
        so they show no attribute but are the same in every run.
        """
        study, series, instance = (
            hashlib.sha256(uid.encode()).hexdigest()[:16] for uid in self.uids
        )
        return f"{study}/{series}/{instance}.dcm"


def find(
    archive: Archive, keys: Mapping[str, Mapping[str, str]]
) -> Iterator[FoundInstance]:
    """Yield the projection radiographs that match, study by study.

    Parameters
    ----------
    keys : from `parse_query`

    Raises
    ------
    AwayError, RefusedError
        If the archive does not answer, or refuses the query.
    """
    yield from _below(archive, (), keys)


def _below(
    archive: Archive, uids: Uids, keys: Mapping[str, Mapping[str, str]]
) -> Iterator[FoundInstance]:
    level = LEVELS[len(uids)]
    for answer in archive.find(level, uids, keys[level]):
        with quiet():
            uid = text(answer, UIDS[len(uids)])
            sop_class = text(answer, "SOPClassUID")
        if not uid:
            continue
        if level != "IMAGE":
            yield from _below(archive, (*uids, uid), keys)
        elif not sop_class or UID(sop_class) in PROJECTIONS:
            yield FoundInstance((*uids, uid), sop_class)


def save(archive: Archive, found: FoundInstance, path: Path) -> None:
    """Retrieve an instance and write it; the file appears complete or not at all.

    Raises
    ------
    AwayError, RefusedError
        If the archive does not send the instance.
    NotARadiographError
        If its header has too many elements, or sequences are nested too deep.
    OutputError
        If the file cannot be written.
    """
    dataset = archive.get(found.uids, found.sop_class)
    check_sequences(dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, overwrite=True) as temporary, quiet():
        dataset.save_as(temporary, enforce_file_format=True)


class DicomArchive:
    """An application entity: C-FIND and C-GET in the Study Root model, PS3.4 C."""

    def __init__(
        self, aet: str, peer: DicomPeer, tls: ssl.SSLContext | None = None
    ) -> None:
        self._aet, self._peer, self._tls = aet, peer, tls

    def find(self, level: str, uids: Uids, keys: Mapping[str, str]) -> list[Dataset]:
        """Return the matches at a level, below the given study and series."""
        from pynetdicom.sop_class import (  # type: ignore[attr-defined]
            StudyRootQueryRetrieveInformationModelFind as Model,
        )

        wanted = dict.fromkeys((UIDS[len(uids)], *_TOLD[level]), "")
        query = _identifier(level, uids, wanted | dict(keys))
        found: list[Dataset] = []

        def ask(association: Association) -> None:
            for status, answer in association.send_c_find(query, Model):
                _check(status)
                if answer is not None:
                    found.append(answer)

        self._with_association([(Model, [])], ask)
        return found

    def get(self, uids: Uids, sop_class: str) -> Dataset:
        """Return an instance in the archive's transfer syntax."""
        from pynetdicom.sop_class import (  # type: ignore[attr-defined]
            StudyRootQueryRetrieveInformationModelGet as Model,
        )

        query = _identifier("IMAGE", uids)
        got: list[Dataset] = []

        def store(event: Event) -> int:
            dataset = event.dataset
            dataset.file_meta = event.file_meta
            got.append(dataset)
            return 0

        def ask(association: Association) -> None:
            for status, _ in association.send_c_get(query, Model):
                _check(status)

        kinds: list[tuple[UID, list[UID]]]
        # One syntax a context: the archive then uses the syntax of its file.
        if sop_class:
            kinds = [(UID(sop_class), [syntax]) for syntax in RECEIVED_SYNTAXES]
        else:
            kinds = [(uid, list(RECEIVED_SYNTAXES)) for uid in sorted(PROJECTIONS)]
        self._with_association([(Model, []), *kinds], ask, store)
        if not got:
            raise RefusedError("the archive did not send it")
        return got[0]

    def _with_association(
        self,
        contexts: list[tuple[UID, list[UID]]],
        act: Callable[[Association], None],
        store: Callable[[Event], int] | None = None,
    ) -> None:
        from pynetdicom import build_role

        entity = entity_of(self._aet)
        for abstract, syntaxes in contexts:
            entity.add_requested_context(abstract, syntaxes or None)
        stored = dict.fromkeys(abstract for abstract, syntaxes in contexts if syntaxes)
        roles = [build_role(abstract, scp_role=True) for abstract in stored]
        association = associate(entity, self._peer, self._tls, roles, store)
        try:
            with quiet():  # pynetdicom decodes the archive's answers
                act(association)
        except (ValueError, RuntimeError) as error:
            raise RefusedError("the archive offers no such service") from error
        finally:
            with suppress(RuntimeError):
                association.release()


def _identifier(
    level: str, uids: Uids, keys: Mapping[str, str] = MappingProxyType({})
) -> Dataset:
    query = Dataset()
    named = {"QueryRetrieveLevel": level, **dict(zip(UIDS, uids, strict=False)), **keys}
    if not all(value.isascii() for value in named.values()):
        query.SpecificCharacterSet = "ISO_IR 192"
    with quiet():
        for keyword, value in named.items():
            setattr(query, keyword, value)
    return query


def _check(status: Dataset) -> None:
    """Raise an error unless a C-FIND or C-GET continues or succeeded."""
    code = status.get("Status")
    if code is None:
        raise AwayError("the archive broke the association, or did not answer")
    if code not in {0x0000, 0xFF00, 0xFF01, 0xB000}:
        raise RefusedError(f"status 0x{code:04X}")
