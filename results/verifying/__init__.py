"""Whether what a run left behind is what was written: seals, hashes, tables."""

from icil.results.verifying.contents import check_contents
from icil.results.verifying.faults import Fault, Findings, cell_name, distinct
from icil.results.verifying.files import check_files
from icil.results.verifying.mending import mended
from icil.results.verifying.sealed import EpisodeSeal, check_episode_seal, check_table_seals
from icil.results.verifying.structure import check_kept, check_structure

__all__ = [
    "EpisodeSeal",
    "Fault",
    "Findings",
    "cell_name",
    "check_contents",
    "check_episode_seal",
    "check_files",
    "check_kept",
    "check_structure",
    "check_table_seals",
    "distinct",
    "mended",
]
