"""What an attack tried, and what it found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a release gives away: ``what``, and ``where`` (station, unit, area or file).

    ``width``: the persons between which the forecast is known to lie, ``allowed`` the least that must be left
    open; None where it is no matter of width. Never a name, nor a text that could be one.
    """

    attack: str
    what: str
    where: str
    width: float | None = None
    allowed: float | None = None

    def line(self) -> str:
        """The finding on one line."""
        if self.width is None or self.allowed is None:
            return f"{self.what}: {self.where}"
        return f"{self.what}: {self.where}, known within {self.width:.4g} (at least {self.allowed:.4g})"


@dataclass(frozen=True, slots=True)
class Attacked:
    """One attack: how many things were ``tried``, what was ``found``, and ``notes`` on what it could see.

    ``least_width``, ``most_width``: the narrowest and the widest interval seen, in persons.
    """

    attack: str
    tried: int
    found: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    least_width: float | None = None
    most_width: float | None = None
