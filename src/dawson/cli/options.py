"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Study = Annotated[Path, typer.Argument(help="The study: a BIDS folder.", show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for the results; by default the study itself.", show_default=False)]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=0, help="Work side by side; 0 means one for every core.")]
Dask = Annotated[str | None, typer.Option("--dask", help="Address of a Dask scheduler to send the work to.", show_default=False)]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Start of the random numbers; the same seed gives the same result.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
Where = Annotated[str | None, typer.Option("--where", help="Only these, such as \"age >= 18 and site != 'B'\".", show_default=False)]
Config = Annotated[Path | None, typer.Option("--config", help="Study file; by default study.toml of the study.", show_default=False)]
Participants = Annotated[
    list[str] | None, typer.Option("--participant", "-p", help="Only this participant; may be given many times.", show_default=False)
]
