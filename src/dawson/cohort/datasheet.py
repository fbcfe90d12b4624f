"""The datasheet of an export, after Gebru et al., Datasheets for Datasets (Commun ACM 2021): facts filled in, the rest for the author."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

AUTHOR = "*For the author.*"


@dataclass(frozen=True)
class DatasheetFacts:
    """What is known of an export.

    Parameters
    ----------
    name, version, day : str
    simulated : bool
    people, chosen, sessions, images, refused : int
        Chosen: people whom the selection chose; refused: those of them whose consent does not cover this use.
    managed : bool
        Consent was checked person by person.
    table : str
        Table 1 in markdown.
    missing : mapping of str to int
        Column of participants.tsv to people without a value.
    rare : int
        People whose age, sex and site fewer than five share.
    purpose, diseases, country, recipient, agreement, licence, licence_url : str
    commercial, public : bool
    faces : str
        How faces were removed, one sentence.
    changes : sequence of str
        What was taken out or made coarser, one sentence each.
    derivatives : bool
    description : mapping of str to str
        Authors, Funding, EthicsApprovals ... of the study's dataset_description.json.
    contact : str
    software : str
        Dawson and its version.
    """

    name: str
    version: str
    day: str
    simulated: bool
    people: int
    chosen: int
    sessions: int
    images: int
    refused: int
    managed: bool
    table: str
    missing: Mapping[str, int]
    rare: int
    purpose: str
    diseases: str
    country: str
    recipient: str
    agreement: str
    licence: str
    licence_url: str
    commercial: bool
    public: bool
    faces: str
    changes: Sequence[str]
    derivatives: bool
    software: str
    description: Mapping[str, str] = field(default_factory=dict)


def datasheet(facts: DatasheetFacts) -> str:
    """The datasheet as markdown, seven sections of questions; what Dawson does not know says so."""
    parts = [
        ("Motivation", _motivation(facts)),
        ("Composition", _composition(facts)),
        ("Collection", _collection(facts)),
        ("Preprocessing, cleaning, labelling", _preprocessing(facts)),
        ("Uses", _uses(facts)),
        ("Distribution", _distribution(facts)),
        ("Maintenance", _maintenance(facts)),
    ]
    lines = [f"# Datasheet: {facts.name}", "", f"Version {facts.version}, {facts.day}. Research use only: not for diagnosis.", ""]
    if facts.simulated:
        lines += ["**SIMULATED DATA. No person in this dataset exists.**", ""]
    lines += [
        f"Answers marked {AUTHOR} are to be written before the data are handed on; the others were filled in by {facts.software}.",
        "",
    ]
    for number, (title, answers) in enumerate(parts, start=1):
        lines += [f"## {number}. {title}", ""]
        for question, answer in answers:
            lines += [f"**{question}**", "", answer or AUTHOR, ""]
    return "\n".join(lines).rstrip() + "\n"


def open_questions(text: str) -> int:
    """How many answers of a datasheet the author still has to write."""
    return sum(line.rstrip().endswith(AUTHOR) for line in text.splitlines())


def _said(facts: DatasheetFacts, name: str) -> str:
    return facts.description.get(name, "")


def _motivation(facts: DatasheetFacts) -> list[tuple[str, str]]:
    return [
        ("For what purpose was the dataset made?", ""),
        ("Who made it, and for whom?", _said(facts, "Authors")),
        ("Who paid for it?", _said(facts, "Funding")),
    ]


def _composition(facts: DatasheetFacts) -> list[tuple[str, str]]:
    who = "simulated people" if facts.simulated else "people"
    count = f"{facts.people} {who}, {facts.sessions} sessions, {facts.images} images."
    missing = ", ".join(f"{column} of {number}" for column, number in facts.missing.items() if number)
    sample = f"It holds {facts.people} of {facts.chosen} people whom the selection from the study chose."
    sample += f" Of the others {facts.refused} did not consent to this use." if facts.refused else ""
    rare = (
        f"{facts.rare} of {facts.people} share their age (in years or bands), sex and site with fewer than four others and may be known "
        "again by somebody who knows them."
        if facts.rare
        else "Every combination of age, sex and site is shared by five people or more."
    )
    return [
        ("What do the instances stand for, and how many are there?", count),
        ("Who is in it?", facts.table),
        ("Is it a sample of a larger set?", sample),
        ("Is anything missing?", f"Without a value: {missing}." if missing else "No cell of participants.tsv is empty."),
        ("Are there recommended splits?", "None is shipped. Keep all scans of a person on one side of a split."),
        ("Are there errors, noise or redundancies?", ""),
        ("Does it rely on outside resources?", "No."),
        ("Can people be identified, directly or with other data?", rare if not facts.simulated else "No: nobody in it exists."),
        ("Does it hold sensitive data?", "Simulated health data." if facts.simulated else "Health data: diagnosis and MRI of the brain."),
    ]


def _collection(facts: DatasheetFacts) -> list[tuple[str, str]]:
    simulated = "Simulated by `dawson simulate`; no scanner was used." if facts.simulated else ""
    time = "Dates were removed; sessions have days from the person's first scan." + ("" if facts.simulated else f" {AUTHOR}")
    consent = (
        f"Consent was checked for each person on {facts.day} for the purpose {facts.purpose}. Withdrawal: see Maintenance."
        if facts.managed
        else ("Not needed: the data are simulated." if facts.simulated else "")
    )
    return [
        ("How were the data acquired?", simulated or "Scanner, sequence and voxel size are in the sidecars of the images."),
        ("Over what time?", time),
        ("Was there an ethical review?", "Not needed: the data are simulated." if facts.simulated else _said(facts, "EthicsApprovals")),
        ("Did the people consent, and can they withdraw?", consent),
    ]


def _preprocessing(facts: DatasheetFacts) -> list[tuple[str, str]]:
    derived = (
        "Derivatives of Dawson are in derivatives/dawson; each sidecar names its sources and parameters." if facts.derivatives else "None."
    )
    changes = "\n".join(f"- {change}" for change in facts.changes) or "Nothing was changed."
    return [
        ("What was taken out or changed for this export?", changes),
        ("Were faces removed?", facts.faces),
        ("What else was computed?", derived),
        ("Is the raw data kept?", "By the sender; the study itself was not changed."),
    ]


def _uses(facts: DatasheetFacts) -> list[tuple[str, str]]:
    about = f" on {facts.diseases}" if facts.diseases and facts.purpose == "disease-research" else ""
    allowed = f"{facts.purpose}{about}. Commercial use: {'yes' if facts.commercial else 'no'}."
    allowed += " Consent was asked for that." if facts.managed else ""
    return [
        ("For what may it be used?", allowed),
        ("Has it been used already?", _said(facts, "ReferencesAndLinks")),
        (
            "For what should it not be used?",
            "Diagnosis or treatment of anybody; finding out who the people are; training of models shown to patients.",
        ),
        ("What may bias results?", ""),
    ]


def _distribution(facts: DatasheetFacts) -> list[tuple[str, str]]:
    licence = f"{facts.licence}{f' ({facts.licence_url})' if facts.licence_url else ''}. The text is in LICENSE."
    to = facts.recipient or ("The public." if facts.public else "")
    to += f" Agreement: {facts.agreement}." if facts.agreement else ""
    to += f" Country: {facts.country}." if facts.country else ""
    return [
        ("To whom does it go?", to),
        ("How is it checked for damage?", "`sha256sum -c SHA256SUMS`"),
        ("Under which licence?", licence),
        ("How is it to be cited?", _said(facts, "HowToAcknowledge") or _said(facts, "DatasetDOI")),
    ]


def _maintenance(facts: DatasheetFacts) -> list[tuple[str, str]]:
    withdrawn = (
        "Not needed: the data are simulated."
        if facts.simulated
        else "The sender keeps a record of this export. A recipient who is told that a person has withdrawn deletes that person's files "
        "(sub-LABEL, and the row in participants.tsv) and everything made of them."
    )
    return [
        ("Who keeps it, and how can they be reached?", ""),
        ("Will it be updated?", f"Versions are listed in CHANGES; this is {facts.version}."),
        ("What happens when somebody withdraws?", withdrawn),
        ("How long may it be kept?", f"As the agreement {facts.agreement} says." if facts.agreement else ""),
    ]
