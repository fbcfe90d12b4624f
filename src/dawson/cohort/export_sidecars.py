"""What of a sidecar leaves a study: fields on a list, each with values of its own kind; everything else stays, whatever it is called."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from dawson.cohort.clinical_identity import identifying_content, identifying_header

# Numbers of MRI metadata, by their BIDS names and those of dcm2niix.
_NUMBERS_LISTED = """
MagneticFieldStrength ImagingFrequency SliceThickness SpacingBetweenSlices EchoTime EchoTime1 EchoTime2 RepetitionTime
RepetitionTimeExcitation RepetitionTimeInversion RepetitionTimePreparation InversionTime FlipAngle EchoNumber EchoTrainLength
NumberOfAverages NumberShots PercentPhaseFOV PercentSampling PhaseEncodingSteps PixelBandwidth BandwidthPerPixelPhaseEncode DwellTime
AcquisitionMatrixPE ReconMatrixPE BaseResolution PartialFourier ParallelReductionFactorInPlane ParallelReductionFactorOutOfPlane
ParallelReductionFactor MultibandAccelerationFactor EffectiveEchoSpacing TotalReadoutTime AcquisitionDuration SAR
NumberOfTemporalPositions NonlinearGradientCorrection RawImage MTState MTFlipAngle MTPulseDuration MTOffsetFrequency SpoilingState
SpoilingRFPhaseIncrement ImageOrientationPatientDICOM PhilipsRescaleSlope PhilipsRescaleIntercept PhilipsScaleSlope
UsePhilipsFloatNotDisplayScaling EchoSpacing FieldOfViewMM AcquisitionVoxelSize WaterFatShift SliceTiming PhaseResolution
PhaseOversampling Defaced SkullStripped SimulatedData Seconds StepVersion Version Resolution Density
"""
# Words of a machine in capitals, such as SE, IR or ORIGINAL.
_CODES_LISTED = """
Modality BodyPartExamined PatientPosition MRAcquisitionType ScanningSequence SequenceVariant ScanOptions ImageType
InPlanePhaseEncodingDirectionDICOM PhaseEncodingDirection PhaseEncodingAxis SliceEncodingDirection PartialFourierDirection
RecognizableVisualFeatures ParallelAcquisitionTechnique
"""
_WORDS_LISTED = """
Manufacturer ManufacturersModelName SoftwareVersions PulseSequenceType SequenceName MTPulseShape MatrixCoilMode ConversionSoftware
ConversionSoftwareVersion DeidentificationMethod Type Label Space SimulatedScanner Units Software Version
"""
_NUMBERS, _CODES, _WORDS = (frozenset(listed.split()) for listed in (_NUMBERS_LISTED, _CODES_LISTED, _WORDS_LISTED))
# Provenance that Dawson writes: numbers and words by names of its own.
_RECORDS = frozenset(("Parameters", "Figures", "LabelMap", "measures", "SimulatedArtefacts"))
_OF_THE_SCANNER = frozenset(("Manufacturer", "ManufacturersModelName", "SoftwareVersions", "ImagingFrequency", "MatrixCoilMode"))
_SOURCES = frozenset(("Sources", "SpatialReference"))
_DIGESTS = frozenset(("SourceSHA256", "OutputSHA256"))
_IDENTIFIERS = frozenset(("participant_id", "session_id"))
_METHOD_CODES = "DeidentificationMethodCodeSequence"
_CODE_FIELDS = frozenset(("CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning"))
_PHRASES = frozenset(("Step", "interpolation", "normalisation", "axes"))

_CODE = re.compile(
    r"^[A-Z0-9_\-+]{1,32}(\\[A-Z0-9_\-+]{1,32})*$|^[ijkxyz]-?$|^(ROW|COL|COLUMN|SENSE|GRAPPA|ASSET|ARC|ASL|mSENSE|Slice|Phase|Combination|none)$"
)
_WORD = re.compile(r"^[A-Za-z0-9 _.,+*&\-()]{1,80}$")
_VERSION = re.compile(r"^v?\d{1,4}(\.\d{1,8}){1,4}[a-z]?$")
_TOKEN = re.compile(r"^[A-Za-z0-9_.+\-]{1,64}$")
# Words of a sentence; none that begins with a capital as a name does.
_PHRASE = re.compile(r"^(?!.*\b[A-Z][a-z]{2,})[A-Za-z0-9\-,()' ]{1,80}$")
_NAME = re.compile(r"^[A-Za-z0-9_]{1,64}$")
_DIGEST = re.compile(r"^[0-9a-f]{64}$")
_LONG_NUMBER = re.compile(r"\d{5,}")
_DATE = re.compile(
    r"(?<!\d)(19|20)\d\d[-./_ ]?(0?[1-9]|1[0-2])[-./_ ]?([0-2]?\d|3[01])(?!\d)|(?<!\d)\d{1,2}[-./]\d{1,2}[-./](19|20)\d\d(?!\d)"
)
_SOURCE = re.compile(
    r"^(?:bids:[A-Za-z0-9]*:)?(?:(?:(?:sub|ses)-[A-Za-z0-9]+|anat|derivatives|dawson)/)*(?:sub|tpl)-[A-Za-z0-9]+[\w.+\-]*$"
)
_PATH = re.compile(r"(?<![\w:/.])(?:~?/|[A-Za-z]:[\\/]|\\\\|file:/*)[^\s,;'\"<>]*[\w.]")
_FIELD = re.compile(r"^[A-Za-z][A-Za-z0-9]{1,39}$")


def clean_sidecar(content: Any, site_names: Mapping[str, str] | None = None, *, hide_sites: bool = False) -> dict[str, Any]:
    """The fields of a sidecar that leave: those on the list, with a value of the kind that belongs there.

    Parameters
    ----------
    content : JSON value
    site_names : mapping of str to str, optional
        Texts that are replaced by another.
    hide_sites : bool
        Leave out what tells one scanner from another, but for the field strength.

    Returns
    -------
    dict
        Empty where the content is no JSON object.

    Examples
    --------
    >>> clean_sidecar({"EchoTime": 0.1, "Notes": "Jane Novak", "Sources": ["/home/x/sub-01_T1w.nii"]})
    {'EchoTime': 0.1, 'Sources': ['sub-01_T1w.nii']}
    """
    return sifted(content, site_names, hide_sites=hide_sites)[0]


def sifted(content: Any, site_names: Mapping[str, str] | None = None, *, hide_sites: bool = False) -> tuple[dict[str, Any], list[str]]:
    """As `clean_sidecar`, with the names of the fields that stay, wholly or in part."""
    kept: dict[str, Any] = {}
    stays: list[str] = []
    for name, value in content.items() if isinstance(content, Mapping) else ():
        shown = (site_names or {}).get(value, value) if isinstance(value, str) else value
        left = None if hide_sites and name in _OF_THE_SCANNER else _kept(name, shown)
        if left is not None:
            kept[name] = left
        if left != shown and not (name in _SOURCES and left):
            stays.append(name)
    return kept, stays


def field_names(stays: list[str]) -> str:
    """Fields by name for a text that leaves itself; a name that is no plain word is counted only."""
    plain = sorted({name for name in stays if _FIELD.match(name) and not _LONG_NUMBER.search(name)})
    others = len(set(stays) - set(plain))
    return ", ".join([*plain, *([f"{others} other{'s' * (others != 1)}"] if others else [])])


def without_paths(content: Any) -> Any:
    """Text of a dataset's own description without paths of this machine, e-mail addresses, and names written SURNAME, Forename.

    Examples
    --------
    >>> without_paths(["made in /home/doe/study by us", "see https://example.org/a"])
    ['made in [path] by us', 'see https://example.org/a']
    """
    if isinstance(content, dict):
        return {name: without_paths(value) for name, value in content.items()}
    if isinstance(content, list):
        return [without_paths(value) for value in content]
    if not isinstance(content, str):
        return content
    return "" if identifying_content(content) in ("an e-mail address", "a name (SURNAME, Forename)") else _PATH.sub("[path]", content)


def _kept(name: str, value: Any) -> Any:
    """What leaves of a field; None where nothing does."""
    if name in _NUMBERS and _is_number(value):
        return value
    if name in _CODES:
        return value if _all_texts(value, lambda text: bool(_CODE.match(text)) and not _LONG_NUMBER.search(text)) else None
    if name in _WORDS:
        # A version may hold the day on which the program was made.
        versions = name == "ConversionSoftwareVersion"
        fits = _all_texts(value, lambda text: bool(_WORD.match(text)) and (_is_harmless(text) or (versions and bool(_VERSION.match(text)))))
        return value if fits else None
    if name in _IDENTIFIERS:
        return value if isinstance(value, str) and re.fullmatch(r"((sub|ses)-[A-Za-z0-9]+)?", value) else None
    special: dict[str, Callable[[Any], Any]] = {
        **dict.fromkeys(_SOURCES, _sources),
        **dict.fromkeys(_DIGESTS, _digests),
        **dict.fromkeys(_RECORDS, _record),
        _METHOD_CODES: _method_codes,
        "GeneratedBy": _makers,
    }
    return special[name](value) if name in special else None


def _is_number(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= 4096 and all(_is_number(item) and not isinstance(item, list) for item in value)
    return isinstance(value, bool) or (isinstance(value, int | float) and math.isfinite(value))


def _all_texts(value: Any, fits: Callable[[str], bool]) -> bool:
    items = value if isinstance(value, list) else [value]
    return 0 < len(items) <= 64 and all(isinstance(item, str) and fits(item) for item in items)


def _is_harmless(text: str) -> bool:
    return not _DATE.search(text) and not re.search(r"\d{7,}", text) and not identifying_content(text)


def _sources(value: Any) -> Any:
    """Names of BIDS files; of a path the last part."""
    if isinstance(value, str):
        return _source(value)
    found = [_source(item) for item in value if isinstance(item, str)] if isinstance(value, list) else []
    return [item for item in found if item] or None


def _source(text: str) -> str | None:
    last = re.split(r"[\\/]", text)[-1]
    return next((form for form in (text, last) if _SOURCE.match(form)), None)


def _digests(value: Any) -> dict[str, str] | None:
    items = value.items() if isinstance(value, Mapping) else ()
    named = {_source(str(name)): digest for name, digest in items if isinstance(digest, str) and _DIGEST.match(digest)}
    return {name: digest for name, digest in named.items() if name} or None


def _record(value: Any) -> Any:
    """Numbers and single words by name; lists and records of such."""
    if value is None or _is_number(value):
        return value
    if isinstance(value, str):
        return value if _TOKEN.match(value) and not _LONG_NUMBER.search(value) and not _DATE.search(value) else None
    if isinstance(value, list):
        items = [_record(item) for item in value]
        return None if any(item is None for item in items) else items
    if not isinstance(value, Mapping):
        return None
    found = {}
    for name, item in value.items():
        phrase = isinstance(item, str) and (name in _PHRASES or name.isdecimal()) and _PHRASE.match(item) and _is_harmless(item)
        shown = item if phrase else _record(item)
        if shown is not None and _NAME.match(name) and not identifying_header(name):
            found[name] = shown
    return found


def _method_codes(value: Any) -> list[dict[str, str]] | None:
    """Coded methods of de-identification: the four parts of a code, nothing else."""
    items = value if isinstance(value, list) else [value]
    codes = [
        {name: text for name, text in item.items() if name in _CODE_FIELDS and isinstance(text, str) and _WORD.match(text)}
        for item in items[:32]
        if isinstance(item, Mapping)
    ]
    return [code for code in codes if code] or None


def _makers(value: Any) -> list[dict[str, str]] | None:
    items = value if isinstance(value, list) else []
    makers = [
        {name: item[name] for name in ("Name", "Version") if isinstance(item.get(name), str) and _WORD.match(item[name])}
        for item in items
        if isinstance(item, Mapping)
    ]
    return [maker for maker in makers if maker.get("Name")] or None
