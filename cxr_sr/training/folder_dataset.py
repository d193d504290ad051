"""Keep imports of version 0.1 working: `cxr_sr.torch_data` was here."""

from cxr_sr.torch_data import Normalisation, RadiographDataset

__all__ = ["Normalisation", "RadiographDataset"]
