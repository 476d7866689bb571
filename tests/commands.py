"""The command line as tests call it: in this process, with what it printed."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO

import pytest

from isoloir.pipelines import cli

MAIN = "from isoloir.pipelines.cli import main; main()"


@dataclass(frozen=True)
class Said:
    """How a command ended, what it printed, and what it said beside that."""

    status: int
    out: str
    err: str


def isoloir(*arguments: object) -> Said:
    """The command; what is no mistake comes out as the exception it is."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["isoloir", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
    return Said(int(end.value.code or 0), out.getvalue(), err.getvalue())
