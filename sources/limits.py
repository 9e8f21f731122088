"""How large a file may be, and how much may be spent on reading it.

Belongs here: the limits and why they are what they are. Does not belong here: watching them (``landing.py``,
``excel_files.py``, ``worker.py``).
"""

from dataclasses import dataclass

__all__ = ["LIMITS", "Limits"]

_GB = 10**9
_MB = 10**6


@dataclass(frozen=True)
class Limits:
    """What one file may cost. The defaults lie far above any export and far below a machine.

    Attributes
    ----------
    file_bytes : int
        Largest uncompressed content of one file or member.
    ratio, ratio_floor : int
        Highest compression that is believed above so many bytes; exports reach some 30, archive bombs 1000.
    line_bytes : int
        Longest physical line of a csv file; the strict reader holds one in memory.
    workbook_bytes, workbook_ratio, workbook_parts, workbook_cells : int
        Uncompressed size and compression of a workbook, its parts, and the cells of one sheet. A sheet is held in
        memory.
    json_bytes : int
        Largest JSON document, which is held in memory too.
    memory_bytes : int
        Address space of the process that reads.
    cpu_seconds, wall_seconds : int
        Time for one file.
    written_bytes : int
        Largest file that may be written while reading.
    """

    file_bytes: int = 50 * _GB
    ratio: int = 300
    ratio_floor: int = 100 * _MB
    line_bytes: int = 8 << 20
    workbook_bytes: int = 2 * _GB
    workbook_ratio: int = 100
    workbook_parts: int = 5_000
    workbook_cells: int = 40_000_000
    json_bytes: int = 400 * _MB
    memory_bytes: int = 12 * _GB
    cpu_seconds: int = 3 * 3600
    wall_seconds: float = 3 * 3600
    written_bytes: int = 100 * _GB


LIMITS = Limits()
