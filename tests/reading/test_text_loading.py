"""Markdown, plain text and HTML become text with title and metadata."""

from __future__ import annotations

import json
import re

import pytest

from ragpg.errors import LoadError
from ragpg.reading import LoadedDocument, load_path, load_text

from ..conftest import SHARED_DATA

POSTGRES_PAGES = SHARED_DATA / "docs_postgres15_html" / "html"
needs_postgres_pages = pytest.mark.skipif(
    not POSTGRES_PAGES.is_dir(), reason="the PostgreSQL manual's pages are not beside the checkout"
)


def from_html(source: str) -> LoadedDocument:
    return load_text(source, media_type="text/html", name="page.html")


def from_markdown(source: str) -> LoadedDocument:
    return load_text(source, name="docs/guide.md")


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
        "ratio": ".nan",
        "nested": {"1": True},
        "nul": "ab",
    }
    json.dumps(document.metadata, allow_nan=False)


def test_attributes_of_headings_leave_the_content() -> None:
    """Python-Markdown's attr_list, as MkDocs has it, kramdown's and Pandoc's."""
    document = from_markdown(
        "---\nnote: 'a { #kept }'\n---\n# Setup { #setup }\n\nText {#not} this. { #nor-this }\n"
        "{: .note }\n\n## Install ## {#install .lead data-x='In'}\n\nTitle {: #t }\n=====\n\n"
        "```md\n## Kept { #kept }\n{: .kept }\n```\n\n    ## code { #kept }\n\n> ## Quoted {.q}\n\n"
        "* TOC\n{:toc}\n\n- item\n\n  ### Within { data-toc-label='b' }\n"
    )
    assert (document.title, document.metadata) == ("Setup", {"note": "a { #kept }"})
    assert document.content == (
        "# Setup\n\nText {#not} this. { #nor-this }\n\n## Install ##\n\nTitle\n=====\n\n"
        "```md\n## Kept { #kept }\n{: .kept }\n```\n\n    ## code { #kept }\n\n> ## Quoted\n\n"
        "* TOC\n\n- item\n\n  ### Within\n"
    )


@pytest.mark.parametrize(
    "heading",
    ["The set {x}", "{1, 2}", "{.} and {#}", "Jinja {{ x }}", "C# {", "{% raw %}", "{a=b}"],
)
def test_other_braces_stay(heading: str) -> None:
    assert from_markdown(f"# {heading}\n").content == f"# {heading}\n"


def test_attributes_are_sought_in_linear_time() -> None:
    hostile = (" " * 200_000 + "{") * 2 + "{:" + "x" * 200_000 + "\n# a { #b }\n"
    assert from_markdown(hostile).content.endswith("# a\n")


def test_front_matter_is_yaml_1_2_and_keeps_what_was_written() -> None:
    """YAML 1.1 makes no false, 01234 the number 668, 12:30 the number 750 and 1.10 the number 1.1."""
    written = {
        "a": "NO", "b": "yes", "c": "01234", "d": "12:30", "e": "1.10", "f": "1_000", "g": "0x1F",
        "h": "1e3", "i": "+5", "j": "1:20:30", "k": "0o17", "l": "2024-13-45", "m": ".inf",
        "n": "0.12345678901234567", "o": "on", "p": "007", "q": "1.", "r": "N", "s": "-0",
    }  # fmt: skip
    lines = "".join(f"{key}: {value}\n" for key, value in written.items())
    assert from_markdown(f"---\n{lines}---\ntext").metadata == written
    read = from_markdown(
        "---\na: 1\nb: -5\nc: 2.0\nd: 0.5\ne: 3.14159\nf: ~\ng:\nh: true\ni: False\nj: [no, 7]\n"
        'k: "5"\nl: 123456789012345678901\nm: 0\nn: &x {o: off}\np: {<<: *x, q: 1}\n---\ntext'
    )
    assert read.metadata == {
        "a": 1, "b": -5, "c": 2.0, "d": 0.5, "e": 3.14159, "f": None, "g": None, "h": True,
        "i": False, "j": ["no", 7], "k": "5", "l": 123456789012345678901, "m": 0,
        "n": {"o": "off"}, "p": {"o": "off", "q": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("![The valve](data:image/png;base64,{})", "The valve"),
        ("![](<data:image/svg+xml;charset=utf-8;base64,{}> 'A title')", ""),
        ('<img alt="The valve" src="data:image/gif;base64,{}">',
         '<img alt="The valve" src="data:image/gif;base64,">'),
        ("See ![the valve][v].\n\n[v]: data:image/png;base64,{}\n\nAnd on.",
         "See ![the valve][v].\n\n\nAnd on."),
        ("[a file](DATA:application/pdf;base64,{})", "[a file](DATA:application/pdf;base64,)"),
        ("background: url(data:font/woff2,{})", "background: url(data:font/woff2,)"),
    ],
)  # fmt: skip
def test_pictures_in_the_text_leave_it(written: str, read: str) -> None:
    payload = "iVBORw0KGgo+/AAAANSUhEUg" * 2000 + "=="
    assert (
        from_markdown(f"# Guide\n\n{written.format(payload)}\n").content == f"# Guide\n\n{read}\n"
    )
    short = "![dot](data:image/gif;base64,R0lGODlhAQABAAAAACw=) and data: words, not data"
    assert from_markdown(short).content == short


BOMB = "a: &a [x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    "front_matter",
    ["title: [unclosed", "just a string", "- a\n- list", "a: &a [*a]", BOMB],
    ids=["syntax", "string", "list", "recursive", "exponential"],
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


# HTML -------------------------------------------------------------------------------------------


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
    for start, end in (("<div>", "</div>"), ("<table><tr><td>", "</td></tr></table>")):
        deep = f"<p>Before</p>{start * 2000}deep{end * 2000}<p>After</p>"
        assert from_html(deep).content.split() == ["Before", "deep", "After"]


@pytest.mark.parametrize("start", ["<div>", "<div></x>", "<DIV class=a>\n", "<div><p>", "<ul><li>"])
def test_html_of_a_megabyte_of_elements_in_each_other_is_not_parsed(start: str) -> None:
    source = f"<title>parsed</title><p>R&amp;D</p>{start * 200_000}deep"
    document = from_html(source)
    assert document.content == "R&D\ndeep"
    assert document.title == "page"  # parsed, which takes minutes, it would have one


def test_html_of_many_shallow_elements_is_parsed() -> None:
    source = "<ul>" + "<li><p>an <b>item</b>" * 30_000 + "</ul>"
    assert from_html(source).content.startswith("- an item\n\n- an item\n\n")


@pytest.mark.parametrize("border", ["", " border=0", " BORDER='0' cellpadding=0", " border=1"])
def test_html_tables_of_filings_keep_their_columns(border: str) -> None:
    rows = "<tr><td>Revenue<td>$<td>100<td>$<td>90<tr><td>Cost<td><td>60<td><td>50"
    content = from_html(
        f"<table{border}><tr><td><td colspan=2>2021<td colspan=2>2020{rows}</table>"
    )
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in content.content.split("\n")
    ]
    assert lines[0] == ["", "2021", "", "2020", ""]
    assert lines[2:] == [["Revenue", "$", "100", "$", "90"], ["Cost", "", "60", "", "50"]]


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
