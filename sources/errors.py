"""The one way in which a file is turned away.

Belongs here: the exception that carries the reason. Does not belong here: what happens next (``load.py``).
"""

__all__ = ["RefusedFileError"]


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
