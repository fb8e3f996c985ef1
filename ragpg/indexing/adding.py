"""Texts and files into a collection: what changed, stored and indexed in one transaction each."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ragpg.database import Database
from ragpg.indexing import queries
from ragpg.indexing.indexer import Indexer
from ragpg.indexing.inputs import Failure, Input, Records, inputs_of_records, split_tables
from ragpg.indexing.recipes import ensure_index
from ragpg.indexing.tally import AddProgress, AddReport, OnOutcome, Tally
from ragpg.indexing.writing import Writer, indexed_hashes
from ragpg.reading import ALL, Skipped, Wanted
from ragpg.session import Session

# More than this share of the documents of the given folders is not deleted without being told so.
MAX_DELETED_SHARE = 0.2


def add(
    session: Session,
    collection: str,
    paths: str | Path | Sequence[str | Path] = (),
    *,
    records: Records = (),
    columns: Mapping[str, str | None] | None = None,
    wanted: Wanted = ALL,
    language: str = "english",
    chunk_tokens: int | None = None,
    sync: bool = False,
    max_deleted_share: float = MAX_DELETED_SHARE,
    few: int = 0,
    progress: AddProgress | None = None,
    on_outcome: OnOutcome | None = None,
    stop: threading.Event | None = None,
) -> AddReport:
    """Makes the collection hold these documents as they are now, and returns what that took.

    Documents whose bytes are those of last time are left alone, and the model is not loaded when
    that is all of them. With `sync` what vanished is deleted in the end; TooManyVanished is raised
    before anything is changed. `Collection.add` tells its arguments. Long, because in order.
    """
    started, stop = time.monotonic(), stop or threading.Event()
    arguments = [paths] if isinstance(paths, (str, Path)) else list(paths)
    sites = [str(one) for one in arguments if wanted.is_site(one)]
    arguments = [one for one in arguments if not wanted.is_site(one)]
    inputs, failures, skipped, plan = list[Input](), list[Failure](), list[Skipped](), None
    tables, records = split_tables(records)
    if arguments or (sync and not sites):
        from ragpg.indexing.files import look

        how = session.database, collection, arguments, wanted, max_deleted_share, few
        inputs, failures, skipped, plan, files = look(*how, columns or {}, sync=sync)
        tables += files
    given, wrong = inputs_of_records(records)
    inputs, failures = inputs + given, failures + wrong
    items = list({item.source: item for item in inputs}.values())  # given twice: the last one
    tally = Tally(len(items) + len(failures), progress, started, on_outcome)
    for failure in failures:
        tally.fail(failure)
    changed = _changed(session.database, collection, items)
    tally.unchanged = len(items) - len(changed)
    tally.tell()
    if changed:
        embedder = session.embedder
        if all(item.embedding is not None for item in changed):
            from ragpg.indexing.ready import embedder_of

            embedder = embedder_of(session, collection, len(changed[0].embedding))
        index = ensure_index(session, collection, embedder, language, chunk_tokens)
        indexer = Indexer(session, index)
        Writer(session.database, collection, indexer, tally, stop).write_all(changed)
    recipe = language, chunk_tokens
    if tables:
        from ragpg.indexing.tables import add_tables

        skipped += add_tables(session, collection, tables, columns or {}, recipe, tally, stop)
    if sites:
        from ragpg.indexing.websites import add_sites

        most = max_deleted_share if sync else None
        skipped += add_sites(session, collection, sites, wanted, recipe, tally, stop, most)
    if plan and not stop.is_set():  # last, so that a file that only moved has its embeddings reused
        for source in plan.delete():
            tally.count("deleted", source)
    # Builds and counts what ranking needs, also what an interrupted ingest left undone.
    for index_id in session.database.column(queries.UNREFRESHED, collection=collection):
        session.database.execute(queries.REFRESH_SEARCH_INDEX, index_id=index_id)
    if session.database.value(queries.IS_WAITING, collection=collection):
        from ragpg.indexing.worker import index_waiting

        index_waiting(session, collection, tally)
    return tally.report(skipped)


def _changed(database: Database, collection: str, items: list[Input]) -> list[Input]:
    known = indexed_hashes(database, collection)
    return [item for item in items if known.get(item.source) != item.source_hash]
