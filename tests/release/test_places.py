"""Where releases may be pushed to: disks that are full or closed, any filesystem, no other address."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from commands import MAIN, isoloir
from deliveries import TARGET, files_of, seen_in
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from pyarrow.fs import FSSpecHandler, PyFileSystem

from isoloir.domain.errors import ReleaseError, UsageError
from isoloir.pipelines.release.deliver import deliver, parcel_of
from isoloir.pipelines.release.place import Place, place_of, without_secrets
from isoloir.pipelines.release.turn import Claim, turn


def quiet(_: str) -> None:
    """Progress that nobody reads."""


def own_mounts() -> bool:
    """Whether this user may mount disks that nobody else sees."""
    try:
        return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


needs_mounts = pytest.mark.skipif(not own_mounts(), reason="needs unshare -rm, to mount a disk of its own")


def mounted(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A shell that may mount, ended at the first thing that fails; `push R` pushes the release to $1."""
    push = f'push() {{ "{sys.executable}" -c "{MAIN}" releases push "$1" --to "$there" --quiet; }}\nset -e\n'
    call = ["unshare", "-rm", "sh", "-c", push + 'there="$1"\n' + script, "sh", *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, check=False)


def copied_out(there: Path, to: Path) -> str:
    return f'cp -a "{there}" "{to}"\n'


@needs_mounts
def test_a_disk_that_is_full_keeps_what_was_there_and_is_told(two_releases: Any, tmp_path: Path) -> None:
    there, kept = tmp_path / "disk", tmp_path / "kept"
    there.mkdir()
    # Room for one release and a part of another.
    size = sum(p.stat().st_size for p in two_releases.old.iterdir()) * 3 // 2
    script = (
        f'mount -t tmpfs -o size={size} tmpfs "$there"\n'
        f'push "$2"\n! push "$3"\n{copied_out(there, kept)}'
        f'mount -o remount,size={4 * size} "$there"\npush "$3"\ncp -a "$there" "{tmp_path}/whole"\n'
    )
    done = mounted(script, there, two_releases.old, two_releases.new)
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        f"error: No space left on device\n  where: {there}\n"
        "  do:    free some space there and push again: what arrived is kept, and no reader is led to it\n"
    )
    for folder, led_to in ((kept, two_releases.old.name), (tmp_path / "whole", two_releases.new.name)):
        seen = seen_in(folder)
        assert (seen.led_to, seen.wrong) == ([led_to], [])
        assert not list(folder.rglob(".*"))


@needs_mounts
def test_a_read_only_disk_is_told_and_a_release_that_stands_there_is_found(
    two_releases: Any, tmp_path: Path
) -> None:
    there = tmp_path / "disk"
    deliver(two_releases.old, place_of(str(there)), quiet)
    script = 'mount --bind "$there" "$there"\nmount -o remount,bind,ro "$there"\npush "$2"\n! push "$3"\n'
    done = mounted(script, there, two_releases.old, two_releases.new)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("again:        True\n")
    assert done.stderr.startswith("error: ") and "Read-only file system" in done.stderr.splitlines()[0]
    assert "  do:    give a place that you may write to, or have its permissions changed" in done.stderr


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_closed_is_told(two_releases: Any, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    said = isoloir("releases", "push", two_releases.old, "--to", tmp_path / "closed", "-q")
    assert said.status == 1 and "give a place that you may write to" in said.err


def test_a_file_is_no_folder_to_push_into(two_releases: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here", encoding="utf-8")
    said = isoloir("releases", "push", two_releases.old, "--to", tmp_path / "file" / "below", "-q")
    assert (said.status, said.out) == (1, "") and "Traceback" not in said.err
    assert (tmp_path / "file").read_text(encoding="utf-8") == "here"


@pytest.mark.parametrize("address", ["s3://", "s3://b/x?nothing=1", "nowhere://x", "sftp2://host/x"])
def test_an_address_that_names_no_place_is_refused(address: str, two_releases: Any) -> None:
    said = isoloir("releases", "push", two_releases.old, "--to", address, "-q")
    assert (said.status, said.out) == (2, "") and "s3://bucket/folder" in said.err


def test_what_is_secret_in_an_address_is_never_shown() -> None:
    assert without_secrets("s3://key:secret@bucket/a?token=secret") == "s3://bucket/a"
    assert place_of("s3://key:secret@bucket/a?region=us-east-1").shown == "s3://bucket/a"
    with pytest.raises(UsageError) as refused:
        place_of("s3://key:secret@bucket/a?token=secret")
    assert "secret" not in str(refused.value)


def test_where_a_key_is_given_nobody_else_is_asked_who_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "")
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    place_of("s3://key:secret@bucket/a?region=us-east-1")
    assert os.environ["AWS_EC2_METADATA_DISABLED"] == "true"


@pytest.fixture
def memory() -> Any:
    """A place in memory, that has neither locks nor links; emptied after."""
    yield place_of("memory://root/public")
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def names(place: Place) -> list[str]:
    return sorted(info.base_name for info in place.files())


def test_a_release_is_pushed_to_any_filesystem_of_fsspec(two_releases: Any, memory: Place) -> None:
    assert not deliver(two_releases.old, memory, quiet).again
    assert not deliver(two_releases.new, memory, quiet).again
    assert deliver(two_releases.old, memory, quiet).again
    target = memory.below(*TARGET.split("/"))
    assert names(target) == ["latest.json", two_releases.units.name]
    for release in (two_releases.old, two_releases.new):
        assert names(target.below(release.name)) == sorted(os.listdir(release))
        for path in release.iterdir():
            assert target.below(release.name).read(path.name) == path.read_bytes()
    assert target.read("latest.json") == parcel_of(two_releases.old).latest


def test_a_file_that_could_not_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of(str(tmp_path))
    place.put("latest.json", b"one")

    def broken(_: int) -> None:
        assert place.read("latest.json") == b"one"
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        place.put("latest.json", b"two, longer")
    assert files_of(tmp_path) == {"latest.json": sha256(b"one").hexdigest()}


def test_where_there_are_no_locks_a_claim_bars_other_units_and_other_bytes(memory: Place) -> None:
    ours = Claim("release", "a" * 64, "u" * 64)
    with turn(memory.made(), ours, quiet) as renew:
        renew()
        for same in (ours, Claim("other", "b" * 64, "u" * 64)):
            with turn(memory, same, quiet):
                assert len(names(memory)) == 2
        for other in (Claim("release", "b" * 64, "u" * 64), Claim("other", "b" * 64, "v" * 64)):
            with (
                pytest.raises(ReleaseError, match="another publisher is at work there"),
                turn(memory, other, quiet),
            ):
                pass
    assert names(memory) == []


def test_the_claim_of_a_killed_publisher_bars_others_for_an_hour(tmp_path: Path) -> None:
    """On a disk seen through fsspec, whose files have times."""
    place = Place(PyFileSystem(FSSpecHandler(LocalFileSystem())), str(tmp_path), str(tmp_path))
    ours, other = Claim("release", "a" * 64, "u" * 64), Claim("release", "b" * 64, "u" * 64)
    left, odd = tmp_path / f"{other.name}.0123abcd", tmp_path / ".publisher.odd"
    for path in (left, odd):
        path.touch()
    with turn(place, other, quiet):
        pass
    with pytest.raises(ReleaseError, match=r"in an hour, or remove that file"), turn(place, ours, quiet):
        pass
    assert set(tmp_path.iterdir()) == {left, odd}
    long_ago = left.stat().st_mtime - 3700
    os.utime(left, (long_ago, long_ago))
    with turn(place, ours, quiet):
        assert not left.exists()
    assert set(tmp_path.iterdir()) == {odd}


def test_publishers_on_one_disk_wait_and_say_so(tmp_path: Path) -> None:
    place, claim = place_of(str(tmp_path)), Claim("release", "a" * 64, "")
    waiting = (
        "import sys\nfrom isoloir.pipelines.release.place import place_of\n"
        "from isoloir.pipelines.release.turn import Claim, turn\n"
        "with turn(place_of(sys.argv[1]), Claim('other', 'b' * 64, ''), lambda t: print(t, flush=True)):\n"
        "    print('mine', flush=True)\n"
    )
    with turn(place, claim, quiet):
        call = [sys.executable, "-c", waiting, str(tmp_path)]
        process = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "another publisher is at work there: waiting for it\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
    assert process.communicate()[0] == "mine\n" and process.returncode == 0
    shutil.rmtree(tmp_path)


def test_the_reader_that_the_docs_show_reads_what_was_pushed(
    two_releases: Any, repository: Path, tmp_path: Path
) -> None:
    deliver(two_releases.new, place_of(str(tmp_path)), quiet)
    said = (repository / "docs" / "publishing.md").read_text(encoding="utf-8")
    shown: dict[str, Any] = {}
    exec(said.split("```python\n")[1].split("```")[0].replace("ADDRESS", tmp_path.as_uri()), shown)
    pd.testing.assert_frame_equal(shown["scores"], pd.read_parquet(two_releases.new / "scores.parquet"))
    (tmp_path / TARGET / two_releases.new.name / "scores.parquet").write_bytes(b"PAR1")
    with pytest.raises(AssertionError, match=r"scores\.parquet was changed"):
        shown["read"](
            f"{shown['release']}/scores.parquet", shown["manifest"]["files"]["scores.parquet"]["sha256"]
        )
