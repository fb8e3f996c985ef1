"""The benchmark of unseen files: its list says where each is from, references are read fairly."""

from __future__ import annotations

import csv
from pathlib import Path

from benchmarks import unseen
from benchmarks.loading import words

ARTICLE = """<article><front><journal-meta><journal-title>Left out</journal-title></journal-meta>
<article-meta><article-id>77</article-id>
<title-group><article-title>Frogs &amp; H<sub>2</sub>O</article-title></title-group>
<abstract><p>We found <italic>larvae</italic>portus.<xref><sup>12</sup></xref></p></abstract>
</article-meta></front><body><p>Text.</p><table-wrap><table><tr><th>Sex</th><th>a|b</th></tr>
<tr><td>male</td><td><p>39</p><p>41</p></td></tr></table></table-wrap></body>
<back><ref><mixed-citation>Holt 1999<pub-id>10.1/x</pub-id></mixed-citation></ref></back>
<floats-group><fig><caption>Fig 1</caption></fig></floats-group></article>"""
PAGE = """<html><head><title>T</title></head><body><nav>Menu</nav><div class="header">Next: B</div>
<p>See<sup>3</sup> <b>bo</b>ld.<!-- no --></p><script>x()</script>
<table><tr><td>one</td></tr></table></body></html>"""


def test_the_list_names_each_file_with_its_origin_and_licence() -> None:
    with Path(unseen.__file__).with_suffix(".csv").open(newline="") as lines:
        entries = list(csv.DictReader(lines))
    assert len({entry["file"] for entry in entries}) == len(entries) >= 30
    assert all(entry["reference"] and entry["origin"] and entry["licence"] for entry in entries)
    assert sum(entry["file"].endswith(".pdf") for entry in entries) >= 15
    suffixes = {Path(entry["file"]).suffix for entry in entries}
    assert suffixes >= {".pdf", ".docx", ".odt", ".pptx", ".xlsx", ".epub", ".html"}


def test_an_article_is_read_as_it_is_printed_with_its_tables(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(ARTICLE)
    text = unseen.reference_of(tmp_path / "a.xml")
    assert [line for line in text.split("\n") if line.startswith("|")] == [
        "| Sex | a b |",
        "| male | 39 41 |",
    ]
    assert " ".join(words(text.replace("|", " "))) == (
        "frogs h 2 o we found larvaeportus 12 text sex a b male 39 41 holt 1999 fig 1"
    )


def test_a_page_is_read_without_what_only_a_browser_shows(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(PAGE)
    assert words(unseen.reference_of(tmp_path / "a.html")) == ["see", "3", "bold", "one"]
    assert "|" not in unseen.reference_of(tmp_path / "a.html")


def test_sheets_are_read_in_their_order_and_articles_by_key(tmp_path: Path) -> None:
    (tmp_path / "b.10.csv").write_text("ten\n")
    (tmp_path / "b.9.csv").write_bytes('a,"b|c\nd"\n…,'.encode("cp1252"))
    text = unseen.referenced(tmp_path, "b.*.csv")
    assert [line for line in text.split("\n") if line] == ["| a | b c d |", "| … |  |", "| ten |"]
    (tmp_path / "truth.json").write_text('{"k": {"articleBody": "Body."}}')
    assert unseen.referenced(tmp_path, "truth.json#k") == "Body."


def test_both_sides_lose_leaders_and_lists_numbers_and_nothing_else() -> None:
    listed = "  10. first\n> a) second\nIn 1999. Then\n3.5 kg"
    assert " ".join(words(unseen.alike(listed))) == "first second in 1999 then 3 5 kg"
    contents = "1.2 Index . . . . . . 12\nB ........... xiv\nend."
    assert " ".join(words(unseen.alike(contents))) == "1 2 index b end"
    assert unseen.alike("H2O, word12") == "H 2 O, word 12"
