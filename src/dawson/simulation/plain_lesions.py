"""Kinds of lesions that are round or oval and are told apart by where they lie."""

from __future__ import annotations

import numpy as np

from dawson.simulation.anatomy import Atlas
from dawson.simulation.lesion_drawing import Draw, Kind, Style, brightness, direction, new_seed, point, radius, spot, t1_loss
from dawson.simulation.lesions import Lesion


def oval(
    kind: str,
    place: str,
    median_mm: float,
    limits_mm: tuple[float, float],
    spread: float = 0.25,
    light: tuple[float, float] = (0.65, 1.0),
    grey: float = 0.3,
    edge_mm: float = 0.8,
    flat: float = 0.65,
    roughness: float = 0.14,
) -> Draw:
    """A drawer of ovals in one place; `flat` is the smallest ratio of a radius across to the first."""

    def draw(rng: np.random.Generator, brain: Atlas, style: Style) -> Lesion:
        _, centre = spot(rng, brain, place)
        first = radius(rng, style, median_mm, spread, limits_mm)
        return Lesion(
            kind,
            "oval",
            point(centre),
            direction(rng),
            (first, first * float(rng.uniform(flat, 1.0)), first * float(rng.uniform(flat, 1.0))),
            brightness=brightness(rng, style, *light),
            t1_loss=t1_loss(rng, style),
            edge_mm=edge_mm,
            roughness=roughness,
            grey=grey,
            seed=new_seed(rng),
        )

    return draw


PLAIN_KINDS = (
    Kind(
        "subcortical",
        "Subcortical lesion",
        "Round lesion in the white matter 3 to 8 mm under the cortex, which it does not touch.",
        "BMC Neurol 2014 (Taiwan)",
        oval("subcortical", "subcortical", 2.5, (1.8, 3.3), flat=0.75),
    ),
    Kind(
        "deep_white",
        "Deep white-matter lesion",
        "Round or oval lesion of the centrum semiovale or corona radiata, clear of cortex and ventricle.",
        "BMC Neurol 2014 (Taiwan)",
        oval("deep_white", "deep white", 3.4, (2.0, 5.5), 0.3),
    ),
    Kind(
        "punctate",
        "Punctate lesion",
        "Dot of at most 3 mm in the white matter: the non-specific finding of NMOSD and of age.",
        "BMC Neurol 2014 (Taiwan); Cao 2020",
        oval("punctate", "dots", 1.42, (1.3, 1.5), 0.1, (0.55, 0.95), edge_mm=0.6, flat=0.85, roughness=0.0),
    ),
    Kind(
        "brainstem",
        "Brainstem lesion (MS)",
        "Small oval lesion of pons or medulla near the surface, away from the floor of the fourth ventricle.",
        "BMC Neurol 2014 (Taiwan)",
        oval("brainstem", "brainstem", 2.8, (2.0, 3.8), grey=1.0),
    ),
    Kind(
        "cerebellar",
        "Cerebellar lesion",
        "Round or oval lesion of the white matter of a cerebellar hemisphere or peduncle.",
        "BMC Neurol 2014 (Taiwan)",
        oval("cerebellar", "cerebellum", 3.1, (1.8, 5.0), grey=0.5),
    ),
    Kind(
        "periaqueductal",
        "Periaqueductal lesion",
        "Patch of the midbrain's grey matter round the aqueduct.",
        "BMC Neurol 2014 (Taiwan); Kim 2015",
        oval("periaqueductal", "periaqueductal", 2.3, (1.8, 3.2), grey=1.0, edge_mm=1.4, light=(0.6, 0.95)),
    ),
    Kind(
        "basal_ganglia",
        "Basal ganglia lesion",
        "Oval lesion of putamen or pallidum.",
        "BMC Neurol 2014 (Taiwan)",
        oval("basal_ganglia", "basal ganglia", 2.9, (1.8, 4.5), grey=1.0, edge_mm=1.0),
    ),
    Kind(
        "thalamic",
        "Thalamic lesion",
        "Oval lesion of the thalamus, clear of the third ventricle's wall.",
        "Kim 2015",
        oval("thalamic", "thalamus", 3.2, (2.0, 5.0), grey=1.0, edge_mm=1.4),
    ),
    Kind(
        "hypothalamic",
        "Hypothalamic lesion",
        "Soft patch of the hypothalamus beside the floor of the third ventricle.",
        "Kim 2015; Seok 2023",
        oval("hypothalamic", "hypothalamus", 3.6, (2.6, 5.0), 0.2, grey=1.0, edge_mm=1.6, flat=0.8),
    ),
)
