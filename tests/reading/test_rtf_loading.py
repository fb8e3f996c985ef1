"""Rich Text becomes Markdown: code pages, headings, lists, tables, notes; nothing that is hidden."""

from __future__ import annotations

import pytest

from ragpg.errors import LoadError
from ragpg.reading import LoadedDocument, load_bytes


def load(source: str | bytes) -> LoadedDocument:
    data = source if isinstance(source, bytes) else source.encode("latin-1")
    return load_bytes(data, media_type="application/rtf", name="a.rtf")


def content(body: str) -> str:
    return load(r"{\rtf1\ansi\ansicpg1252\deff0 " + body + "}").content


_FONTS = r"{\fonttbl{\f0\fcharset204 A;}{\f1\fcharset128 B;}{\f2{\*\falt X}\fcharset161 C;}{\f3\fcharset0 D;}}"


@pytest.mark.parametrize(
    "body, expected",
    [
        (_FONTS + r"{\f0 \'cf\'f0\'e8} {\f1 \'93\'fa\'96\'7b\'83A} {\f2 \'e1} {\f3 \'e9}", "При 日本ア α é"),
        (r"caf\u233?\u8212 -x\u-10179?\u-8704?", "café—x😀"),
        (r"{\uc2 a\u233\'3f?b}{\uc0 \u233 c}", "aébéc"),
        (r"{\uc1 \u1044\u1086 x}", "До"),
        (r"a\~b\_c so\-ft \{x\} \\ \'7e \bullet\lquote q\rquote", "a b‑c soft {x} \\ ~ •‘q’"),
        (r"one\line two\tab three", "one\ntwo three"),
        (r"a{\v hidden}b{\deleted gone}c{\v0 shown}", "abcshown"),
        (r"{\header H}{\footerf F}{\*\xyz no {\b no}}{\pict\pngblip 00ff{\*\x y}}text", "text"),
        (r"{\pict\bin7 }}{}{}\}before", "before"),
        (r"{\field{\*\fldinst HYPERLINK \"http://x\"}{\fldrslt {\ul a link}}} on", "a link on"),
        (r"{\upr{ \'3f}{\*\ud{\u1078?}}}", "ж"),
        (r"x\par{\shp{\*\shpinst{\sp{\sn a}{\sv b}}{\shptxt In\par a box\par}}{\shprslt pic}}y",
         "x\n\nIn\n\na box\n\ny"),
        (r"text{\footnote{\chftn} A {\i note}.\par}, more\par end", "text[^1], more\n\nend\n\n[^1]: A note."),
        (r"a}} b", "a b"),
        (r"a{{{ b", "a b"),
    ],
)  # fmt: skip
def test_letters_and_what_is_no_text(body: str, expected: str) -> None:
    assert content(body) == expected


def test_code_pages_of_the_whole_document() -> None:
    for page, data, expected in (
        ("ansicpg1251", b"\\'cf\xf0\xe8", "При"), ("ansicpg936", b"\\'b2\\'e2\xca\xd4", "测试"),
        ("mac", b"\\'8e", "é"), ("pca", b"\\'82", "é"), ("ansicpg99999", b"\\'e9", "é"),
        ("ansicpg65001", "ж".encode(), "ж"),
    ):  # fmt: skip
        start = b"{\\rtf1\\ansi\\" if page.startswith("ansi") else b"{\\rtf1\\"
        assert load(start + page.encode() + b" " + data + b"}").content == expected


def test_headings_lists_and_tables() -> None:
    styles = r"{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}{\s2 heading 2;}{\*\cs3 X;}{\s4 Title;}}"
    assert content(
        styles + r"""\pard\s4 The Title\par\pard\s1 One\par\pard{\listtext\f1 \'b7\tab}a\par
\pard\ilvl1{\listtext 1.\tab}b\par\pard\s2{\listtext 1.1\tab}Two\par\pard\outlinelevel2 Three\par\pard
\trowd\cellx1\cellx2\pard\intbl n|a\cell one\par two\cell\row\intbl 1\cell\cell\row\pard after\par"""
    ).split("\n\n") == [
        "# The Title", "# One", "- a\n    1. b", "## 1.1 Two", "### Three",
        "| n\\|a | one two |\n| --- | --- |\n| 1 |  |", "after",
    ]  # fmt: skip


def test_cells_without_marks_of_paragraphs_and_inner_tables_lose_no_word() -> None:
    table = content(r"\trowd a\cell b\cell\row\intbl c\cell{\itap2 x\nestcell y\nestcell"
                    r"{\*\nesttableprops\nestrow}{\nonesttables no}}\pard\intbl z\cell\row\pard")  # fmt: skip
    assert table == "| a | b |\n| --- | --- |\n| c | x y z |"


def test_what_is_told_about_it_is_metadata() -> None:
    document = load(
        r"{\rtf1\ansi{\info{\title The {\i real} title}{\author Ann \'e9}{\subject S}{\operator Bob}"
        r"{\creatim\yr2020\mo3\dy4\hr5}{\*\company ACME}{\nofpages1}}Text with \title no.}"
    )
    assert document.title == "The real title"
    assert document.metadata == {"author": "Ann é", "subject": "S", "created": "2020-03-04"}
    assert document.content == "Text with no."


def test_rich_text_is_known_by_its_bytes_and_nothing_else_is() -> None:
    named = load_bytes(rb"{\rtf1 hello}", media_type="application/pdf", name="a.pdf")
    assert (named.content, named.media_type) == ("hello", "application/rtf")
    with pytest.raises(LoadError, match=r"a\.rtf: it is named as \.rtf but holds something else"):
        load(b"plain words")
    with pytest.raises(LoadError, match="holds no text"):
        load(rb"{\rtf1 {\pict 00}}")


def test_hostile_ones_end() -> None:
    assert load(b"{\\rtf1 " + b"{" * 100_000 + b"deep").content == "deep"
    assert load(b"{\\rtf1 {\\pict " + b"00ff\n" * 1_000_000 + b"}after}").content == "after"
