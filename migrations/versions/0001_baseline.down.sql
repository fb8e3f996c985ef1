-- Undoes 0001 to the last object, in the opposite order; the extension stays, others may use it.
drop view ragpg.health_problems, ragpg.corpus_problems, ragpg.corpus_overview;
drop function
    ragpg.text_problems, ragpg_internal.text_parts, ragpg.slow_queries, ragpg.repeated_lines,
    ragpg.near_duplicates, ragpg.near_duplicate_documents, ragpg_internal.is_code,
    ragpg_internal.inspection_rules;
drop view ragpg.ingest_lag;
drop function ragpg.training_pairs, ragpg_internal.start_finetuning, ragpg_internal.hard_negatives;
drop view ragpg.finetuning_examples;
drop function ragpg.advise;
drop view ragpg.evaluation_leaderboard, ragpg.evaluation_failures;
drop function ragpg.rank_runs;
drop view ragpg.evaluation_tags, ragpg.evaluation_measures;
drop function
    ragpg_internal.wilson_interval, ragpg_internal.start_evaluation,
    ragpg_internal.similarity_to_keep, ragpg.sample_chunks, ragpg_internal.range_length,
    ragpg.put_evaluation_question, ragpg.put_evaluation_draft, ragpg_internal.note_answer,
    ragpg_internal.fit_relevance, ragpg_internal.evaluation_split;
drop view ragpg.evaluation_label_spans;
drop function ragpg.evaluation_from_feedback;
drop view ragpg.evaluation_answers;
drop function
    ragpg_internal.evaluate_question, ragpg.evaluate, ragpg.compare_runs,
    ragpg_internal.choose_abstention, ragpg.calibrate, ragpg.accept_draft;
drop view ragpg.stale_citations;
drop function
    ragpg.save_answer, ragpg_internal.relevance, ragpg_internal.logistic, ragpg.judge_hits,
    ragpg.feedback;
drop view ragpg.answers_by_day;
drop function
    ragpg_internal.answer_signals, ragpg_internal.bm25_saturation,
    ragpg_internal.bm25_expression, ragpg_internal.word_overlap,
    ragpg_internal.vector_candidates;
drop view ragpg.unanswered_searches;
drop function ragpg.tune_ef_search, ragpg.surroundings, ragpg.similar_chunks;
drop view ragpg.searches_by_day;
drop function
    ragpg.search_recent, ragpg.search_distinct, ragpg.search_any, ragpg.search,
    ragpg_internal.sample_queries, ragpg_internal.recalls_at;
drop view ragpg.recall_history;
drop function
    ragpg_internal.query_words, ragpg_internal.query_lexemes, ragpg.prune_searches,
    ragpg.measure_recall, ragpg_internal.matching_documents, ragpg.match_documents,
    ragpg_internal.log_search, ragpg_internal.lexeme_query, ragpg_internal.keyword_candidates,
    ragpg.highlight, ragpg_internal.feedback_embedding, ragpg.explain_search,
    ragpg_internal.exact_distances, ragpg_internal.check_filter, ragpg.document_as_of,
    ragpg_internal.word_combinations, ragpg.wait_until_indexed, ragpg.text_lexemes,
    ragpg.text_language, ragpg.stop_indexing_table, ragpg_internal.start_context_batch,
    ragpg_internal.source_paths, ragpg.rollback_search_index, ragpg_internal.replace_chunks,
    ragpg_internal.release_document, ragpg.refresh_search_index, ragpg_internal.recipe_of,
    ragpg_internal.put_embedded_documents, ragpg.put_document, ragpg.prune_versions,
    ragpg_internal.page_at;
drop view ragpg.ingest_queue, ragpg.indexed_tables;
drop function ragpg_internal.index_table_row, ragpg.index_table, ragpg_internal.index_row;
drop view ragpg.index_health;
drop function
    ragpg_internal.finish_context_batch, ragpg.erase_document, ragpg_internal.ensure_search_index,
    ragpg_internal.ensure_collection, ragpg_internal.embedded_text, ragpg.drop_search_index,
    ragpg.drop_collection, ragpg.document_text;
drop view ragpg.document_status;
drop function ragpg_internal.document_language;
drop view ragpg.document_history;
drop function
    ragpg.delete_vanished, ragpg.delete_document, ragpg_internal.cut_chunks,
    ragpg.create_search_index, ragpg_internal.count_tenants, ragpg_internal.count_chunks;
drop view ragpg.contextual_indexes, ragpg.context_costs, ragpg.collection_status;
drop function ragpg_internal.claim_key, ragpg_internal.claim_documents;
drop view ragpg.chunk_sizes;
drop function
    ragpg_internal.build_vector_index, ragpg.activate_search_index, ragpg_internal.tokenize,
    ragpg_internal.remembered_query, ragpg_internal.remember_query, ragpg_internal.query_tokens,
    ragpg_internal.normalize_text, ragpg_internal.multiply_wide, ragpg_internal.multiply_weights,
    ragpg_internal.multiply_values, ragpg_internal.ensure_embedding_model;
drop view ragpg.encoder_status;
drop function
    ragpg_internal.encode, ragpg.embed_query, ragpg_internal.counted_tenant, ragpg.verify,
    ragpg.unbind_role, ragpg_internal.tenants_enabled, ragpg_internal.tenant_legs, ragpg.set_tenant,
    ragpg_internal.sees_all_tenants, ragpg_internal.searched_tenant,
    ragpg_internal.protected_tables, ragpg_internal.protect_table, ragpg.grant_writer,
    ragpg.grant_reader, ragpg.enable_tenants, ragpg.disable_tenants, ragpg.collection_id,
    ragpg_internal.check_shared, ragpg_internal.calling_role, ragpg.bind_role;
drop table
    ragpg.answer_feedback, ragpg.answers, ragpg.chunk_contexts, ragpg.chunks, ragpg.citations,
    ragpg.collections, ragpg.context_batches, ragpg.document_versions, ragpg.documents,
    ragpg.embedding_models, ragpg.encoder_embeddings, ragpg.encoder_layers, ragpg.encoder_positions,
    ragpg.encoder_vocabulary, ragpg.encoder_weights, ragpg.encoders, ragpg.evaluation_drafts,
    ragpg.evaluation_hits, ragpg.evaluation_labels, ragpg.evaluation_questions,
    ragpg.evaluation_results, ragpg.evaluation_runs, ragpg.evaluation_sets, ragpg.finetune_jobs,
    ragpg.index_documents, ragpg.index_statistics, ragpg.lexeme_statistics, ragpg.model_prices,
    ragpg.query_embeddings, ragpg.recall_measurements, ragpg.search_indexes, ragpg.searches,
    ragpg.tenant_roles cascade;
drop function
    ragpg_internal.check_citation_quote, ragpg_internal.set_chunk_lexemes,
    ragpg_internal.queue_documents, ragpg_internal.keep_document_version,
    ragpg_internal.forget_queries, ragpg_internal.written_tenant, ragpg.current_tenant,
    ragpg_internal.hash_text;
drop type ragpg.hit;
drop schema ragpg_internal;
comment on schema ragpg is null;
