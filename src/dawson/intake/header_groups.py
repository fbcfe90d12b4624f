"""Values that stand at the top of a classic DICOM file, and in the functional groups of an enhanced one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dawson.intake.header_values import items_of, numbers_of

if TYPE_CHECKING:
    from pydicom import Dataset

# Frames of one file may differ by rounding, not more.
_SAME_DIRECTION, _SAME_PIXEL_MM = 1e-3, 1e-3


class Groups:
    """Values of one file, wherever they stand.

    Parameters
    ----------
    dataset : Dataset
    """

    def __init__(self, dataset: Dataset) -> None:
        self._top = dataset
        self._frames = items_of(dataset, "PerFrameFunctionalGroupsSequence")
        self._shared = items_of(dataset, "SharedFunctionalGroupsSequence")[:1]

    def number(self, keyword: str, group: str = "") -> float | None:
        """First finite number of that name."""
        found = numbers_of(self._top, keyword)
        return found[0] if found else next(iter(self.numbers(keyword, group)), None) if group else None

    def numbers(self, keyword: str, group: str, count: int = 0) -> tuple[float, ...]:
        """Numbers of that name in the shared groups, else in the first frame's."""
        for place in (*self._shared, *self._frames[:1]):
            for item in items_of(place, group)[:1]:
                if found := numbers_of(item, keyword, count):
                    return found
        return ()

    def inversion_time(self) -> float | None:
        """The inversion time; None where there are several, as of a double inversion, since one of them says nothing."""
        found = numbers_of(self._top, "InversionTime") or self.numbers("InversionTimes", "MRModifierSequence")
        return found[0] if len(set(found)) == 1 else None

    def differ(self) -> bool:
        """Whether frames have several directions or pixel sizes."""
        for group, keyword, count, most in (
            ("PlaneOrientationSequence", "ImageOrientationPatient", 6, _SAME_DIRECTION),
            ("PixelMeasuresSequence", "PixelSpacing", 2, _SAME_PIXEL_MM),
        ):
            found = [numbers_of(item, keyword, count) for frame in self._frames for item in items_of(frame, group)[:1]]
            if found and (not all(found) or len(found) != len(self._frames)):
                return True
            if any(max(values) - min(values) > most for values in zip(*found, strict=True)):
                return True
        return False

    def positions(self) -> tuple[tuple[float, ...], ...]:
        """Corner of each frame; none where one is missing."""
        found = [
            numbers_of(item, "ImagePositionPatient", 3) for frame in self._frames for item in items_of(frame, "PlanePositionSequence")[:1]
        ]
        return tuple(found) if all(found) else ()
