"""The lesion model that is handed on: a folder of safetensors and one JSON file that says what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawson.errors import ModelError
from dawson.files import member_files, read_json, sha256
from dawson.lesions.recipe import LesionRecipe, parse_recipe

if TYPE_CHECKING:
    import torch

    from dawson.lesions.measure_intervals import MeasureIntervals
    from dawson.lesions.network import LesionNetwork

DESCRIPTION, CARD = "model.json", "card.md"
FORMAT = 1
SHIPPED = Path(__file__).parent / "models" / "shipped"
"""Where the model lies that comes with Dawson."""


@dataclass(frozen=True)
class LesionModel:
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
    def recipe(self) -> LesionRecipe:
        """How it was trained, and is used."""
        return parse_recipe(dict(self.description["recipe"]), str(self.folder / DESCRIPTION))

    @property
    def threshold(self) -> float:
        """Probability from which a voxel is lesion, chosen on validation people."""
        return float(self.description["threshold"])

    @property
    def minimum_mm3(self) -> float:
        """Smallest lesion that is reported, chosen on validation people."""
        return float(self.description["minimum_mm3"])

    @property
    def temperature(self) -> float:
        """What logits are divided by, chosen on validation people."""
        return float(self.description["temperature"])

    @property
    def intervals(self) -> MeasureIntervals | None:
        """Intervals of lesion count and volume, fitted on validation people; None for a model that has none."""
        from dawson.lesions.measure_intervals import MeasureIntervals

        content = self.description.get("intervals")
        return None if content is None else MeasureIntervals.from_json(content)

    @property
    def simulated(self) -> bool:
        """Whether it learnt from simulated patients."""
        return bool(self.description["SimulatedData"])

    @property
    def digest(self) -> str:
        """Digest of the whole model: its description holds the digests of the weights."""
        return sha256(self.folder / DESCRIPTION)

    def weights(self) -> list[Path]:
        """Files of the members.

        Raises
        ------
        ModelError
            A file is missing or is not the one that the description names.
        """
        return member_files(self.folder, self.description["members"], DESCRIPTION)

    def networks(self) -> list[LesionNetwork]:
        """The members, in evaluation mode.

        Raises
        ------
        ModelError
            As `weights`; or a file does not fit the network of the recipe.
        """
        return [load_weights(path, self.recipe) for path in self.weights()]


def load_weights(path: Path, recipe: LesionRecipe) -> LesionNetwork:
    """One network with the weights of a file.

    Raises
    ------
    ModelError
        The file is not readable or belongs to another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from dawson.lesions.network import build_network

    network = build_network(recipe.network, 0)
    try:
        network.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    except (RuntimeError, SafetensorError) as error:
        raise ModelError(f"{path} does not hold the network of its recipe: {error}.", "Copy the whole model folder.") from None
    return network.eval()


def save_weights(network: torch.nn.Module, path: Path) -> None:
    """Write the weights of a network, float32, atomically."""
    from safetensors.torch import save_file

    from dawson.files import atomic_path

    with atomic_path(path) as temporary:
        save_file({name: value.detach().contiguous() for name, value in network.state_dict().items()}, temporary)


def read_lesion_model(folder: Path | str | None = None) -> LesionModel:
    """Read a model folder; the shipped model where none is given.

    Raises
    ------
    ModelError
        There is no readable `model.json`, or it was written by a later version.
    """
    folder = SHIPPED if folder is None else Path(folder)
    path = folder / DESCRIPTION
    if not path.is_file():
        fix = "Make it with `make lesion-model`." if folder == SHIPPED else "Give a folder that `dawson lesions train` wrote."
        raise ModelError(f"{folder} is no lesion model: it has no {DESCRIPTION}.", fix)
    try:
        description = read_json(path)
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}.", "Copy the model folder again.") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        found = description.get("format") if isinstance(description, dict) else "none"
        raise ModelError(f"{path} has format {found}; this version reads {FORMAT}.", "Update Dawson, or copy the folder again.")
    return LesionModel(folder, description)
