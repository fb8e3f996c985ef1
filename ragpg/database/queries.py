"""Every statement the database package sends, by name."""

from __future__ import annotations

from typing import LiteralString

# As ragpg's functions have it. The role's own holds what somebody made in public, or in a schema of
# the role's name: what fits a statement better than Postgres's own, the role would run.
SET_PATH: LiteralString = (
    "select set_config('search_path', 'ragpg_internal, ragpg, pg_temp', %(local)s)"
)

# A superuser acts as the owner of ragpg, so that what that one's members may have made runs with no
# more rights than theirs.
SET_ROLE: LiteralString = """
select set_config('role', owner.rolname, %(local)s)
from pg_namespace as space
join pg_roles as owner on owner.oid = space.nspowner
where space.nspname = 'ragpg' and not owner.rolsuper
"""

# pgvector's own, wherever it is installed.
VECTOR_TYPES: LiteralString = """
select base.typname, base.oid, base.typarray
from pg_type as named
join pg_type as base on base.oid = named.typbasetype
where named.oid in ('ragpg_internal.vector'::regtype, 'ragpg_internal.halfvec'::regtype)
order by base.typname
"""

BACKEND: LiteralString = "select pg_backend_pid()"

SET_TENANT: LiteralString = "select ragpg.set_tenant(%(tenant)s)"

SEARCH_INDEX: LiteralString = """
select
    recipe.id, one.name as collection, recipe.chunk_tokens, recipe.overlap_tokens,
    recipe.language, recipe.context_model, recipe.context_tokens,
    model.provider, model.name, model.probe,
    coalesce(encoder.verified, false) as in_database,
    array(
        select sibling.id
        from ragpg.search_indexes as sibling
        where sibling.collection_id = recipe.collection_id
            and sibling.embedding_model_id = recipe.embedding_model_id
    ) as same_model_ids
from ragpg.search_indexes as recipe
join ragpg.collections as one on one.id = recipe.collection_id
join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
left join ragpg.encoders as encoder on encoder.embedding_model_id = model.id
where recipe.id = coalesce(
    %(index_id)s::bigint,
    (
        select active_index_id
        from ragpg.collections
        where id = ragpg.collection_id(%(collection)s)
    )
)
"""
