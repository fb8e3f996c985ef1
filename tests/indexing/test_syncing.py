"""What vanished from a folder vanishes from its collection, and nothing else does."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest

import ragpg
from ragpg import errors

from ..conftest import WordEmbedder
from .adding import value, write

DELETE = "select candidates, vanished from ragpg.delete_vanished"


def sources(client: ragpg.Client, collection: str = "pages") -> list[str]:
    return [Path(one.source).name for one in client.collection(collection).documents()]


def test_what_vanished_goes(client: ragpg.Client, sql: psycopg.Connection, tmp_path: Path) -> None:
    folder = write(tmp_path / "docs", 6)
    beside = write(tmp_path / "docs2", 1)
    pages = client.collection("pages")
    pages.add([folder, beside])
    pages.add(text="The office opens at nine.", source="office")
    (folder / "page0.md").unlink()
    (beside / "page0.md").unlink()
    assert pages.add(folder).deleted == 0, "only when told so"
    told: list[tuple[str, str, str]] = []
    report = pages.add(folder, sync=True, on_outcome=lambda *one: told.append(one))
    assert (report.deleted, report.unchanged, report.failed) == (1, 5, 0)
    assert told == [("deleted", str(folder / "page0.md"), "")]
    left = [f"page{n}.md" for n in range(1, 6)]
    assert sorted(sources(client)) == sorted([*left, "page0.md", "office"]), "docs2 is not docs"
    assert value(sql, "select counted_chunks = chunks from ragpg.index_health"), "counted again"
    assert pages.search("paragraph 0 1", mode="keyword", k=50) and pages.versions.history(
        str(folder / "page0.md")
    ), "its versions stay"


def test_more_than_a_fifth_is_refused_before_anything_changes(
    client: ragpg.Client, words: WordEmbedder, tmp_path: Path
) -> None:
    folder = write(tmp_path / "docs", 10)
    pages = client.collection("pages")
    pages.add(folder)
    for n in range(3):
        (folder / f"page{n}.md").unlink()
    (folder / "new.md").write_text("The uptime.")
    words.embedded.clear()
    refused = "3 of 10 documents would be deleted, more than 20 %"
    with pytest.raises(errors.TooManyVanished, match=refused):
        pages.add(folder, sync=True)
    assert len(sources(client)) == 10 and words.embedded == []
    assert pages.add(folder, sync=True, max_deleted_share=0.3).deleted == 3
    (folder / "page3.md").unlink()
    assert pages.add(folder, sync=True).deleted == 1, "a fifth is not more than a fifth"
    assert len(sources(client)) == 7


def test_a_moved_file_is_not_embedded_again(
    client: ragpg.Client, words: WordEmbedder, tmp_path: Path
) -> None:
    folder = write(tmp_path / "docs", 5)
    pages = client.collection("pages")
    pages.add(folder)
    (folder / "page1.md").rename(folder / "moved.md")
    report = pages.add(folder, sync=True)
    assert (report.added, report.deleted, report.chunks_embedded) == (1, 1, 0)


def test_an_absent_folder_is_an_error(client: ragpg.Client, tmp_path: Path) -> None:
    folder = write(tmp_path / "docs", 2)
    pages = client.collection("pages")
    pages.add(folder)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(errors.LoadError, match="does not exist"):
        pages.add(folder, sync=True, max_deleted_share=1)
    with pytest.raises(errors.BadArgument, match="is a pattern"):
        pages.add(str(tmp_path / "*.md"), sync=True)
    with pytest.raises(errors.BadArgument, match="give the folders"):
        pages.add(text="The rate.", source="a", sync=True)
    assert len(sources(client)) == 2
    folder.mkdir()
    with pytest.raises(errors.TooManyVanished, match="2 of 2"):
        pages.add(folder, sync=True)


def test_what_could_not_be_looked_at_stays(client: ragpg.Client, tmp_path: Path) -> None:
    folder = write(tmp_path / "docs", 2)
    (hidden := folder / ".hidden.md").write_text("The refund.")
    (unknown := folder / "notes.xyz").write_text("The money.")
    (records := folder / "a.jsonl").write_text('{"id": 1, "text": "x"}\n{"id": 2, "text": "y"}\n')
    pages = client.collection("pages")
    assert pages.add([folder, hidden]).added == 5
    pages.add(text="The money.", source=str(unknown))
    (folder / "page0.md").write_bytes(b"\x89PNG\r\n\x1a\n")
    records.write_text("{")
    report = pages.add(folder, sync=True, max_deleted_share=1)
    assert (report.failed, report.deleted) == (2, 0)
    assert len(sources(client)) == 6


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_an_unreadable_folder_stays(client: ragpg.Client, tmp_path: Path) -> None:
    write(tmp_path / "docs")
    inner = write(tmp_path / "docs" / "inner")
    client.collection("pages").add(tmp_path)
    inner.chmod(0)
    report = client.collection("pages").add(tmp_path, sync=True, max_deleted_share=1)
    inner.chmod(0o700)
    assert report.deleted == 0


def test_parts_belong_to_their_file(client: ragpg.Client, tmp_path: Path) -> None:
    lines = [f'{{"id": {n}, "text": "The rate limit is {n}."}}\n' for n in range(10)]
    (records := tmp_path / "a.jsonl").write_text("".join(lines))
    (tmp_path / "b.md").write_text("The refund.")
    pages = client.collection("pages")
    assert pages.add(tmp_path).added == 11
    records.write_text("".join(lines[:9]))
    report = pages.add(records, sync=True)
    assert (report.deleted, report.unchanged) == (1, 9)
    records.unlink()
    with pytest.raises(errors.TooManyVanished, match="9 of 10"):
        pages.add(tmp_path, sync=True)
    assert pages.add(tmp_path, sync=True, max_deleted_share=1).deleted == 9
    assert sources(client) == ["b.md"]


def test_from_psql(client: ragpg.Client, sql: psycopg.Connection) -> None:
    site = "https://example.org/docs"
    for name in (f"{site}/a", f"{site}/b", f"{site}/b#2", f"{site}/c/d", f"{site}s/e", site):
        sql.execute("select ragpg.put_document('site', %s, 'Text.')", (name,))
    call = "('site', array[%s], array[%s], max_share => 1"
    dry = sql.execute(f"{DELETE}{call}, dry_run => true)", (f"{site}/", f"{site}/a")).fetchone()
    gone = [site, f"{site}/b", f"{site}/b#2", f"{site}/c/d"]
    assert dry == (5, gone)
    assert value(sql, "select count(*) from ragpg.documents") == 6
    unread = ", unread => array['https://example.org/docs/b']"
    assert sql.execute(f"{DELETE}{call}{unread})", (site, f"{site}/a")).fetchone() == (
        5,
        [site, f"{site}/c/d"],
    )
    assert value(sql, "select count(*) from ragpg.documents") == 4
    with pytest.raises(psycopg.Error, match="2 of 3 documents would be deleted") as refused:
        sql.execute(f"{DELETE}('site', array[%s], array[%s])", (site, f"{site}/a"))
    assert refused.value.sqlstate == "RG012"
    allowed = sql.execute(f"{DELETE}('site', array[%s], array[%s], few => 2)", (site, f"{site}/a"))
    assert allowed.fetchone() == (3, [f"{site}/b", f"{site}/b#2"])
    everything = f"{DELETE}('site', array['/'], '{{}}')"
    assert sql.execute(everything).fetchone() == (0, [])
    with pytest.raises(psycopg.Error, match="a share between 0 and 1"):
        sql.execute(f"{DELETE}('site', array['/'], '{{}}', max_share => 2)")


def test_a_writer_may_sync(client: ragpg.Client, url: str, sql: psycopg.Connection) -> None:
    client.collection("one").add(text="The rate.", source="/a/b")
    sql.execute("drop role if exists sync_writer")
    sql.execute("create role sync_writer")
    sql.execute("select ragpg.grant_writer('sync_writer')")
    try:
        with psycopg.connect(url) as writer:
            writer.execute("set role sync_writer")
            call = f"{DELETE}('one', array['/a'], '{{}}', max_share => 1)"
            assert writer.execute(call).fetchone() == (1, ["/a/b"])
    finally:
        sql.execute("drop owned by sync_writer")
        sql.execute("drop role sync_writer")


def test_patterns_of_paths(client: ragpg.Client, tmp_path: Path) -> None:
    """What they leave out is left alone, also where it is gone."""
    folder = write(tmp_path / "docs", 4)
    old = write(folder / "old", 2)
    pages = client.collection("pages")
    assert pages.add(folder, include=["*.md"], exclude=["*/old/*", "*page3*"]).added == 3
    assert pages.add(folder).added == 3
    (old / "page0.md").unlink()
    (folder / "page1.md").unlink()
    report = pages.add(folder, sync=True, exclude=["*/old/*"], max_deleted_share=1)
    assert (report.deleted, report.unchanged) == (1, 3)
    assert pages.add(folder, sync=True, max_deleted_share=1).deleted == 1
