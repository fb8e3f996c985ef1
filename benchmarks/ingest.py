"""How much of an ingest is the model?

    python -m benchmarks.ingest FOLDER [--pages 250]

Prints, in one process on one database server:
- chunks per second of a whole ingest (read, parse, chunk, embed, store, index) beside the bare
  `model.encode` of the very same texts, same model object, same precision, sorted by length too;
- the time of adding the unchanged folder again, as a share of the first time.

What documents that bring their embedding cost beside COPY is load.py's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import ragpg
from ragpg.database import embedded
from ragpg.database.migrations import migrate
from ragpg.models import SentenceTransformerEmbedder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="files to ingest, such as an HTML manual")
    parser.add_argument("--pages", type=int, default=250)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ragpg-benchmark-") as home:
        url = embedded.start(Path(home))
        migrate(url)
        try:
            ingested = ingest(url, arguments.folder, arguments.pages)
        finally:
            embedded.stop(Path(home))
    output = Path(__file__).with_suffix(".json")
    output.write_text(json.dumps({"ingest": ingested}, indent=2) + "\n")


def ingest(url: str, folder: Path, pages: int) -> dict[str, float]:
    files = sorted(path for path in folder.rglob("*.html") if path.is_file())[:pages]
    with ragpg.connect(url) as client:
        client.session.embedder.embed_query("the model is loaded")
        collection = client.collection("pages")
        first = collection.add(files)
        again = collection.add(files)
        with client.database.connection() as connection:
            texts = [
                text
                for (text,) in connection.execute(
                    "select context || E'\\n' || content from ragpg.chunks order by id"
                )
            ]
        assert isinstance(client.session.embedder, SentenceTransformerEmbedder)
        model = client.session.embedder.load()
        started = time.perf_counter()
        model.encode(texts, batch_size=32, convert_to_tensor=True, show_progress_bar=False)
        bare = time.perf_counter() - started
    found = {
        "documents": first.added,
        "chunks": len(texts),
        "chunks_per_second": len(texts) / first.seconds,
        "encode_per_second": len(texts) / bare,
        "ratio": bare / first.seconds,
        "again_share": again.seconds / first.seconds,
    }
    print(
        f"ingest: {len(texts):,} chunks of {first.added} files in {first.seconds:.1f} s, "
        f"{found['chunks_per_second']:.1f} a second; bare encode {bare:.1f} s, "
        f"{found['encode_per_second']:.1f} a second; ratio {found['ratio']:.3f}\n"
        f"again, unchanged: {again.seconds:.2f} s, {found['again_share']:.2%} of the first time"
    )
    return found


if __name__ == "__main__":
    main()
