"""The ways in which a file is turned away.

Belongs here: the exceptions that carry the reason. Does not belong here: what happens next (``loading.py``).
"""

__all__ = ["LeftAsideError", "ProfileError", "RefusedFileError", "UnknownFileError"]


class RefusedFileError(Exception):
    """A file of which nothing may be loaded; its text is one sentence for the person who sent it.

    Parameters
    ----------
    reason : str
        What is wrong and what to do, without the file's name.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ProfileError(ValueError):
    """A profile that says something nobody reads, or that cannot be: nothing at all can be read with it."""


class UnknownFileError(RefusedFileError):
    """A file of no known kind: refused where it lies alone, left aside in an archive that holds others."""


class LeftAsideError(Exception):
    """A file of a kind that the owner of the source does not want to be read.

    Parameters
    ----------
    kind : str
        The kind of file in the profile.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
