"""Files and bytes become text that Postgres accepts, with title and metadata."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from pathlib import Path
from random import Random

import pytest
from fpdf import FPDF
from hypothesis import given, settings
from hypothesis import strategies as st

from ragpg.errors import LoadError
from ragpg.reading import (
    MARKDOWN_MEDIA_TYPES,
    MEDIA_TYPES,
    SEVERAL_MEDIA_TYPES,
    LoadedDocument,
    find_files,
    load_bytes,
    load_documents,
    load_path,
    load_text,
)
from ragpg.reading.decoding import clean_text, decode
from ragpg.reading.media_types import BINARY_MEDIA_TYPES
from ragpg.reading.result import MAX_FILE_BYTES, join_pages, markdown_table

POSTGRES_PAGES = Path(__file__).parents[3] / "shared" / "data" / "docs_postgres15_html" / "html"
FIXTURES = Path(__file__).parents[3] / "shared" / "data" / "fixtures_docling"
needs_fixtures = pytest.mark.skipif(
    not FIXTURES.is_dir(), reason="the files of fixtures_docling are not beside the checkout"
)
needs_postgres_pages = pytest.mark.skipif(
    not POSTGRES_PAGES.is_dir(), reason="the PostgreSQL manual's pages are not beside the checkout"
)


def from_html(source: str) -> LoadedDocument:
    return load_text(source, media_type="text/html", name="page.html")


def from_markdown(source: str) -> LoadedDocument:
    return load_text(source, name="docs/guide.md")


# Characters ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a\0b", "ab"),
        ("\ufeffa", "a"),
        ("\0\ufeff\0a", "a"),
        ("a\r\nb\rc\n", "a\nb\nc\n"),
        ("a\ud800b\udfff", "a\ufffdb\ufffd"),
        ("a\u2028b\u2029c\x85d\u00a0e", "a\u2028b\u2029c\x85d\u00a0e"),
        ("a\ufeffb", "a\ufeffb"),
        ("\U0001f600", "\U0001f600"),
    ],
)
def test_clean_text(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


@given(st.text(st.characters(exclude_categories=()) | st.sampled_from("\0\r\n\ufeff\ud800\u2028")))
def test_clean_text_is_storable_and_cleaning_twice_changes_nothing(raw: str) -> None:
    clean = clean_text(raw)
    assert clean_text(clean) == clean
    assert "\0" not in clean and "\r" not in clean
    clean.encode()


GERMAN = "Grüße aus München: schöne Straße, das Öl fließt."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("naïve café", "utf-8"),
        ("naïve café", "utf-8-sig"),
        ("naïve café \U0001f600", "utf-16"),
        ("naïve café \U0001f600", "utf-32"),
        ("café", "latin-1"),
        (GERMAN, "latin-1"),
        ("A “quoted” word — with dashes, £5.", "cp1252"),
        ("Привет, мир! Это обычный русский текст для проверки.", "cp1251"),
        ("これは日本語の文章です。文字コードの判定を行います。", "shift_jis"),
    ],
)
def test_decode(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).removeprefix("\ufeff") == text


def test_decode_honours_byte_order_marks_of_both_orders() -> None:
    assert clean_text(decode(b"\xff\xfeh\0i\0")) == clean_text(decode(b"\xfe\xff\0h\0i")) == "hi"


def test_decode_honours_the_charset_a_page_declares() -> None:
    page = '<meta charset="{}"><p>Łódź'.format
    assert decode(page("iso-8859-2").encode("iso-8859-2")).endswith("Łódź")
    # What is UTF-8 is UTF-8, whatever it says, and an unknown name is not an error.
    assert decode(page("iso-8859-2").encode()).endswith("Łódź")
    assert decode(page("x-nonsense").encode()).endswith("Łódź")


def test_what_declares_latin_1_is_read_as_cp1252() -> None:
    page = '<meta http-equiv="Content-Type" content="text/html; charset=ISO-8859-1">“q” €'
    assert decode(page.encode("cp1252")) == page


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "PDF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "PNG"),
        (b"\x7fELF\x02\x01\x01" + bytes(9), "program"),
        (b"PK\x03\x04\x14\x00", "zip"),
        (bytes(range(32)) * 20, "control codes"),
        (b"\x00\x01\x02\x03" * 64, "control codes"),
    ],
)
def test_binary_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        decode(data)


def test_a_stray_nul_does_not_make_a_text_binary() -> None:
    document = load_bytes(b"a\0b", media_type="text/plain", name="x.txt")
    assert document.content == "ab"


# Markdown and plain text -----------------------------------------------------------------------


def test_front_matter_becomes_metadata_and_leaves_the_content() -> None:
    document = from_markdown(
        "---\ntitle: Refunds\ndate: 2024-05-01\nat: 2024-05-01 10:00:00\ntags: [a, b]\n"
        'ratio: .nan\nnested: {1: true}\nnul: "a\\0b"\n---\n\n# Heading\n\ntext\n'
    )
    assert document.title == "Refunds"
    assert document.content == "# Heading\n\ntext\n"
    assert document.metadata == {
        "title": "Refunds",
        "date": "2024-05-01",
        "at": "2024-05-01T10:00:00",
        "tags": ["a", "b"],
        "ratio": "nan",
        "nested": {"1": True},
        "nul": "ab",
    }
    json.dumps(document.metadata, allow_nan=False)


BOMB = "a: &a [x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    "front_matter",
    ["title: [unclosed", "just a string", "- a\n- list", "day: 2024-13-45", "a: &a [*a]", BOMB],
    ids=["syntax", "string", "list", "no such day", "recursive", "exponential"],
)
def test_broken_front_matter_leaves_the_text_whole(front_matter: str) -> None:
    text = f"---\n{front_matter}\n---\n\n# Title\n"
    document = from_markdown(text)
    assert (document.content, document.metadata, document.title) == (text, {}, "Title")


def test_a_rule_at_the_start_is_not_front_matter() -> None:
    assert from_markdown("---\n\ntext").content == "---\n\ntext"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# One\n\n# Two", "One"),
        ("## Two\n\ntext\n\n# One", "One"),
        ("Set *ext*\n===\n", "Set ext"),
        ("```\n# comment\n```\n\n# Real", "Real"),
        ("    # code\n\ntext", "guide"),
        ("- # in a list\n", "guide"),
        ("# The `search` **call** { #the-call .x }\n", "The search call"),
        ("# [Link](http://x) and ![image](y)\n", "Link and image"),
        ("# C#\n", "C#"),
        ("no heading", "guide"),
    ],
)
def test_markdown_title(text: str, title: str) -> None:
    assert from_markdown(text).title == title


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("a/b/notes.txt", "notes"),
        ("notes v1.2", "notes v1.2"),
        ("https://example.org/guide/", "guide"),
        ("faq/refunds", "refunds"),
    ],
)
def test_plain_text_is_titled_by_its_name(name: str, title: str) -> None:
    assert load_text("# not a heading", media_type="text/plain", name=name).title == title


def test_text_without_words_is_refused() -> None:
    for text in ("", " \n\u2028", "---\ntitle: only\n---\n"):
        with pytest.raises(LoadError, match=r"guide\.md holds no text"):
            from_markdown(text)
    with pytest.raises(LoadError, match="holds no text"):
        from_html("<script>x</script>")


# HTML ------------------------------------------------------------------------------------------


def test_html_title_and_metadata() -> None:
    document = from_html(
        '<html lang="en-GB"><head><title>A &amp;\n  B</title><meta name="Description" content="d">'
        '<meta property="og:site_name" content="s"><meta name="viewport" content="v">'
        '<meta property="article:author" content="x"><meta name="keywords" content="k, l">'
        "<body><p>text"
    )
    assert document.title == "A & B"
    assert document.metadata == {
        "description": "d",
        "og:site_name": "s",
        "article:author": "x",
        "keywords": "k, l",
        "language": "en-GB",
    }


def test_html_title_falls_back_to_the_heading_then_the_name() -> None:
    assert (
        from_html("<svg><title>icon</title></svg><h1>Hello <em>you</em></h1>x").title == "Hello you"
    )
    assert from_html("<p>text").title == "page"


def test_html_boilerplate_is_removed() -> None:
    content = from_html(
        "<header>site</header><nav>menu</nav><div role=navigation>crumbs</div>"
        "<div class=navheader>Prev Up Next</div><aside>adverts</aside>"
        "<article><header><h1>Kept</h1></header><p>words <button>Go</button><input value=v>"
        "<select><option>o</select><textarea>t</textarea><span hidden>h</span>"
        "<a class=headerlink href=#x>¶</a></p><aside>kept too</aside></article>"
        "<script>s()</script><style>p{}</style><template>t</template><noscript>n</noscript>"
        "<div class=navfooter>Prev Up Next</div><footer>legal</footer>"
    ).content
    assert content == "# Kept\n\nwords\n\nkept too"


def test_html_main_part_is_all_that_is_read() -> None:
    assert from_html("<div>side</div><main><p>main</main><div>side</div>").content == "main"
    assert from_html("<div>side</div><main></main>").content == "side"


def test_html_text_is_not_escaped_and_its_white_space_is_normalised() -> None:
    content = from_html(
        "<p>Set <code>autovacuum_naptime</code>\n   to <b>2*3</b>,\n <i>a_b</i> [x] "
        "<a href=y>link</a> <img src=z alt=picture> 1 &lt; 2<br>next"
    ).content
    assert content == "Set autovacuum_naptime to 2*3, a_b [x] link picture 1 < 2\nnext"


def test_html_code_is_kept_verbatim() -> None:
    content = from_html(
        '<pre><code class="language-python">def f():\n\n    return  "&lt;dl&gt;"</code></pre>'
        "<pre>a   b\n  <b>c</b></pre>"
    ).content
    assert content == ('```python\ndef f():\n\n    return  "<dl>"\n```\n\n```\na   b\n  c\n```')


def test_html_tables_become_pipe_tables() -> None:
    content = from_html(
        "<table><caption>Table 1. All</caption><tr><th>A</th><th>B</th></tr>"
        "<tr><td><p>one\n|\ntwo</p><p>three<br>four</td><td><ul><li>x<li>y</ul></td></tr></table>"
    ).content
    assert content == "Table 1. All\n\n| A | B |\n| --- | --- |\n| one \\| two three four | x y |"


def test_html_definitions_follow_their_terms() -> None:
    content = from_html(
        "<dl><dt><code>naptime</code> (integer)</dt><dd><p>The delay.</p><pre>x\n  y</pre></dd>"
        "<dt>a<dt>b<dd>Both.</dl>"
    ).content
    assert content == (
        "- naptime (integer)\n\n  The delay.\n\n  ```\n  x\n    y\n  ```\n\n- a\n  b\n\n  Both."
    )


def test_html_lists_and_headings() -> None:
    content = from_html(
        "<h2>T</h2><ul><li>a<ol><li>b<li>c</ol></ul><blockquote>q</blockquote>"
    ).content
    assert content == "## T\n\n- a\n  1. b\n  2. c\n\n> q"


def test_html_admonition_titles_are_not_headings() -> None:
    content = from_html('<h2>T</h2><div class="note"><h3>Note</h3><p>n &lt; 1</p></div>').content
    assert content == "## T\n\nNote\n\nn < 1"
    deep = "<h2>T</h2><div class=tip><dl><dd><div><h3>Tip</h3></div></dd></dl></div>"
    assert "#" not in from_html(deep).content.removeprefix("## T")


def test_html_asides_within_the_text_are_kept_however_deep() -> None:
    within = "<main><ul><li><div><aside>kept</aside></div></li></ul></main>"
    assert from_html(within).content == "- kept"
    assert from_html(f"<div><aside>gone</aside>{within}</div>").content == "- kept"


def test_html_nested_too_deep_keeps_its_words() -> None:
    assert from_html("<div>" * 3000 + "deep" + "</div>" * 3000).content == "deep"


@needs_postgres_pages
def test_postgres_setting_stands_before_its_description() -> None:
    document = load_path(POSTGRES_PAGES / "runtime-config-autovacuum.html")
    assert document.title == "20.10. Automatic Vacuuming"
    assert "- autovacuum_naptime (integer)\n\n  Specifies the minimum delay" in document.content
    assert not re.search(r"\bPrev\b|\bNext\b|\\_", document.content)


@needs_postgres_pages
def test_postgres_function_tables_have_a_row_a_line() -> None:
    content = load_path(POSTGRES_PAGES / "functions-string.html").content
    rows = [line for line in content.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)
    assert any("lower ( text ) → text" in row and "lower('TOM') → tom" in row for row in rows)


# Files -----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.md", "b.TXT", "c.png", "sub/d.html", ".hidden.md", ".git/e.md", "sub/[f].md"):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}")
    return tmp_path / "docs"


def names(folder: Path, *paths: str | Path) -> list[str]:
    return [os.path.relpath(path, folder) for _, path in find_files(paths).files]


def test_a_folder_is_read_with_all_below_it(folder: Path) -> None:
    found = find_files([folder])
    assert [source for source, _ in found.files] == [
        f"{folder.as_posix()}/{name}" for name in ("a.md", "b.TXT", "sub/[f].md", "sub/d.html")
    ]
    assert found.skipped == (f"{folder.as_posix()}/c.png",)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.md", ["a.md"]),
        ("**/*.md", ["a.md", "sub/[f].md"]),
        ("*", ["a.md", "b.TXT", "sub/[f].md", "sub/d.html"]),
        ("**", ["a.md", "b.TXT", "sub/[f].md", "sub/d.html"]),
        ("s?b/*", ["sub/[f].md", "sub/d.html"]),
        (".git/*.md", [".git/e.md"]),
        ("sub/[f].md", ["sub/[f].md"]),
    ],
)
def test_globs(folder: Path, pattern: str, expected: list[str]) -> None:
    assert names(folder, f"{folder}/{pattern}") == expected


def test_each_file_is_found_once_under_its_absolute_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "sub")
    assert names(folder, "../a.md", folder / "a.md", "../*.md", "./../sub/../a.md") == ["a.md"]


def test_a_name_that_is_not_utf_8_gives_a_source_that_can_be_stored(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.md")
    try:
        path.write_text("text")
    except OSError:
        pytest.skip("this file system refuses names that are not UTF-8")
    ((source, found),) = find_files([tmp_path]).files
    assert source.endswith("caf\ufffd.md")
    assert load_path(found).title == "caf\ufffd"


def test_links_are_followed_but_not_in_circles(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "g.md").write_text("g")
    (outside / "back").symlink_to(tmp_path)
    (folder / "linked").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "again").symlink_to(folder / "sub")
    assert names(folder, folder) == ["a.md", "b.TXT", "linked/g.md", "sub/[f].md", "sub/d.html"]


@pytest.mark.parametrize("path", ["missing.md", "no/such/folder", "*.nothing", "no/*/x.md"])
def test_what_names_nothing_is_an_error_that_names_it(folder: Path, path: str) -> None:
    with pytest.raises(LoadError, match=re.escape(f"{folder}/{path}")):
        find_files([folder / "a.md", f"{folder}/{path}"])


def test_a_named_file_of_unknown_type_is_found_and_fails_when_loaded(folder: Path) -> None:
    ((_, path),) = find_files([folder / "c.png"]).files
    with pytest.raises(LoadError, match=r"\.png files are not read yet; supported: \.md, \.html"):
        load_path(path)


def test_load_path_says_what_is_wrong_with_which_file(folder: Path) -> None:
    (folder / "empty.md").write_text(" \n")
    (folder / "binary.txt").write_bytes(b"\x89PNG\r\n")
    for name, reason in (
        ("gone.md", "No such file"),
        ("sub.md", "cannot be read"),
        ("empty.md", "holds no text"),
        ("binary.txt", "PNG image"),
    ):
        (folder / "sub.md").mkdir(exist_ok=True)
        with pytest.raises(LoadError, match=f"{re.escape(str(folder / name))}.*{reason}"):
            load_path(folder / name)


def test_load_path_reads_every_media_type_that_is_text(tmp_path: Path) -> None:
    other = BINARY_MEDIA_TYPES | SEVERAL_MEDIA_TYPES | {"text/csv", "text/tab-separated-values"}
    for suffix, media_type in MEDIA_TYPES.items():
        if media_type not in other:
            path = tmp_path / f"file{suffix.upper()}"
            path.write_bytes("\ufeffcafé\r\n".encode())
            document = load_path(path)
            assert document.media_type == media_type
            assert document.content.strip() == "café"
            assert (document.title, document.page_starts) == ("file", ())


def test_source_code_is_kept_to_the_character(tmp_path: Path) -> None:
    code = "# not a heading\ndef f(x):\n\treturn x | 1  # two  spaces\n\n\n"
    path = tmp_path / "f.py"
    path.write_text(code)
    document = load_path(path)
    assert (document.content, document.media_type) == (code, "text/x-python")
    assert "text/x-python" not in MARKDOWN_MEDIA_TYPES and "text/html" in MARKDOWN_MEDIA_TYPES


def test_a_file_of_unknown_kind_is_read_when_its_bytes_tell_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "unnamed"
    document = FPDF()
    document.add_page()
    document.set_font("helvetica")
    document.cell(text="Words.")
    path.write_bytes(bytes(document.output()))
    assert load_path(path).media_type == "application/pdf"
    path.write_bytes(b"\x1f\x8b\x08 packed")
    with pytest.raises(LoadError, match=r"unnamed: it is a gzip archive: unpack it"):
        load_path(path)


def test_an_enormous_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # a sparse file
    with pytest.raises(LoadError, match=r"huge.csv has 256 MiB, more than 256: split it"):
        load_path(path)


# Pages -----------------------------------------------------------------------------------------


@given(st.lists(st.text(st.sampled_from("ab \n\r\0\ufeff\U0001f600"), max_size=6), max_size=8))
def test_pages_are_found_again_at_their_starts(pages: list[str]) -> None:
    content, starts = join_pages(pages)
    assert len(starts) == len(pages) and list(starts) == sorted(starts)
    assert clean_text(content) == content
    if starts:
        assert starts[0] == 0
    texts = [clean_text(page).strip("\n\ufeff") for page in pages]
    for text, start in zip(texts, starts, strict=True):
        if text.strip():
            assert content.startswith(text, start) and start < len(content)
    last = max((n for n, text in enumerate(texts) if text.strip()), default=-1)
    assert all(start == len(content) for start in starts[last + 1 :])


@given(st.lists(st.lists(st.text(max_size=5), max_size=4), max_size=5))
def test_a_table_has_as_many_cells_in_every_line(rows: list[list[str]]) -> None:
    lines = markdown_table(rows).split("\n")
    counts = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert len(counts) == 1


# Whatever the bytes ----------------------------------------------------------------------------

HEADS = [b"", b"%PDF-1.4\n", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"From: a@b\n\n", b"From a\n",
         b"{", b"[{", b"a,b\n", b"<html>", b"---\na: "]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=200), st.sampled_from(sorted(MEDIA_TYPES)))
def test_no_bytes_raise_anything_but_load_error(head: bytes, data: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"file{suffix}")
        path.write_bytes(head + data)
        try:
            parts = list(load_documents(path, lambda suffix, error: None))
        except LoadError as error:
            assert str(path) in str(error)
        else:
            for part in parts:
                json.dumps(part.document.metadata, allow_nan=False).encode()
                assert clean_text(part.document.content) == part.document.content


@needs_fixtures
def test_no_damage_to_a_real_file_raises_anything_but_load_error() -> None:
    """Bytes changed at random, and files cut short: a fixed sample of each format."""
    random = Random(1)
    for suffix in (".pdf", ".docx", ".pptx", ".xlsx", ".odt", ".ods"):
        smallest = min(FIXTURES.rglob(f"*/sources/*{suffix}"), key=lambda path: path.stat().st_size)
        sound = smallest.read_bytes()
        for _ in range(15):
            data = bytearray(sound)
            for _ in range(random.randint(1, 30)):
                data[random.randrange(len(data))] = random.randrange(256)
            damaged = bytes(data[: random.choice((len(data), random.randrange(len(data))))])
            with contextlib.suppress(LoadError):
                load_bytes(damaged, media_type=MEDIA_TYPES[suffix], name=f"x{suffix}")


@needs_fixtures
def test_every_real_file_is_loaded_or_refused_by_name() -> None:
    files = [path for path in sorted(FIXTURES.rglob("*")) if path.is_file()]
    assert len(files) > 200
    refused = []
    for path in files:
        try:
            documents = [part.document for part in load_documents(path)]
        except LoadError as error:
            assert path.as_posix() in str(error)
            refused.append(path)
        else:
            for document in documents:
                starts, content = document.page_starts, document.content
                assert document.title and content.strip()
                assert list(starts) == sorted(starts) and starts[:1] in ((), (0,))
                assert all(start <= len(content) for start in starts)
    # Formats that are not read, and the license without a suffix.
    assert {path.suffix for path in refused} <= {".nxml", ".xml", ""}
