"""Which commands there are. A new group is a file beside this and one line here."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add every command to the application, once."""
    if app.registered_groups or app.registered_commands:
        return
    from dawson.cli import (
        annotate,
        challenge,
        cohort,
        demo,
        federation,
        governance,
        intake,
        lesions,
        model,
        predict,
        preprocess,
        quality,
        report,
        request,
        serve,
        simulate,
        site,
        study,
    )

    app.command("demo")(demo.demo)
    app.add_typer(study.app, name="study")
    app.add_typer(cohort.app, name="cohort")
    app.add_typer(simulate.app, name="simulate")
    app.add_typer(intake.app, name="intake")
    app.command("preprocess")(preprocess.preprocess)
    app.add_typer(quality.app, name="quality")
    app.add_typer(lesions.app, name="lesions")
    app.command("predict")(predict.predict)
    app.add_typer(model.app, name="model")
    app.command("report")(report.report)
    app.add_typer(governance.app, name="governance")
    app.add_typer(challenge.app, name="challenge")
    app.add_typer(site.app, name="site")
    app.add_typer(request.app, name="request")
    app.add_typer(federation.app, name="federation")
    app.add_typer(annotate.app, name="annotate")
    app.command("serve")(serve.serve)
