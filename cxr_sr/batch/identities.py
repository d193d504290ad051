"""Find two different images with one SOP Instance UID among the files of a run.

An archive that receives two images with one SOP Instance UID keeps only one of them,
and reports success for both.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

from cxr_sr.formats import uids_of
from cxr_sr.formats.dicom.header import Uids
from cxr_sr.report.entries import WRITTEN
from cxr_sr.report.outcome import Outcome

SIDES = ("input", "output")


def uid_facts(source: Uids, result: Uids) -> dict[str, str | None]:
    """Return the UIDs of a source and of its result, by the keys of a report."""
    return {
        f"{side}_{level}_instance_uid": uid
        for side, uids in zip(SIDES, (source, result), strict=True)
        for level, uid in (("sop", uids.instance), ("series", uids.series))
    }


class Identities:
    """Checks each outcome of a run; adds a warning if two images have one UID.

    Parameters
    ----------
    reported : write the UIDs into the report; they can identify a patient, so the
        default is not to
    """

    def __init__(self, *, reported: bool) -> None:
        self._reported = reported
        self._inputs: dict[str, tuple[str, str]] = {}
        """By SOP Instance UID: the first file's name, and its SHA-256."""
        self._outputs: dict[str, str] = {}
        self.dates_kept = Counter[str]()
        """Number of results that have the dates of their source, by the reason."""

    def noted(self, outcome: Outcome) -> Outcome:
        """Return the outcome for the report, with the warnings added."""
        if outcome.status not in WRITTEN:
            return outcome
        facts = dict(outcome.facts)
        uids = _take_uids(facts) or _read_uids(outcome)
        warnings = [*facts.get("warnings", ()), *self._clashes(outcome, uids)]
        if warnings:
            facts["warnings"] = warnings
        if self._reported:
            facts |= uids
        if because := facts.get("dates_because"):
            self.dates_kept[because] += 1
        return dataclasses.replace(outcome, facts=facts)

    def _clashes(self, outcome: Outcome, uids: dict[str, str | None]) -> list[str]:
        name, found = outcome.job.name, []
        if source := uids["input_sop_instance_uid"]:
            mine = name, str(outcome.facts.get("input_sha256"))
            first = self._inputs.setdefault(source, mine)
            if first[1] != mine[1] and first[0] != name:
                found.append(
                    f"it has the SOP Instance UID of {first[0]}, but is another file: "
                    "one of the two should get a UID of its own"
                )
        if result := uids["output_sop_instance_uid"]:
            other = self._outputs.setdefault(result, name)
            if other != name:
                found.append(
                    f"its result has the SOP Instance UID of the result of {other}, "
                    "which this run wrote before: an archive keeps only one of them"
                )
        return found


def _take_uids(facts: dict[str, Any]) -> dict[str, str | None]:
    keys = uid_facts(Uids(), Uids())
    return {key: facts.pop(key) for key in keys if key in facts}


def _read_uids(outcome: Outcome) -> dict[str, str | None]:
    """Read the UIDs from the files, if an earlier run did not report them."""
    job = outcome.job
    return uid_facts(uids_of(job.source), uids_of(job.target))
