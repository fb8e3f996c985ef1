"""An embedding model trained here: learned from the right pairs, judged on others, never active."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import torch
from typer.testing import CliRunner

import ragpg
from ragpg import errors
from ragpg.cli import app
from ragpg.finetuning import training
from ragpg.finetuning.embedder import EmbedderTraining
from ragpg.finetuning.training import Example, Recipe, train
from ragpg.models import SentenceTransformerEmbedder

Sql = psycopg.Connection[Any]
THINGS = ("kettle", "ladder", "violin", "anchor", "candle", "saddle", "rocket", "pillow")
PLACES = ("attic", "cellar", "harbour", "kitchen", "garden", "station", "library", "stable")
PAIRS = [(thing, place) for thing in THINGS for place in PLACES]


@pytest.fixture
def minilm(url: str) -> Iterator[ragpg.Collection]:
    """64 documents with a question each, embedded by all-MiniLM-L6-v2."""
    with ragpg.connect(url) as client:
        yield fill(client.collection("things"))


def fill(collection: ragpg.Collection) -> ragpg.Collection:
    collection.add(
        records=[
            {"source": f"{thing}-{place}", "text": f"The {thing} is in the {place}."}
            for thing, place in PAIRS
        ]
    )
    return collection


def label(collection: ragpg.Collection, folder: Path, pairs: Any = PAIRS) -> None:
    path = folder / "questions.jsonl"
    rows = [
        {
            "question": f"Which thing stands in the {place}, the {thing}?",
            "labels": [{"source": f"{thing}-{place}"}],
        }
        for thing, place in pairs
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    collection.evaluation.load(path)


def registered(sql: Sql) -> tuple[list[str], int]:
    names = sql.execute("select name from ragpg.embedding_models order by id").fetchall()
    indexes = sql.execute("select count(*) from ragpg.search_indexes").fetchone()
    assert indexes is not None
    return [name for (name,) in names], indexes[0]


def test_one_training_from_the_command_line(
    minilm: ragpg.Collection, sql: Sql, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(minilm, tmp_path)
    monkeypatch.setenv("RAGPG_DATABASE_URL", url)
    given = ["finetune", "embedder", "-c", "things", "--batch-size", "8", "--negatives", "2"]
    planned = CliRunner().invoke(app, [*given, "--dry-run", "--json"])
    plan = json.loads(planned.stdout)
    assert plan["pairs"] + plan["held_out_pairs"] == len(PAIRS)
    assert not Path(plan["folder"]).exists()
    told = CliRunner().invoke(app, [*given, "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    folder = found["plan"]["folder"]
    assert folder == str(tmp_path / "home" / "models" / "things-1") == plan["folder"]
    assert found["negatives"] == 2 * plan["pairs"]
    assert {one["questions"] for one in found["measures"]} == {plan["held_out_questions"]}
    assert found["verdict"] in ("gain", "no gain", "loss")
    active = sql.execute("select active_index_id from ragpg.collections").fetchone()
    assert active == (found["plan"]["index_id"],)
    assert registered(sql) == (["all-MiniLM-L6-v2", folder], 2)
    # What it says to do with the model works: search, activate, and let the database run it.
    text = CliRunner().invoke(app, [*given, "--limit", "24", "--output", str(tmp_path / "m")])
    assert text.exit_code == 0, text.output
    assert "nothing is activated" in text.stdout
    assert f"ragpg index activate {found['index_id'] + 1}" in text.stdout
    assert f"ragpg model load {tmp_path / 'm'}" in text.stdout
    minilm.indexes.activate(found["index_id"])
    monkeypatch.setenv("RAGPG_EMBEDDING_MODEL", folder)
    with ragpg.connect(url) as client:
        assert (
            client.collection("things").search("rocket, harbour", 1)[0].source == "rocket-harbour"
        )
        assert client.models.load(folder) > 0.9999


def test_no_held_out_document_is_learned(
    minilm: ragpg.Collection, sql: Sql, tmp_path: Path
) -> None:
    label(minilm, tmp_path)
    held = minilm.name
    rows = sql.execute(
        "select split, source, relevant_chunk_ids, chunk_id, document_id, question"
        " from ragpg.training_pairs(%s)",
        [held],
    ).fetchall()
    splits = {split: {row[1] for row in rows if row[0] == split} for split in ("train", "held-out")}
    assert min(map(len, splits.values())) >= 20
    assert not splits["train"] & splits["held-out"]
    asked = sql.execute(
        "select label.source from ragpg.evaluation_labels as label"
        " where ragpg_internal.evaluation_split(label.evaluation_question_id) = 'held-out'"
    ).fetchall()
    assert {source for (source,) in asked} == splits["held-out"]
    job = EmbedderTraining(minilm.session, minilm.name)
    examples, texts = job._examples(2, lambda *_: None)
    documents = dict(
        sql.execute("select id, document_id from ragpg.chunks").fetchall()  # one search index
    )
    seen = {documents[key] for one in examples for key in (one.positive, *one.negatives)}
    assert seen and not seen & set(job.held_out_documents)
    assert {len(one.negatives) for one in examples} == {2}
    assert all(set(one.negatives).isdisjoint(one.relevant) for one in examples)
    assert set(texts) == {key for one in examples for key in (one.positive, *one.negatives)}


def test_a_document_of_both_sides_is_held_out(
    minilm: ragpg.Collection, sql: Sql, tmp_path: Path
) -> None:
    """A question of the training side loses its answer in a document a held-out one is about."""
    label(minilm, tmp_path)
    split = dict(sql.execute("select source, split from ragpg.training_pairs('things')").fetchall())
    learned = min(source for source, side in split.items() if side == "train")
    judged = max(source for source, side in split.items() if side == "held-out")
    # The split goes by the first source; the second label is in the other half's document.
    first, second = sorted((learned, judged))
    path = tmp_path / "more.jsonl"
    row = {"question": "Where are both?", "labels": [{"source": first}, {"source": second}]}
    path.write_text(json.dumps(row))
    minilm.evaluation.load(path, "more")
    found = sql.execute(
        "select source, split from ragpg.training_pairs('things') where question = %s",
        ["Where are both?"],
    ).fetchall()
    assert (judged, "held-out") in found
    held_out = sql.execute(
        "select count(*) from ragpg.training_pairs('things') as pair"
        " where split = 'train' and source = %s",
        [judged],
    ).fetchone()
    assert held_out == (0,)


def test_copies_of_an_answer_are_no_negatives(minilm: ragpg.Collection, sql: Sql) -> None:
    minilm.add(
        records=[{"source": "copy", "title": "kettle-attic", "text": "The kettle is in the attic."}]
    )
    (answer,) = sql.execute(
        "select chunk.id from ragpg.chunks as chunk join ragpg.documents as document"
        " on document.id = chunk.document_id where document.source = 'kettle-attic'"
    ).fetchone() or (None,)
    vector = minilm.session.embed_query("things", "the kettle in the attic")
    call = (
        "select source from ragpg_internal.hard_negatives('the kettle in the attic', %s, wanted => 5,"
        " collection => 'things', query_embedding => %s::halfvec, max_similarity => %s)"
    )
    given = f"[{','.join(map(str, vector))}]"
    found = [source for (source,) in sql.execute(call, [[answer], given, 0.999])]
    assert len(found) == 5 and not {"copy", "kettle-attic"} & set(found)
    open_ended = [source for (source,) in sql.execute(call, [[], given, 0.999])]
    assert {"copy", "kettle-attic"} <= set(open_ended)


def test_the_loss_is_the_librarys(tmp_path: Path) -> None:
    """Without a chunk that answers two questions it is MultipleNegativesRankingLoss."""
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    model = SentenceTransformerEmbedder(exact=True).load().eval()
    texts = {
        number: f"The {thing} is in the {place}." for number, (thing, place) in enumerate(PAIRS)
    }
    batch = [Example(f"Where is the {PAIRS[n][0]}?", n, (n + 9,), frozenset({n})) for n in range(4)]
    columns = (
        [one.question for one in batch],
        [texts[one.positive] for one in batch],
        [texts[one.negatives[0]] for one in batch],
    )
    with torch.no_grad():
        theirs = MultipleNegativesRankingLoss(model)(map(model.preprocess, columns), None)
        assert training._loss(model, batch, texts).item() == pytest.approx(theirs.item(), abs=1e-4)
        # A chunk that answers the first question, too, is no negative of it.
        known = [Example(batch[0].question, 0, (9,), frozenset({0, 1})), *batch[1:]]
        assert training._loss(model, known, texts).item() < theirs.item() - 1e-3


def test_the_same_recipe_gives_the_same_model(tmp_path: Path) -> None:
    texts = {
        number: f"The {thing} is in the {place}." for number, (thing, place) in enumerate(PAIRS)
    }
    examples = [
        Example(f"Where is the {PAIRS[n][0]}?", n, (n + 9,), frozenset({n})) for n in range(24)
    ]
    vectors = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        recipe = Recipe(batch_size=8, seed=seed)
        train("all-MiniLM-L6-v2", examples, texts, recipe, tmp_path / name)
        embedder = SentenceTransformerEmbedder(str(tmp_path / name), exact=True)
        vectors[name] = embedder.embed_query("Where is the kettle?")
    assert vectors["a"] == pytest.approx(vectors["b"], abs=1e-6)
    assert vectors["a"] != pytest.approx(vectors["c"], abs=1e-6)


def test_interrupted_nothing_is_registered(
    minilm: ragpg.Collection, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(minilm, tmp_path)
    before = registered(sql)

    def stop_at(wanted: str) -> Any:
        def listen(done: int, total: int, what: str) -> None:
            if what.startswith(wanted):
                raise KeyboardInterrupt

        return listen

    for number, stage in enumerate(("hard negatives", "training", "search index", "asking index")):
        folder = tmp_path / f"model-{number}"
        job = EmbedderTraining(minilm.session, minilm.name, folder=folder, limit=24)
        with pytest.raises(KeyboardInterrupt):
            job.run(Recipe(), progress=stop_at(stage))
        assert registered(sql) == before, stage
        assert not folder.with_name(f"{folder.name}.part").exists()
        assert folder.exists() == (number > 1)


def test_what_is_refused(minilm: ragpg.Collection, client: ragpg.Client, tmp_path: Path) -> None:
    with pytest.raises(errors.BadArgument, match="there are 0 pairs to train on, 20 are the least"):
        EmbedderTraining(minilm.session, minilm.name).run(Recipe())
    label(minilm, tmp_path)
    with pytest.raises(errors.BadArgument, match="there are 3 pairs"):
        EmbedderTraining(minilm.session, minilm.name, limit=3).run(Recipe())
    with pytest.raises(errors.BadArgument, match='set "other" has 0 labelled questions held out'):
        EmbedderTraining(minilm.session, minilm.name, "other").run(Recipe())
    with pytest.raises(errors.BadArgument, match="is there already"):
        EmbedderTraining(minilm.session, minilm.name, folder=tmp_path)
    with pytest.raises(errors.UnknownCollection, match="empty"):
        EmbedderTraining(client.session, "empty")
    other = fill(client.collection("words"))
    with pytest.raises(errors.EmbeddingError, match='"words" of test is no sentence-transformers'):
        EmbedderTraining(other.session, other.name)
