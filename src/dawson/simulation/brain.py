"""One person's brain: the template's tissues with their own texture, lesions, and a deformation for the shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dawson.simulation.anatomy import Atlas, Volume
from dawson.simulation.deformation import (
    Field,
    draw_displacement,
    pull_back,
    rigid_displacement,
    smooth_noise,
    upsample,
)
from dawson.simulation.lesions import Lesion, paint
from dawson.simulation.people import Person
from dawson.simulation.profiles import draw_lesions
from dawson.simulation.scanner import Contrast, ScannerState
from dawson.simulation.streams import stream

LESION_THRESHOLD = 0.4
"""Share of lesion above which a voxel counts as lesion in the truth."""


@dataclass(frozen=True)
class Brain:
    """What all scans of a person have in common, in the template's box.

    Parameters
    ----------
    csf, gm, wm : ndarray of float32
        Share of each tissue, this person's.
    rim : ndarray of float32
        Normal brightness of the ventricles' border on FLAIR, relative to white matter.
    displacement_mm : ndarray (3, x, y, z)
        On the coarse grid.
    lesions : tuple of Lesion
        Those of all visits.
    """

    csf: Volume
    gm: Volume
    wm: Volume
    rim: Volume
    displacement_mm: Field
    lesions: tuple[Lesion, ...]


@dataclass(frozen=True)
class Scene:
    """One visit's brain in the patient's shape, in the box.

    Parameters
    ----------
    images : dict of str to ndarray of float32
        Signal of T1w and FLAIR relative to white matter, without a scanner's faults.
    brain_mask, lesion_mask : ndarray of bool
    tissues : tuple of ndarray of float32
        CSF, grey and white matter; empty where not asked for.
    """

    images: dict[Contrast, Volume]
    brain_mask: np.ndarray
    lesion_mask: np.ndarray
    tissues: tuple[Volume, ...]


def make_brain(person: Person, brain: Atlas, seed: int, lesions: bool = True) -> Brain:
    """Draw a person's brain.

    Parameters
    ----------
    person : Person
    brain : Atlas
    seed : int
        Of the cohort.
    lesions : bool
        False leaves them out.
    """
    rng = stream(seed, person.participant_id, "anatomy")
    coarse = brain.outward.shape[1:]
    # Depth of sulci and thickness of cortex differ between people and along the brain.
    fluid, grey, patches = upsample(np.stack([smooth_noise(rng, coarse, sigma) for sigma in (1.5, 1.5, 1.2)]))
    age = person.visits[0].age
    csf = brain.csf * np.exp(0.4 * fluid + 0.01 * (age - 40))
    gm = brain.gm * np.exp(0.25 * grey)
    total = np.maximum(csf + gm + brain.wm, 1e-6)
    csf, gm, wm = (brain.mask * part / total for part in (csf, gm, brain.wm))
    # Ventricles widen by a little with age; people differ by more, so that they tell little of the diagnosis.
    ventricle_mm = float(0.02 * (age - 40) + rng.normal(0.5, 0.9))
    displacement = draw_displacement(rng, brain.outward, ventricle_mm)
    # Caps and a thin bright rim around the ventricles are normal; they are what linear lesions are mistaken for.
    strength = float(np.clip(rng.normal(0.15, 0.12) + 0.004 * (age - 40), 0, 0.5))
    rim = strength * np.exp(-np.minimum(brain.distance["lateral"], brain.distance["third"]) / 1.5) * np.clip(1 + 0.6 * patches, 0, None)
    return Brain(
        csf,
        gm,
        wm,
        np.asarray(rim * (1 - csf), dtype=np.float32),
        displacement,
        draw_lesions(person, brain, seed) if lesions else (),
    )


def make_scene(
    person: Person,
    number: int,
    brain: Atlas,
    own: Brain,
    state: ScannerState,
    rng: np.random.Generator,
    tissues: bool = False,
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
    tissues : bool
        Take the tissue shares through the deformation too.
    """
    now = person.visits[number].days_from_baseline
    years = {i: (now - visit.days_from_baseline) / 365.25 for i, visit in enumerate(person.visits[: number + 1])}
    bright, dark = paint(own.lesions, brain, years)
    t1w, flair = state.signals["T1w"], state.signals["FLAIR"]
    plain = t1w.csf * own.csf + t1w.gm * own.gm + own.wm + t1w.detail * brain.detail
    images: list[Volume] = [np.asarray(plain - dark * (plain - t1w.csf), dtype=np.float32)]
    plain = flair.csf * own.csf + flair.gm * own.gm + own.wm + flair.detail * brain.detail + own.rim
    images.append(np.asarray(plain + bright * np.maximum(flair.lesion - plain, 0), dtype=np.float32))
    again = rigid_displacement(own.displacement_mm.shape[1:], rng.normal(0, 0.4, (2, 3)))
    moved = pull_back(
        [*images, brain.mask, bright, *((own.csf, own.gm, own.wm) if tissues else ())],
        upsample(own.displacement_mm + again),
    )
    mask = moved[2] > 0.5
    return Scene({"T1w": moved[0], "FLAIR": moved[1]}, mask, (moved[3] > LESION_THRESHOLD) & mask, tuple(moved[4:]))


def lesion_rows(lesions: tuple[Lesion, ...], number: int) -> list[dict[str, object]]:
    """The lesions there are at a visit, for people to read; centres in template coordinates."""
    return [
        {
            "kind": lesion.kind,
            "shape": lesion.shape,
            "centre_mm": [round(value, 1) for value in lesion.centre_mm],
            "radii_mm": [round(value, 1) for value in lesion.radii_mm],
            "brightness": round(lesion.brightness, 2),
            "first_visit": lesion.visit + 1,
        }
        for lesion in lesions
        if lesion.visit <= number
    ]
