"""The core serves any country: no French word in domain, features or models."""

import re
from pathlib import Path

import pytest

# "commune" and "department" are the project's words for the smaller and the larger area of any territory.
FRENCH = re.compile(
    r"inscrit|votant|exprim|suffrage|nuance|scrutin|bureau|circonscription|canton\b|arrondissement"
    r"|d[ée]partement\b|\br[ée]gion\b|\bvoix\b|\bliste\b|\btour\b|\bnuls?\b|\bnulles?\b"
    r"|blancs?\b|panneau|candidat\b|mairie|\binsee\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("folder", ["domain", "features", "models"])
def test_the_core_has_no_french_word(repository: Path, folder: str) -> None:
    found = {
        f"{path.name}:{number}": word.group()
        for path in sorted((repository / folder).glob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (word := FRENCH.search(line))
    }
    assert not found


def test_the_search_finds_french_where_it_belongs(repository: Path) -> None:
    assert FRENCH.search((repository / "pipelines" / "sources" / "datagouv.py").read_text(encoding="utf-8"))
