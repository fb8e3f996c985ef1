"""A collection: what goes in, what is found, what is measured."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from ragpg import queries
from ragpg.answer import answering
from ragpg.answer.answering import Answer
from ragpg.errors import BadArgument
from ragpg.evaluation import drafting, evaluating, report, tuning
from ragpg.evaluation.grading import Grade, grade_answer
from ragpg.finetuning import datasets
from ragpg.indexing import adding, indexer, situating, syncing, watching
from ragpg.indexing.adding import AddProgress, AddReport, OnOutcome
from ragpg.indexing.situating import ContextEstimate
from ragpg.indexing.syncing import Sync
from ragpg.indexing.watching import Change
from ragpg.inspection import inspecting
from ragpg.inspection.inspecting import Inspection
from ragpg.models import reranking
from ragpg.models.calls import prices_of, require_client
from ragpg.models.embedding import Embedder, open_embedder
from ragpg.reading import FoundFiles, clean_text, find_files
from ragpg.search import searching
from ragpg.search.filters import Filter, to_jsonpath
from ragpg.search.searching import ExplainedHit, Hit, Mode, SearchIndex

if TYPE_CHECKING:
    from ragpg.client import Client


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A stored document; `indexed` is whether searches see its newest version."""

    source: str
    title: str
    media_type: str
    metadata: dict[str, Any]
    version: int
    characters: int
    chunks: int | None
    indexed: bool
    created_at: datetime
    updated_at: datetime
    indexed_at: datetime | None
    document_id: int


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of documents that are searched together."""

    client: Client
    name: str

    def add(
        self,
        paths: str | Path | Sequence[str | Path] = (),
        *,
        text: str | None = None,
        source: str | None = None,
        title: str | None = None,
        media_type: str = "text/markdown",
        metadata: dict[str, Any] | None = None,
        records: Iterable[Mapping[str, Any]] = (),
        language: str = "english",
        chunk_tokens: int | None = None,
        progress: AddProgress | None = None,
        sync: bool = False,
        max_deleted_share: float = syncing.MAX_DELETED_SHARE,
        few: int = 0,
        stop: threading.Event | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> AddReport:
        """Makes the collection hold these documents as they are now, and returns what that took.

        `paths` are files, folders or globs; `text` with its `source` is one document; `records`
        are mappings with text, source and optionally title, media_type, metadata; with an
        `embedding` of the configured model one is stored as one chunk, as given. Unchanged ones
        are skipped; each other one is replaced in one transaction; one that cannot be read is in
        the report's `failures`. `language` and `chunk_tokens` count when the collection is new.

        With `sync` the documents below the given folders, and parts of the given files, that are
        gone there are deleted; TooManyVanished is raised, and nothing changed, when that is more
        than `max_deleted_share` of them and more than `few`. `stop`, once set, ends it after the
        documents at hand; `on_outcome` hears of each change: its outcome, source and reason.
        """
        started = time.monotonic()
        arguments = [paths] if isinstance(paths, (str, Path)) else paths
        roots = syncing.sync_paths(arguments) if sync else []
        found = find_files(arguments)
        inputs, failures = _file_inputs(found)
        plan = (
            Sync(
                self.client.database,
                self.name,
                roots,
                kept=[one.source for one in inputs],
                unread=[
                    *map(clean_text, found.skipped),
                    *syncing.unread(one.source for one in failures),
                ],
                max_share=max_deleted_share,
                few=few,
            ).but_what_is_on_disk({source for source, _ in found.files})
            if sync
            else None
        )
        if text is not None:
            records = [
                *records,
                {
                    "text": text,
                    "source": source,
                    "title": title,
                    "media_type": media_type,
                    "metadata": metadata,
                },
            ]
        inputs += [_record_input(record) for record in records]
        return adding.add_documents(
            self.client.worker(self.name),
            self.name,
            inputs,
            language=language,
            chunk_tokens=chunk_tokens,
            skipped=found.skipped,
            failures=failures,
            progress=progress,
            started=started,
            sync=plan,
            stop=stop,
            on_outcome=on_outcome,
        )

    def watch(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        stop: threading.Event | None = None,
        on_change: Callable[[Change], None] = lambda change: None,
        on_ready: Callable[[AddReport], None] = lambda report: None,
        sync: bool = False,
        max_deleted_share: float = syncing.MAX_DELETED_SHARE,
        progress: AddProgress | None = None,
        **options: Any,
    ) -> None:
        """Adds folders and files as `add` does and follows their changes until `stop` is set.

        Files that vanish from then on are deleted, those that vanished before with `sync`.
        `on_ready` hears the report of the first pass, `on_change` of each document after it. A
        lost connection is waited out. `options` are `add`'s language and chunk_tokens.
        """
        event = stop or threading.Event()
        database = self.client.database

        def vanished(gone: Sequence[str], few: int, share: float) -> Sync:
            return Sync(database, self.name, gone, max_share=share, few=few).but_what_is_on_disk()

        watching.FolderWatch(
            add=functools.partial(self.add, stop=event, **options),
            vanished=vanished,
            paths=[paths] if isinstance(paths, (str, Path)) else paths,
            stop=event,
            on_change=on_change,
            on_ready=on_ready,
            sync=sync,
            max_deleted_share=max_deleted_share,
            progress=progress,
        ).run()

    def search(
        self,
        query: str | Sequence[str],
        k: int = 10,
        *,
        filter: Filter | None = None,
        mode: Mode = "hybrid",
        query_embedding: Any = None,
        index_id: int | None = None,
        distinct: bool = False,
        rerank: str | None = None,
        neighbours: int = 0,
    ) -> list[Hit]:
        """Returns the k best chunks, best first, by `ragpg.search`.

        Several phrasings of one question are searched as `ragpg.search_any` does.
        `filter` is a jsonpath predicate over metadata, such as `$.tier == "pro"`, or a dictionary
        (`ragpg.search.filters`), such as `{"tier": "pro", "year": {"$gte": 2024}}`. The query is
        embedded by the collection's model unless `query_embedding` (one for each phrasing) is
        given or mode is keyword. `index_id` searches another search index of the collection than
        the active one. `distinct` keeps only the best of chunks that say nearly the same. `rerank`
        is a cross-encoder (`ragpg.models.reranking`) that orders 50 hits, or 3 k, anew.
        `neighbours` widens each hit by so many chunks before and after it (`ragpg.surroundings`).
        """
        phrasings = [query] if isinstance(query, str) else list(query)
        if query_embedding is None and mode != "keyword":
            embeddings = [
                self.client.embed_query(self.name, text, index_id) if text.strip() else None
                for text in phrasings
            ]
        else:
            embeddings = [query_embedding] if isinstance(query, str) else query_embedding
        hits = searching.search(
            self.client.database,
            self.name,
            phrasings,
            k=max(reranking.CANDIDATES, 3 * k) if rerank else k,
            filter=to_jsonpath(filter),
            mode=mode,
            query_embeddings=embeddings,
            index_id=index_id,
            distinct=distinct,
        )
        if rerank:
            hits = self.client.reranker(rerank).rerank(phrasings[0], hits, k)
        return searching.widen(self.client.database, hits, neighbours) if neighbours else hits

    def explain_search(
        self, query: str, k: int = 10, *, filter: Filter | None = None, mode: Mode = "hybrid"
    ) -> list[ExplainedHit]:
        """Returns what `search` does, with each hit's place in the vector and the keyword leg."""
        return searching.explain_search(
            self.client.database,
            self.name,
            query,
            k=k,
            filter=to_jsonpath(filter),
            mode=mode,
            query_embedding=self.client.embed_query(self.name, query) if query.strip() else None,
        )

    def ask(
        self,
        question: str,
        k: int = 8,
        *,
        filter: Filter | None = None,
        model: str | None = None,
        on_text: Callable[[str], None] | None = None,
        index_id: int | None = None,
        store: bool = True,
    ) -> Answer:
        """Returns an answer from the k best chunks, with citations to exact characters.

        It is stored, unless `store` is False.

        `on_text` hears the text as it is written. Abstains, without asking a model, when the
        hits are not enough (`ragpg.judge_hits`). Without an API key the best passages are quoted.
        """
        hits = self.search(question, k, filter=filter, index_id=index_id)
        judged = searching.judge(self.client.database, question, hits)
        if not judged.is_enough:
            hits = []
        answer = answering.answer_question(
            question,
            hits,
            model=model or self.client.settings.answer_model,
            client=self.client.anthropic_client(),
            on_text=on_text,
            missing=judged.missing_names or (),
        )
        return self._save(answer) if store else answer

    def _save(self, answer: Answer) -> Answer:
        """Stores the answer; returns it with its id and the page of each citation."""
        parameters = {
            "collection": self.name,
            "question": answer.question,
            "content": answer.text,
            "model": answer.model,
            "abstained": answer.abstained,
            "grounded": answer.grounded,
            "stop_reason": answer.stop_reason,
            "input_tokens": answer.input_tokens,
            "output_tokens": answer.output_tokens,
            "cache_read_tokens": answer.cache_read_tokens,
            "cache_creation_tokens": answer.cache_creation_tokens,
            "latency_ms": answer.latency_ms,
            "citations": Jsonb([asdict(citation) for citation in answer.citations]),
        }
        with self.client.database.connection() as connection:
            row = connection.execute(queries.SAVE_ANSWER, parameters).fetchone()
            assert row is not None
            pages = connection.execute(queries.CITATION_PAGES, row).fetchall()
        cited = zip(answer.citations, pages, strict=True)
        return replace(
            answer, id=row[0], citations=tuple(replace(one, page=page) for one, (page,) in cited)
        )

    def _index(self) -> SearchIndex:
        index = searching.active_index(self.client.database, self.name)
        if index is None:
            raise BadArgument(f'"{self.name}" has no document yet: ragpg add')
        return index

    def delete(self, source: str) -> bool:
        """Deletes a document with its chunks; returns whether there was one."""
        parameters = {"collection": self.name, "source": source}
        with self.client.database.connection() as connection:
            row = connection.execute(queries.DELETE_DOCUMENT, parameters).fetchone()
        return bool(row and row[0])

    def wait_until_indexed(self, source: str | None = None, timeout: float = 30.0) -> bool:
        """Waits until searches see the newest version of a document, or of all; False: too long.

        For what SQL wrote, while a worker runs; `add` returns when it is indexed. `timeout` is in
        seconds.
        """
        parameters = {"collection": self.name, "source": source, "seconds": timeout}
        with self.client.database.connection() as connection:
            row = connection.execute(queries.WAIT_UNTIL_INDEXED, parameters).fetchone()
        return bool(row and row[0])

    def create_index(
        self,
        *,
        chunk_tokens: int | None = None,
        overlap_tokens: int = 0,
        language: str | None = None,
        model: str | None = None,
        context_model: str | None = None,
    ) -> SearchIndex:
        """Makes another search index with all documents queued for it; searches do not use it yet.

        `Client.fill_index` or workers fill it. What is not given is as in the active one; `model`
        is another model instead of the active one's, by a name that `open_embedder` takes. With a
        `context_model` that language model writes a sentence of context per chunk, which costs
        money: `estimate_contexts` before, `Client.write_contexts` with a cap then.
        """
        active = searching.active_index(self.client.database, self.name)
        embedder = self._embedder(active, model)
        return indexer.create_index(
            self.client.database,
            self.name,
            embedder,
            chunk_tokens=chunk_tokens or (active.chunk_tokens if active else None),
            overlap_tokens=overlap_tokens,
            language=language or (active.language if active else "english"),
            context_model=context_model,
        )

    def _embedder(self, active: SearchIndex | None, model: str | None) -> Embedder:
        if model:
            return open_embedder(model)
        return self.client.embedder_for(active) if active else self.client.embedder

    def estimate_contexts(
        self,
        context_model: str,
        *,
        chunk_tokens: int | None = None,
        overlap_tokens: int = 0,
        model: str | None = None,
        batch: bool = False,
    ) -> ContextEstimate:
        """Returns what a contextual search index of this recipe will take; asks and makes nothing.

        What is not given is as for `create_index`.
        """
        database = self.client.database
        active = searching.active_index(database, self.name)
        embedder = self._embedder(active, model)
        tokens = indexer.tokens_of_chunk(
            chunk_tokens or (active.chunk_tokens if active else None), embedder
        )
        cut = partial(
            indexer.cut,
            embedder=embedder,
            chunk_tokens=tokens,
            overlap_tokens=overlap_tokens,
            context_tokens=indexer.tokens_of_context(tokens),
        )
        return situating.estimate(
            situating.Situator(database, self.name, context_model, None),
            situating.waiting_asks(database, self.name, None, context_model, cut),
            prices_of(database, context_model),
            batch=batch,
        )

    def rollback_index(self) -> int:
        """Activates the search index that was active before; returns its id."""
        with self.client.database.connection() as connection:
            parameters = {"collection": self.name}
            row = connection.execute(queries.ROLLBACK_SEARCH_INDEX, parameters).fetchone()
        assert row is not None
        return int(row[0])

    def load_evaluation_set(self, path: Path, name: str = "default") -> int:
        """Makes an evaluation set hold the questions of a JSONL file; returns how many."""
        return evaluating.load_set(self.client.database, self.name, name, path)

    def evaluation_set_from_feedback(self, name: str = "feedback") -> int:
        """Makes questions of what people said of answers; returns how many.

        By `ragpg.evaluation_from_feedback`.
        """
        parameters = {"collection": self.name, "evaluation_set": name}
        (row,) = evaluating.rows(
            self.client.database, queries.EVALUATION_FROM_FEEDBACK, **parameters
        )
        return int(row["questions"])

    def lost_labels(self, name: str = "default") -> list[dict[str, Any]]:
        """Returns the labels whose document or quote is not in the collection (any more)."""
        parameters = {"collection": self.name, "evaluation_set": name}
        return evaluating.rows(self.client.database, queries.LOST_LABELS, **parameters)

    def evaluate(
        self,
        name: str = "default",
        *,
        k: int = 10,
        mode: Mode = "hybrid",
        index_id: int | None = None,
        note: str = "",
        answers: bool = False,
        progress: evaluating.Progress | None = None,
    ) -> int:
        """Asks every question of an evaluation set; returns the run's id.

        With `answers` each is answered, too, and graded where a model is there to do so and the
        set says what to expect.
        """

        def answer(question: str, expected: str | None) -> tuple[int, Grade | None]:
            given = self.ask(question, min(k, 8), index_id=index_id)
            assert given.id is not None
            judge = self.client.anthropic_client()
            if judge is None or expected is None or given.abstained:
                return given.id, None
            model = self.client.settings.answer_model
            return given.id, grade_answer(
                judge, model=model, question=question, expected=expected, answer=given.text
            )

        return evaluating.run_set(
            self.client.database,
            self.name,
            name,
            lambda question: self.client.embed_query(self.name, question, index_id),
            k=k,
            mode=mode,
            index_id=index_id,
            note=note,
            answer=answer if answers else None,
            progress=progress,
        )

    def tune(
        self,
        name: str = "default",
        *,
        k: int = 10,
        chunk_tokens: Sequence[int] = (),
        overlap_tokens: Sequence[int] = (),
        most_questions: int = 300,
        progress: tuning.Progress | None = None,
    ) -> tuning.Tuning:
        """Tries settings on an evaluation set and proposes the best; changes none."""
        return tuning.tune(
            self,
            name,
            k=k,
            chunk_tokens=chunk_tokens,
            overlap_tokens=overlap_tokens,
            most_questions=most_questions,
            progress=progress,
        )

    def use_settings(self, trial: tuning.Trial) -> None:
        """Stores a trial's settings with its search index and makes that the active one."""
        tuning.apply(self.client.database, trial, is_active=self._index().id == trial.index_id)

    def evaluation_runs(self) -> list[dict[str, Any]]:
        """Returns the runs, newest first: rows of the view evaluation_leaderboard."""
        statement = queries.EVALUATION_RUNS
        return evaluating.rows(self.client.database, statement, collection=self.name)

    def evaluation_report(
        self,
        name: str = "default",
        *,
        run_id: int | None = None,
        against: int | None = None,
        questions: int = 15,
    ) -> report.Report:
        """Returns a self-contained HTML page on a run (the newest) against the one before it."""
        return report.make_report(
            self.client.database,
            self.name,
            name,
            run_id=run_id,
            against=against,
            questions=questions,
        )

    def draft_questions(
        self, name: str = "default", count: int = 20, *, max_tokens: int = 200_000
    ) -> drafting.DraftReport:
        """Lets Claude draft a question from each of some passages; no run asks one yet.

        `Client.accept_draft` makes one a question. `max_tokens` caps what is read and written.
        """
        client = self.client
        return drafting.draft_questions(
            client.database,
            self.name,
            name,
            drafting.sample_passages(client.database, self.name, name, count),
            require_client(client.anthropic_client(), "drafting"),
            model=client.settings.answer_model,
            max_tokens=max_tokens,
        )

    def drafts(self, name: str = "default") -> list[dict[str, Any]]:
        """Returns the drafted questions that wait for a person, with the text around the quote."""
        return drafting.drafts(self.client.database, self.name, name)

    def advise(self) -> list[dict[str, str]]:
        """Returns the rows of `ragpg.advise`: retrieval, fine-tuning, the prompt, or neither."""
        return evaluating.rows(self.client.database, queries.ADVISE, collection=self.name)

    def export_finetuning(
        self,
        path: Path,
        *,
        evaluation_set: str | None = None,
        statement: str | None = None,
        k: int | None = 8,
        **options: Any,
    ) -> datasets.Export:
        """Writes a chat dataset (`datasets.export` has the options) from what people vouched for.

        Or from one evaluation set, or from a query with question and answer. The k hits of each
        question stand before it; with k None the facts are to be learned.
        """
        rows = datasets.examples(self.client.database, self.name, evaluation_set, statement)
        search = None if k is None else functools.partial(self.search, k=k)
        return datasets.export(rows, path, search=search, **options)

    def text_of(self, source: str, version: int | None = None) -> str | None:
        """Returns the text of a document, or of an earlier version; None when there is none.

        A source that is not stored as such may be the end of one path, after a slash.
        """
        parameters = {"collection": self.name, "source": source, "version": version}
        with self.client.database.connection() as connection:
            row = connection.execute(queries.SOURCE_TEXT, parameters).fetchone()
        return row[0] if row else None

    def history(self, source: str) -> list[dict[str, Any]]:
        """Returns the versions of a document, newest first: rows of the view document_history."""
        parameters = {"collection": self.name, "source": source}
        with self.client.database.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return cursor.execute(queries.HISTORY, parameters).fetchall()

    def erase(self, source: str) -> dict[str, int]:
        """Erases a document for good, with its versions and the answers that cite it.

        Returns how many documents, versions and answers went.
        """
        parameters = {"collection": self.name, "source": source}
        with self.client.database.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            row = cursor.execute(queries.ERASE_DOCUMENT, parameters).fetchone()
        assert row is not None
        return row

    def prune_versions(self, older_than: timedelta) -> int:
        """Deletes versions replaced longer ago, except cited ones; returns how many went."""
        parameters = {"collection": self.name, "older_than": older_than}
        with self.client.database.connection() as connection:
            row = connection.execute(queries.PRUNE_VERSIONS, parameters).fetchone()
        assert row is not None
        return int(row[0])

    def inspect(self) -> Inspection:
        """Returns what the collection holds and what is wrong with it (`ragpg.corpus_problems`)."""
        return inspecting.inspect_collection(self.client.database, self.name)

    def documents(self) -> list[DocumentInfo]:
        """Returns the collection's documents, by source."""
        with (
            self.client.database.connection() as connection,
            connection.cursor(row_factory=class_row(DocumentInfo)) as cursor,
        ):
            return cursor.execute(queries.DOCUMENTS, {"collection": self.name}).fetchall()


def _record_input(record: Mapping[str, Any]) -> adding.Input:
    text, source = record.get("text"), record.get("source")
    if not isinstance(text, str) or not isinstance(source, str) or not source.strip():
        raise BadArgument(
            "a document given as text needs text and source: "
            'add(text="...", source="what identifies it")'
        )
    return adding.text_input(
        text,
        clean_text(source),
        record.get("title"),
        record.get("media_type") or "text/markdown",
        record.get("metadata"),
        record.get("embedding"),
    )


def _file_inputs(
    found: FoundFiles,
) -> tuple[list[adding.Input], list[adding.Failure]]:
    inputs: list[adding.Input] = []
    failures: list[adding.Failure] = []
    for source, path in found.files:
        read, failed = adding.file_inputs(clean_text(source), path)
        inputs += read
        failures += failed
    return inputs, failures
