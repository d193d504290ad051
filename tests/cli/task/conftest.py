"""The heads that the tests of `cxr_sr.tasks` have."""

from tests.tasks.conftest import classifier, masker, sharer

__all__ = ["classifier", "masker", "sharer"]
