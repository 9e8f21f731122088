"""What a rules file is told when it cannot be used.

Here belong the error and its parts. The wording of a problem belongs to whoever finds it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a rules file.

    Attributes
    ----------
    file : Path
        The file as it was named.
    line : int or None
        Line, from 1; None where the file as a whole is meant.
    message : str
        What is wrong and what to do.
    """

    file: Path
    line: int | None
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}" if self.line is None else f"{self.file}, line {self.line}: {self.message}"


class RulesError(ValueError):
    """A rules file that cannot be used; as text, one line per problem in the order of the file.

    Attributes
    ----------
    problems : tuple of Problem
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        super().__init__("\n".join(map(str, self.problems)))
