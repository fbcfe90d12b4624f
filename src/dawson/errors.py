"""Every error that Dawson raises on purpose: what is wrong, with which file or person, and what to do."""

from __future__ import annotations

from pathlib import Path


class DawsonError(Exception):
    """Base of all errors that a user can act on.

    Parameters
    ----------
    message : str
        What is wrong; names the file or participant.
    fix : str
        What the user can do about it; empty where the message says it already.
    """

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.fix, self.__dict__))


def _rebuild(kind: type[DawsonError], message: str, fix: str, state: dict[str, object]) -> DawsonError:
    """Unpickle an error that crossed a process border, whatever its constructor takes."""
    error = kind.__new__(kind)
    DawsonError.__init__(error, message, fix)
    error.__dict__.update(state)
    return error


class ConfigError(DawsonError):
    """The study file or an option has a value that cannot be used."""


class CohortError(DawsonError):
    """A BIDS dataset, its tables or its dictionary cannot be used as they are."""


class ImageError(DawsonError):
    """An image file cannot be read or is no brain scan.

    Parameters
    ----------
    path : Path
        The file.
    problem : str
        What is wrong with it, as the end of the sentence "FILE ...".
    fix : str
        What the user can do about it.
    """

    def __init__(self, path: Path | str, problem: str, fix: str = "") -> None:
        super().__init__(f"{path} {problem}", fix)
        self.path = Path(path)
        self.problem = problem


class IntakeError(DawsonError):
    """A source of scans, a rule file or a key cannot be used as it is."""


class QualityError(DawsonError):
    """A protocol file, a quality table or a verdict cannot be used as it is."""


class GovernanceError(DawsonError):
    """A consent record, an agreement, a key or the audit log cannot be used as it is."""


class BudgetError(GovernanceError):
    """A private training would spend more than is left of the site's budget."""


class ConsentError(GovernanceError):
    """Somebody's data may not be used for what was asked."""


class PreprocessingError(DawsonError):
    """A step between the raw scan and the channel image failed."""


class LeakageError(DawsonError):
    """One person (or one image) would be on both sides of a split."""


class TooFewParticipantsError(DawsonError):
    """A split asks for more participants than there are."""


class ModelError(DawsonError):
    """A model folder is missing, incomplete, or not fit for what is asked of it."""


class ExperimentError(DawsonError):
    """An experiment folder is incomplete or was made with other settings."""


class ChallengeError(DawsonError):
    """An entry of a challenge is not taken, or cannot be scored."""


class EnclaveError(DawsonError):
    """A request for an analysis cannot be made, taken, answered or combined."""


class NetworkError(DawsonError):
    """The coordinator or a node of a network cannot be reached, refuses, or has ended."""


class MissingDependencyError(DawsonError):
    """An optional program or package is not installed."""


class AnnotationError(DawsonError):
    """A campaign, an answer or a drawing cannot be used as it is."""
