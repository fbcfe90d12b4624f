"""One person's brain: the template's tissues with their own texture and shape, ageing, and losing volume to disease."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawson.imaging.brain_regions import LABELS
from dawson.simulation.anatomy import COARSE, Atlas, Volume
from dawson.simulation.deformation import (
    Field,
    Warp,
    displacement_of,
    draw_shape,
    pull_back,
    rigid_displacement,
    share_volume,
    smooth_noise,
    upsample,
)
from dawson.simulation.lesions import Lesion, Painted, paint
from dawson.simulation.people import Person
from dawson.simulation.scanner import Contrast, ScannerState, Signals
from dawson.simulation.streams import stream

_REFERENCE_AGE = 40.0


@dataclass(frozen=True)
class Atrophy:
    """What disease has taken by one visit, beyond age.

    Parameters
    ----------
    ventricle_mm : float
        How far the walls of the lateral ventricles have moved out.
    third_mm : float
        The same for the third ventricle.
    deep_grey : float
        Volume of caudate, putamen, pallidum and thalamus, relative to what it would be.
    sulci : float
        Logarithm of the share of fluid in sulci, relative to what it would be.
    """

    ventricle_mm: float = 0.0
    third_mm: float = 0.0
    deep_grey: float = 1.0
    sulci: float = 0.0


@dataclass(frozen=True)
class Brain:
    """What all scans of a person have in common, in the template's box.

    Parameters
    ----------
    csf, gm, wm : ndarray of float32
        Share of each tissue, this person's at the first visit.
    normal : ndarray of float32
        Normal brightness of linings, caps and corticospinal tracts on FLAIR, relative to white matter.
    displacements_mm : tuple of ndarray (3, x, y, z)
        One for each visit, on the coarse grid: the person's shape, age and atrophy.
    sulci : tuple of float
        One for each visit: logarithm of the share of fluid in sulci, relative to the first.
    lesions : tuple of Lesion
        Those of all visits.
    """

    csf: Volume
    gm: Volume
    wm: Volume
    normal: Volume
    displacements_mm: tuple[Field, ...]
    sulci: tuple[float, ...]
    lesions: tuple[Lesion, ...]


@dataclass(frozen=True)
class Scene:
    """One visit's brain in the patient's shape, in the box.

    Parameters
    ----------
    images : dict of str to ndarray of float32
        Signal of T1w and FLAIR relative to white matter, without a scanner's faults.
    brain_mask : ndarray of bool
    instances : ndarray of int16
        Number of the lesion at each voxel, 0 where there is none.
    tissues : tuple of ndarray of float32
        CSF, grey and white matter; empty where not asked for.
    labels : ndarray of uint8 or None
        The label map, where asked for.
    """

    images: dict[Contrast, Volume]
    brain_mask: NDArray[np.bool_]
    instances: NDArray[np.int16]
    tissues: tuple[Volume, ...] = ()
    labels: NDArray[np.uint8] | None = None

    @property
    def lesion_mask(self) -> NDArray[np.bool_]:
        """Where there is any lesion."""
        return self.instances > 0


def ventricle_age_mm(age: float) -> float:
    """How far the walls of the lateral ventricles have moved out since 40 years of age.

    Ventricular fluid grows by 0.3 mL a year between 21 and 70 (Pfefferbaum et al., Arch Neurol 1994), which is 0.04 mm of wall
    on the template's ventricles; twice that from 60 on (acceleration: Carmichael et al., Neurobiol Aging 2007; the factor is ours).
    """
    return 0.04 * (age - _REFERENCE_AGE) + 0.04 * max(age - 60.0, 0.0)


def sulci_age(age: float) -> float:
    """Logarithm of the share of fluid in sulci, relative to 40 years of age.

    Cortical fluid grows by 0.6 mL a year between 21 and 70 (Pfefferbaum et al., Arch Neurol 1994), which is 0.01 here; sulci widen
    by about as much (17.3 % from 44-50 to 64-70 years: PATH study, Front Aging Neurosci 2018, 10:339).
    """
    return 0.01 * (age - _REFERENCE_AGE)


def make_brain(
    person: Person,
    brain: Atlas,
    seed: int,
    lesions: tuple[Lesion, ...] = (),
    atrophy: Sequence[Atrophy] = (),
) -> Brain:
    """Draw a person's brain.

    Parameters
    ----------
    person : Person
    brain : Atlas
    seed : int
        Of the cohort.
    lesions : tuple of Lesion
    atrophy : sequence of Atrophy
        One for each visit; none means no atrophy.

    Raises
    ------
    ValueError
        The number of atrophies is not that of the visits.
    """
    losses = tuple(atrophy) or (Atrophy(),) * len(person.visits)
    if len(losses) != len(person.visits):
        raise ValueError(f"{len(losses)} atrophies for {len(person.visits)} visits of {person.participant_id}")
    rng = stream(seed, person.participant_id, "anatomy")
    coarse = brain.outward.shape[1:]
    # Depth of sulci and thickness of cortex differ between people and along the brain.
    fluid, grey, patches = (smooth_noise(rng, coarse, sigma) for sigma in (1.5, 1.5, 1.2))
    ages = [visit.age for visit in person.visits]
    sulci = [sulci_age(age) + loss.sulci for age, loss in zip(ages, losses, strict=True)]
    factors = [np.exp(0.4 * fluid + sulci[0]), np.exp(0.25 * grey), np.clip(1 + 0.6 * patches, 0, None)]
    more_csf, more_gm, patchy = upsample(np.stack(factors).astype(np.float32))
    more_csf *= brain.csf
    more_gm *= brain.gm
    csf, gm, wm = _shares(brain, more_csf, more_gm, brain.wm)
    normal = normal_brightness(rng, brain, ages[0], patchy) * (1 - csf)
    # Ventricles differ between people by more than they do with age or disease.
    shape = draw_shape(rng, brain.outward) - np.float32(rng.normal(0.3, 0.9)) * brain.outward
    displacements = tuple(_displacement(shape, brain, age, loss) for age, loss in zip(ages, losses, strict=True))
    return Brain(csf, gm, wm, normal, displacements, tuple(value - sulci[0] for value in sulci), lesions)


def normal_brightness(rng: np.random.Generator, brain: Atlas, age: float, patchy: Volume) -> Volume:
    """What is bright on FLAIR in a brain without lesions, relative to white matter; linear lesions and tracts are mistaken for it.

    All of 40 normal brains had a bright line around third and fourth ventricle and a bright corticospinal tract, 90 % frontal caps and
    77 % occipital ones, half of them unlike left and right (fast FLAIR of the normal brain, Neuroradiology 39 (1997) 243). How bright
    they are is ours.

    Parameters
    ----------
    rng : Generator
    brain : Atlas
    age : float
        Years.
    patchy : ndarray of float32, the box's shape
        Factor on it all, around 1.
    """
    line = float(np.clip(rng.normal(0.18, 0.12) + 0.004 * (age - _REFERENCE_AGE), 0.05, 0.5))
    strengths = {"line": line, "tract": float(rng.uniform(0.04, 0.12))}
    for cap, share in (("frontal", 0.90), ("occipital", 0.77)):
        there, strength, uneven = rng.random() < share, rng.uniform(0.1, 0.4), rng.uniform(0.4, 1.0, 2)
        for side, part in zip(("left", "right"), uneven, strict=True):
            strengths[f"{side} {cap}"] = float(there * strength * part)
    normal = np.zeros_like(patchy)
    flat = normal.reshape(-1)
    for name, (indices, weights) in brain.normal_bright.items():
        # A line and a cap do not add up.
        flat[indices] = np.maximum(flat[indices], np.float32(strengths[name]) * weights)
    normal *= patchy
    return normal


def _shares(brain: Atlas, csf: Volume, gm: Volume, wm: Volume) -> tuple[Volume, Volume, Volume]:
    """Shares that add up to the brain; the first two are worked on in place."""
    scale = csf + gm
    scale += wm
    np.maximum(scale, np.float32(1e-6), out=scale)
    np.divide(brain.mask, scale, out=scale)
    csf *= scale
    gm *= scale
    scale *= wm
    return csf, gm, scale


def _displacement(shape: Field, brain: Atlas, age: float, loss: Atrophy) -> Field:
    """A person's shape at one visit."""
    lateral = ventricle_age_mm(age)
    # In proportion to its volume, the third ventricle widens as the lateral ones do.
    third = 0.6 * lateral
    healthy = shape - np.float32(lateral) * brain.outward - np.float32(third) * brain.outward_third
    velocity = healthy - np.float32(loss.ventricle_mm) * brain.outward - np.float32(loss.third_mm) * brain.outward_third
    if (loss.ventricle_mm, loss.third_mm, loss.deep_grey) != (0.0, 0.0, 1.0):
        # Widening ventricles press on the deep grey matter and the contraction leaks into what lies around it, so its strength
        # is found by trial: one step of the volume's logarithm, then another from where that led.
        target = np.log(loss.deep_grey * share_volume(brain.deep_grey_share, healthy))
        for _ in range(2):
            velocity = velocity - np.float32(target - np.log(share_volume(brain.deep_grey_share, velocity))) * brain.contraction
    return displacement_of(velocity)


def make_scene(
    person: Person,
    number: int,
    brain: Atlas,
    own: Brain,
    state: ScannerState,
    rng: np.random.Generator,
    truth: bool = True,
    shape: float = 1.0,
) -> Scene:
    """A person's brain at one visit.

    Parameters
    ----------
    person : Person
    number : int
        Of the visit, from 0.
    brain : Atlas
    own : Brain
        From `make_brain`.
    state : ScannerState
        Gives the contrast.
    rng : Generator
        Of this scan: the head never lies twice alike.
    truth : bool
        Take tissue shares and labels through the deformation too.
    shape : float
        How much of the person's own shape is left, 0 to 1: less than all after alignment to the template.
    """
    csf, gm, wm = own.csf, own.gm, own.wm
    if own.sulci[number]:
        csf, gm, wm = _shares(brain, csf * np.float32(np.exp(own.sulci[number])), gm.copy(), wm)
    painted = paint(own.lesions, brain, number)
    images = {
        contrast: image_of(contrast, state.signals[contrast], brain, own.normal, (csf, gm, wm), painted) for contrast in ("T1w", "FLAIR")
    }
    own_shape = np.float32(shape) * own.displacements_mm[number]
    displacement = own_shape + rigid_displacement(own_shape.shape[1:], rng.normal(0, 0.4, (2, 3)))
    # Only where the deformed brain may be: less than half of the box.
    inside = pull_back([brain.coarse_mask], displacement / np.float32(COARSE))[0] > 1e-4
    warp = Warp(displacement, COARSE, inside)
    # Instances and labels travel as one volume, for speed; both are small whole numbers.
    names = len(LABELS) + 1
    numbers = warp.pull([(painted.instances * np.float32(names)) + brain.labels], nearest=True)[0].astype(np.int32)
    labels = (numbers % names).astype(np.uint8)
    moved = warp.pull([*images.values(), *((csf, gm, wm) if truth else ())])
    signals: dict[Contrast, Volume] = {"T1w": moved[0], "FLAIR": moved[1]}
    return Scene(signals, labels > 0, (numbers // names).astype(np.int16), tuple(moved[2:]), labels if truth else None)


def image_of(contrast: Contrast, signal: Signals, brain: Atlas, normal: Volume, tissues: tuple[Volume, ...], painted: Painted) -> Volume:
    """Signal of one contrast in template space, lesions in it.

    Parameters
    ----------
    contrast : {"T1w", "FLAIR"}
    signal : Signals
    brain : Atlas
    normal : ndarray of float32
        What is bright on normal FLAIR.
    tissues : tuple of ndarray of float32
        Shares of fluid, grey and white matter.
    painted : Painted
        The lesions.
    """
    csf, gm, wm = tissues
    image = np.float32(signal.csf) * csf
    image += np.float32(signal.gm) * gm
    image += wm
    image += np.float32(signal.detail) * brain.detail
    image.reshape(-1)[brain.deep_grey_signal] += np.float32(signal.deep_grey - signal.gm) * gm.reshape(-1)[brain.deep_grey_signal]
    if contrast == "FLAIR":
        image += normal
    sick = np.flatnonzero(painted.bright if contrast == "FLAIR" else painted.dark)
    plain = image.reshape(-1)[sick]
    if contrast == "FLAIR":
        image.reshape(-1)[sick] = plain + painted.bright.reshape(-1)[sick] * np.maximum(np.float32(signal.lesion) - plain, 0)
    else:
        image.reshape(-1)[sick] = plain - painted.dark.reshape(-1)[sick] * (plain - np.float32(signal.csf))
    return image
