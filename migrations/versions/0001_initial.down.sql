-- Undoes 0001 to the last object; the extension stays, others may use it.
drop view ragpg.answers_by_day;
drop view ragpg.collection_status;
drop view ragpg.document_status;
drop view ragpg.index_health;
drop view ragpg.ingest_queue;
drop function ragpg.bm25_expression;
drop function ragpg.query_words;
drop function ragpg.lexeme_query;
drop function ragpg.document_text;
drop function ragpg.ensure_collection;
drop table ragpg.citations, ragpg.answers, ragpg.lexeme_statistics, ragpg.index_statistics,
    ragpg.index_documents, ragpg.chunks, ragpg.search_indexes, ragpg.embedding_models,
    ragpg.document_versions, ragpg.documents, ragpg.collections cascade;
drop function ragpg.activate_search_index;
drop function ragpg.build_vector_index;
drop function ragpg.check_citation_quote;
drop function ragpg.check_filter;
drop function ragpg.collection_id;
drop function ragpg.create_search_index;
drop function ragpg.delete_document;
drop function ragpg.drop_collection;
drop function ragpg.ensure_embedding_model;
drop function ragpg.ensure_search_index;
drop function ragpg.feedback_embedding;
drop function ragpg.grant_reader;
drop function ragpg.grant_writer;
drop function ragpg.hash_text;
drop function ragpg.highlight;
drop function ragpg.keep_document_version;
drop function ragpg.keyword_candidates;
drop function ragpg.put_document;
drop function ragpg.refresh_search_index;
drop function ragpg.replace_chunks;
drop function ragpg.save_answer;
drop function ragpg.search;
drop function ragpg.set_chunk_lexemes;
drop function ragpg.vector_candidates;
comment on schema ragpg is null;
