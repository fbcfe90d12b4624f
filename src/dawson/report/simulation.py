"""A page that says how faithful a simulated cohort is: to its profile, and to the lesions of real patients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dawson.files import write_json, write_tsv
from dawson.report.banners import RESEARCH, SIMULATED, Banner
from dawson.report.formatting import counted, is_number, listed
from dawson.report.rendering import write_page
from dawson.report.simulation_figures import (
    MAP_SLICES_MM,
    colour_scale,
    frequencies_figure,
    loads_figure,
    map_strip,
    row_name,
)
from dawson.report.simulation_rows import (
    QUANTITIES,
    change_row,
    correlation_text,
    ends,
    frequency_row,
    load_rows,
    number_of,
    rows_of,
    status_row,
)
from dawson.report.style import class_colours
from dawson.simulation.describe import CohortDescription, describe_cohort, real_loads
from dawson.simulation.lesion_maps import FWHM_MM, LEAST_LESION_MM3
from dawson.simulation.tables import DERIVATIVES

FOLDER = DERIVATIVES / "description"
_ENOUGH = 100  # patients in every class: the interval of a share of a half is then 20 points wide
_BESIDE_REAL = Banner(
    "simulated",
    SIMULATED.title,
    "Every patient and scan described on this page was made by a computer program, but for the real lesion masks they are compared with, "
    "which are called real where they appear.",
)


def write_cohort_description(
    cohort: Path,
    real: Path | None = None,
    out: Path | None = None,
    *,
    show_real_map: bool = False,
    jobs: int = 1,
    described: CohortDescription | None = None,
) -> Path:
    """Compare a simulated cohort with its profile and write the page, description.json and frequencies.tsv.

    Parameters
    ----------
    cohort : Path
        Folder that `simulate_cohort` wrote.
    real : Path, optional
        Lesion masks of real patients in MNI space. No mask and no row about one of them is written: only the correlation and
        the summary of volumes and counts.
    out : Path, optional
        Folder of the page; `COHORT/derivatives/dawson/description` without it.
    show_real_map : bool
        Draw the map of the real patients too.
    jobs : int
        Processes; 0 is one a core.
    described : CohortDescription, optional
        From `describe_cohort`, where the caller has it; nothing is read again.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    CohortError
        The folder holds no simulated cohort, or `real` no masks.
    """
    found = described or describe_cohort(cohort, real, jobs)
    folder = Path(out) if out is not None else Path(cohort) / FOLDER
    write_json(folder / "description.json", found.summary())
    write_tsv(folder / "frequencies.tsv", found.frequencies)
    return write_page(folder / "index.html", "simulation.html", description_context(found, show_real_map))


def description_context(found: CohortDescription, show_real_map: bool = False) -> dict[str, Any]:
    """What the page's template is filled with."""
    cohort, classes = found.cohort, found.cohort.classes
    colours = class_colours(classes)
    tested = found.frequencies[found.frequencies["p_holm"].notna()]
    missed = [row for row in rows_of(tested) if row["fits"] is False]
    real = found.real
    maps = [{"name": name, "n": one.n, "simulated": True, "correlation": _short(found, name)} for name, one in found.maps.items()]
    shown = list(found.maps.values())
    if real is not None and show_real_map and shown:
        maps.append({"name": f"real {real.diagnosis}".strip(), "n": real.map.n, "simulated": False, "correlation": ""})
        shown.append(real.map)
    for entry, one in zip(maps, shown, strict=True):
        entry["strip"] = map_strip(one)
        entry["highest"] = f"{100 * float(one.smoothed().max()):.0f}"
    return {
        "banners": [_BESIDE_REAL if real is not None else SIMULATED, RESEARCH],
        "simulated": True,
        "name": cohort.name,
        "profile": cohort.profile,
        "space": cohort.space,
        "people_sentence": listed(
            [f"{number_of(cohort.people, name)} {name} ({counted(number_of(cohort.scans, name), 'scan')})" for name in classes]
        ),
        "headline": _headline(found, len(tested), missed),
        "tiles": _tiles(found, len(tested), len(missed)),
        "missed": [f"{row['diagnosis']}: {row_name(row)}" for row in missed],
        "frequencies": [
            {
                "name": name,
                "rows": [frequency_row(row) for row in rows],
                "figure": frequencies_figure(rows, name, colours[name]),
            }
            for name in classes
            if (rows := rows_of(found.frequencies[found.frequencies["diagnosis"] == name]))
        ],
        "loads": load_rows(found),
        "load_figures": _load_figures(found, colours),
        "course_sources": {row["diagnosis"]: row["source"] for row in rows_of(found.changes) if row["source"]},
        "changes": [change_row(row) for row in rows_of(found.changes)],
        "status": [status_row(row) for row in rows_of(found.status)],
        "maps": maps,
        "scale": colour_scale() if maps else "",
        "slices": [f"z = {height:+g}".replace("-", "−") for height in MAP_SLICES_MM],
        "fwhm_mm": FWHM_MM,
        "least_mm3": LEAST_LESION_MM3,
        "real": real,
        "show_real_map": show_real_map,
        "agreements": [(name, correlation_text(one)) for name, one in found.agreements.items()],
    }


def _headline(found: CohortDescription, tested: int, missed: list[dict[Any, Any]]) -> dict[str, str]:
    profile = found.cohort.profile.name
    sentence = (
        f"None of the {tested} frequencies of the profile {profile} is contradicted by this cohort."
        if not missed
        else f"{len(missed)} of {tested} frequencies of the profile {profile} {'is' if len(missed) == 1 else 'are'} not met by this cohort."
    )
    smallest = min((number_of(found.cohort.people, name) for name in found.cohort.classes), default=0)
    text = (
        "A frequency is met where the exact binomial test of the simulated share against the profile's, adjusted by Holm over all of them, "
        f"does not reject at 5 %. The smallest class has {counted(smallest, 'patient')}"
        + (": too few to see any but gross differences." if smallest < _ENOUGH else ".")
    )
    if found.real is not None and (one := found.agreements.get(found.real.diagnosis)):
        said = f"The map of simulated {found.real.diagnosis} lesions correlates with that of {found.real.map.n} real patients"
        text += f" {said}: {correlation_text(one)}."
    return {"tone": "bad" if missed else "good" if smallest >= _ENOUGH else "open", "sentence": sentence, "text": text}


def _tiles(found: CohortDescription, tested: int, missed: int) -> list[tuple[str, str, str]]:
    tiles = [("Frequencies met", f"{tested - missed} of {tested}", "Holm over all")]
    loads = found.loads[found.loads["quantity"] == "volume_ml"]
    for row in rows_of(loads):
        tiles.append((f"Lesions in {row['diagnosis']}", f"{row['median']:.1f} mL", f"quartiles {row['q1']:.1f}–{row['q3']:.1f}"))
    real = found.real
    if real is not None and (one := found.agreements.get(real.diagnosis)) and is_number(one.estimate):
        tiles.append((f"Correlation with real {real.diagnosis}", f"{one.estimate:.2f}", ends(one.low, one.high) or "no interval"))
    return tiles


def _short(found: CohortDescription, name: str) -> str:
    one = found.agreements.get(name)
    return f"{one.estimate:.2f}" if one is not None and is_number(one.estimate) else ""


def _load_figures(found: CohortDescription, colours: dict[str, str]) -> list[Any]:
    classes, figures = found.cohort.classes, []
    real = {row["quantity"]: row for row in rows_of(real_loads(found.real))} if found.real is not None else {}
    name = f"real {found.real.diagnosis}".strip() if found.real is not None else ""
    own = found.loads[found.loads["quantity"] == "lesions"]
    means = dict(zip(own["diagnosis"], own["published_mean"], strict=True))
    for quantity, label in QUANTITIES.items():
        published = means if quantity == "lesions" else None
        figures.append(loads_figure(found.patients, quantity, label, classes, colours, real.get(quantity), name, published))
    return figures
