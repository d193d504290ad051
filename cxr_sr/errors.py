"""Define all errors of the package, as one tree.

::

    CxrSrError
    ├── InputError               this file cannot be used; the rest of a batch goes on
    │   ├── UnreadableError      damaged, truncated, or in a coding no decoder reads
    │   └── NotARadiographError  readable, but not one grayscale radiograph
    │       └── OwnResultError   a result of this package
    ├── OutputError              the result cannot be stored there, or in this form
    ├── ReportError              the report cannot be written any more: the run ends
    ├── StreamError              standard output cannot be written any more
    ├── ModelError               unknown model; missing, damaged or altered weights
    ├── EngineError              an inference engine is missing or fails
    ├── SettingsError            options that contradict each other or the input
    └── TrainingError            a training cannot start with these data or settings

Every message names the finding, the expectation, and the remedy.
"""


class CxrSrError(Exception):
    """Base of all errors that cxr_sr raises on purpose."""


class InputError(CxrSrError):
    """One file that cannot be used; others are not affected."""


class UnreadableError(InputError):
    """The file is damaged, truncated, or in a coding that no decoder here reads."""


class NotARadiographError(InputError):
    """The file can be read, but it is not a single-frame projection radiograph."""


class OwnResultError(NotARadiographError):
    """The file is a result of this package, and must not be processed again."""


class OutputError(CxrSrError):
    """The result cannot be stored at the requested place or in that form."""


class ReportError(CxrSrError):
    """The report of a run can no longer be written; finished outputs are kept."""


class StreamError(CxrSrError):
    """Standard output cannot be written any more, for example on a full disk."""


class ModelError(CxrSrError):
    """A model is unknown, or its weights are missing, damaged or altered."""


class EngineError(CxrSrError):
    """An inference engine is not installed, or it failed."""


class SettingsError(CxrSrError):
    """Options contradict each other, or do not fit the input."""


class TrainingError(CxrSrError):
    """A training cannot start with these data or settings, or it diverged."""
