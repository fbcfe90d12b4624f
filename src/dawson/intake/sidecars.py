"""The JSON beside an image: only fields that cannot name a person, a place or a day."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Sequence and geometry, by dcm2niix's names. What is not here does not come into the study, whatever it holds.
_NUMBERS = """
MagneticFieldStrength ImagingFrequency SliceThickness SpacingBetweenSlices EchoTime EchoTime1 EchoTime2 RepetitionTime
RepetitionTimeExcitation RepetitionTimeInversion RepetitionTimePreparation InversionTime FlipAngle EchoNumber EchoTrainLength
NumberOfAverages PercentPhaseFOV PercentSampling PhaseEncodingSteps PixelBandwidth BandwidthPerPixelPhaseEncode DwellTime
AcquisitionMatrixPE ReconMatrixPE BaseResolution PartialFourier PartialFourierDirection ParallelReductionFactorInPlane
ParallelReductionFactorOutOfPlane ParallelReductionFactor EffectiveEchoSpacing TotalReadoutTime AcquisitionDuration SAR
NumberOfTemporalPositions NonlinearGradientCorrection RawImage MTState SpoilingState ImageOrientationPatientDICOM
PhilipsRescaleSlope PhilipsRescaleIntercept PhilipsScaleSlope UsePhilipsFloatNotDisplayScaling EchoSpacing FieldOfViewMM
AcquisitionVoxelSize MatrixCoilMode WaterFatShift SliceTiming ShimSetting TxRefAmp RefLinesPE PhaseResolution PhaseOversampling
"""
_WORDS = """
Modality Manufacturer ManufacturersModelName BodyPartExamined PatientPosition MRAcquisitionType ScanningSequence SequenceVariant
ScanOptions ImageType PhaseEncodingDirection PhaseEncodingAxis InPlanePhaseEncodingDirectionDICOM ParallelAcquisitionTechnique
ConversionSoftware ConversionSoftwareVersion PulseSequenceType MTPulseShape DeidentificationMethod
"""
_CODES = "DeidentificationMethodCodeSequence"
_CODE_FIELDS = ("CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning")
_WORD = re.compile(r"^[A-Za-z0-9 _.,+\-/()\\]{1,80}$")
# A word of digits alone could be a date or a number of a person or a device.
_NUMBERISH = re.compile(r"\d{5,}|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}")


@dataclass(frozen=True)
class Sidecar:
    """A sidecar as it comes into the study.

    Parameters
    ----------
    content : dict
    dropped : tuple of str
        Names of the fields that were left out; their values are not kept anywhere.
    """

    content: dict[str, Any]
    dropped: tuple[str, ...]


def clean_sidecar(content: Mapping[str, Any]) -> Sidecar:
    """Keep what is on the list and is of the kind that the list says.

    Parameters
    ----------
    content : mapping
        What dcm2niix wrote.
    """
    kept: dict[str, Any] = {}
    dropped = []
    for name, value in content.items():
        if (name in _NUMBERS.split() and _is_number(value)) or (
            name in _WORDS.split() and _is_word(value, versions=name.startswith(("ConversionSoftware", "Deidentification")))
        ):
            kept[name] = value
        elif name == _CODES and (codes := _codes(value)):
            kept[name] = codes
        else:
            dropped.append(str(name))
    return Sidecar(kept, tuple(sorted(dropped)))


def _is_number(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= 4096 and all(_is_number(item) and not isinstance(item, list) for item in value)
    return isinstance(value, bool) or (isinstance(value, int | float) and math.isfinite(value))


def _is_word(value: Any, versions: bool = False) -> bool:
    if isinstance(value, list):
        return len(value) <= 32 and all(isinstance(item, str) and _is_word(item, versions) for item in value)
    return isinstance(value, str) and bool(_WORD.match(value)) and (versions or not _NUMBERISH.search(value))


def _codes(value: Any) -> list[dict[str, str]]:
    """Coded methods of de-identification: the four parts of a code, nothing else."""
    items = value if isinstance(value, list) else [value]
    found = []
    for item in items[:32]:
        if isinstance(item, Mapping):
            code = {name: item[name] for name in _CODE_FIELDS if name in item and _is_word(item[name], versions=True)}
            if code:
                found.append(code)
    return found
