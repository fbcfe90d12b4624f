"""What every column of lesions.tsv means."""

from __future__ import annotations

from typing import Any

from dawson.imaging.lesion_rules import RULES
from dawson.imaging.lesion_summary import FLAGS, REGIONS
from dawson.lesions.dissemination import REGIONS as SPACE

TABLE, DICTIONARY = "lesions.tsv", "lesions.json"

_YES = {"true": "yes", "false": "no"}
_BRAIN = "after filling the lesions of this mask, in the person's own head"

COLUMNS: dict[str, dict[str, Any]] = {
    "participant_id": {"Description": "The participant"},
    "session_id": {"Description": "The session"},
    "maker": {"Description": "Who made the lesion mask (desc-); sim is the truth of simulated scans"},
    "preferred": {"Description": "This maker's mask is the one that stands for the scan", "Levels": _YES},
    "status": {"Description": "Whether the mask could be measured", "Levels": {"done": "yes", "failed": "no, see reason"}},
    "reason": {"Description": "Why it could not, or what else is missing"},
    "lesions": {"Description": "Number of lesions: parts of the mask whose voxels share a corner or more"},
    "total_ml": {"Description": "Volume of all lesions in template space, where the head has the template's size and shape", "Units": "mL"},
    **{
        f"{name}_{side}": {"Description": f"{which} end of the 90 % interval of {name}, where the maker of the mask gives one", **unit}
        for name, unit in (("lesions", {}), ("total_ml", {"Units": "mL"}))
        for side, which in (("low", "Lower"), ("high", "Upper"))
    },
    "own_ml": {
        "Description": "Volume of all lesions in the person's own head, by the Jacobian of the transforms; the same for scans that came in "
        "template space",
        "Units": "mL",
    },
    **{f"n_{flag}": {"Description": f"Lesions that are {flag.replace('_', ' ')}"} for flag in FLAGS},
    **{
        name: entry
        for region in REGIONS
        for name, entry in (
            (f"n_in_{region}", {"Description": f"Lesions mostly in {region.replace('_', ' ')}"}),
            (
                f"ml_in_{region}",
                {"Description": f"Volume of the lesions mostly in {region.replace('_', ' ')}, template", "Units": "mL"},
            ),
        )
    },
    "mean_volume_ml": {"Description": "Mean volume of a lesion, template space", "Units": "mL"},
    "mean_length_mm": {"Description": "Mean length of a lesion", "Units": "mm"},
    "mean_elongation": {"Description": "Mean length over width"},
    "mean_sphericity": {"Description": "Mean sphericity, 1 for a ball"},
    "mean_solidity": {"Description": "Mean share of the convex hull that a lesion fills"},
    "mean_lining_share": {"Description": "Mean share of a lesion that lies along a ventricle"},
    "jagged": {"Description": "Mean of one less solidity over periventricular lesions"},
    **{rule: {"Description": f"Rule of {rule.capitalize()}, without what a brain scan does not show", "Levels": _YES} for rule in RULES},
    "mcdonald_dis": {
        "Description": "Dissemination in space, McDonald 2017, brain only: the spinal cord is not seen and counts as free of lesions",
        "Levels": _YES,
    },
    "mcdonald_regions": {"Description": f"Of the three regions ({'; '.join(SPACE)}), how many have a lesion of 3 mm or more"},
    "tissue_from": {"Description": "Image that the tissues were told on; on FLAIR grey and white matter follow the template's maps"},
    "csf_ml": {"Description": f"Fluid inside the brain mask, {_BRAIN}", "Units": "mL"},
    "gm_ml": {"Description": f"Grey matter, {_BRAIN}", "Units": "mL"},
    "wm_ml": {"Description": f"White matter, lesions with it, {_BRAIN}", "Units": "mL"},
    "brain_ml": {"Description": "Grey and white matter", "Units": "mL"},
    "ventricles_ml": {"Description": "Fluid of lateral, third and fourth ventricle, without temporal horns", "Units": "mL"},
    "thalamus_ml": {"Description": "Tissue where the template has its thalamus: as good as the registration", "Units": "mL"},
    "bpf": {"Description": "Brain parenchymal fraction: brain over brain and fluid inside the brain mask"},
    "head_scaling": {
        "Description": "Factor to a head of the template's size: one over the determinant of the affine, which was fitted to the brain, "
        "not to the skull; missing where the scan came in template space",
    },
    "brain_normalised_ml": {"Description": "brain_ml times head_scaling", "Units": "mL"},
    "ventricles_normalised_ml": {"Description": "ventricles_ml times head_scaling", "Units": "mL"},
    "bpf_change_percent": {
        "Description": "Change of bpf since the person's session before, by the same maker: two separate measurements, not SIENA",
        "Units": "percent",
    },
    "since_session_id": {"Description": "That session before"},
    "brain_change_percent": {
        "Description": "Change of brain volume since that session by Jacobian integration of the deformation between the T1w scans, both "
        "directions averaged, not SIENA; measured only where asked for",
        "Units": "percent",
    },
    "brain_change_inconsistency_percent": {
        "Description": "Half of what the two directions of that deformation disagree by: a lower bound of its error",
        "Units": "percent",
    },
    "seconds": {"Description": "What measuring took", "Units": "s"},
    "simulated": {"Description": "A computer program made the scan or the mask", "Levels": _YES},
}
"""Columns of `lesions.tsv` and what they mean."""
