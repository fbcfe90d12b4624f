"""What a scanner makes of a brain: contrast, gain, bias and noise, a little different at every site and scan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.simulation.anatomy import Volume
from dawson.simulation.streams import stream

Contrast = Literal["T1w", "FLAIR"]

WHITE = 250.0
"""Signal of white matter at gain 1."""


@dataclass(frozen=True)
class Signals:
    """Signals relative to white matter; `lesion` is the brightest lesion, `detail` weighs the template's detail."""

    csf: float
    gm: float
    lesion: float
    detail: float
    wm: float = 1.0


@dataclass(frozen=True)
class ScannerState:
    """One scanner on one day.

    Parameters
    ----------
    signals : dict of str to Signals
        For T1w and FLAIR.
    gain : dict of str to float
    noise : float
        Standard deviation relative to white matter.
    bias : float
        Standard deviation of the logarithm of the coil's sensitivity.
    """

    signals: dict[Contrast, Signals]
    gain: dict[Contrast, float]
    noise: float
    bias: float


_SIGNALS: dict[Contrast, Signals] = {
    "T1w": Signals(csf=0.28, gm=0.70, lesion=0.85, detail=0.7),
    "FLAIR": Signals(csf=0.28, gm=1.16, lesion=2.4, detail=-0.4),
}


def draw_scanner(site: str, seed: int, participant_id: str, session_id: str) -> ScannerState:
    """The scanner of a site as it is at one scan; a site is the same for everyone in a cohort."""
    place = stream(seed, "site", site)
    day = stream(seed, participant_id, session_id, "scanner")
    signals: dict[Contrast, Signals] = {}
    gain: dict[Contrast, float] = {}
    for contrast, usual in _SIGNALS.items():
        away = place.normal(0, 0.03, 3) + day.normal(0, 0.02, 3)
        signals[contrast] = replace(
            usual,
            csf=usual.csf + float(away[0]),
            gm=usual.gm + float(away[1]),
            lesion=usual.lesion + 3 * float(away[2]),
        )
        gain[contrast] = float(np.exp(place.normal(0, 0.15) + day.normal(0, 0.1)))
    return ScannerState(signals, gain, float(place.uniform(0.02, 0.035) * day.uniform(0.8, 1.25)), float(place.uniform(0.7, 1.3)))


def add_scanner(
    signal: Volume,
    inside: np.ndarray,
    state: ScannerState,
    contrast: Contrast,
    rng: np.random.Generator,
    bias_sd: float,
) -> NDArray[np.int16]:
    """Gain, coil bias and Rician noise (Gudbjartsson & Patz 1995).

    Parameters
    ----------
    signal : ndarray (x, y, z)
        Relative to white matter.
    inside : ndarray of bool (x, y, z)
        Where the image is kept; the rest is 0.
    state : ScannerState
    contrast : {"T1w", "FLAIR"}
    rng : Generator
    bias_sd : float
        Standard deviation of the logarithm of the bias at a usual coil.

    Returns
    -------
    ndarray of int16 (x, y, z)
    """
    values = signal[inside] * _bias(rng, signal.shape, bias_sd * state.bias)[inside]
    real, imaginary = (rng.standard_normal(values.size, dtype=np.float32) * np.float32(state.noise) for _ in range(2))
    image = np.zeros(signal.shape, dtype=np.int16)
    image[inside] = np.rint(np.hypot(values + real, imaginary) * (WHITE * state.gain[contrast]))
    return image


def _bias(rng: np.random.Generator, shape: tuple[int, ...], sd: float) -> Volume:
    """Smooth field around 1, from a few control points over the volume."""
    import torch

    control = ndimage.gaussian_filter(rng.standard_normal((6, 6, 6)), 1.0, mode="nearest")
    control = (control - control.mean()) / control.std() * sd
    field = torch.from_numpy(np.exp(control).astype(np.float32))[None, None]
    return np.asarray(torch.nn.functional.interpolate(field, size=tuple(shape), mode="trilinear", align_corners=True)[0, 0].numpy())
