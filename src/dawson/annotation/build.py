"""A campaign in a study: its folder with rules and items, and the server's database beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dawson.annotation.find_items import Sources, find_items
from dawson.annotation.items import Item, write_items
from dawson.annotation.settings import CAMPAIGN_FILE, CampaignSettings, check_name
from dawson.cohort.consent import permitted
from dawson.cohort.dataset import read_cohort
from dawson.config import StudyConfig, toml_table
from dawson.errors import ConfigError
from dawson.files import write_text

FOLDER, DATABASE = "annotation", "server.sqlite"


@dataclass(frozen=True)
class CampaignPlan:
    """What would be made.

    Parameters
    ----------
    settings : CampaignSettings
    items : tuple of Item
    left_out : dict of str to str
        Scans that cannot be shown, with the reason.
    refused : dict of str to str
        People who may not be shown, with the reason.
    """

    settings: CampaignSettings
    items: tuple[Item, ...]
    left_out: dict[str, str]
    refused: dict[str, str]

    def counts(self) -> dict[str, int]:
        """Items of each role."""
        return {role: sum(one.role == role for one in self.items) for role in ("item", "gold", "tutorial")}


def campaign_folder(study: Path, name: str) -> Path:
    """Where a campaign of a study lies."""
    return study / FOLDER / check_name(name)


def database_path(study: Path) -> Path:
    """The server's SQLite file of a study."""
    return study / FOLDER / DATABASE


def plan_campaign(
    study: Path,
    config: StudyConfig,
    settings: CampaignSettings,
    sources: Sources,
    *,
    checks: int | None = None,
    where: str = "",
    seed: int = 0,
    record: bool = False,
) -> CampaignPlan:
    """Find the items of a campaign; consent to annotation, by the public where it is public, is asked of everybody.

    Parameters
    ----------
    study : Path
    config : StudyConfig
    settings : CampaignSettings
    sources : Sources
    checks : int, optional
        Items of known answer that are set aside; by default those of tutorial and gate and as many again.
    where : str
        Selection, see `Cohort.select`.
    seed : int
    record : bool
        Write the use to the audit log.

    Raises
    ------
    ConsentError
        Nobody may be shown.
    CohortError, ConfigError
        See `find_items`.
    """
    cohort = read_cohort(study, text=(config.study.diagnosis_column, config.study.site_column)).select(where)
    allowed, refused = permitted(cohort, config.governance, "annotate", public=settings.campaign.public, record=record)
    wanted = settings.learning.tutorial_items + 2 * settings.learning.gate_items if checks is None else checks
    items, left_out = find_items(allowed, cohort.root / "derivatives" / "dawson", settings, sources, gold=wanted, seed=seed)
    part = settings.campaign.model_copy(update={"simulated": settings.campaign.simulated or cohort.simulated})
    return CampaignPlan(settings.model_copy(update={"campaign": part}), items, left_out, refused)


def build_campaign(study: Path, name: str, plan: CampaignPlan) -> Path:
    """Write the folder of a campaign.

    Raises
    ------
    ConfigError
        There is one of that name.
    """
    folder = campaign_folder(study, name)
    if folder.exists():
        raise ConfigError(f"{folder} exists.", "Give another name.")
    write_items(folder, plan.items)
    # the rules last: they say that the folder is whole
    write_text(folder / CAMPAIGN_FILE, _as_toml(plan.settings))
    return folder


def _as_toml(settings: CampaignSettings) -> str:
    """Every rule with its value, so that the file shows what can be changed."""
    parts = settings.model_dump(mode="json")
    tables = [toml_table(name, parts[name]) for name in ("campaign", "learning", "checks", "end")]
    return "\n".join([*tables, *(toml_table("choices", choice, many=True) for choice in parts["choices"])])


def campaigns_of(study: Path) -> list[Path]:
    """The folders of a study's campaigns, by name."""
    return sorted(path.parent for path in (study / FOLDER).glob(f"*/{CAMPAIGN_FILE}"))
