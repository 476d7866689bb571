"""Small files of our own making in the Ministry of the Interior's layouts: invented names, counts by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

NAME = "ZZNOMTEMOIN"
"""Stands wherever the published files have a name: nothing that comes out may have it."""


@dataclass(frozen=True)
class Votes:
    """One candidate or list: number, label and votes."""

    panel: int
    label: str
    votes: int


@dataclass(frozen=True)
class Station:
    """A polling station as a layout writes it, and the id and constituency that must come of it."""

    department: str
    commune: str
    code: str
    registered: int
    blank: int
    null: int
    candidates: tuple[Votes, ...]
    id: str
    constituency: str = "01"
    round: int = 1
    valid_given: int | None = None

    @property
    def valid(self) -> int:
        return self.valid_given if self.valid_given is not None else sum(c.votes for c in self.candidates)

    @property
    def voters(self) -> int:
        return self.valid + self.blank + self.null

    @property
    def abstentions(self) -> int:
        return self.registered - self.voters


def of(part: int, whole: int, sign: str = "") -> str:
    """A percentage as the Ministry writes it."""
    return f"{100 * part / whole:.2f}".replace(".", ",") + sign if whole else f"0,00{sign}"


def standard(s: Station) -> list[str]:
    return [
        str(s.registered), str(s.abstentions), of(s.abstentions, s.registered),
        str(s.voters), of(s.voters, s.registered),
        str(s.blank), of(s.blank, s.registered), of(s.blank, s.voters),
        str(s.null), of(s.null, s.registered), of(s.null, s.voters),
        str(s.valid), of(s.valid, s.registered), of(s.valid, s.voters),
    ]  # fmt: skip


def standard_24(s: Station) -> list[str]:
    return [
        str(s.registered), str(s.voters), of(s.voters, s.registered, "%"),
        str(s.abstentions), of(s.abstentions, s.registered, "%"),
        str(s.valid), of(s.valid, s.registered, "%"), of(s.valid, s.voters, "%"),
        str(s.blank), of(s.blank, s.registered, "%"), of(s.blank, s.voters, "%"),
        str(s.null), of(s.null, s.registered, "%"), of(s.null, s.voters, "%"),
    ]  # fmt: skip


STD14 = [
    "Inscrits",
    "Abstentions",
    "% Abs/Ins",
    "Votants",
    "% Vot/Ins",
    "Blancs",
    "% Blancs/Ins",
    "% Blancs/Vot",
    "Nuls",
    "% Nuls/Ins",
    "% Nuls/Vot",
    "Exprimés",
    "% Exp/Ins",
    "% Exp/Vot",
]
STD24 = [
    "Inscrits",
    "Votants",
    "% Votants",
    "Abstentions",
    "% Abstentions",
    "Exprimés",
    "% Exprimés/inscrits",
    "% Exprimés/votants",
    "Blancs",
    "% Blancs/inscrits",
    "% Blancs/votants",
    "Nuls",
    "% Nuls/inscrits",
    "% Nuls/votants",
]


@dataclass(frozen=True)
class Form:
    """A layout: header, fixed fields of a station, fields of a candidate, and how the file is written."""

    fixed: tuple[str, ...]
    block: tuple[str, ...]
    head: Callable[[Station], list[str]]
    candidate: Callable[[Station, Votes], list[str]]
    name: str
    numbered: bool = False
    encoding: str = "latin-1"
    delimiter: str = ";"
    long: bool = False
    preamble: str = ""

    def header(self, most: int) -> list[str]:
        if not self.numbered:
            return [*self.fixed, *self.block]
        return [*self.fixed, *(f"{name} {i}" for i in range(1, most + 1) for name in self.block)]

    def rows(self, stations: Sequence[Station]) -> list[list[str]]:
        """The lines as fields, the header first where there is one."""
        if self.long:
            return [[*self.head(s), *self.candidate(s, c)] for s in stations for c in s.candidates]
        most = max(len(s.candidates) for s in stations)
        rows = [self.header(most)]
        for s in stations:
            blocks = [field for c in s.candidates for field in self.candidate(s, c)]
            empty = [""] * ((most - len(s.candidates)) * len(self.block)) if self.numbered else []
            rows.append([*self.head(s), *blocks, *empty])
        return rows

    def written(self, stations: Sequence[Station]) -> bytes:
        lines = [*self.preamble.splitlines(), *(self.delimiter.join(row) for row in self.rows(stations))]
        return "".join(f"{line}\r\n" for line in lines).encode(self.encoding)


def with_codes(*between: str, bv: str = "Code du b.vote") -> tuple[str, ...]:
    places = ["Code du département", "Libellé du département", *between]
    return (*places, "Code de la commune", "Libellé de la commune", bv, *STD14)


def codes(s: Station, *between: str) -> list[str]:
    return [s.department, "Pays", *between, s.commune, "Ville", s.code, *standard(s)]


def shares(s: Station, c: Votes, sign: str = "") -> list[str]:
    return [str(c.votes), of(c.votes, s.registered, sign), of(c.votes, s.valid, sign)]


CIRC = ("Code de la circonscription", "Libellé de la circonscription")
SHARES = ("Voix", "% Voix/Ins", "% Voix/Exp")
SHARES_24 = ("Voix", "% Voix/inscrits", "% Voix/exprimés")
PREAMBLE = "Elections européennes 2014\n\n-- Champ 1  : N° tour\n-- Champ 2  : Code département\n"
DEPOSITED = [NAME, "Zoé"]

FORMS = {
    "pres": Form(
        with_codes(*CIRC), ("N°Panneau", "Sexe", "Nom", "Prénom", *SHARES),
        lambda s: codes(s, s.constituency, "1ère circonscription"),
        lambda s, c: [str(c.panel), "F", NAME, "Zoé", *shares(s, c)], "a.txt",
    ),
    "legi": Form(
        with_codes(*CIRC), ("N°Panneau", "Sexe", "Nom", "Prénom", "Nuance", *SHARES),
        lambda s: codes(s, s.constituency, "1ère circonscription"),
        lambda s, c: [str(c.panel), "M", NAME, "Zoé", c.label, *shares(s, c)], "a.txt",
    ),
    "euro": Form(
        with_codes(),
        ("N°Liste", "Libellé Abrégé Liste", "Libellé Etendu Liste", "Nom Tête de Liste", *SHARES),
        lambda s: codes(s),
        lambda s, c: [str(c.panel), c.label, f"LISTE {NAME}", NAME, *shares(s, c)], "a.txt",
    ),
    "muni": Form(
        with_codes(bv="Code B.Vote"),
        ("N.Pan.", "Code Nuance", "Sexe", "Nom", "Prénom", "Liste", *SHARES),
        lambda s: codes(s),
        lambda s, c: [str(c.panel), c.label, "F", NAME, "Zoé", f"AVEC {NAME}", *shares(s, c)],
        "MN20_bvot_t1.txt", delimiter="\t",
    ),
    "dpmt": Form(
        with_codes("Code du canton", "Libellé du canton"), ("N°Panneau", "Binôme", "Nuance", *SHARES),
        lambda s: codes(s, s.constituency, "Canton"),
        lambda s, c: [str(c.panel), f"Mme {NAME} et M. {NAME}", c.label, *shares(s, c)], "DP21_burvot_t1.txt",
    ),
    "regi": Form(
        with_codes("Libellé de la section électorale"),
        (
            "N°Liste", "Nuance Liste", "Libellé Abrégé Liste", "Libellé Etendu Liste", "Nom Tête de Liste",
            *SHARES,
        ),
        lambda s: codes(s, "Section"),
        lambda s, c: [str(c.panel), c.label, NAME, f"LISTE {NAME}", NAME, *shares(s, c)],
        "RG21_burvot_t2.txt",
    ),
    "euro24": Form(
        (
            "Code localisation", "Libellé localisation", "Code département", "Libellé département",
            "Code commune", "Libellé commune", "Code BV", *STD24,
        ),
        (
            "Numéro de panneau", "Nuance liste", "Libellé abrégé de liste", "Libellé de liste", *SHARES_24,
            "Sièges",
        ),
        lambda s: ["FE", "France", s.department, "Pays", s.commune, "Ville", s.code, *standard_24(s)],
        lambda s, c: [str(c.panel), c.label, NAME, f"LISTE {NAME}", *shares(s, c, "%"), "0"],
        "a.csv", numbered=True, encoding="utf-8-sig",
    ),
    "legi24": Form(
        ("Code département", "Libellé département", "Code commune", "Libellé commune", "Code BV", *STD24),
        (
            "Numéro de panneau", "Nuance candidat", "Nom candidat", "Prénom candidat", "Sexe candidat",
            *SHARES_24, "Elu",
        ),
        lambda s: [s.department, "Pays", s.commune, "Ville", s.code, *standard_24(s)],
        lambda s, c: [str(c.panel), c.label, NAME, "Zoé", "FEMININ", *shares(s, c, "%"), ""],
        "a.csv", numbered=True, encoding="utf-8",
    ),
    "euro14": Form(
        (), (),
        lambda s: [
            str(s.round), s.department, s.commune, "Ville", s.code, str(s.registered), str(s.voters),
            str(s.valid),
        ],
        lambda s, c: [str(c.panel), *DEPOSITED, c.label, str(c.votes)],
        "a.txt", long=True, preamble=PREAMBLE,
    ),
    "muni14": Form(
        (), (),
        lambda s: [
            str(s.round), s.department, s.commune, "Ville", s.code, str(s.registered), str(s.voters),
            str(s.valid),
        ],
        lambda s, c: [str(c.panel), *DEPOSITED, c.label, str(c.votes)],
        "a.txt", long=True, preamble=PREAMBLE.replace("européennes", "municipales"),
    ),
    "pres12": Form(
        (), (),
        lambda s: [
            str(s.round), s.department, s.commune, "Ville", s.constituency, "09", s.code, str(s.registered),
            str(s.voters), str(s.valid),
        ],
        lambda s, c: [str(c.panel), *DEPOSITED, NAME[:4], str(c.votes)],
        "a.txt", long=True, preamble="Election présidentielle 2012\n",
    ),
    "refe05": Form(
        (), (),
        lambda s: [
            str(s.round), "91", s.department, "3", s.constituency, "09", s.commune, str(s.registered),
            "Ville", s.code, str(s.registered), str(s.voters), str(s.abstentions), str(s.valid),
        ],
        lambda s, c: [c.label, str(c.votes)], "a.txt", long=True,
    ),
}  # fmt: skip

LABELS = {
    "pres": ("2017_pres_t1", [str(n) for n in range(1, 12)]),
    "legi": ("2017_legi_t1", ["REM", "FN", "FI", "LR", "SOC", "ECO", "DIV", "EXG", "DVG", "DVG", "COM"]),
    "euro": ("2019_euro_t1", ["RENAISSANCE", "EUROPE ÉCOLOGIE", "LUTTE OUVRIÈRE", "PACE", "PARTI PIRATE"]),
    "muni": ("2020_muni_t1", ["LREM", "LRN", "LDVG", "LDVG"]),
    "dpmt": ("2021_dpmt_t1", ["BC-RN", "BC-UG", "BC-DVD", "BC-REM"]),
    "regi": ("2021_regi_t2", ["LRN", "LUD", "LUGE"]),
    "euro24": ("2024_euro_t1", ["LRN", "LENS", "LFI", "LUG", "LDIV", "LDIV"]),
    "legi24": ("2024_legi_t1", ["RN", "ENS", "UG", "LR", "DIV", "DIV", "REC", "EXG", "ECO"]),
    "euro14": ("2014_euro_t1", ["LFN", "LUMP", "LUG", "LFG", "LDIV", "LDIV", "LEXG", "LVEC", "LUC"]),
    "muni14": ("2014_muni_t1", ["LFN", "LUMP", "LSOC"]),
    "pres12": ("2012_pres_t1", [""] * 10),
    "refe05": ("2005_refe_t1", ["OUI", "NON"]),
}
"""The contest of each small file, and the labels of the candidates numbered 1, 2, …"""


def stations_of(form: str, seed: int = 0) -> list[Station]:
    """Seven sound stations in three communes and two constituencies."""
    random = np.random.default_rng(seed)
    _, labels = LABELS[form]
    made = []
    full = form.endswith("24")
    for n, (commune, code) in enumerate(
        [("001", "0001"), ("001", "0002"), ("017", "01.1"), ("017", "028B"), ("017", "BV01"), ("300", "0001"),
         ("300", "0002")]
    ):  # fmt: skip
        votes = random.integers(3, 120, len(labels))
        made.append(
            Station(
                "34", f"34{commune}" if full else commune, code,
                int(votes.sum()) + int(random.integers(60, 300)), *random.integers(3, 30, 2).tolist(),
                tuple(Votes(i + 1, label, int(votes[i])) for i, label in enumerate(labels)),
                f"34{commune}_{code}", "07" if n < 5 else "09",
            )
        )  # fmt: skip
    return made


@dataclass
class Truth:
    """What must come of stations: figures by station, votes by station and label."""

    figures: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    votes: Counter[tuple[str, str]] = field(default_factory=Counter)


def truth_of(stations: Sequence[Station]) -> Truth:
    truth = Truth()
    for s in stations:
        truth.figures[s.id] = (s.registered, s.voters, s.valid)
        for c in s.candidates:
            truth.votes[s.id, c.label] += c.votes
    return truth


def moved(s: Station, department: str, commune: str, station_id: str) -> Station:
    """The station at another place."""
    return replace(s, department=department, commune=commune, id=station_id)
