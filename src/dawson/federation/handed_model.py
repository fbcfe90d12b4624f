"""The result of a federated training as a model that `dawson predict` and `dawson study external` take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dawson.classification.experiment import environment
from dawson.classification.model import FORMAT
from dawson.errors import ModelError
from dawson.federation.plan import FederatedPlan
from dawson.files import digest_of, read_json, sha256, write_json

WEIGHTS = "member-01.safetensors"


def write_handed_model(fetched: Path, folder: Path) -> Path:
    """Make a model folder of what was fetched.

    It is one network, not calibrated and tested on nobody out of sample: the sites' validation people chose its round. Numbers of
    people are those that the sites told, rounded down.

    Parameters
    ----------
    fetched : Path
        With result.json and model.safetensors.
    folder : Path
        Of the model; its name is the model's.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    ModelError
        The network has batch normalisation of its own at every site: there is no one network to hand on.
    """
    import numpy as np
    from safetensors.numpy import load_file, save_file

    from dawson.federation.shared_weights import build_network

    result = read_json(fetched / "result.json")
    plan = FederatedPlan.model_validate(result["plan"])
    if plan.normalisation == "fedbn":
        raise ModelError("With FedBN each site keeps a part of the network: there is no one model to hand on.", "Use it at the sites.")
    # counters of batches do not travel, and no prediction reads them
    state = {name: value.numpy() for name, value in build_network(plan).state_dict().items()} | load_file(fetched / "model.safetensors")
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(value) for name, value in state.items()}, folder / WEIGHTS)
    people = {name: sum(site["people"][name] for site in result["sites"].values()) for name in plan.classes}
    auc = (result["validation"] or {}).get("auc")
    told = f" On the people who chose its round its AUC was about {auc['estimate']:.2f}." if auc else ""
    description: dict[str, Any] = {
        "format": FORMAT, "name": folder.name, "classes": list(plan.classes), "positive": plan.positive,
        "channels": len(plan.preprocess.slices_mm), "training": plan.training.model_dump(mode="json"),
        "preprocess": plan.preprocess.model_dump(mode="json"), "seed": plan.seed, "normalisation": plan.normalisation,
        "trained_on": {
            "study": f"federated training {plan.job} over {', '.join(result['sites'])}", "simulated": bool(result["SimulatedData"]),
            "scans": sum(people.values()), "participants": people,
            "note": "People and scans are at least so many: each site told its people rounded down. The epochs named below count for a "
            f"centre alone; this network had {plan.rounds} rounds of {plan.local_epochs} at each site.",
        },
        "performance": {
            "figures": {}, "test_participants": {}, "repeats": 0, "folds": 0, "scheme": "none",
            "note": f"People of the sites that were held back chose the round that was kept.{told}",
        },
        "manifest_sha256": digest_of({name: site["manifest_sha256"] for name, site in result["sites"].items()}),
        "members": [{"file": WEIGHTS, "sha256": sha256(folder / WEIGHTS), "best_epoch": result["best_round"]}],
        "software": environment(), "research_use_only": True,
    }  # fmt: skip
    write_json(folder / "model.json", description)
    return folder
