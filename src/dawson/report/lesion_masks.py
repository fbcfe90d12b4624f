"""Whose lesion masks a result rests on, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dawson.report.formatting import listed

SIMULATOR = "sim"
TRUE_LESIONS = "lesions are the simulator’s true ones, which no method would find so well"


def masks_sentence(content: Any) -> str:
    """Who made the lesion masks, as comparison.json or saliency.json records it; empty where none is recorded.

    Numbers of masks stay in the file, so that the sentence may be shared.

    Examples
    --------
    >>> masks_sentence({"lesion_masks": {"expert": 12}})
    'The lesion masks are by expert (desc-).'
    >>> masks_sentence({"lesion_masks": {"expert": 12, "sim": 3}}).split(": ")[1]
    'some lesions are the simulator’s true ones, which no method would find so well.'
    """
    makers = _makers(content)
    if not makers:
        return ""
    said = f"The lesion masks are by {listed([name or 'an unnamed maker' for name in makers])} (desc-)"
    if SIMULATOR not in makers:
        return f"{said}."
    return f"{said}: {'the' if len(makers) == 1 else 'some'} {TRUE_LESIONS}."


def true_lesions(*contents: Any) -> bool:
    """Whether any of these files rests on the simulator's own lesions."""
    return any(SIMULATOR in _makers(content) for content in contents)


def _makers(content: Any) -> list[str]:
    found = content.get("lesion_masks") if isinstance(content, Mapping) else None
    return sorted(str(name) for name, n in found.items() if n) if isinstance(found, Mapping) else []
