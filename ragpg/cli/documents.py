"""`ragpg add`, `documents`, `delete`, `metadata`, `history`, `erase`, `prune`, `worker`."""

from __future__ import annotations

import difflib
import json
import os
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.text import Text

from ragpg.cli.console import (
    CollectionName,
    End,
    Json,
    ended_by_signals,
    err,
    load_model_once,
    open_client,
    out,
    print_json,
    table_of,
)
from ragpg.cli.sync import (
    ColumnOption,
    DeleteManyOption,
    DepthOption,
    ExcludeOption,
    IncludeOption,
    PagesOption,
    SyncOption,
    WatchOption,
    add_paths,
    print_report,
    read_columns,
    watch_paths,
)
from ragpg.documents import DocumentInfo, queries
from ragpg.errors import BadArgument, RagpgError
from ragpg.indexing import AddReport
from ragpg.reading.addresses import is_remote
from ragpg.reading.wanted import MAX_SITE_PAGES
from ragpg.search.filters import read_filter

Source = Annotated[
    str,
    typer.Argument(
        help="The document: its source as documents shows it, a path, or the end of one."
    ),
]
SourceOrNone = Annotated[str | None, Source.__metadata__[0]]
DocumentsFilter = Annotated[
    str | None,
    typer.Option(
        help='Documents by metadata, as search takes it: \'$.tier == "pro"\' or {"tier": "pro"}.'
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell which, change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_MOST_TOLD = 20  # documents by name


def add(
    paths: Annotated[
        list[str],
        typer.Argument(help="Files, folders, globs, or s3://, github:// and https:// addresses."),
    ],
    collection: CollectionName = "default",
    language: Annotated[
        str,
        typer.Option(
            help="Text-search configuration of a new collection, or auto: each document's own."
        ),
    ] = "english",
    sync: SyncOption = False,
    delete_many: DeleteManyOption = False,
    watch: WatchOption = False,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    depth: DepthOption = None,
    pages: PagesOption = MAX_SITE_PAGES,
    column: ColumnOption = None,
    as_json: Json = False,
) -> None:
    """Make a collection hold these documents as they are now.

    Reads Markdown, HTML, text, PDF, Word, PowerPoint, Excel, OpenDocument, CSV, EPUB, reST,
    AsciiDoc, Org, Rich Text, XML (JATS, DocBook, TEI), mail (.eml, .mbox, .msg), JSON records
    (.json, .jsonl), tables of them (.parquet, .arrow, .feather) and source code. Each record,
    message and readable attachment is a document. Unchanged ones are skipped, changed ones
    replaced; one that cannot be read is told, and the rest done. Exit code 1 when one failed.

    Addresses (s3://bucket/prefix, gs://, az://, github://owner/repo, https://page; pip install
    'ragpg[remote]') are not read where their ETag or time is that of last time. Of
    https://host/sitemap.xml its pages are read, of a start page with --depth 2 those that two links
    lead to on its site, politely and as robots.txt allows. --sync deletes what vanished below the
    given folders, prefixes, or from the sites; when that is more than a fifth it asks, or refuses
    where nobody can answer. --watch then follows every change of files, telling a line for each
    (with --json an object a line); it also deletes what vanishes from then on.
    """
    with open_client() as client, ended_by_signals() as stop:
        if all(os.path.lexists(one) or is_remote(one) for one in paths):  # else it is an error
            load_model_once(client)
        held = client.collection(collection)
        chosen = {"include": include or [], "exclude": exclude or []}
        options = {"language": language, "sync": sync, "columns": read_columns(column), **chosen}
        if watch:
            watch_paths(held, paths, options, delete_many, as_json, stop)
            return
        options |= {"depth": depth, "pages": pages}
        report = add_paths(held, paths, options, delete_many, stop)
    _end_add(report, paths, as_json, is_stopped=stop.is_set())


def _end_add(report: AddReport, paths: list[str], as_json: bool, *, is_stopped: bool) -> None:
    """Prints what was done, and exits as it went."""
    if as_json:
        print_json(asdict(report))
    else:
        print_report(report)
    done = report.added + report.updated + report.unchanged + report.deleted + report.failed
    if not (done or report.skipped):
        err.print(f"no file was found in {', '.join(paths)}", markup=False)
    if is_stopped:
        err.print("stopped before its end: what is told above is kept, the same command continues")
        raise typer.Exit(130)
    if report.failed:
        raise typer.Exit(1)


def delete(
    source: SourceOrNone = None,
    collection: CollectionName = "default",
    filter: DocumentsFilter = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete a document and its chunks, or all of a filter; citations keep their text."""
    with open_client() as client:
        held = client.collection(collection)
        sources = _chosen(client, collection, source, filter)
        wanted = held.delete_many(filter=read_filter(filter), sources=sources, dry_run=True)
        if source is not None and not wanted:
            raise RagpgError(f"{_no_document(sources, collection, filter)}: ragpg documents")
        if filter is not None and wanted and not (dry_run or yes):
            typer.confirm(
                f"Really delete {_counted(wanted)} of {collection}? (--yes: unasked)", abort=True
            )
        if wanted and not dry_run:
            wanted = held.delete_many(filter=read_filter(filter), sources=sources)
    _print_changed("deleted", wanted, dry_run, as_json)


def metadata(
    changes: Annotated[
        str, typer.Argument(help='What changes, as JSON: {"tier": "pro", "old": null}.')
    ],
    source: SourceOrNone = None,
    collection: CollectionName = "default",
    filter: DocumentsFilter = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Change the metadata of a document, or of all of a filter; nothing is embedded anew.

    Keys of an object inside are changed one by one, null takes a key away (RFC 7396). The file a
    document comes from is not changed: when that changes, what it says counts again.
    """
    try:
        given = json.loads(changes)
    except ValueError as error:
        raise BadArgument(f"{changes} is no JSON: {error}") from error
    with open_client() as client:
        sources = _chosen(client, collection, source, filter)
        held = client.collection(collection)
        if source is not None and not held.documents(filter=read_filter(filter), sources=sources):
            raise RagpgError(f"{_no_document(sources, collection, filter)}: ragpg documents")
        changed = held.update_metadata(
            given, filter=read_filter(filter), sources=sources, dry_run=dry_run
        )
    _print_changed("changed", changed, dry_run, as_json)


def _chosen(
    client: Any, collection: str, source: str | None, filter: str | None
) -> list[str] | None:
    if source is None and filter is None:
        raise BadArgument("say which documents: a source, or --filter")
    return None if source is None else [_meant(client, collection, source)]


def _no_document(sources: list[str] | None, collection: str, filter: str | None) -> str:
    which = " that passes the filter" if filter else ""
    return f'there is no document "{(sources or [""])[0]}" in "{collection}"{which}'


def _counted(sources: list[str]) -> str:
    return f"{len(sources):,} document{'s' * (len(sources) != 1)}"


def _print_changed(done: str, sources: list[str], dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json({done: sources, "dry_run": dry_run})
        return
    said = f"would be {done}" if dry_run else done
    for source in sources[:_MOST_TOLD]:
        out.print(f"{said}: {source}", markup=False)
    if len(sources) != 1:
        out.print(f"{_counted(sources)} {said}")


def history(
    source: Source,
    collection: CollectionName = "default",
    diff: Annotated[
        tuple[int, int] | None, typer.Option(help="Show what changed between two versions.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the versions of a document, and what changed between two of them."""
    with open_client() as client:
        held = client.collection(collection)
        source = _meant(client, collection, source)
        rows = held.versions.history(source)
        if not rows:
            raise RagpgError(f'there never was a document "{source}" in "{collection}"')
        lines = _difference(held, source, *diff) if diff else []
    if as_json:
        print_json({"versions": rows, "diff": lines} if diff else rows)
        return
    for line in lines:
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        out.print(Text(line.rstrip("\n"), style=style))
    if not diff:
        _print_versions(rows)


def _meant(client: Any, collection: str, source: str) -> str:
    """Returns the source of the document that is meant: itself, as a path, or the end of one."""
    names = [source, os.path.abspath(source)]
    meant: str = client.database.value(queries.FIND_SOURCE, collection=collection, names=names)
    return meant


def _difference(held: Any, source: str, first: int, second: int) -> list[str]:
    texts = [held.versions.text(source, version) for version in (first, second)]
    for version, text in zip((first, second), texts, strict=True):
        if text is None:
            raise RagpgError(f"there is no version {version} of {source}")
    before, after = (text.splitlines(keepends=True) for text in texts)
    names = (f"version {first}", f"version {second}")
    return list(difflib.unified_diff(before, after, *names))


def _print_versions(rows: list[dict[str, Any]]) -> None:
    table = table_of("version", "from", "to", "characters", "citations", "title")
    for row in rows:
        table.add_row(
            str(row["version"]),
            f"{row['valid_from']:%Y-%m-%d %H:%M:%S}",
            f"{row['valid_to']:%Y-%m-%d %H:%M:%S}" if row["valid_to"] else "now",
            f"{row['characters']:,}",
            str(row["citations"]),
            escape(row["title"]),
        )
    out.print(table)


def erase(
    source: Source, collection: CollectionName = "default", yes: Yes = False, as_json: Json = False
) -> None:
    """Erase a document for good: its text, every version, and the answers that cite it."""
    with open_client() as client:
        source = _meant(client, collection, source)
        if not yes:
            typer.confirm(
                f"Erase {source} from {collection}? Nothing of it can be restored", abort=True
            )
        gone = client.collection(collection).versions.erase(source)
    if not any(gone.values()):
        raise RagpgError(f'there never was a document "{source}" in "{collection}"')
    if as_json:
        print_json(gone)
    else:
        out.print(
            f"erased {gone['documents']} document, {gone['versions']} earlier versions, "
            f"{gone['answers']} answers that cited it"
        )


def prune(
    days: Annotated[int, typer.Option(help="Versions replaced longer ago go.", min=0)],
    collection: CollectionName = "default",
    conversations: Annotated[
        bool, typer.Option("--conversations", help="Conversations that ended longer ago, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete old versions of documents; those an answer cites stay."""
    told = {}
    with open_client() as client:
        held = client.collection(collection)
        if conversations:  # first: their citations keep versions
            from ragpg.conversation import prune

            told["conversations"] = prune(held.session, collection, timedelta(days=days))
        told["pruned"] = held.versions.prune(timedelta(days=days))
    if as_json:
        print_json(told)
        return
    if conversations:
        out.print(f"{told['conversations']:,} conversations pruned")
    out.print(f"{told['pruned']:,} versions pruned")


def documents(
    collection: CollectionName = "default",
    filter: DocumentsFilter = None,
    limit: Annotated[int | None, typer.Option(help="So many of them.", min=1)] = None,
    after: Annotated[
        str | None, typer.Option(help="Those after this source, the last one of a page.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the documents of a collection, by source."""
    with open_client() as client:
        rows = client.collection(collection).documents(
            filter=read_filter(filter), limit=limit, after=after
        )
    if as_json:
        print_json([_told(row) for row in rows])
        return
    table = table_of("source", "title", "version", "chunks", "indexed")
    for row in rows:
        table.add_row(
            End(row.source),
            escape(row.title),
            str(row.version),
            str(row.chunks or 0),
            "yes" if row.indexed else "no",
        )
    out.print(table)


def _told(row: DocumentInfo) -> dict[str, Any]:
    return {key: value for key, value in asdict(row).items() if key != "text"}


def worker(
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Only this collection.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when nothing waits, instead of listening.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Index the documents that SQL wrote, as they come; start as many as there is work for.

    Ends gracefully on SIGTERM or Ctrl-C. What waits and what fails is in the view ingest_queue.
    """
    with ended_by_signals() as stop, open_client() as client:
        worker = client.worker(collection)
        with err.status("waiting for documents") as line:
            worker.on_progress = lambda done: line.update(_worked(done))
            report = worker.drain(stop) if once else worker.run(stop)
    if as_json:
        print_json(asdict(report))
    else:
        out.print(f"{'done' if once else 'stopped'}: {_worked(report)}")


def _worked(report: Any) -> str:
    return (
        f"{report.indexed:,} indexed, {report.failed:,} failed; {report.chunks_embedded:,} chunks "
        f"embedded, {report.chunks_reused:,} reused, in {report.seconds:.1f} s"
    )
