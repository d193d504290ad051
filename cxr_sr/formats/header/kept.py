"""List attributes that stay, although a reader may expect a change.

They are the end of the table of rules.
"""

from __future__ import annotations

from cxr_sr.formats.header.change import Rule, keep

KEPT: tuple[Rule, ...] = (
    Rule(
        "PresentationIntentType PatientID AccessionNumber FrameOfReferenceUID "
        "InstanceNumber AcquisitionDate AcquisitionTime AcquisitionUID "
        "IrradiationEventUID ExposureIndex",
        keep,
        "kept: the result shows the same study and exposure, and nobody must count the "
        "exposure twice",
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
        "kept: the loss stays in the pixels",
        "C.7.6.1.1.5",
    ),
    Rule(
        "FieldOfViewDimensions FieldOfViewOrigin DetectorElementSpacing "
        "DetectorElementPhysicalSize DetectorActiveDimensions SpatialResolution "
        "EstimatedRadiographicMagnificationFactor",
        keep,
        "kept: they are in millimetres, or describe the detector and not the image",
        "C.8.11.4, C.8.11.4.1.1",
    ),
    Rule(
        "BurnedInAnnotation RecognizableVisualFeatures QualityControlImage",
        keep,
        "kept: a YES is never changed to NO",
        "C.7.6.1",
    ),
)
