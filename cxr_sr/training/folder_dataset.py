"""The former home of `cxr_sr.torch_data`; imports from here still work."""

from cxr_sr.torch_data import Normalisation, RadiographDataset

__all__ = ["Normalisation", "RadiographDataset"]
