"""List attributes that stay although a reader may expect a change; the table's end."""

from __future__ import annotations

from cxr_sr.formats.header.change import Rule, keep

KEPT: tuple[Rule, ...] = (
    Rule(
        "PresentationIntentType PatientID AccessionNumber FrameOfReferenceUID "
        "InstanceNumber AcquisitionDate AcquisitionTime AcquisitionUID "
        "IrradiationEventUID ExposureIndex",
        keep,
        "kept: the image is of the same kind, study and exposure; the exposure must "
        "not count twice",
        "our choice",
    ),
    Rule(
        "PerformedProcedureStepDescription PerformedProcedureTypeDescription "
        "PerformedProtocolCodeSequence PerformedProcedureStepStartDate "
        "PerformedProcedureStepStartTime PerformedProcedureStepEndDate "
        "PerformedProcedureStepEndTime CommentsOnThePerformedProcedureStep",
        keep,
        "kept: they describe the exposure",
        "10.13",
    ),
    Rule(
        "BitsAllocated BitsStored PhotometricInterpretation WindowCenter WindowWidth "
        "VOILUTSequence ModalityLUTSequence RescaleIntercept RescaleSlope "
        "PresentationLUTShape PixelIntensityRelationship",
        keep,
        "kept: stored values have the same meaning",
        "C.11.1, C.11.2",
    ),
    Rule(
        "LossyImageCompression LossyImageCompressionRatio LossyImageCompressionMethod",
        keep,
        "kept: once lossy, always lossy",
        "C.7.6.1.1.5",
    ),
    Rule(
        "FieldOfViewDimensions FieldOfViewOrigin DetectorElementSpacing "
        "DetectorElementPhysicalSize DetectorActiveDimensions SpatialResolution "
        "EstimatedRadiographicMagnificationFactor",
        keep,
        "kept: in millimetres, or of the detector and not of the image",
        "C.8.11.4, C.8.11.4.1.1",
    ),
    Rule(
        "BurnedInAnnotation RecognizableVisualFeatures QualityControlImage",
        keep,
        "kept: never turned into NO",
        "C.7.6.1",
    ),
)
