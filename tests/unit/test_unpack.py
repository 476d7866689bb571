"""Zips: the members that are wanted, within limits, nothing outside of the folder, nothing after an error."""

from __future__ import annotations

import resource
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow.csv as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoloir.domain.errors import IsoloirError, SourceError
from isoloir.pipelines.sources.unpack import Limits, opened_member, unpacked

TABLE = b"code;population\n" + b"".join(b"%05d;%d\n" % (n, n * n % 977) for n in range(5000))
META = b"variable;label\nP18_POP;Population en 2018\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def zipped(
    path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED
) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as archive:
        # zipfile warns of names that are there already.
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(name, content, method)
    return path


def patched(path: Path, where: bytes, offset: int, value: bytes) -> Path:
    """The zip with other bytes at ``offset`` after each mark ``where``."""
    said = bytearray(path.read_bytes())
    at = said.find(where)
    while at >= 0:
        said[at + offset : at + offset + len(value)] = value
        at = said.find(where, at + 1)
    path.write_bytes(said)
    return path


CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"


@pytest.fixture
def insee(tmp_path: Path) -> Path:
    """A zip as INSEE's: a table, and another that describes it."""
    return zipped(tmp_path / "base_csv.zip", ("base_cc.CSV", TABLE), ("meta_base_cc.CSV", META))


@pytest.mark.parametrize("wanted", ["base_cc.CSV", "base_cc.csv", "base_*.csv", "b*"])
def test_only_what_is_wanted_comes_out(insee: Path, folder: Path, wanted: str) -> None:
    assert unpacked(insee, folder, wanted) == (folder / "base_cc.CSV",)
    assert (folder / "base_cc.CSV").read_bytes() == TABLE
    assert len(list(folder.iterdir())) == 1


def test_several_members_come_sorted(insee: Path, folder: Path) -> None:
    assert [path.name for path in unpacked(insee, folder, "*.csv")] == ["base_cc.CSV", "meta_base_cc.CSV"]
    assert (folder / "meta_base_cc.CSV").read_bytes() == META


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_in_a_folder_comes_out_beside_the_others(tmp_path: Path, folder: Path, method: int) -> None:
    members = (("2022/", b""), ("2022/a.csv", META), ("2021/a.csv", TABLE), (r"back\b.csv", META))
    path = zipped(tmp_path / "a.zip", *members, method=method)
    assert unpacked(path, folder, "2022/*.csv") == (folder / "a.csv",)
    assert (folder / "a.csv").read_bytes() == META
    assert unpacked(path, folder, "b.csv") == (folder / "b.csv",)


def test_where_nothing_is_called_so_the_remedy_is_the_configuration(insee: Path, folder: Path) -> None:
    with pytest.raises(
        SourceError, match=r"none of the 2 file\(s\) in it is called like 'other.csv'"
    ) as caught:
        unpacked(insee, folder, "other.csv")
    assert "sources.yaml" in caught.value.remedy and caught.value.where == str(insee)


@pytest.mark.parametrize(
    "name",
    [
        "../DUPONT.csv",
        "a/../../DUPONT.csv",
        "..\\DUPONT.csv",
        "a\\..\\..\\DUPONT.csv",
        "/DUPONT.csv",
        "//host/DUPONT.csv",
        "\\DUPONT.csv",
        "C:DUPONT.csv",
        "c:\\DUPONT.csv",
        "C:/DUPONT.csv",
        "a/DUPONT\n.csv",
    ],
)
def test_no_name_leads_out_of_the_folder_or_is_shown(tmp_path: Path, folder: Path, name: str) -> None:
    path = zipped(tmp_path / "a.zip", ("good.csv", META), (name, TABLE))
    with pytest.raises(SourceError, match="leads out of the folder") as caught:
        unpacked(path, folder, "*.csv")
    assert "DUPONT" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.zip", "out"]


def test_a_name_with_a_zero_in_it_is_read_to_its_end(tmp_path: Path, folder: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("a.csv@.exe", META))
    path.write_bytes(path.read_bytes().replace(b"a.csv@.exe", b"a.csv\0.exe"))
    with pytest.raises(SourceError, match="leads out of the folder"):
        unpacked(path, folder, "a.csv*")
    assert list(folder.iterdir()) == []


def test_what_is_not_wanted_does_no_harm(tmp_path: Path, folder: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("../evil.exe", TABLE), ("a.csv", META))
    assert unpacked(path, folder, "a.csv") == (folder / "a.csv",)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.csv", "a.zip", "out"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, folder: Path, kind: int) -> None:
    member = zipfile.ZipInfo("a.csv")
    member.create_system, member.external_attr = 3, (kind | 0o777) << 16
    with pytest.raises(SourceError, match="a link or a device"):
        unpacked(zipped(tmp_path / "a.zip", (member, b"/etc/hostname")), folder, "*.csv")
    assert list(folder.iterdir()) == []


def test_a_link_that_waits_at_a_members_place_is_not_written_through(insee: Path, folder: Path) -> None:
    target = folder.parent / "elsewhere"
    (folder / "base_cc.CSV").symlink_to(target)
    with pytest.raises(SourceError, match="there already"):
        unpacked(insee, folder, "base_cc.csv")
    assert not target.exists() and (folder / "base_cc.CSV").is_symlink()


def test_a_file_that_is_there_stays_and_what_came_before_it_goes(insee: Path, folder: Path) -> None:
    (folder / "meta_base_cc.CSV").write_text("mine")
    with pytest.raises(SourceError, match="there already"):
        unpacked(insee, folder, "*.csv")
    assert [(p.name, p.read_text()) for p in folder.iterdir()] == [("meta_base_cc.CSV", "mine")]


@pytest.mark.parametrize("other", ["a.csv", "A.CSV", "b/a.csv", "b\\a.csv"])
def test_two_members_of_the_same_name_are_refused(tmp_path: Path, folder: Path, other: str) -> None:
    path = zipped(tmp_path / "a.zip", ("a.csv", META), (other, TABLE))
    with pytest.raises(SourceError, match="the same name"):
        unpacked(path, folder, "*.csv")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("flags", [0x1, 0x40, 0x2000])
def test_encrypted_members_are_refused(insee: Path, folder: Path, flags: int) -> None:
    path = patched(insee, CENTRAL, 8, flags.to_bytes(2, "little"))
    with pytest.raises(SourceError, match="encrypted"):
        unpacked(path, folder, "*.csv")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_no_publisher_uses_are_refused(tmp_path: Path, folder: Path, method: int) -> None:
    path = zipped(tmp_path / "a.zip", ("a.csv", META), method=method)
    with pytest.raises(SourceError, match=f"by method {method}, not by deflate"):
        unpacked(path, folder, "a.csv")


def test_zeros_without_end_are_given_up_soon(tmp_path: Path, folder: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("a.csv", bytes(50 << 20)))
    assert path.stat().st_size < 60_000
    with pytest.raises(SourceError, match=r"more than 5\.. MB come out of its 0\.1 MB"):
        unpacked(path, folder, "a.csv")
    assert list(folder.iterdir()) == []
    with opened_member(path, "a.csv") as stream, pytest.raises(SourceError, match="come out"):
        while stream.read(1 << 16):
            pass


def test_a_zip_in_a_zip_is_a_file(tmp_path: Path, folder: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", ("a.csv", bytes(20 << 20))).read_bytes()
    path = zipped(tmp_path / "a.zip", ("inner.zip", inner), ("b.csv", META))
    assert unpacked(path, folder, "*.zip") == (folder / "inner.zip",)
    assert (folder / "inner.zip").read_bytes() == inner
    with pytest.raises(SourceError, match="none of the 2"):
        unpacked(path, folder, "a.csv")


def sharing(path: Path, members: int) -> Path:
    """A zip each of whose members quotes the header of the next and then goes on within its bytes.

    Each is honest and of a common ratio; together they come out hundreds of times as large as the zip. The
    construction is D. Fifield's (WOOT 2019, section 3).
    """
    content, packer = TABLE * 20, zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = packer.compress(content) + packer.flush()
    body, central = b"", b""
    for n in reversed(range(members)):
        name = b"%04d.csv" % n
        sizes = struct.pack("<LLLHH", zlib.crc32(content), len(stream), len(content), len(name), 0)
        common = struct.pack("<HHHHH", 20, 0, 8, 0, 33) + sizes
        header = LOCAL + common + name
        body = header + stream
        # Where it begins is known at the end: they are laid one before the other.
        central += (
            CENTRAL + struct.pack("<H", 20) + common + struct.pack("<HHHLL", 0, 0, 0, 0, len(body)) + name
        )
        stream = b"\0" + struct.pack("<HH", len(header), len(header) ^ 0xFFFF) + body
        content = header + content
    entries = bytearray(central)
    size = 46 + 8
    for at in range(0, len(entries), size):
        (length,) = struct.unpack_from("<L", entries, at + 42)
        struct.pack_into("<L", entries, at + 42, len(body) - length)
    end = struct.pack("<HHHHLLH", 0, 0, members, members, len(entries), len(body), 0)
    path.write_bytes(body + entries + b"PK\x05\x06" + end)
    return path


def test_members_that_share_their_bytes_are_counted_each_time(tmp_path: Path, folder: Path) -> None:
    path = sharing(tmp_path / "a.zip", 300)
    assert path.stat().st_size * 100 < 300 * 20 * len(TABLE)
    # Newer versions of Python see the overlap themselves, and then it is damage.
    with pytest.raises(SourceError, match=r"come out of its|damaged"):
        unpacked(path, folder, "*.csv")
    assert list(folder.iterdir()) == []
    few = sharing(tmp_path / "few.zip", 1)
    assert unpacked(few, folder, "*.csv")[0].read_bytes() == TABLE * 20


def test_members_are_counted(insee: Path, folder: Path) -> None:
    with pytest.raises(SourceError, match="it has 2 files, and 1 are allowed"):
        unpacked(insee, folder, "base_cc.csv", Limits(members=1))


def test_bytes_are_counted_over_all_members(tmp_path: Path, folder: Path) -> None:
    path = zipped(tmp_path / "a.zip", *((f"{n}.csv", TABLE) for n in range(10)))
    assert len(unpacked(path, folder, "?.csv", Limits(bytes=10 * len(TABLE)))) == 10
    for one in folder.iterdir():
        one.unlink()
    with pytest.raises(SourceError, match="come out"):
        unpacked(path, folder, "?.csv", Limits(bytes=10 * len(TABLE) - 1))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("size", [10, len(TABLE) - 1])
def test_a_member_larger_than_it_says_is_damaged(insee: Path, folder: Path, size: int) -> None:
    path = patched(insee, CENTRAL, 24, size.to_bytes(4, "little"))
    with pytest.raises(SourceError, match="damaged"):
        unpacked(path, folder, "base_cc.csv")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("size", [len(TABLE) + 1, 0xFFFFFFF0])
def test_a_member_smaller_than_it_says_is_what_it_is(insee: Path, folder: Path, size: int) -> None:
    path = patched(insee, CENTRAL, 24, size.to_bytes(4, "little"))
    assert unpacked(path, folder, "base_cc.csv")[0].read_bytes() == TABLE


@pytest.mark.parametrize("content", [b"", b"no zip", TABLE, b"PK\x03\x04" + bytes(100)])
def test_what_is_no_zip_is_told(tmp_path: Path, folder: Path, content: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="no readable zip") as caught:
        unpacked(path, folder, "*")
    assert caught.value.where == str(path) and caught.value.remedy == "fetch it again"


def test_a_full_disk_is_no_damage_and_leaves_nothing(insee: Path, folder: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(IsoloirError, match="can't be written") as caught:
            unpacked(insee, folder, "*.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not isinstance(caught.value, SourceError)
    assert list(folder.iterdir()) == []


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("small") / "small.zip"
    yield zipped(path, ("a.csv", TABLE[:400]), ("b.csv", META))


@given(
    harms=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 2000),
    wanted=st.sampled_from(["a.csv", "*.csv", "*"]),
)
def test_a_damaged_zip_gives_the_right_bytes_or_none(
    small: Path,
    tmp_path_factory: pytest.TempPathFactory,
    harms: list[tuple[int, int]],
    cut: int,
    wanted: str,
) -> None:
    place = tmp_path_factory.mktemp("place")
    said = bytearray(small.read_bytes())
    for at, value in harms:
        said[at % len(said)] = value
    path, folder = place / "a.zip", place / "out"
    folder.mkdir()
    path.write_bytes(said[: max(1, len(said) - cut % 30)])
    try:
        written = unpacked(path, folder, wanted)
    except SourceError:
        assert list(folder.iterdir()) == []
    else:
        assert sorted(folder.iterdir()) == list(written)
        assert all(one.read_bytes() in (TABLE[:400], META) for one in written)
    assert sorted(p.name for p in place.iterdir()) == ["a.zip", "out"]


def test_one_member_can_be_read_without_being_written(insee: Path) -> None:
    with opened_member(insee, "base_cc.csv") as stream:
        table = pc.read_csv(stream, parse_options=pc.ParseOptions(delimiter=";"))
    assert (table.num_rows, table.column_names) == (5000, ["code", "population"])
    with pytest.raises(SourceError, match=r"2 of its files are called like '\*.csv'"):
        opened_member(insee, "*.csv").__enter__()


def test_damage_is_told_to_whom_reads_a_member(insee: Path) -> None:
    path = patched(insee, CENTRAL, 16, b"\0\0\0\0")
    with opened_member(path, "base_cc.csv") as stream, pytest.raises(SourceError, match="damaged"):
        stream.read()


@pytest.mark.real
def test_insees_own_zip_is_unpacked(shared_data: Path, folder: Path) -> None:
    path = shared_data / "insee" / "base_cc_comparateur_csv.zip"
    table, meta = unpacked(path, folder, "*.csv")
    assert (table.name, table.stat().st_size) == ("base_cc_comparateur.CSV", 8_119_815)
    assert (meta.name, meta.stat().st_size) == ("meta_base_cc_comparateur.CSV", 4_590_665)
    with opened_member(path, "base_cc_comparateur.csv") as stream:
        assert stream.read() == table.read_bytes()
