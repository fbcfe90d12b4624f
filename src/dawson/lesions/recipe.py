"""The recipe of a lesion network: every number that its training and its use depend on, with what was frozen for the shipped model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from dawson.config import Section, read_toml, validated
from dawson.errors import ConfigError

Share = Annotated[float, Field(ge=0, le=1)]
Range = tuple[float, float]


class NetworkPart(Section):
    """Shape of the network: channels at each level, each level at half the resolution of the one before."""

    widths: Annotated[tuple[int, ...], Field(min_length=2, max_length=6)] = (16, 32, 64, 96)
    supervised: Annotated[int, Field(ge=1)] = 3

    @model_validator(mode="after")
    def _levels(self) -> NetworkPart:
        if self.supervised > len(self.widths) - 1:
            raise ValueError(f"supervised = {self.supervised} needs at least {self.supervised + 1} widths")
        return self


class PatchPart(Section):
    """Which pieces of a scan a network learns from: cubes of `size` voxels of 1 mm."""

    size: Annotated[int, Field(ge=16)] = 64
    lesion_share: Share = 0.55
    flip: Share = 0.5
    deform: Share = 0.5
    rotation_degrees: float = 12.0
    scale: Range = (0.88, 1.14)
    elastic_mm: Range = (0.0, 4.0)
    elastic_spacing_mm: float = 16.0


class AppearancePart(Section):
    """How far images are changed so that one network reads any scanner. Brightness is in robust standard deviations of the brain."""

    t1w_absent: Share = 0.5
    lesion_contrast: Range = (0.18, 1.1)
    t1w_lesion_contrast: Range = (0.0, 3.0)
    lesion_contrast_spread: float = 0.25
    recolour: Share = 0.7
    recolour_sd: float = 0.5
    bright_spots: Share = 0.35
    bright_height: Range = (0.5, 4.0)
    monotone: Share = 0.5
    remains: Share = 0.25
    edge: Share = 0.35
    bias: Share = 0.6
    bias_sd: float = 0.12
    thick: Share = 0.5
    thick_mm: Range = (1.5, 5.0)
    blur: Share = 0.4
    blur_mm: Range = (0.3, 1.1)
    texture: Share = 0.7
    texture_sd: Range = (0.05, 0.5)
    noise: Share = 0.85
    noise_sd: Range = (0.02, 0.45)
    ghosts: Share = 0.12
    ghost_height: Range = (0.02, 0.12)
    gain: Range = (0.7, 1.4)
    offset_sd: float = 0.25

    def halved(self) -> AppearancePart:
        """Half of it: each artefact in half as many scans, and lesions half as faint (by the logarithm of their contrast).

        What a network learns from goes further than scanners do, so that it bears them; what it is judged on should not.
        """
        shares = [name for name, field in type(self).model_fields.items() if field.annotation is float and field.metadata]
        low, high = self.lesion_contrast
        return self.model_copy(update={name: getattr(self, name) / 2 for name in shares} | {"lesion_contrast": (low**0.5, high**0.5)})


class OptimisationPart(Section):
    """AdamW with a short rise and a fall by a cosine; `average` is the decay of the weights' running mean that is kept.

    At each of the steps `restarts` the rate rises and begins to fall anew (Loshchilov and Hutter, ICLR 2017); one that is not reached
    has no effect.
    """

    steps: Annotated[int, Field(ge=1)] = 3500
    restarts: tuple[Annotated[int, Field(ge=1)], ...] = (2500,)
    batch_size: Annotated[int, Field(ge=1)] = 2
    learning_rate: Annotated[float, Field(gt=0)] = 1.5e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    warm_up: Annotated[int, Field(ge=0)] = 150
    average: Annotated[float, Field(ge=0, lt=1)] = 0.995
    clip: Annotated[float, Field(gt=0)] = 5.0
    checkpoint_steps: Annotated[int, Field(ge=1)] = 250
    bfloat16: bool = True


class EnsemblePart(Section):
    """Members are the first `members` of `folds` patient-grouped folds: each validates on its own people."""

    members: Annotated[int, Field(ge=1)] = 2
    folds: Annotated[int, Field(ge=2)] = 5
    validation_scans: Annotated[int, Field(ge=1)] = 12
    thresholds: tuple[float, ...] = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
    minimum_volumes_mm3: tuple[float, ...] = (3.0, 8.0)

    @model_validator(mode="after")
    def _enough_folds(self) -> EnsemblePart:
        if self.members > self.folds:
            raise ValueError(f"members = {self.members} is more than folds = {self.folds}")
        return self


class InferencePart(Section):
    """Windows that slide over the brain; neighbours share `overlap` of their side.

    A window that holds the whole brain is one pass: the normalisation of each instance then sees the same share of lesion everywhere.
    """

    window: Annotated[int, Field(ge=16)] = 192
    overlap: Annotated[float, Field(ge=0, le=0.75)] = 0.25
    flip: bool = False


class LesionRecipe(Section):
    """The whole recipe.

    `makers` are the truths that are learnt from, the best first: what follows `desc-` in the name of a lesion mask, where `raters`
    stands for the mean of all masks of a scan by `rater...`.
    """

    makers: tuple[str, ...] = ("consensus", "expert", "raters", "sim")
    network: NetworkPart = NetworkPart()
    patches: PatchPart = PatchPart()
    appearance: AppearancePart = AppearancePart()
    optimisation: OptimisationPart = OptimisationPart()
    ensemble: EnsemblePart = EnsemblePart()
    inference: InferencePart = InferencePart()

    @model_validator(mode="after")
    def _halves(self) -> LesionRecipe:
        step = 2 ** (len(self.network.widths) - 1)
        for name, side in (("[patches] size", self.patches.size), ("[inference] window", self.inference.window)):
            if side % step:
                raise ValueError(f"{name} = {side} must be a multiple of {step} for {len(self.network.widths)} widths")
        return self

    def updated(self, **parts: dict[str, Any]) -> LesionRecipe:
        """A copy with some values replaced.

        Examples
        --------
        >>> LesionRecipe().updated(optimisation={"steps": 10}).optimisation.steps
        10
        """
        content = self.model_dump()
        for part, values in parts.items():
            content[part].update(values)
        return parse_recipe(content, "the recipe")


def parse_recipe(content: dict[str, Any], origin: str) -> LesionRecipe:
    """Check the content of a recipe.

    Raises
    ------
    ConfigError
        Naming each value that is wrong and why.
    """
    return validated(LesionRecipe, content, origin, "Correct the value; docs/explanation/lesion-network lists them all.")


def read_recipe(path: Path | None) -> LesionRecipe:
    """Read a recipe from TOML; what it leaves out, and the whole where there is no path, is the shipped model's.

    Raises
    ------
    ConfigError
        The file is missing, is not TOML, or a value is wrong.
    """
    if path is None:
        return LesionRecipe()
    if not path.is_file():
        raise ConfigError(f"{path} does not exist.", "Give a recipe in TOML, or none for the shipped one.")
    return parse_recipe(read_toml(path), str(path))
