"""The way in: connect() and Client."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self, cast

from ragpg import settings
from ragpg.arguments import tells, told
from ragpg.collection import Collection
from ragpg.database import Database, check_schema
from ragpg.models import Embedder, EmbedFunction
from ragpg.session import Session

if TYPE_CHECKING:
    from ragpg.encoders import Encoders
    from ragpg.indexing.worker import Worker
    from ragpg.inspection import Health


@told
def connect(
    database_url: str | None = None,
    *,
    embedder: Embedder | EmbedFunction | None = None,
    anthropic_client: Any = None,
    embed_in_database: bool = False,
    max_connections: int = 10,
    read_only: bool = False,
    tenant: str | None = None,
    read_url: str | None = None,
) -> Client:
    """Returns a client of the given database, the one the environment names, or the embedded one.

    `embedder` replaces the configured model, and may be a function of texts (docs/models.md);
    `anthropic_client` (any client of the anthropic SDK, Bedrock's and Vertex's too) the one made
    from ANTHROPIC_API_KEY. With `embed_in_database` the database embeds questions where it holds
    the model. With `read_only` nothing is written, nor answers stored. `tenant`, by default
    RAGPG_TENANT, is whose rows are read and written where tenants are kept apart (docs/tenants.md);
    NoTenant is raised where the role may not act for it. `read_url`, by default RAGPG_READ_URL, is
    where searches go (docs/replicas.md). SchemaError says what to run for an older or newer schema.
    """
    config = settings.from_environment(database_url)
    url = config.database_url
    if url is None:
        from ragpg.database.starting import server_url

        url = server_url(config)
    check_schema(url)
    tenant = tenant or config.tenant
    if tenant is not None:
        from ragpg.database.sessions import check_kept_apart  # not a first hour's

        check_kept_apart(url, tenant)
    home = config.home if config.embedded else None
    make = partial(Database, url)
    if read_url := read_url or config.read_url:
        make = partial(import_module("ragpg.database.replicas").Replicated, url, read_url)
    database = make(max_size=max_connections, read_only=read_only, tenant=tenant, home=home)
    return Client(
        Session(
            database,
            config,
            embedder=embedder,
            anthropic_client=anthropic_client,
            embed_in_database=embed_in_database,
        )
    )


@tells
class Client:
    """A database with ragpg's schema: thread-safe, a context manager that closes connections."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @property
    def database(self) -> Database:
        """The pool of connections."""
        return self.session.database

    def collection(self, name: str = "default") -> Collection:
        """Returns the collection of that name; it is made by the first document added to it."""
        return Collection(self.session, name)

    def collections(self) -> list[dict[str, Any]]:
        """Returns the rows of the view collection_status."""
        queries = import_module("ragpg.client_queries")
        return self.database.rows(queries.COLLECTIONS)

    def drop_collection(self, name: str) -> int:
        """Drops a collection with everything in it; returns how many documents went."""
        queries = import_module("ragpg.client_queries")
        return int(self.database.value(queries.DROP_COLLECTION, collection=name))

    def feedback(
        self, answer_id: int, rating: str, *, corrected_text: str | None = None, comment: str = ""
    ) -> int:
        """Stores what a person thinks of an answer, good or bad; returns the feedback's id."""
        given = {"corrected_text": corrected_text, "comment": comment}
        judging = import_module("ragpg.answer.judging")
        return int(judging.feedback(self.session, answer_id, rating, **given))

    def worker(self, collection: str | None = None, index_id: int | None = None) -> Worker:
        """Returns a worker for what waits in `ragpg.ingest_queue`, of everything or of one."""
        worker = import_module("ragpg.indexing.worker").Worker
        return cast("Worker", worker(self.session, collection, index_id))

    def server(self) -> dict[str, Any]:
        """Returns the versions of Postgres and pgvector and the database's name."""
        queries = import_module("ragpg.client_queries")
        (found,) = self.database.rows(queries.SERVER)
        return found

    @property
    def models(self) -> Encoders:
        """Embedding models inside the database: load, ensure, drop, status."""
        return cast("Encoders", import_module("ragpg.encoders").Encoders(self.session))

    @property
    def health(self) -> Health:
        """Is all well: problems, lag, indexes; metrics for a scraper."""
        return cast("Health", import_module("ragpg.inspection").Health(self.database))

    def close(self) -> None:
        """Closes the connections; the embedded server keeps running (ragpg db stop ends it)."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
