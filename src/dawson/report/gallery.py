"""Cases to look at: example channel images, and right and wrong calls of each class with what the network looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from dawson.report.images import attribution_strip, cell_map, flair_strip, gradcam_strip, slice_bars

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = Mapping[str, "NDArray[np.generic]"]


@dataclass(frozen=True)
class Example:
    """One scan's channel image."""

    label: str
    person: str
    flair: Markup


@dataclass(frozen=True)
class Case:
    """One call of the model, explained.

    Parameters
    ----------
    label, called : str
        True class, and the class with the highest probability.
    probability : float
        Of the class that was called.
    person : str
    flair, gradcam, attribution : Markup
        Data URIs; attribution is empty where there is none.
    bars : Markup
        SVG of what each slice contributes.
    drops : tuple of float
        The numbers of the bars.
    """

    label: str
    called: str
    probability: float
    person: str
    flair: Markup
    gradcam: Markup
    attribution: Markup
    bars: Markup
    drops: tuple[float, ...] = ()

    @property
    def correct(self) -> bool:
        """Whether the call was right."""
        return self.label == self.called


@dataclass(frozen=True)
class Contribution:
    """Mean explanation of the scans of one class.

    Parameters
    ----------
    label : str
    n : int
    bars, cells : Markup
        What each slice contributes, and the mean Grad-CAM map.
    mean, error : ndarray, (slices,)
        The numbers of the bars: fall of the logit and its standard error over scans.
    grid : ndarray, (rows, columns)
        The numbers of the map.
    """

    label: str
    n: int
    bars: Markup
    cells: Markup
    mean: NDArray[Any]
    error: NDArray[Any]
    grid: NDArray[Any]


def examples(arrays: Arrays, classes: Sequence[str]) -> list[Example]:
    """The first scan of each class, in the order of the table."""
    labels = arrays["label"].astype(str)
    found = []
    for name in classes:
        places = np.flatnonzero(labels == name)
        if places.size:
            found.append(Example(name, person(arrays, int(places[0])), flair_strip(_array(arrays, "images", int(places[0])))))
    return found


def person(arrays: Arrays, index: int) -> str:
    """Participant and session of a row."""
    return " ".join(part for part in (str(arrays["participant_id"][index]), str(arrays["session_id"][index])) if part)


def cases(arrays: Arrays, classes: Sequence[str], slices_mm: Sequence[float], each: int = 2) -> dict[str, list[Case]]:
    """The surest correct and the surest wrong calls of each true class.

    Parameters
    ----------
    arrays : mapping
        Arrays of explanations.npz.
    classes : sequence of str
    slices_mm : sequence of float
    each : int
        So many correct and so many wrong ones.

    Returns
    -------
    dict of class to list of Case
        Correct first.
    """
    known = [str(name) for name in arrays.get("classes", np.array(classes))]
    probability = arrays["probability"].astype(float)
    called = probability.argmax(axis=1)
    labels = arrays["label"].astype(str)
    found: dict[str, list[Case]] = {}
    for name in classes:
        truth = known.index(name)
        order = np.argsort(-probability[:, truth], kind="stable")
        mine = [int(i) for i in order if labels[i] == name]
        right = [i for i in mine if called[i] == truth][:each]
        wrong = [i for i in reversed(mine) if called[i] != truth][:each]
        found[name] = [_case(arrays, i, known, int(called[i]), slices_mm) for i in [*right, *wrong]]
    return found


def _case(arrays: Arrays, index: int, classes: Sequence[str], called: int, slices_mm: Sequence[float]) -> Case:
    image = _array(arrays, "images", index)
    drops = [float(value) for value in _array(arrays, "occlusion", index)[called]]
    cells = arrays["gradcam_grid"].shape[-1] if "gradcam_grid" in arrays else 4
    return Case(
        label=str(arrays["label"][index]),
        called=classes[called],
        probability=float(arrays["probability"][index, called]),
        person=person(arrays, index),
        flair=flair_strip(image),
        gradcam=gradcam_strip(image, _array(arrays, "gradcam", index)[called], cells),
        attribution=attribution_strip(image, toward(_array(arrays, "attribution", index), called))
        if "attribution" in arrays
        else Markup(""),
        bars=slice_bars(drops, slices_mm),
        drops=tuple(drops),
    )


def _array(arrays: Arrays, name: str, index: int) -> NDArray[Any]:
    return np.asarray(arrays[name][index], dtype=np.float32)


def toward(attribution: NDArray[Any], called: int) -> NDArray[Any]:
    """The attribution toward a class, whether the array holds one for each class or only that of the predicted one."""
    return attribution[called] if attribution.ndim == 4 else attribution


def contributions(
    arrays: Arrays, classes: Sequence[str], slices_mm: Sequence[float], colours: Mapping[str, str], fewest: int = 1
) -> list[Contribution]:
    """For each class, the mean contribution of the slices and the mean Grad-CAM map of its scans, toward that class.

    Parameters
    ----------
    fewest : int
        Classes with fewer scans are left out.
    """
    if "occlusion" not in arrays or "gradcam_grid" not in arrays:
        return []
    known = [str(name) for name in arrays.get("classes", np.array(classes))]
    labels = arrays["label"].astype(str)
    found = []
    for name in classes:
        rows = labels == name
        count = int(rows.sum())
        if count < max(1, fewest):
            continue
        drops = arrays["occlusion"][rows][:, known.index(name)].astype(float)
        grids = arrays["gradcam_grid"][rows][:, known.index(name)].astype(float)
        tops = grids.max(axis=(1, 2), keepdims=True)
        error = drops.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.zeros(drops.shape[1])
        mean, grid = drops.mean(axis=0), (grids / np.where(tops > 0, tops, 1)).mean(axis=0)
        bars = slice_bars(mean.tolist(), slices_mm, error.tolist(), colours[name])
        found.append(Contribution(name, count, bars, cell_map(grid), mean, error, grid))
    return found
