"""Answers cite the exact characters, or say plainly why there is no answer."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from ragpg.answer.answering import answer_question
from ragpg.answer.answers import DONT_KNOW
from ragpg.answer.quoting import NOTHING_FITS
from ragpg.answer.written import DECLINED
from ragpg.chunking.sentences import sentence_spans
from ragpg.models import make_client
from ragpg.search.hits import Hit
from tests.servers.messages import MessagesServer, Reply, answer, refusal, text_block

from .answers import DOCUMENTS, GUIDE, HITS, MODEL, NOTES, Ask, hit


def sentence_number(of: Hit, beginning: str) -> int:
    sentences = [of.content[start:end] for start, end in sentence_spans(of.content)]
    return next(n for n, sentence in enumerate(sentences) if sentence.startswith(beginning))


# Citations ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "quote"),
    [
        ("Where do rockets launch from?", "Rockets 🇩🇪 launch from the northern pad."),
        (
            "When is the cafe\u0301 opens Mondays?",
            "The cafe\u0301 opens at nine o'clock on Mondays.",
        ),
        ("What does a raptor do?", "| 𓃰 raptor | 2300 kN |"),
        ("Until when is bread sold at noon?", "Bakers sell 🥖 bread until noon."),
        ("Когда пекут хлеб?", "Тёплый хлеб 🍞 пекут утром."),
    ],
)
def test_the_answer_cites_the_exact_characters(ask: Ask, question: str, quote: str) -> None:
    result = ask(question)
    (citation,) = result.citations
    assert quote in citation.quote
    document = DOCUMENTS[citation.document_id]
    assert citation.start_char == document.index(citation.quote)
    assert result.text[citation.answer_start : citation.answer_end] == citation.quote
    assert (citation.document_version, citation.page) == (3, 4)
    assert (citation.source, citation.title) == (
        f"docs/{citation.document_id}.md",
        f"Guide {citation.document_id}",
    )
    assert (result.generated, result.abstained, result.grounded) == (True, False, True)
    assert (result.question, result.model, result.stop_reason) == (question, MODEL, "end_turn")
    assert result.hits == HITS
    assert result.id is None


def test_the_offsets_are_code_points_not_bytes_or_utf16(ask: Ask) -> None:
    (citation,) = ask("Where do rockets launch from?").citations
    before = GUIDE[: citation.start_char]
    assert len(before) != len(before.encode("utf-16-le")) // 2 != len(before.encode())
    assert len(before) != len(unicodedata.normalize("NFC", before))
    assert citation.start_char == GUIDE.index("Rockets")


def test_several_sentences_are_quoted_with_what_is_between(
    ask: Ask, messages: MessagesServer
) -> None:
    last = len(sentence_spans(NOTES))
    messages.enqueue(answer(text_block("They bake, sell and rest.", (1, 0, last))))
    (citation,) = ask().citations
    assert citation.quote == NOTES
    assert (citation.start_char, citation.end_char) == (0, len(NOTES))


def test_each_text_block_has_its_own_span(ask: Ask, messages: MessagesServer) -> None:
    messages.enqueue(
        answer(
            text_block("According to 🚀 the guide, "),
            text_block("𒀀𒁀 is unknown", (0, 1, 2)),
            text_block(" and "),
            text_block("bread is sold until noon", (1, 1, 2), (1, 2, 3)),
            text_block("."),
        )
    )
    result = ask()
    spans = [result.text[c.answer_start : c.answer_end] for c in result.citations]
    assert spans == ["𒀀𒁀 is unknown", "bread is sold until noon", "bread is sold until noon"]
    assert [c.quote for c in result.citations] == [
        "Nobody knows 𒀀𒁀 the pad is green.",
        "Bakers sell 🥖 bread until noon.",
        "They rest at night.",
    ]
    assert result.grounded


def test_repeated_citations_collapse_within_a_text_block_only(
    ask: Ask, messages: MessagesServer
) -> None:
    again = ((1, 1, 2), (1, 1, 2), (1, 2, 3))
    messages.enqueue(answer(text_block("Until noon. ", *again), text_block("Noon.", *again[:1])))
    quotes = [citation.quote for citation in ask().citations]
    assert quotes == [
        "Bakers sell 🥖 bread until noon.",
        "They rest at night.",
        "Bakers sell 🥖 bread until noon.",
    ]


@pytest.mark.parametrize(
    "span", [(3, 0, 1), (-1, 0, 1), (1, 0, 99), (1, -1, 1), (1, 2, 2), (1, 2, 1), (1, 3, 4)]
)
def test_a_citation_out_of_range_counts_as_none(
    ask: Ask, messages: MessagesServer, span: tuple[int, int, int]
) -> None:
    messages.enqueue(answer(text_block("Until noon.", span)))
    result = ask()
    assert result.text == "Until noon."
    assert (result.citations, result.abstained, result.grounded) == ((), True, False)


def test_a_citation_of_another_kind_counts_as_none(ask: Ask, messages: MessagesServer) -> None:
    place = {"document_index": 1, "document_title": None, "file_id": None}
    chars = {"type": "char_location", "start_char_index": 0, "end_char_index": 4, **place}
    unheard_of = {"type": "hologram_location", "search_result_index": 1}
    block = {"type": "text", "text": "Until noon.", "citations": [chars, unheard_of]}
    messages.enqueue(answer(block))
    assert ask().citations == ()


def test_a_citation_with_missing_indexes_counts_as_none(ask: Ask, messages: MessagesServer) -> None:
    location = {"type": "search_result_location", "search_result_index": 1}
    location |= {"start_block_index": None, "end_block_index": 1}
    messages.enqueue(answer({"type": "text", "text": "Until noon.", "citations": [location]}))
    assert ask().citations == ()


def test_a_blank_hit_does_not_shift_the_indexes(ask: Ask) -> None:
    blank = hit(7, 0, 0, content=" \n")
    (citation,) = ask("Until when is bread sold at noon?", HITS[0], blank, HITS[1]).citations
    assert citation.quote == "Bakers sell 🥖 bread until noon."


# Grounded ----------------------------------------------------------------------------------------


CITED = text_block("Bread is sold until noon.", (1, 1, 2))


CITED_PART = text_block("bread is sold until noon", (1, 1, 2))


@pytest.mark.parametrize(
    "blocks",
    [
        (CITED,),
        (text_block("According to the notes, "), CITED_PART, text_block(".")),
        (text_block("Here is what I found:\n\n- "), CITED, text_block("\n- "), CITED),
        (text_block("# Bread\n\n"), CITED, text_block("\n\n---\n")),
        (text_block("**In short:**\n\n"), CITED),
        (text_block("Bread is sold until noon. They rest at night.", (1, 1, 3)),),
    ],
)
def test_grounded_when_every_sentence_is_cited(
    ask: Ask, messages: MessagesServer, blocks: tuple[dict[str, Any], ...]
) -> None:
    messages.enqueue(answer(*blocks))
    result = ask()
    assert (result.grounded, result.abstained) == (True, False)


@pytest.mark.parametrize(
    "blocks",
    [
        (CITED, text_block(" The moon is made of cheese.")),
        (text_block("The moon is made of cheese. "), CITED),
        (CITED_PART, text_block(", and the moon is made of cheese.")),
        (CITED, text_block("\n- "), text_block("Rye costs 4 euros.", (1, 9, 10))),
        (CITED, text_block("\n\n月はチーズでできている。")),
    ],
)
def test_not_grounded_when_a_claim_is_not_cited(
    ask: Ask, messages: MessagesServer, blocks: tuple[dict[str, Any], ...]
) -> None:
    messages.enqueue(answer(*blocks))
    result = ask()
    assert (result.generated, result.abstained, result.grounded) == (True, False, False)
    assert result.citations


# Abstaining --------------------------------------------------------------------------------------


def test_without_hits_no_model_is_asked(messages: MessagesServer, ask: Ask) -> None:
    result = answer_question("Why?", (), model=MODEL, client=None)
    assert (result.text, result.model, result.abstained) == (NOTHING_FITS, None, True)
    assert (result.generated, result.grounded, result.hits) == (False, False, ())
    texts: list[str] = []
    with make_client(api_key="k", base_url=messages.url) as sdk:
        answer_question("Why?", [], model=MODEL, client=sdk, on_text=texts.append)
    assert texts == [NOTHING_FITS]
    assert messages.requests == []


def test_an_uncited_answer_abstains(ask: Ask, messages: MessagesServer) -> None:
    messages.enqueue(answer(text_block("The moon is made of cheese.")))
    result = ask()
    assert result.text == "The moon is made of cheese."
    assert (result.generated, result.abstained, result.grounded) == (True, True, False)


def test_not_knowing_abstains_even_with_a_citation(ask: Ask, messages: MessagesServer) -> None:
    unknown = ask("Xylophone?")
    assert unknown.text == DONT_KNOW
    messages.enqueue(answer(text_block(f"{DONT_KNOW} "), CITED))
    for result in (unknown, ask()):
        assert (result.generated, result.abstained, result.grounded) == (True, True, False)


@pytest.mark.parametrize("begun", ["", "To build it, take 🚀"])
def test_a_refusal_is_never_half_an_answer(ask: Ask, messages: MessagesServer, begun: str) -> None:
    messages.enqueue(refusal(begun))
    result = ask()
    assert (result.text, result.citations, result.stop_reason) == (DECLINED, (), "refusal")
    assert (result.generated, result.abstained, result.grounded) == (False, True, False)
    assert result.model == MODEL
    assert result.input_tokens > 0


def test_an_answer_cut_by_max_tokens_says_so(ask: Ask, messages: MessagesServer) -> None:
    messages.enqueue(answer(CITED_PART, stop_reason="max_tokens"))
    result = ask(max_tokens=9)
    assert (result.text, result.stop_reason) == ("bread is sold until noon", "max_tokens")
    assert result.citations
    assert messages.requests[0].body["max_tokens"] == 9


def test_thoughts_that_leave_no_room_say_so(ask: Ask, messages: MessagesServer) -> None:
    messages.enqueue(Reply((), thinking="Hm. " * 9, stop_reason="max_tokens"))
    result = ask()
    assert result.text == "The model wrote no answer (stop reason: max_tokens)."
    assert (result.generated, result.abstained, result.stop_reason) == (False, True, "max_tokens")


def test_thoughts_are_no_part_of_the_answer(ask: Ask, messages: MessagesServer) -> None:
    messages.enqueue(answer(thinking="The northern pad 🚀 ..."))
    result = ask("Where do rockets launch from?")
    assert result.text == "Rockets 🇩🇪 launch from the northern pad."
    assert result.citations[0].answer_start == 0
