"""The model that is handed on: a folder of safetensors and one JSON file that says what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawson.classification.device import choose
from dawson.classification.image_harmonisation import IntensityScale, harmonised
from dawson.classification.images import CONTENT_COLUMNS
from dawson.classification.networks import architecture
from dawson.config import PreprocessSection, TrainingSection
from dawson.errors import ModelError
from dawson.files import member_files, read_json, sha256, write_json, write_tsv

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from dawson.classification.experiment import StudyPaths
    from dawson.classification.plan import Plan
    from dawson.cohort.dataset import Cohort
    from dawson.config import StudyConfig

FORMAT = 1


def write_model(
    paths: StudyPaths,
    name: str,
    config: StudyConfig,
    cohort: Cohort,
    plan: Plan,
    metrics: Mapping[str, Any],
    carried: Mapping[str, Any] | None = None,
) -> Path:
    """Describe the trained members in `model.json`, and list who they learnt from in a manifest that stays in the centre.

    Parameters
    ----------
    paths : StudyPaths
    name : str
    config : StudyConfig
    cohort : Cohort
    plan : Plan
    metrics : mapping
        metrics.json of the study.
    carried : mapping, optional
        What `certainty.write_certainty` returned.

    Returns
    -------
    Path
        Folder of the model; it holds no name of a person, only the digest of the manifest.
    """
    from dawson.classification.experiment import environment

    members = plan.final_runs
    manifest = paths.manifest(name)
    learnt = plan.usable.table.merge(plan.final[["participant_id", "session_id"]].drop_duplicates(), on=["participant_id", "session_id"])
    write_tsv(manifest, learnt[["participant_id", "session_id", "label", *CONTENT_COLUMNS]])
    people = learnt.drop_duplicates("participant_id")["label"].value_counts()
    records = [read_json(run.record) for run in members]
    folder = paths.model(name)
    write_json(
        folder / "model.json",
        {
            "format": FORMAT, "name": name, "classes": list(config.study.classes), "positive": config.study.positive,
            "channels": len(config.preprocess.slices_mm), "training": config.training.model_dump(),
            "preprocess": config.preprocess.model_dump(), "seed": config.split.seed,
            "trained_on": {
                "study": cohort.name, "simulated": cohort.simulated, "scans": len(learnt),
                "participants": {label: int(people.get(label, 0)) for label in config.study.classes},
            },
            "performance": {
                "figures": metrics["one_model"], "test_participants": metrics["n_test_participants"],
                "repeats": metrics["n_repeats"], "folds": metrics["n_folds"], "scheme": config.split.scheme,
            },
            "manifest_sha256": sha256(manifest),
            "members": [
                {"file": run.weights.name, "sha256": record["weights_sha256"], "best_epoch": record["best_epoch"]}
                | ({"intensity": record["intensity"]} if "intensity" in record else {})
                for run, record in zip(members, records, strict=True) if run.weights is not None
            ],
            "software": environment(),
            "research_use_only": True,
        } | dict(carried or {}),
    )  # fmt: skip
    return folder


@dataclass(frozen=True)
class Model:
    """A model folder, read.

    Parameters
    ----------
    folder : Path
    description : mapping
        model.json.
    """

    folder: Path
    description: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the model."""
        return str(self.description["name"])

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes in the order of the logits."""
        return tuple(self.description["classes"])

    @property
    def simulated(self) -> bool:
        """Whether it learnt from simulated patients."""
        return bool(self.description["trained_on"]["simulated"])

    @property
    def preprocess(self) -> PreprocessSection:
        """How its images were made, and new ones must be."""
        return PreprocessSection.model_validate(self.description["preprocess"])

    @property
    def training(self) -> TrainingSection:
        """How it was trained."""
        return TrainingSection.model_validate(self.description["training"])

    @property
    def manifest(self) -> Path:
        """Who it was trained on, where the model still lies in the study that made it."""
        return self.folder.absolute().parent.parent / "governance" / "training-manifests" / f"{self.name}.tsv"

    @property
    def digest(self) -> str:
        """Digest of the whole model: its description holds the digests of the weights."""
        return sha256(self.folder / "model.json")

    def networks(self) -> list[torch.nn.Module]:
        """The members, in evaluation mode, on the device that suits this machine.

        Raises
        ------
        ModelError
            A weights file is missing or is not the one that the description names.
        """
        paths = member_files(self.folder, self.description["members"], "model.json")
        grouped = self.description.get("normalisation") == "groupnorm"
        return [load_member(path, self.training, int(self.description["channels"]), len(self.classes), grouped=grouped) for path in paths]

    def member_images(self, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Images as each member sees them: harmonised as those that it learnt from, where these were."""
        scales = [member.get("intensity") for member in self.description["members"]]
        return [harmonised(IntensityScale.from_json(scale) if scale else None, images) for scale in scales]

    def member_logits(self, networks: Sequence[torch.nn.Module], images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of every member, shape (members, images, classes); `networks` are the members."""
        import numpy as np

        from dawson.classification.training import predict_logits

        return np.stack([predict_logits(network, seen) for network, seen in zip(networks, self.member_images(images), strict=True)])


def load_member(weights: Path, training: TrainingSection, channels: int, classes: int, *, grouped: bool = False) -> torch.nn.Module:
    """One trained network from its weights, in evaluation mode, on this machine's device; with group normalisation if `grouped`."""
    from safetensors.torch import load_file

    from dawson.classification.networks.group_norm import with_group_norm

    network = architecture(training.network).build(channels, classes)
    network = with_group_norm(network) if grouped else network
    network.load_state_dict(load_file(weights))
    return network.to(choose(training.model_copy(update={"device": "auto"})).device).eval()


def read_model(folder: Path | str) -> Model:
    """Read a model folder.

    Raises
    ------
    ModelError
        There is no readable `model.json`, or it was written by a later version.
    """
    folder = Path(folder)
    path = folder / "model.json"
    if not path.is_file():
        raise ModelError(f"{folder} is no model: it has no model.json.", "Give the folder models/NAME of a finished study.")
    try:
        description = read_json(path)
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}.", "Copy the model folder again.") from None
    if description.get("format") != FORMAT:
        raise ModelError(f"{path} has format {description.get('format')}; this version reads {FORMAT}.", "Update Dawson.")
    return Model(folder, description)
