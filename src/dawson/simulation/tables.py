"""The tables and texts of a simulated dataset: who is in it, what the columns mean, and that nobody in it exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pandas as pd

from dawson import __version__
from dawson.cohort.bids import (
    write_bidsignore,
    write_dataset_description,
    write_participants,
    write_readme,
    write_sessions,
)
from dawson.simulation.people import AGE_RANGE_YEARS, CohortPlan

MAKER = "dawson simulate"

DERIVATIVES = Path("derivatives", "dawson")

PARAMETERS = Path("code", "simulation.json")
"""What a simulated cohort was made with."""

_CLASSES = {
    "MS": "multiple sclerosis",
    "NMOSD": "neuromyelitis optica spectrum disorder",
    "MOGAD": "myelin oligodendrocyte glycoprotein antibody-associated disease",
    "healthy": "healthy control",
}
_IN_README = {"healthy": "simulated healthy controls"}
_PHENOTYPES = {
    "RRMS": "relapsing-remitting",
    "SPMS": "secondary progressive",
    "PPMS": "primary progressive",
    "relapsing": "relapsing",
    "monophasic": "monophasic",
    "none": "no disease",
}
_TREATMENTS = {
    "none": "no treatment",
    "platform": "injectable or oral platform drug",
    "high efficacy": "high-efficacy drug",
    "oral immunosuppressant": "azathioprine, mycophenolate or steroids",
    "antibody": "monoclonal antibody",
}


def write_tables(out: Path, plan: CohortPlan, said: str) -> None:
    """Write everything of a dataset but its images.

    Parameters
    ----------
    out : Path
    plan : CohortPlan
    said : str
        How the data were simulated, one line.
    """
    describe(out, plan.name, "raw", said)
    describe(out / DERIVATIVES, plan.name, "derivative", said)
    write_readme(out, _readme(plan, said))
    write_bidsignore(out)
    for person in plan.people:
        write_sessions(out, person.participant_id, pd.DataFrame([vars(visit) for visit in person.visits]))
    rows = [{name: value for name, value in vars(person).items() if name not in ("visits", "severity")} for person in plan.people]
    write_participants(out, pd.DataFrame(rows), _dictionary(plan))


def describe(root: Path, name: str, kind: Literal["raw", "derivative"], said: str) -> None:
    """Write dataset_description.json, unless another step has described the folder."""
    if not (root / "dataset_description.json").exists():
        write_dataset_description(
            root,
            f"{name} (simulated data)",
            MAKER,
            kind,
            GeneratedBy=[{"Name": MAKER, "Version": __version__, "Description": said}],
            Authors=["Dawson", "dawson simulate"],
            License="CC0",
            **({"DatasetLinks": {"raw": "../.."}} if kind == "derivative" else {}),
        )


def _readme(plan: CohortPlan, said: str) -> str:
    counts = ", ".join(
        f"{sum(person.diagnosis == name for person in plan.people)} {_IN_README.get(name, f'with simulated {name}')}"
        for name in sorted({person.diagnosis for person in plan.people})
    )
    return (
        f"{plan.name}\n\nSIMULATED DATA. No person in this dataset exists.\n{counts}; {plan.n_scans} scans.\n{said}\n\n"
        "Brains are random deformations of the MNI152 2009a template; demographics in MS and NMOSD follow\n"
        "Table 1 of Seok et al., Sci Rep 2023 (doi:10.1038/s41598-023-38271-x); the true lesions are in derivatives/dawson.\n"
        "For research and teaching only.\n"
    )


def _dictionary(plan: CohortPlan) -> dict[str, Any]:
    people = plan.people
    return {
        "diagnosis": {
            "Description": "Simulated diagnosis",
            "Levels": {name: f"{_CLASSES[name]}, simulated" for name in sorted({person.diagnosis for person in people})},
        },
        "sex": {"Description": "Simulated sex", "Levels": {"F": "female", "M": "male"}},
        "age": {
            "Description": "Simulated age at the first scan",
            "Units": "year",
            "Minimum": AGE_RANGE_YEARS[0],
            "Maximum": AGE_RANGE_YEARS[1],
        },
        "site": {
            "Description": "Simulated scanner",
            "Levels": {name: f"simulated scanner {name}" for name in sorted({p.site for p in people})},
        },
        "phenotype": {
            "Description": "Simulated clinical course",
            "Levels": {name: _PHENOTYPES[name] for name in sorted({person.phenotype for person in people})},
        },
        "treatment": {
            "Description": "Simulated treatment at the first scan",
            "Levels": {name: _TREATMENTS[name] for name in sorted({person.treatment for person in people})},
        },
    }
