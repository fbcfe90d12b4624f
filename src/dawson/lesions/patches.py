"""Patches to learn from: where they are cut, and how they come to look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dawson.lesions.appearance import change_appearance, draw_appearance
from dawson.lesions.deformation import apply_deformation, draw_deformation
from dawson.lesions.intensity import BLACK
from dawson.lesions.recipe import LesionRecipe
from dawson.lesions.training_data import FLAIR, FLAIR_EXCESS, T1W_EXCESS, TRUTH, Case


def draw_centre(rng: np.random.Generator, case: Case, lesion_share: float, size: int) -> tuple[int, int, int]:
    """Middle of a patch: near a lesion with the given share, else anywhere in the brain's box.

    Every lesion is as likely as another, whatever its size, so that small ones are learnt too; the patch is moved by up to a quarter
    of its side, so that lesions are not always in its middle.
    """
    shape = case.regions().shape
    lesions = case.lesions()
    if len(lesions) and rng.random() < lesion_share:
        numbers = np.unique(lesions[:, 0])
        own = lesions[lesions[:, 0] == rng.choice(numbers)]
        place = own[rng.integers(len(own)), 1:].astype(int) + rng.integers(-size // 4, size // 4 + 1, 3)
    else:
        place = np.array([rng.integers(size // 4, max(size // 4 + 1, extent - size // 4)) for extent in shape])
    x, y, z = (int(np.clip(at, 0, extent - 1)) for at, extent in zip(place, shape, strict=True))
    return x, y, z


def cut(case: Case, centre: Sequence[int], size: int) -> tuple[Tensor, Tensor]:
    """A cube of a case around a voxel; what lies beyond the stored box is black.

    Returns
    -------
    Tensor of float32 (5, size, size, size), Tensor of uint8 (size, size, size)
        As in the cache.
    """
    values, regions = case.values(), case.regions()
    piece = np.zeros((values.shape[0], size, size, size), np.float32)
    piece[FLAIR] = BLACK
    if case.has_t1w:
        piece[1] = BLACK
    labels = np.zeros((size, size, size), np.uint8)
    starts = [at - size // 2 for at in centre]
    source = tuple(slice(max(0, start), min(extent, start + size)) for start, extent in zip(starts, regions.shape, strict=True))
    target = tuple(slice(part.start - start, part.stop - start) for part, start in zip(source, starts, strict=True))
    piece[(slice(None), *target)] = values[(slice(None), *source)]
    labels[target] = regions[source]
    return torch.from_numpy(piece), torch.from_numpy(labels)


def make_patch(rng: np.random.Generator, case: Case, recipe: LesionRecipe) -> tuple[Tensor, Tensor]:
    """One patch of a case with a random place, shape and look.

    Returns
    -------
    Tensor of float32 (2, s, s, s)
        FLAIR and T1w.
    Tensor of float32 (1, s, s, s)
        Probability of lesion.
    """
    part = recipe.patches
    centre = draw_centre(rng, case, part.lesion_share, part.size)
    deformation = draw_deformation(rng, part)
    appearance = draw_appearance(rng, (part.size,) * 3, recipe.appearance)
    values, labels = cut(case, centre, part.size + 2 * deformation.reach)
    values, labels = apply_deformation(values, labels, part.size, deformation)
    truth = values[TRUTH].clamp(0, 1)
    images = change_appearance(values[:FLAIR_EXCESS], values[FLAIR_EXCESS : T1W_EXCESS + 1], truth, labels, appearance)
    return images, truth[None]


def make_batch(entropy: Sequence[int], cases: Sequence[Case], recipe: LesionRecipe) -> tuple[Tensor, Tensor]:
    """The batch of one step; it follows from `entropy` alone, so that a run can go on from any step.

    Parameters
    ----------
    entropy : sequence of int
        Such as seed, member, step.
    cases : sequence of Case
        People are drawn first, then a scan of the person: nobody counts more for having been scanned often.
    recipe : LesionRecipe
    """
    rng = np.random.default_rng(list(entropy))
    people = sorted({case.person for case in cases})
    patches = []
    for _ in range(recipe.optimisation.batch_size):
        person = people[rng.integers(len(people))]
        own = [case for case in cases if case.person == person]
        patches.append(make_patch(rng, own[rng.integers(len(own))], recipe))
    images, truths = zip(*patches, strict=True)
    return torch.stack(images), torch.stack(truths)
