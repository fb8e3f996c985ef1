"""A label that names only a document is met by any chunk of it, in each thing that is said of it."""

from __future__ import annotations

from typing import Any

import ir_measures
import psycopg
import pytest
from ir_measures import AP, RR, R, Success, nDCG

import ragpg

from .evaluating import Sql

K = 5
REFERENCE = {
    R @ K: "recall",
    RR @ K: "reciprocal_rank",
    AP @ K: "average_precision",
    nDCG @ K: "ndcg",
    Success @ K: "success",
}


@pytest.fixture
def whole(
    asked: tuple[ragpg.Collection, list[dict[str, Any]]], sql: Sql
) -> tuple[ragpg.Collection, dict[str, set[str]]]:
    """The same questions, with the documents of their labels alone."""
    collection, questions = asked
    sql.execute("update ragpg.evaluation_labels set quote = null, start_char = null")
    return collection, {
        one["question"]: {label["source"] for label in one["labels"]} for one in questions
    }


def measures(sql: Sql, run_id: int) -> dict[str, dict[str, Any]]:
    query = "select * from ragpg.evaluation_measures where evaluation_run_id = %s"
    cursor = sql.cursor(row_factory=psycopg.rows.dict_row).execute(query, [run_id])
    return {row["question"]: row for row in cursor.fetchall()}


def hits_of(sql: Sql, run_id: int) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {}
    for question, source, length in sql.execute(
        """
        select question.question, hit.source, hit.end_char - hit.start_char
        from ragpg.evaluation_hits as hit
        join ragpg.evaluation_questions as question on question.id = hit.evaluation_question_id
        where hit.evaluation_run_id = %s
        order by hit.place
        """,
        [run_id],
    ).fetchall():
        found.setdefault(question, []).append((source, length))
    return found


def test_its_first_hit_counts_as_the_reference_counts_documents(
    whole: tuple[ragpg.Collection, dict[str, set[str]]], sql: Sql
) -> None:
    collection, labels = whole
    run_id = collection.evaluation.run(k=K)
    found, hits = measures(sql, run_id), hits_of(sql, run_id)
    ranked: dict[str, dict[str, float]] = {}
    for question, some in hits.items():
        seen: dict[str, float] = {}
        for place, (source, _) in enumerate(some):
            seen.setdefault(source if source not in seen else f"{source} {place}", -place)
        ranked[question] = seen
    judged = {question: dict.fromkeys(sources, 1) for question, sources in labels.items()}
    for score in ir_measures.iter_calc(list(REFERENCE), judged, ranked):
        value = found[score.query_id][REFERENCE[score.measure]]
        assert value == pytest.approx(score.value, abs=1e-9), (score, value)
    for question, row in found.items():
        met = {source for source, _ in hits[question]} & labels[question]
        assert row["span_recall"] == pytest.approx(len(met) / len(labels[question]))
        of_labelled = sum(length for source, length in hits[question] if source in labels[question])
        everything = sum(length for _, length in hits[question])
        assert row["span_precision"] == pytest.approx(of_labelled / everything)
        assert row["relevant_chunks"] == len(labels[question])
        assert row["precision"] * K == sum(s in labels[question] for s, _ in hits[question])


def test_what_is_found_is_not_called_wrong(
    whole: tuple[ragpg.Collection, dict[str, set[str]]], sql: Sql
) -> None:
    collection, _ = whole
    run_id = collection.evaluation.run(k=K)
    failures = {one["question"]: one["kind"] for one in collection.evaluation.failures(run_id)}
    assert "cut across chunks" not in failures.values()
    missed = {question for question, row in measures(sql, run_id).items() if not row["success"]}
    assert set(failures) == missed


def test_a_text_labelled_in_the_same_document_is_stricter(client: ragpg.Client, sql: Sql) -> None:
    docs = client.collection("docs")
    text = "\n\n".join(f"The refund of item {n} is money." for n in range(12))
    docs.add(records=[{"source": "a", "text": text}], chunk_tokens=10)
    quote = "The refund of item 7 is money."
    put = "select ragpg.put_evaluation_question('docs', 'default', %s, %s)"
    both = f'[{{"source": "a"}}, {{"source": "a", "quote": "{quote}"}}]'
    sql.execute(put, ("refund of item 7", both))
    sql.execute(put, ("money", '[{"source": "a"}]'))
    found = measures(sql, docs.evaluation.run(k=2, mode="keyword"))
    assert found["refund of item 7"]["relevant_chunks"] == 1
    assert found["refund of item 7"]["span_recall"] == 1
    assert found["money"]["relevant_chunks"] == 1 and found["money"]["ndcg"] == 1
    assert (found["money"]["span_recall"], found["money"]["span_iou"]) == (1, 1)


def test_which_chunk_answers_is_not_guessed_for_training(
    whole: tuple[ragpg.Collection, dict[str, set[str]]], sql: Sql
) -> None:
    """The longest chunk of a document is no answer; all of them are no negatives."""
    pairs = "select count(*) from ragpg.training_pairs('docs')"
    assert sql.execute(pairs).fetchone() == (0,)
    whole[0].add(text="A refund takes days.", source="short.md")
    put = "select ragpg.put_evaluation_question('docs', 'default', 'refund?', %s)"
    sql.execute(put, ('[{"source": "short.md"}]',))
    assert sql.execute(pairs).fetchone() == (1,)
