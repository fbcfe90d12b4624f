"""The register of the kinds of lesions that radiologists name in MS, NMOSD and MOG-antibody disease.

Sources, as each kind names them: Matthews 2013 (Neurology 80:1330); Taiwan series (BMC Neurol 2014); MS Int 2014; Kim HJ et al.
2015 (Neurology 84:1165); Jurynczyk 2017 (Brain); Cao 2020; Seok et al. 2023 (Sci Rep, doi:10.1038/s41598-023-38271-x).
"""

from __future__ import annotations

from dawson.simulation.lesion_drawing import Draw, Kind, Style
from dawson.simulation.mogad_lesions import MOGAD_KINDS
from dawson.simulation.ms_lesions import MS_KINDS
from dawson.simulation.nmosd_lesions import NMOSD_KINDS
from dawson.simulation.plain_lesions import PLAIN_KINDS

KINDS: dict[str, Kind] = {kind.key: kind for kind in (*MS_KINDS, *PLAIN_KINDS, *NMOSD_KINDS, *MOGAD_KINDS)}
"""Every kind by its key; a new one is one more entry of its file's tuple."""

__all__ = ["KINDS", "Draw", "Kind", "Style"]
