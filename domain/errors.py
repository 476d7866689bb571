"""What can go wrong, told apart by what the reader should do about it."""

from __future__ import annotations


class IsoloirError(Exception):
    """A failure that a person can act on: what happened, where, and the remedy.

    ``exit_code`` is the status with which the command line ends.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """The message as the screen shows it, one fact a line."""
        shown = [self.what]
        if self.where:
            shown.append(f"  where: {self.where}")
        if self.remedy:
            shown.append(f"  do:    {self.remedy}")
        return shown


class UsageError(IsoloirError):
    """The command or its arguments are wrong: correct the call."""

    exit_code = 2


class ConfigError(IsoloirError):
    """A configuration file is wrong: correct the file."""

    exit_code = 3


class SourceError(IsoloirError):
    """A source holds what cannot be true or is not declared: correct or replace the source."""

    exit_code = 4


class MissingInputError(IsoloirError):
    """An earlier step has not run: run it first."""

    exit_code = 5


class LeakageError(IsoloirError):
    """A step asked for what was not public yet: a defect of the caller, never to be worked around."""

    exit_code = 6


class PrivacyError(IsoloirError):
    """A table or a release would tell of a person or of too small a place."""

    exit_code = 7


class ReleaseError(IsoloirError):
    """A release is damaged, incomplete or contradicts its manifest."""

    exit_code = 8
