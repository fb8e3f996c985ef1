"""EPUB books and reStructuredText become Markdown."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from ragpg.errors import LoadError
from ragpg.reading import LoadedDocument, load_bytes

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
    '<rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
)


def epub(chapters: dict[str, str], **more: str) -> bytes:
    items = "".join(
        f'<item id="c{n}" href="{name.replace(" ", "%20")}" media-type="application/xhtml+xml"/>'
        for n, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    book = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        "<metadata><dc:title>The  Book</dc:title><dc:creator>Ada</dc:creator>"
        "<dc:language>en</dc:language></metadata>"
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("OPS/book.opf", book)
        for name, text in chapters.items():
            archive.writestr(f"OPS/{name}", f"<html><body>{text}</body></html>")
        for name, text in more.items():
            archive.writestr(name.replace("__", "/"), text)
    return out.getvalue()


def from_epub(data: bytes) -> LoadedDocument:
    return load_bytes(data, media_type="application/epub+zip", name="book.epub")


def test_a_book_has_a_page_for_each_part_of_its_spine() -> None:
    document = from_epub(
        epub(
            {"one two.xhtml": "<h1>One</h1><p>Grüße.</p>", "b.xhtml": "", "c.xhtml": "<p>Three</p>"}
        )
    )
    assert document.content == "# One\n\nGrüße.\n\nThree"
    assert document.page_starts == (0, 15, 15)
    assert (document.title, document.metadata) == ("The Book", {"author": "Ada", "language": "en"})


def test_books_that_cannot_be_read_say_why() -> None:
    with pytest.raises(LoadError, match=r"book.epub: it is protected by DRM"):
        from_epub(epub({"a.xhtml": "x"}, **{"META-INF__rights.xml": "x"}))
    with pytest.raises(LoadError, match=r"book.epub holds no text"):
        from_epub(epub({"a.xhtml": ""}))
    data = epub({"a.xhtml": "x"}).replace(b"OPS/book.opf", b"OPS/look.opf", 1)
    with pytest.raises(LoadError, match=r"book.epub: its? .*"):
        from_epub(data)


# reStructuredText ------------------------------------------------------------------------------


def from_rst(text: str) -> LoadedDocument:
    return load_bytes(text.encode(), media_type="text/x-rst", name="guide.rst")


def test_rst_headings_lists_code_and_tables() -> None:
    document = from_rst(
        "Guide\n=====\n\nWords with *stress* and ``code``.\n\nMoney\n-----\n\n- one\n- two\n\n"
        "Run::\n\n    make  test\n\n==== ====\nPlan Cost\n==== ====\nPro  20\n==== ====\n"
    )
    assert document.title == "Guide"
    assert document.content == (
        "# Guide\n\nWords with stress and code.\n\n## Money\n\n- one\n- two\n\nRun:\n\n"
        "```\nmake  test\n```\n\n| Plan | Cost |\n| --- | --- |\n| Pro | 20 |"
    )
    assert document.media_type == "text/x-rst"


def test_rst_of_sphinx_keeps_its_words() -> None:
    content = from_rst(
        "See :ref:`the guide <guide>`, :py:class:`~shop.Cart` and :strange:`that`.\n\n"
        ".. toctree::\n   :maxdepth: 2\n\n   hidden\n\n.. py:function:: pay(amount)\n\n"
        "   Pays *now*.\n\n.. code-block:: python\n   :linenos:\n\n   x = 1\n\n"
        ".. versionadded:: 3.2\n   More words.\n\n.. strange::\n   :option: x\n\n   Inner words.\n"
    ).content
    assert "See the guide, shop.Cart and that." in content
    assert "hidden" not in content
    for words in ("pay(amount)", "Pays now.", "x = 1", "3.2", "More words.", "Inner words."):
        assert words in content


def test_rst_code_keeps_its_language_formulas_their_latex_terms_their_kind() -> None:
    document = from_rst(
        ".. code-block:: c++\n   :linenos:\n\n   int x = 1;\n\n.. math:: a^2\n\n:math:`x_1 < 2` holds\n\n"
        "amount : int\n   What is paid.\n"
    )
    assert document.content == (
        "```c++\nint x = 1;\n```\n\n```\na^2\n```\n\nx_1 < 2 holds\n\n"
        "- amount : int\n\n  What is paid."
    )


def test_rst_reads_no_other_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("SECRET")
    content = from_rst(
        f"Words.\n\n.. include:: {secret}\n\n.. csv-table:: x\n   :file: {secret}\n\n"
        f".. raw:: html\n   :file: {secret}\n\n.. literalinclude:: {secret}\n"
    ).content
    assert "SECRET" not in content and "Words." in content


@pytest.mark.parametrize(
    "text", ["==\nx\n", "*a `b ``c |d", ".. [x", "=" * 50, "+--+\n|  \n+-", "|x|_"]
)
def test_rst_that_is_malformed_is_still_read(text: str) -> None:
    assert "Words" in from_rst(f"Words.\n\n{text}\n\nMore.\n").content
