"""Times the query encoder in the database, beside a prototype of it, and compares with torch.

    python benchmarks/encoder.py DATABASE_URL PROTOTYPES_FOLDER

The database has ragpg's schema; it is left with the schema sq and the model `benchmark`.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from ragpg.encoders.encoders import load_encoder
from ragpg.models.local import _packaged_minilm

RUNS = 11
WORDS = "how long do refunds take on the pro plan when you paid for it in advance by card"

# The prototype's tables from ours: matrices become arrays, the wide one is scaled back.
_PROTOTYPE = """
insert into sq.vocab select token, token_id from ragpg.encoder_vocabulary
where embedding_model_id = {0};
insert into sq.emb select token_id, embedding from ragpg.encoder_embeddings
where embedding_model_id = {0};
insert into sq.pos select token_position, embedding from ragpg.encoder_positions
where embedding_model_id = {0};
insert into sq.misc
select name, subvector(value, 1, 384)
from ragpg.encoder_layers
cross join lateral (values ('eg', output_gain), ('eb', output_shift)) as v (name, value)
where embedding_model_id = {0} and layer = 0;
create function sq.scaled(weights vector, by_weight float8, by_bias float8) returns vector
language sql immutable as
'select array(select x * case when i < vector_dims(weights) then by_weight else by_bias end
from unnest(weights::real[]) with ordinality as u (x, i) order by i)::vector';
insert into sq.layer
select
    norm.layer,
    array(
        select sq.scaled(w.weights, s.turn, s.turn)
        from ragpg.encoder_weights as w
        cross join lateral (
            select case when w.matrix = 1 and w.place <= 384 then 1 else -1 end as turn
        ) as s
        where w.embedding_model_id = {0} and w.layer = norm.layer and w.matrix in (1, 2)
        order by w.matrix, w.place
    ),
    array(
        select sq.scaled(w.weights, -1, -1) from ragpg.encoder_weights as w
        where w.embedding_model_id = {0} and w.layer = norm.layer and w.matrix = 3
        order by w.place
    ),
    array(
        select sq.scaled(w.weights, -sqrt(2), -sqrt(2)) from ragpg.encoder_weights as w
        where w.embedding_model_id = {0} and w.layer = norm.layer and w.matrix = 4
        order by w.place
    ),
    array(
        select sq.scaled(w.weights, -sqrt(0.5), -1) from ragpg.encoder_weights as w
        where w.embedding_model_id = {0} and w.layer = norm.layer and w.matrix = 5
        order by w.place
    ),
    subvector(attention_gain, 1, 384), subvector(attention_shift, 1, 384),
    subvector(output_gain, 1, 384), subvector(output_shift, 1, 384)
from ragpg.encoder_layers as norm
where norm.embedding_model_id = {0} and norm.layer > 0;
"""


def timed(sql: psycopg.Connection[Any], statement: str, arguments: tuple[object, ...]) -> Any:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        row = sql.execute(statement.encode(), arguments).fetchone()
        times.append((time.perf_counter() - start) * 1000)
    assert row is not None
    return statistics.median(times), np.array(row[0], np.float64)


def main(url: str, prototypes: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    folder = _packaged_minilm()
    assert folder is not None, "pip install 'ragpg[offline]'"
    reference: Any = SentenceTransformer(str(folder), model_kwargs={"dtype": torch.float32})
    with psycopg.connect(url, autocommit=True) as sql:
        sql.execute("delete from ragpg.embedding_models where provider = 'benchmark'")
        row = sql.execute(
            "insert into ragpg.embedding_models (provider, name, dimensions, max_tokens, probe) "
            "values ('benchmark', 'minilm', 384, 254, array_fill(0.1::real, array[384])::vector) "
            "returning id"
        ).fetchone()
        assert row is not None
        key = row[0]
        load_encoder(sql, key, folder)
        for name in ("tokenizer_and_static", "exact"):
            sql.execute((prototypes / f"query_encoder_{name}.sql").read_bytes())
        sql.execute(_PROTOTYPE.format(key).encode())
        sql.execute("vacuum analyze")
        sizes = sql.execute(
            "select pg_size_pretty(sum(pg_total_relation_size(oid))) from pg_class "
            "where relnamespace = 'ragpg'::regnamespace and relkind = 'r' "
            "and relname like 'encoder%'"
        ).fetchone()
        print("size of the tables:", sizes and sizes[0])
        print("tokens   ms    prototype ms   cosine to torch   prototype's")
        for tokens in (8, 16, 32, 64):
            text = " ".join((WORDS.split() * 5)[: tokens - 2])
            while len(reference.tokenizer(text)["input_ids"]) > tokens:
                text = text.rsplit(" ", 1)[0]
            expected = reference.encode_query(text)
            ours, found = timed(
                sql,
                "select ragpg_internal.encode(%s, ragpg_internal.query_tokens(%s, %s))::real[]",
                (key, key, text),
            )
            theirs, other = timed(sql, "select sq.minilm(%s)::real[]", (text,))
            print(
                f"{tokens:6} {ours:7.1f} {theirs:9.1f} {found @ expected:18.8f}"
                f" {other @ expected:15.8f}"
            )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
