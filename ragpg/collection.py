"""A collection: what goes in, what is found, what is answered; the rest behind attributes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ragpg import answer, indexing, search
from ragpg.answer import Answer
from ragpg.arguments import tells
from ragpg.errors import BadArgument
from ragpg.indexing import MAX_DELETED_SHARE, AddProgress, AddReport, OnOutcome, Records
from ragpg.reading import MAX_SITE_PAGES, Wanted
from ragpg.search import Hit, Mode
from ragpg.session import Session

if TYPE_CHECKING:
    from decimal import Decimal

    from ragpg.conversation import Conversation
    from ragpg.conversation.steps import OnStep
    from ragpg.documents import DocumentInfo, Documents, Versions
    from ragpg.evaluation import Evaluation
    from ragpg.finetuning import Finetuning
    from ragpg.indexing.indexes import Indexes
    from ragpg.indexing.watching import Change
    from ragpg.inspection import Inspector
    from ragpg.models import Vectors
    from ragpg.search.explaining import ExplainedHit
    from ragpg.search.filters import Filter


@tells
@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of documents that are searched together."""

    session: Session
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
        records: Records = (),
        columns: Mapping[str, str | None] | None = None,
        language: str = "english",
        chunk_tokens: int | None = None,
        progress: AddProgress | None = None,
        sync: bool = False,
        max_deleted_share: float = MAX_DELETED_SHARE,
        stop: threading.Event | None = None,
        on_outcome: OnOutcome | None = None,
        include: str | Sequence[str] = (),
        exclude: str | Sequence[str] = (),
        depth: int | None = None,
        pages: int = MAX_SITE_PAGES,
    ) -> AddReport:
        """Makes the collection hold these documents as they are now, and returns what that took.

        `paths` are files, folders, globs or addresses (docs/remote.md); `text` with its `source` is
        one document; `records` are mappings with text, source and optionally title, media_type,
        metadata (what else they hold is metadata, too); with an `embedding` one is stored as one
        chunk, as given. They may be a table instead (pyarrow, polars, pandas, DuckDB: anything with
        `__arrow_c_stream__`); of its columns, and those of a file (.parquet, .arrow, .feather),
        `columns` says which is text, title, source or embedding where they have other names.
        Unchanged ones are skipped; each other one is replaced in one transaction; one that cannot
        be read is in the report's `failures`. `language` and `chunk_tokens` count when the
        collection is new.

        With `sync` the documents below the given folders, and parts of the given files, that are
        gone there are deleted; TooManyVanished is raised, and nothing changed, when that is more
        than `max_deleted_share` of them. `stop`, once set, ends it after the documents at hand;
        `on_outcome` hears of each change: its outcome, source and reason.

        `include` and `exclude` are patterns of sources, in which * stands for anything. Of a web
        address with a `depth` so many links are followed from it on its site, and at most `pages`
        are read; of a sitemap its pages. Long, because of all it takes.
        """
        if text is not None:
            if not isinstance(text, str) or not isinstance(source, str) or not source.strip():
                raise BadArgument("a document given as text needs text and source, both text")
            given = {"text": text, "source": source, "title": title}
            if hasattr(records, "__arrow_c_stream__"):
                raise BadArgument("give a text or a table: the one call, then the other")
            records = [*records, {**given, "media_type": media_type, "metadata": metadata}]
        return indexing.add(
            self.session,
            self.name,
            paths,
            records=records,
            columns=columns,
            wanted=Wanted.of(include, exclude, depth, pages),
            language=language,
            chunk_tokens=chunk_tokens,
            sync=sync,
            max_deleted_share=max_deleted_share,
            progress=progress,
            on_outcome=on_outcome,
            stop=stop,
        )

    def watch(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        stop: threading.Event | None = None,
        on_change: Callable[[Change], None] | None = None,
        on_ready: Callable[[AddReport], None] | None = None,
        sync: bool = False,
        max_deleted_share: float = MAX_DELETED_SHARE,
        progress: AddProgress | None = None,
        **options: Any,
    ) -> None:
        """Adds folders and files as `add` does and follows their changes until `stop` is set.

        Files that vanish from then on are deleted, those that vanished before with `sync`.
        `on_ready` hears the report of the first pass, `on_change` of each document after it. A
        lost connection is waited out. `options` are `add`'s language, chunk_tokens, include and
        exclude.
        """
        from ragpg.indexing.watching import watch

        how = (stop, on_change, on_ready, sync, max_deleted_share, progress)
        watch(self.session, self.name, paths, *how, options)

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
        return search.search(
            self.session,
            self.name,
            query,
            k,
            filter=filter,
            mode=mode,
            query_embedding=query_embedding,
            index_id=index_id,
            distinct=distinct,
            rerank=rerank,
            neighbours=neighbours,
        )

    def explain(
        self, query: str, k: int = 10, *, filter: Filter | None = None, mode: Mode = "hybrid"
    ) -> list[ExplainedHit]:
        """Returns what `search` does, with each hit's place in the vector and the keyword leg."""
        from ragpg.search.explaining import explain

        return explain(self.session, self.name, query, k, filter=filter, mode=mode)

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
        steps: int = 1,
        conversation_id: int | None = None,
        on_step: OnStep | None = None,
        max_tokens: int | None = None,
        max_seconds: float | None = None,
        max_cost: float | Decimal | None = None,
    ) -> Answer:
        """Returns an answer from the k best chunks, with citations to exact characters.

        It is stored, unless `store` is False, nothing can be written (a standby) or what it cites
        was erased meanwhile: then its id is None. `on_text` hears the text as it is written. It
        abstains, without a model, when the hits are not enough; without an API key it quotes them.

        With `steps` above 1 the model may look again, so many times in all: search this collection,
        read on in a document, under the same filter. Each step is a row of `ragpg.answer_steps` and
        told to `on_step`; text heard before one is no part of the answer. `max_tokens` (read and
        written, in all), `max_seconds` and `max_cost` (by `ragpg.model_prices`) end it with the
        best there is; `Answer.ended_by` says what did. With `conversation_id` it is the next turn.
        """
        asked: dict[str, Any] = {"filter": filter, "model": model, "on_text": on_text}
        asked |= {"index_id": index_id, "store": store}
        caps = {"max_tokens": max_tokens, "max_seconds": max_seconds, "max_cost": max_cost}
        if steps == 1 and all(one is None for one in (conversation_id, on_step, *caps.values())):
            return answer.ask(self.session, self.name, question, k, **asked)
        more = {"steps": steps, "conversation_id": conversation_id, **caps}
        looking = import_module("ragpg.conversation").ask
        found = looking(self.session, self.name, question, k, on_step=on_step, **asked, **more)
        return cast("Answer", found)

    def conversation(self, id: int | None = None) -> Conversation:
        """Returns the conversation of that id, or begins one; raises BadArgument for none of its.

        Its `ask` takes questions that follow each other (docs/answers.md).
        """
        begin = import_module("ragpg.conversation").Conversation.begin
        return cast("Conversation", begin(self.session, self.name, id))

    def documents(
        self,
        *,
        filter: Filter | None = None,
        sources: Sequence[str] | None = None,
        limit: int | None = None,
        after: str | None = None,
        texts: bool = False,
    ) -> list[DocumentInfo]:
        """Returns the collection's documents, by source: those of a filter, or of these sources.

        A page of them is the first `limit` `after` a source: the last one of the page before.
        With `texts` each holds its text.
        """
        return self._documents.find(filter, sources, limit, after, texts)

    def delete(self, source: str) -> bool:
        """Deletes a document with its chunks; returns whether there was one."""
        return bool(self._documents.delete(None, [source], False))

    def delete_many(
        self,
        *,
        filter: Filter | None = None,
        sources: Sequence[str] | None = None,
        dry_run: bool = False,
    ) -> list[str]:
        """Deletes the documents of a filter, or of these sources; returns their sources."""
        return self._documents.delete(filter, sources, dry_run)

    def update_metadata(
        self,
        changes: Mapping[str, Any],
        *,
        filter: Filter | None = None,
        sources: Sequence[str] | None = None,
        dry_run: bool = False,
    ) -> list[str]:
        """Sets keys of documents' metadata, None takes one away; returns the sources of changed.

        Objects are changed key by key (JSON Merge Patch, RFC 7396). Nothing is embedded anew.
        """
        return self._documents.update(changes, filter, sources, dry_run)

    def embeddings(self, hits: Sequence[Hit]) -> Vectors:
        """Returns the hits' embeddings, of shape (hits, dimensions), float32."""
        return self._documents.embeddings(hits)

    @property
    def _documents(self) -> Documents:
        return cast(
            "Documents", import_module("ragpg.documents").Documents(self.session, self.name)
        )

    def wait_until_indexed(self, source: str | None = None, timeout: float = 30.0) -> bool:
        """Waits until searches see the newest version of a document, or of all; False: too long.

        For what SQL wrote, while a worker runs; `add` returns when it is indexed. `timeout` is in
        seconds.
        """
        return self._documents.wait_until_indexed(source, timeout)

    @property
    def versions(self) -> Versions:
        """What documents said before: history, texts, pruning, erasing for good."""
        versions = import_module("ragpg.documents").Versions
        return cast("Versions", versions(self.session.database, self.name))

    @property
    def indexes(self) -> Indexes:
        """Search indexes: another recipe beside the active one, compared, activated, measured."""
        from ragpg.indexing.indexes import Indexes

        return Indexes(self.session, self.name)

    # What not every verb needs is imported at its first use; the core stands without satellites.

    @property
    def evaluation(self) -> Evaluation:
        """How good retrieval is: evaluation sets, runs, comparison, tuning, drafts, the report."""
        found: Evaluation = import_module("ragpg.evaluation").Evaluation(self.session, self.name)
        return found

    @property
    def finetuning(self) -> Finetuning:
        """For what retrieval cannot mend: advice, datasets, training of the embedding model."""
        found: Finetuning = import_module("ragpg.finetuning").Finetuning(self.session, self.name)
        return found

    @property
    def inspection(self) -> Inspector:
        """What is wrong with the texts, before search is blamed."""
        inspector = import_module("ragpg.inspection").Inspector
        return cast("Inspector", inspector(self.session.database, self.name))
