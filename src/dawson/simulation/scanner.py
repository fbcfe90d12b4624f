"""What a scanner makes of tissues: signals by the physics of its sequences, and how good it is on a day.

Everything is in `scanners.toml`: relaxation times of tissues with their sources, and the named sites.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dawson.errors import ConfigError
from dawson.simulation.streams import stream

Contrast = Literal["T1w", "FLAIR"]
CONTRASTS: tuple[Contrast, ...] = ("T1w", "FLAIR")

# Axes of the images: phase encoding (motion and ghosts go along it), readout (distortion), and the plane of k-space.
PHASE_AXIS: dict[Contrast, int] = {"T1w": 1, "FLAIR": 0}
READOUT_AXIS: dict[Contrast, int] = {"T1w": 2, "FLAIR": 1}
SLICE_PLANE: dict[Contrast, tuple[int, int]] = {"T1w": (1, 2), "FLAIR": (0, 1)}

WHITE = 250.0
"""Signal of white matter at gain 1."""

# How people's tissues and a day's flip angle differ from the usual, as standard deviations of a factor.
_PEOPLE = 0.012
_FLIP = 0.03


@dataclass(frozen=True)
class Tissue:
    """What a scanner sees of a tissue: T1, T2 and T2* in ms, proton density relative to water, and who measured them."""

    t1: float
    t2: float
    t2_star: float
    pd: float
    source: str = ""


@dataclass(frozen=True)
class Protocol:
    """A sequence and its settings.

    Parameters
    ----------
    sequence : {"FLAIR", "MPRAGE", "SPGR"}
    tr, te, ti : float
        Repetition, echo and inversion time, ms.
    flip : float
        Degrees.
    echo_spacing : float
        Time between two pulses of an MPRAGE train, ms.
    pulses : int
        Of an MPRAGE train.
    voxel : tuple of float
        mm; slices last.
    fat : float
        Share of the signal of fat that the sequence leaves.
    """

    sequence: str
    tr: float
    te: float
    ti: float = 0.0
    flip: float = 90.0
    echo_spacing: float = 0.0
    pulses: int = 0
    voxel: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fat: float = 1.0


@dataclass(frozen=True)
class Occasional:
    """A fault that some scans have: their share, and how bad it is in them."""

    share: float
    severity: float


@dataclass(frozen=True)
class Site:
    """A named scanner with all its habits; the fields are explained in `scanners.toml`."""

    name: str
    title: str
    field_tesla: float
    gain: float
    noise: float
    bias: float
    distortion: float
    gibbs: float
    cropped: float
    motion: Occasional
    ghosting: Occasional
    t1w: Protocol
    flair: Protocol

    def protocol(self, contrast: Contrast) -> Protocol:
        """The site's sequence for a contrast."""
        return self.t1w if contrast == "T1w" else self.flair


@dataclass(frozen=True)
class Signals:
    """Signals relative to white matter; `lesion` is the brightest lesion, `detail` weighs the template's detail."""

    csf: float
    gm: float
    lesion: float
    detail: float
    deep_grey: float


@dataclass(frozen=True)
class ScannerState:
    """One scanner on one day with one person in it.

    Parameters
    ----------
    signals : dict of str to Signals
        For T1w and FLAIR.
    gain : dict of str to float
    artefacts : dict of str to float
        Severity of every fault of every image, such as ``T1w_motion`` (mm and degrees) or ``FLAIR_ghosting`` (relative to the
        image); 0 where there is none. Names and units are those of `scanners.toml`; ``partial_volume`` is the slice thickness, mm.
    site : str
    protocols : dict of str to Protocol
    head : dict of str to dict of str to float
        Signals of what surrounds the brain, relative to white matter.
    """

    signals: dict[Contrast, Signals]
    gain: dict[Contrast, float]
    artefacts: dict[str, float]
    site: str
    protocols: dict[Contrast, Protocol]
    head: dict[Contrast, dict[str, float]] = field(default_factory=dict)

    def severity(self, contrast: Contrast, fault: str) -> float:
        """How bad a fault is in one image."""
        return self.artefacts[f"{contrast}_{fault}"]


# What the template shows beyond its tissue maps is T1w contrast; on FLAIR it is seen weakly and the other way round.
_DETAIL: dict[Contrast, float] = {"T1w": 0.7, "FLAIR": -0.4}


def signal(tissue: Tissue, protocol: Protocol) -> float:
    """Signal of a tissue, on an arbitrary scale, as magnitude.

    Parameters
    ----------
    tissue : Tissue
    protocol : Protocol

    Notes
    -----
    FLAIR is an inversion-recovery spin echo, PD (1 - 2 exp(-TI/T1) + exp(-TR/T1)) exp(-TE/T2) (Bydder & Young, J Comput Assist
    Tomogr 1985; Hajnal et al., J Comput Assist Tomogr 1992); TE is the effective echo time of the train.
    SPGR is a spoiled gradient echo, PD sin a (1 - E1) / (1 - E1 cos a) exp(-TE/T2*) with E1 = exp(-TR/T1) (Ernst & Anderson, Rev
    Sci Instrum 1966). MPRAGE is a train of such pulses after an inversion, in the steady state over the trains, read at its middle
    (Mugler & Brookeman, Magn Reson Med 1990; Wang et al., PLoS One 2014, e96899).

    Raises
    ------
    ConfigError
        A sequence that is none of these.
    """
    angle = np.deg2rad(protocol.flip)
    if protocol.sequence == "FLAIR":
        recovered = 1 - 2 * np.exp(-protocol.ti / tissue.t1) + np.exp(-protocol.tr / tissue.t1)
        return float(abs(tissue.pd * recovered * np.exp(-protocol.te / tissue.t2)))
    if protocol.sequence == "SPGR":
        e1 = np.exp(-protocol.tr / tissue.t1)
        readout = (1 - e1) / (1 - e1 * np.cos(angle))
    elif protocol.sequence == "MPRAGE":
        readout = _mprage(tissue.t1, protocol)
    else:
        raise ConfigError(f"The sequence {protocol.sequence!r} in scanners.toml is not known.", "Give FLAIR, MPRAGE or SPGR.")
    return float(abs(tissue.pd * np.sin(angle) * readout * np.exp(-protocol.te / tissue.t2_star)))


def _mprage(t1: float, protocol: Protocol) -> float:
    """Longitudinal magnetisation at the middle of the train, once trains repeat themselves."""
    step = np.exp(-protocol.echo_spacing / t1)
    kept = step * np.cos(np.deg2rad(protocol.flip))
    level = (1 - step) / (1 - kept)
    before = protocol.ti - protocol.pulses / 2 * protocol.echo_spacing
    after = protocol.tr - before - protocol.pulses * protocol.echo_spacing
    wait, rest = np.exp(-before / t1), np.exp(-after / t1)
    # With m at a train's end: start = 1 - (1 + m) wait; end = level + (start - level) kept^n; m = 1 - (1 - end) rest.
    whole = kept**protocol.pulses
    end = (1 - rest + rest * (level + (1 - wait - level) * whole)) / (1 + rest * wait * whole)
    start = 1 - (1 + end) * wait
    return float(level + (start - level) * kept ** (protocol.pulses / 2))


def relative_signals(tissues: dict[str, Tissue], protocol: Protocol) -> dict[str, float]:
    """Signal of every tissue, relative to white matter's."""
    white = signal(tissues["wm"], protocol)
    return {name: signal(tissue, protocol) / white * (protocol.fat if name == "fat" else 1.0) for name, tissue in tissues.items()}


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("scanners.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=4)
def tissues_at(field_tesla: float) -> dict[str, Tissue]:
    """Tissues at a field strength.

    Raises
    ------
    ConfigError
        `scanners.toml` does not hold this field.
    """
    known = _data()["tissues"]
    if f"{field_tesla:g}T" not in known:
        raise ConfigError(f"scanners.toml has no tissues at {field_tesla:g} T.", f"Known: {', '.join(known)}.")
    return {name: Tissue(**values) for name, values in known[f"{field_tesla:g}T"].items()}


def _site(name: str, values: dict[str, Any]) -> Site:
    protocols = {key: Protocol(**{**values[key], "voxel": tuple(values[key]["voxel"])}) for key in ("t1w", "flair")}
    faults = {key: Occasional(**values[key]) for key in ("motion", "ghosting")}
    return Site(name, **{**values, **protocols, **faults})


SITES: dict[str, Site] = {name: _site(name, values) for name, values in _data()["sites"].items()}


def site_named(name: str) -> Site:
    """The site of that name.

    Raises
    ------
    ConfigError
        There is none.
    """
    if name not in SITES:
        raise ConfigError(f"There is no simulated site {name!r}.", f"Choose from {', '.join(SITES)}.")
    return SITES[name]


def draw_scanner(site: str, seed: int, participant_id: str, session_id: str) -> ScannerState:
    """The scanner of a site as it is at one scan.

    Parameters
    ----------
    site : str
        A key of `SITES`.
    seed : int
        Of the cohort.
    participant_id, session_id : str

    Raises
    ------
    ConfigError
        There is no such site.
    """
    usual = site_named(site)
    person = stream(seed, participant_id, "relaxation times")
    day = stream(seed, participant_id, session_id, "scanner")
    tissues = {
        name: replace(
            tissue, t1=tissue.t1 * float(np.exp(person.normal(0, _PEOPLE))), t2=tissue.t2 * float(np.exp(person.normal(0, _PEOPLE)))
        )
        for name, tissue in tissues_at(usual.field_tesla).items()
    }
    signals: dict[Contrast, Signals] = {}
    head: dict[Contrast, dict[str, float]] = {}
    gain: dict[Contrast, float] = {}
    artefacts: dict[str, float] = {}
    for contrast in CONTRASTS:
        protocol = usual.protocol(contrast)
        seen = relative_signals(tissues, replace(protocol, flip=protocol.flip * float(np.exp(day.normal(0, _FLIP)))))
        signals[contrast] = Signals(
            csf=seen["csf"], gm=seen["gm"], lesion=seen["lesion"], detail=_DETAIL[contrast], deep_grey=seen["deep_grey"]
        )
        head[contrast] = seen
        gain[contrast] = usual.gain * float(np.exp(day.normal(0, 0.1)))
        severities = {
            "noise": usual.noise * float(day.uniform(0.8, 1.25)),
            "bias": usual.bias * float(day.uniform(0.8, 1.25)),
            "motion": _occasionally(usual.motion, day),
            "ghosting": _occasionally(usual.ghosting, day),
            "distortion": usual.distortion * float(day.uniform(0.8, 1.25)),
            "gibbs": usual.gibbs,
            "partial_volume": protocol.voxel[2],
            "cropped": usual.cropped * float(day.uniform(0.5, 1.5)),
        }
        artefacts |= {f"{contrast}_{fault}": round(severity, 4) for fault, severity in severities.items()}
    return ScannerState(signals, gain, artefacts, site, {name: usual.protocol(name) for name in CONTRASTS}, head)


def with_thickness(state: ScannerState, thickness_mm: float) -> ScannerState:
    """The same scanner with other FLAIR slices."""
    x, y, _ = state.protocols["FLAIR"].voxel
    protocols = {**state.protocols, "FLAIR": replace(state.protocols["FLAIR"], voxel=(x, y, thickness_mm))}
    return replace(state, protocols=protocols, artefacts={**state.artefacts, "FLAIR_partial_volume": thickness_mm})


def _occasionally(fault: Occasional, day: np.random.Generator) -> float:
    """Severity at one scan; two numbers are drawn whatever happens, so that sites stay comparable."""
    happens, spread = day.random(), float(day.uniform(0.6, 1.4))
    return fault.severity * spread if happens < fault.share else 0.0
