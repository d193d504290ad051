"""List all changes of a DICOM header in one table.

The code, docs/header-rules.md and the tests use this table. Attributes outside the
table are copied unchanged. Clauses belong to DICOM PS3.3 unless another part is named.
"""

from __future__ import annotations

from cxr_sr.formats.header import (
    geometry,
    identity,
    overlays,
    pixels,
    provenance,
    words,
)
from cxr_sr.formats.header.change import Rule, drop
from cxr_sr.formats.header.kept import KEPT

RULES: tuple[Rule, ...] = (
    # --- identity
    Rule(
        "SOPInstanceUID",
        identity.always(identity.instance_uid),
        "new; the same source, pixels, model, settings and version give the same UID",
        "C.7.6.1.1.2",
    ),
    Rule(
        "SeriesInstanceUID",
        identity.always(identity.series_uid),
        "new; one for all images of a source series with the same treatment",
        "C.7.3.1, C.8.11.1.1.1",
    ),
    Rule(
        "SOPClassUID",
        identity.gray_class,
        "kept: an image of the same kind; but Multi-frame True Color Secondary Capture "
        "becomes Multi-frame Grayscale Byte or Word, because its pixels are gray",
        "our choice, A.8.5.4",
    ),
    Rule(
        "StudyInstanceUID",
        identity.complete_study,
        "kept, also if empty; if absent or invalid, made from patient and study (from "
        "the pixels if there is no PatientID)",
        "C.7.2.1",
    ),
    Rule(
        "SeriesNumber",
        identity.always(identity.series_number),
        "the source's number plus 9000, or --series-number",
        "our choice",
    ),
    Rule(
        "SeriesDescription",
        identity.always(words.series_description),
        '"RESEARCH ONLY (cxr-sr x2): ", then the source\'s text, cut to 64 characters',
        "our choice",
    ),
    Rule(
        "SeriesDate SeriesTime ContentDate ContentTime InstanceCreationDate "
        "InstanceCreationTime",
        identity.stamp,
        "time of the run, in the time zone of TimezoneOffsetFromUTC; the source's "
        "dates if PatientIdentityRemoved is YES or "
        "LongitudinalTemporalInformationModified is MODIFIED or REMOVED, because such "
        "dates may be shifted; --dates overrides this",
        "C.7.1.1, C.7.3.1, C.7.6.1, C.12.1",
    ),
    Rule(
        "InstanceCreatorUID",
        drop,
        "removed, because the named device did not make this image",
        "C.12.1",
    ),
    Rule(
        "ImageType",
        identity.always(identity.image_type),
        "DERIVED is the first value; the others stay in their places (the third is "
        "empty in DX); RESAMPLED comes after them, fourth or later",
        "C.7.6.1.1.2, C.8.11.3.1.1",
    ),
    # --- origin
    Rule(
        "DerivationDescription",
        identity.always(words.derivation_description),
        "scale, model, hash of the weights and achieved consistency are appended to "
        "the source's text",
        "C.12.4.1.1",
    ),
    Rule(
        "DerivationCodeSequence",
        provenance.add_derivation_codes,
        "113085 DCM Spatial resampling is appended; for a network also SUPERRES "
        "99CXRSR, because the standard has no code for super-resolution",
        "C.12.4, PS3.16 CID 7203",
    ),
    Rule(
        "CodingSchemeIdentificationSequence",
        provenance.identify_coding_scheme,
        "names 99CXRSR if the header uses this scheme",
        "C.12.1, PS3.16 8",
    ),
    Rule(
        "SourceImageSequence",
        provenance.add_source_image,
        "the source is appended (121322 DCM), with SpatialLocationsPreserved NO; not "
        "if its UID is missing or invalid",
        "C.12.4, PS3.16 CID 7202",
    ),
    Rule(
        "ReferencedSeriesSequence",
        provenance.add_source_series,
        "the source is listed under its series",
        "C.12.2",
    ),
    Rule(
        "Manufacturer InstitutionName InstitutionAddress StationName "
        "InstitutionalDepartmentName InstitutionalDepartmentTypeCodeSequence "
        "ManufacturerModelName ManufacturerDeviceClassUID DeviceSerialNumber "
        "SoftwareVersions UDISequence DeviceUID DateOfLastCalibration "
        "TimeOfLastCalibration DateOfManufacture DateOfInstallation",
        provenance.move_equipment,
        "moved into an item of ContributingEquipmentSequence (109101 DCM Acquisition "
        "Equipment; 109102 DCM Processing Equipment if the source was itself "
        "derived); Manufacturer, ManufacturerModelName, SoftwareVersions and "
        "DeviceUID then name cxr-sr, the model, the version and the weights. All stay "
        "where they are with --equipment keep",
        "C.7.5.1, C.12.1.1.5",
    ),
    Rule(
        "ContributingEquipmentSequence",
        provenance.add_own_equipment,
        "an item for cxr-sr and the model is appended (109102 DCM Processing "
        "Equipment); it states the time only if the dates above are those of the run",
        "C.12.1.1.5",
    ),
    Rule(
        "ContentQualification",
        identity.always(lambda _: "RESEARCH"),
        "RESEARCH, always",
        "C.8.13.2.1.1",
    ),
    Rule(
        "SyntheticData",
        provenance.declare_synthetic,
        "YES for a trained network, unless --synthetic-data no; unchanged for an "
        "interpolator",
        "C.12.1",
    ),
    # --- pixels
    Rule("Rows Columns", pixels.set_size, "the new size", "C.7.6.3.1"),
    Rule(
        "SmallestImagePixelValue LargestImagePixelValue",
        pixels.update_extremes,
        "computed again if the source states them",
        "C.7.6.3.1",
    ),
    Rule(
        "PixelPaddingValue PixelPaddingRangeLimit",
        pixels.drop_lost_padding,
        "kept, because padding pixels are kept; removed if other pixels have the value",
        "C.7.5.1.1.2",
    ),
    # --- geometry
    Rule(
        "PixelSpacing ImagerPixelSpacing NominalScannedPixelSpacing DetectorBinning",
        geometry.divide_pair,
        "divided by the factors (a binning below 1 is legal); removed if zero, "
        "negative or unreadable",
        "10.7.1.1, 10.7.1.3, C.8.6.2, C.8.11.4.1.1",
    ),
    Rule(
        "SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence",
        geometry.divide_in_groups,
        "PixelSpacing in PixelMeasuresSequence is divided by the factors",
        "C.7.6.16.2.1",
    ),
    Rule(
        "PixelSpacingCalibrationType PixelSpacingCalibrationDescription",
        geometry.drop_lost_calibration,
        "kept; removed if PixelSpacing is invalid and thus removed",
        "10.7.1.1",
    ),
    Rule(
        "PixelAspectRatio",
        geometry.adjust_aspect,
        "kept, unless rows and columns grew by different factors",
        "C.7.6.3.1.7",
    ),
    Rule(
        "CollimatorLeftVerticalEdge CollimatorUpperHorizontalEdge "
        "ShutterLeftVerticalEdge ShutterUpperHorizontalEdge",
        geometry.move_near_edge,
        'c becomes s c, rounded (s: factor); "beyond the image" keeps its meaning',
        "C.8.7.3.1.1, C.7.6.11",
    ),
    Rule(
        "CollimatorRightVerticalEdge CollimatorLowerHorizontalEdge "
        "ShutterRightVerticalEdge ShutterLowerHorizontalEdge",
        geometry.move_far_edge,
        'c becomes s (c - 1) + 1, rounded; "beyond the image" keeps its meaning',
        "C.8.7.3.1.1, C.7.6.11",
    ),
    Rule(
        "CenterOfCircularCollimator VerticesOfThePolygonalCollimator "
        "CenterOfCircularShutter VerticesOfThePolygonalShutter",
        geometry.move_points,
        'c becomes s (c - 0.5) + 0.5, rounded; "beyond the image" keeps its meaning',
        "C.8.7.3, C.7.6.11",
    ),
    Rule(
        "RadiusOfCircularCollimator RadiusOfCircularShutter",
        geometry.scale_radius,
        "multiplied by the factor of the columns",
        "C.8.7.3, C.7.6.11",
    ),
    Rule(
        "ImagePositionPatient",
        geometry.shift_position,
        "moved to the centre of the new first pixel",
        "C.7.6.2.1.1",
    ),
    Rule(
        "(60xx,eeee)",
        overlays.scale_overlays,
        "the bits are repeated; OverlayRows, OverlayColumns, OverlayOrigin and ROIArea "
        "are scaled; ROIMean and ROIStandardDeviation are removed; planes in unused "
        "bits of the pixels (retired) are unpacked to OverlayData; planes of several "
        "frames, or with too little data, are removed",
        "C.9.2",
    ),
    # --- elements that a result must not have
    Rule(
        "(odd,eeee)",
        pixels.drop_private,
        "removed at every depth, unless --private keep: they may hold coordinates, "
        "LUTs or names",
        "our choice",
    ),
    Rule(
        "(50xx,eeee)",
        overlays.drop_curves,
        "removed: they are retired, and their positions are in pixels of the source",
        "PS3.3-2004 C.10.2",
    ),
    Rule(
        "SmallestPixelValueInSeries LargestPixelValueInSeries "
        "SmallestImagePixelValueInPlane LargestImagePixelValueInPlane "
        "HistogramSequence IconImageSequence",
        pixels.drop_everywhere,
        "removed at every depth: they were computed from other pixels",
        "C.7.3.1, C.11.5, C.7.6.1.1.6",
    ),
    Rule(
        "ReferencedPerformedProcedureStepSequence PerformedProcedureStepID",
        drop,
        "removed: they name the procedure step of the source's series",
        "10.13, C.7.3.1",
    ),
    Rule(
        "DigitalSignaturesSequence MACParametersSequence",
        drop,
        "removed: the signed elements have changed",
        "C.12.1.1.3",
    ),
    Rule(
        "AlternateRepresentationSequence StorageMediaFileSetUID DataSetTrailingPadding",
        drop,
        "removed: they describe the source's file",
        "PS3.10 7.2",
    ),
    Rule(
        "(gggg,0000)",
        pixels.drop_group_lengths,
        "removed: they are retired, and the lengths have changed",
        "PS3.5 7.2",
    ),
    Rule(
        "PixelData FloatPixelData DoubleFloatPixelData PixelDataProviderURL "
        "ExtendedOffsetTable ExtendedOffsetTableLengths",
        pixels.drop_everywhere,
        "removed at every depth; then the new pixels are added, with the source's bits "
        "and photometric interpretation, never inverted and never windowed",
        "C.7.6.3.1",
    ),
    *KEPT,
)
