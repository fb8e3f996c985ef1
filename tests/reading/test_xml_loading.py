"""JATS, DocBook, TEI and other XML become text with their headings, title and metadata."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragpg.errors import LoadError
from ragpg.reading import LoadedDocument, load_bytes, load_path
from ragpg.reading.xml import read_xml

from ..conftest import SHARED_DATA

JATS = SHARED_DATA / "fixtures_docling" / "tests" / "data" / "jats"


def load(source: str | bytes) -> LoadedDocument:
    data = source if isinstance(source, bytes) else source.encode()
    return load_bytes(data, media_type="application/xml", name="a.xml")


def content(source: str) -> str:
    return load(source).content


def test_an_article_in_jats_is_read_with_its_metadata() -> None:
    document = load("""<?xml version="1.0"?><!DOCTYPE article PUBLIC "-//NLM//DTD JATS" "JATS.dtd">
<article xml:lang="en"><front><journal-meta><journal-title>eLife</journal-title></journal-meta>
<article-meta><article-id pub-id-type="doi">10.1/x</article-id><title-group>
<article-title>On <italic>E. coli</italic></article-title></title-group><contrib-group>
<contrib contrib-type="author"><name><surname>Lee</surname><given-names>Ann</given-names></name></contrib>
<contrib contrib-type="editor"><name><surname>No</surname><given-names>Ed</given-names></name></contrib>
</contrib-group><pub-date><year>2019</year></pub-date>
<pub-date><day>7</day><month>3</month><year>2020</year></pub-date>
<abstract><p>What was done.</p></abstract><kwd-group><kwd>cells</kwd></kwd-group></article-meta></front>
<body><sec><label>1.</label><title>Methods</title><p>Of H<sub>2</sub>O <xref>1</xref>
<inline-formula><tex-math>\\documentclass{x}\\begin{document}$$a_1$$\\end{document}</tex-math></inline-formula>.</p>
<disp-formula><label>(1)</label><math><mi>a</mi><mo>=</mo><mi>b</mi></math></disp-formula>
<disp-formula><tex-math/></disp-formula>
<table-wrap><label>Table 1.</label><caption><title>Counts</title></caption><table><thead><tr><th>n</th>
<th>m</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table></table-wrap>
<sec><title>Inner</title><list list-type="order"><list-item><label>1.</label><p>one</p></list-item></list>
</sec></sec></body><back><ref-list><title>References</title><ref><label>1</label><element-citation>
<person-group><name><surname>Po</surname><given-names>J</given-names></name><name><surname>Qu</surname>
<given-names>K</given-names></name></person-group><year>2001</year><source>Cell</source>
</element-citation></ref></ref-list></back></article>""")  # fmt: skip
    assert document.title == "On E. coli"
    assert document.metadata == {
        "authors": ["Ann Lee"], "doi": "10.1/x", "journal": "eLife", "date": "2020-03-07",
        "language": "en", "keywords": ["cells"],
    }  # fmt: skip
    assert document.content.split("\n\n") == [
        "# On E. coli", "## Abstract", "What was done.", "## 1. Methods", "Of H2O 1 $a_1$ .",
        "(1) a = b", "Table 1. Counts", "| n | m |\n| --- | --- |\n| 1 | 2 |", "### Inner", "1. one",
        "## References", "- 1 Po J, Qu K, 2001, Cell",
    ]  # fmt: skip


@pytest.mark.skipif(not JATS.is_dir(), reason="the files of fixtures_docling are not there")
def test_real_articles_keep_their_words_and_tables() -> None:
    for reference in sorted((JATS / "groundtruth").glob("*.md")):
        found = load_path(JATS / "sources" / reference.name.removesuffix(".md"))
        assert reference.read_text().startswith(f"# {found.title}\n")
        assert {"authors", "doi", "journal", "date"} <= found.metadata.keys()
        headings = {line.lstrip("# ") for line in found.content.split("\n") if line.startswith("#")}
        expected = {
            line.lstrip("# ") for line in reference.read_text().split("\n") if line.startswith("# ")
        }
        assert expected <= headings


def test_docbook_is_read_with_its_entities() -> None:
    document = load("""<!DOCTYPE book SYSTEM "docbook.dtd" [<!ENTITY prod "ACME <emphasis>One</emphasis>">
<!ENTITY secret SYSTEM "/etc/passwd"><!-- > ] -->]>
<book><bookinfo><title>The Book</title><author><firstname>Ann</firstname><surname>Lee</surname></author>
<pubdate>2020</pubdate></bookinfo><chapter><title>Of &prod; &mdash; all</title>
<para>See &prod;<footnote><para>A note.</para></footnote>&nbsp;&secret; AT&T, 1 < 2.</para>
<itemizedlist><listitem><para>one</para><itemizedlist><listitem><para>in it</para></listitem>
</itemizedlist></listitem></itemizedlist><variablelist><varlistentry><term>T</term>
<listitem><para>D</para></listitem></varlistentry></variablelist><programlisting>a = 1
  b &lt; 2</programlisting><note><title>Beware</title><para>Noted.</para></note>
<informaltable><tgroup cols="3"><colspec colname="a"/><colspec colname="b"/><thead><row>
<entry namest="a" nameend="b">H</entry><entry>I</entry></row></thead><tbody><row>
<entry morerows="1">1</entry><entry>2</entry><entry>3</entry></row><row><entry>4</entry><entry>5</entry>
</row></tbody></tgroup></informaltable><sect1><title>Below</title><para>x</para></sect1></chapter></book>""")  # fmt: skip
    assert (document.title, document.metadata) == (
        "The Book",
        {"authors": ["Ann Lee"], "date": "2020"},
    )
    assert document.content.split("\n\n") == [
        "# The Book", "## Of ACME One — all", "See ACME One [A note.] &secret; AT&T, 1 < 2.",
        "- one", "  - in it", "- T", "  - D", "```\na = 1\n  b < 2\n```", "Beware", "Noted.",
        "| H | | I |\n| --- | --- | --- |\n| 1 | 2 | 3 |\n|  | 4 | 5 |", "### Below", "x",
    ]  # fmt: skip


def test_tei_is_read_as_its_editor_meant_it() -> None:
    document = load("""<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><fileDesc><titleStmt>
<title>Letter</title><author>Jo Po</author></titleStmt><publicationStmt><date when="1999-01-02">then</date>
</publicationStmt></fileDesc></teiHeader><text><body><div><head>One</head>
<p>In <title>Hamlet</title> he hy<pb n="2"/>phens<note>foot</note> and
<choice><sic>teh</sic><corr>the</corr></choice> end.</p><list><item>x</item><item>y</item></list>
<table><head>T</head><row><cell>a</cell></row><row><cell>1</cell></row></table></div></body></text></TEI>""")  # fmt: skip
    assert (document.title, document.metadata) == (
        "Letter",
        {"authors": ["Jo Po"], "date": "1999-01-02"},
    )
    assert document.content.split("\n\n") == [
        "# Letter", "## One", "In Hamlet he hyphens [foot] and the end.", "- x\n- y", "T",
        "| a |\n| --- |\n| 1 |",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "source, expected",
    [
        ("<r><entry>foo<item>bar</item><item>baz</item></entry></r>", "foo bar baz"),
        ("<r><a>H<x>2</x>O</a><b>one</b><b>two</b></r>", "H2O\n\none\n\ntwo"),
        ("<r><a><first>Ann</first><last>Lee</last></a></r>", "Ann\n\nLee"),
        ("<a>one</a><a>two</a>", "one\n\ntwo"),
        ("<a>x</b> y <c>open", "x y open"),
        ("<a><![CDATA[a < b && c]]></a>", "a < b && c"),
        ("<a>one<!-- no -->two</a>", "onetwo"),
        ("<m:a>pre<m:b>fix</m:b>ed</m:a>", "prefixed"),
        ("<rss><channel><title>News</title><item><title>One</title><description>x</description></item>"
         "</channel></rss>", "# News\n\n## One\n\nx"),
        ("<a>tab&#9;x&#0;y&#x1F600;&#xFFFE;\x0bz</a>", "tab x y😀 z"),
        ("<a>&nosuch; &#60;b&#62;</a>", "&nosuch; <b>"),
        ("<html><body><h1>T</h1><p>x</p></body></html>", "# T\n\nx"),
    ],
)  # fmt: skip
def test_of_unknown_xml_no_word_is_lost_or_glued(source: str, expected: str) -> None:
    assert " ".join(content(source).split(" ")) == expected


def test_encodings_are_those_declared() -> None:
    for encoding in ("windows-1252", "utf-16", "utf-8"):
        source = f'<?xml version="1.0" encoding="{encoding}"?><a>a café, two cafés</a>'
        assert load(source.encode(encoding)).content == "a café, two cafés"


def test_nothing_outside_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    for declared in (f'<!ENTITY e SYSTEM "{secret}">', f'<!ENTITY % e SYSTEM "{secret.as_uri()}"> %e;',
                     f'<!ENTITY e PUBLIC "x" "{secret.as_uri()}">'):  # fmt: skip
        text = content(f"<!DOCTYPE a [{declared}]><a>before &e; after</a>")
        assert text == "before &e; after"
    included = f'<a xmlns:xi="http://www.w3.org/2001/XInclude">x <xi:include href="{secret}"/></a>'
    assert content(included) == "x"


def test_bombs_are_refused() -> None:
    lines = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    for declared in (
        f'<!ENTITY a0 "ha">{lines}',
        '<!ENTITY a11 "x&a11;">',
        '<!ENTITY a11 "' + "x" * 90_000 + '">',
    ):
        with pytest.raises(
            LoadError, match="entities stand for more than they should, as in a bomb"
        ):
            load(f"<!DOCTYPE a [{declared}]><a>{'&a11;' * 20}</a>")
    with pytest.raises(LoadError, match="nested too deeply"):
        load("<b>" * 100_000)
    assert content("<b>" * 1500 + "deep" + "</b>" * 1500) == "deep"


@pytest.mark.parametrize(
    "source",
    [
        "<!DOCTYPE a [" + "<!---->" * 5000 + "<a>x</a>",  # never closed: 2^5000 ways to try
        "<!DOCTYPE a [" * 20_000,
        "<a>x" + "<!--" * 200_000,
        "<a>x" + "<![CDATA[" * 100_000,
    ],
)
def test_declarations_and_comments_without_an_end_cost_no_minutes(source: str) -> None:
    assert len(read_xml(source.encode()).content) <= len(source)


def test_a_bracket_in_a_comment_of_a_declaration_ends_nothing() -> None:
    declared = '<!DOCTYPE a [<!-- ] > " --><!ENTITY x "yes">]>'
    assert read_xml(f"{declared}<a>&x;</a>".encode()).content == "yes"


def test_xml_without_text_says_so() -> None:
    with pytest.raises(LoadError, match=r"a\.xml holds no text"):
        load('<project name="x"><target/></project>')
