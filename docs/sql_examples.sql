-- What docs/sql.md shows, in the order in which a person meets it. A name without a statement is a
-- view, of which five rows are shown.

--- Documents in
-- put_document
select * from ragpg.put_document(
    collection => 'notes', source => 'office', content => 'The office opens at nine.',
    metadata => '{"year": 2026}'
);
-- index_table
create table public.articles (id integer primary key, title text, body text);
select ragpg.index_table(
    'public.articles', 'shop', source_column => 'id', content_column => 'body',
    title_column => 'title'
);
-- stop_indexing_table
create table public.posts (id integer primary key, body text);
select ragpg.index_table('public.posts', 'blog', source_column => 'id', content_column => 'body');
select ragpg.stop_indexing_table('public.posts', 'blog');
-- wait_until_indexed
select ragpg.wait_until_indexed('handbook', timeout => '1 s');
-- find_source
select ragpg.find_source('handbook', 'refunds.md');
-- delete_document
select ragpg.delete_document('handbook', 'no-such-source');
-- find_documents
select source
from ragpg.find_documents('handbook', filter => '$.audience == "developers"', page_size => 3);
-- delete_documents
select * from ragpg.delete_documents('handbook', filter => '$.updated < "2020"', dry_run => true);
-- update_metadata
select ragpg.update_metadata(
    '{"reviewed": true, "draft": null}', 'handbook', filter => '$.audience == "customers"'
);
-- delete_vanished
select * from ragpg.delete_vanished('handbook', paths => '{/no/such/folder}', kept => '{}');
-- drop_collection
select ragpg.drop_collection('handbook');
-- collection_id
select ragpg.collection_id('handbook');
-- collection_status
-- document_status
-- ingest_queue
-- ingest_lag
-- indexed_tables

--- Search
-- search
select place, source, content, score
from ragpg.search('how long do refunds take', k => 3, collection => 'handbook');
-- search_any
select place, source, content
from ragpg.search_any(
    array['how long do refunds take', 'when is money paid back'], k => 3, collection => 'handbook'
);
-- search_distinct
select place, source, content
from ragpg.search_distinct('who may rotate a key', k => 3, collection => 'handbook');
-- search_recent
select place, source, score
from ragpg.search_recent(
    'how long do refunds take', k => 3, collection => 'handbook', half_life => '30 days'
);
-- explain_search
select place, source, similarity, vector_place, bm25, keyword_place, words
from ragpg.explain_search('how long do refunds take', k => 3, collection => 'handbook');
-- similar_chunks
select place, source, similarity, content
from ragpg.similar_chunks(
    (select chunk_id from ragpg.search('refunds', k => 1, collection => 'handbook')), k => 3
);
-- surroundings
select content
from ragpg.surroundings(
    (select chunk_id from ragpg.search('refunds', k => 1, collection => 'handbook')),
    neighbours => 1
);
-- highlight
select ragpg.highlight('The rate limit on Pro is 600 requests.', 'rate limits');
-- match_documents
select id, content, similarity
from ragpg.match_documents(
    ragpg.embed_query('how long do refunds take'), match_count => 3, collection => 'handbook'
);
-- embed_query
select vector_dims(ragpg.embed_query('how long do refunds take'));
-- text_lexemes
select ragpg.text_lexemes('北京大学 was founded in 1898', 'english');
-- text_language
select ragpg.text_language('Wo ist hier der Bahnhof, und wann fährt der nächste Zug?');
-- encoder_status

--- Answers and citations
-- judge_hits
select judged.is_enough, judged.similarity, judged.words_held, judged.missing_names
from (
    select array_agg(chunk_id order by place) as ids, array_agg(similarity order by place) as cosines
    from ragpg.search('how long do refunds take', k => 8, collection => 'handbook')
) as hits
cross join lateral ragpg.judge_hits('how long do refunds take', hits.ids, hits.cosines) as judged;
-- save_answer
select ragpg.save_answer(
    'handbook', 'How long do refunds take?', 'Five to seven business days.', model => 'by hand',
    abstained => false, grounded => true, stop_reason => null, input_tokens => 0,
    output_tokens => 0, cache_read_tokens => 0, cache_creation_tokens => 0, latency_ms => 0,
    citations => jsonb_build_array(jsonb_build_object(
        'document_id', hit.document_id, 'document_version', hit.document_version,
        'start_char', hit.start_char, 'end_char', hit.end_char, 'quote', hit.content,
        'answer_start', 0, 'answer_end', 28
    ))
)
from ragpg.search('how long do refunds take', k => 1, collection => 'handbook') as hit;
-- feedback
select ragpg.feedback(id, 'bad', corrected_text => 'Seven days at most.')
from ragpg.answers
order by id desc
limit 1;
-- continue_conversation
select ragpg.continue_conversation('handbook');
-- start_conversation
select ragpg.start_conversation('handbook');
-- conversation_turns
select turn, question, standalone, left(answer, 40) as answer, steps, citations, rating, cost
from ragpg.conversation_turns
order by conversation_id, turn;
-- conversation_overview
select conversation_id, first_question, turns, steps, tokens, cost from ragpg.conversation_overview;
-- delete_conversation
select ragpg.delete_conversation(max(id)) from ragpg.conversations;
-- prune_conversations
select ragpg.prune_conversations('90 days', 'handbook');
-- answers_by_day
select day, model, answers, grounded_share, abstained, cost from ragpg.answers_by_day order by day;
-- stale_citations
select question, source, cited_version, current_version, quote_is, quote from ragpg.stale_citations;

--- What a document said before
-- document_text
select left(ragpg.document_text(document_id), 60) from ragpg.document_status limit 1;
-- document_as_of
select left(ragpg.document_as_of(collection, source, now()), 60) from ragpg.document_status limit 1;
-- prune_versions
select ragpg.prune_versions('90 days', collection => 'handbook');
-- erase_document
select * from ragpg.erase_document('handbook', 'no-such-source');
-- document_history

--- Search indexes
-- create_search_index
select ragpg.create_search_index('handbook', embedding_model_id, chunk_tokens => 128)
from ragpg.search_indexes
limit 1;
-- activate_search_index
select ragpg.activate_search_index(active_index_id) from ragpg.collections where name = 'handbook';
-- rollback_search_index
with made as (
    select ragpg.create_search_index('handbook', embedding_model_id, chunk_tokens => 128) as id
    from ragpg.search_indexes
    limit 1
)
select ragpg.activate_search_index(id, incomplete => true) from made;
select ragpg.rollback_search_index('handbook');
-- drop_search_index
select ragpg.create_search_index('handbook', embedding_model_id, chunk_tokens => 128)
from ragpg.search_indexes
limit 1;
select ragpg.drop_search_index(max(id)) from ragpg.search_indexes;
-- refresh_search_index
select ragpg.refresh_search_index(active_index_id, force => true)
from ragpg.collections
where name = 'handbook';
-- measure_recall
select ef_search, recall, worst_recall, index_ms, exact_ms
from ragpg.measure_recall('handbook', k => 5, queries => 20);
-- tune_ef_search
select ef_search, recall from ragpg.tune_ef_search('handbook', recall => 0.98, k => 5, queries => 20);
-- quantize_search_index
select ragpg.quantize_search_index(active_index_id, 'bit') from ragpg.collections where name = 'handbook';
select ragpg.quantize_search_index(active_index_id, 'subvector:128') from ragpg.collections where name = 'handbook';
select ragpg.quantize_search_index(active_index_id, 'none') from ragpg.collections where name = 'handbook';
-- index_health
-- recall_history
-- chunk_sizes
select from_tokens, to_tokens, chunks from ragpg.chunk_sizes where active order by collection, 1;
-- contextual_indexes
select index_id, context_model, chunks, chunks_with_sentence from ragpg.contextual_indexes;
-- context_costs
select model, in_batch, sentences, input_tokens, cache_read_tokens, output_tokens, cost
from ragpg.context_costs where collection = 'handbook';

--- Evaluation
-- put_evaluation_question
select ragpg.put_evaluation_question(
    'handbook', 'mine', 'Who approves a refund of $800?',
    labels => '[{"source": "refunds.md", "quote": "Anything larger is approved by the finance manager"}]'
);
-- evaluate
select ragpg.evaluate('handbook', 'default', k => 5, mode => 'keyword', note => 'by words alone');
-- compare_runs
select measure, difference, low, high, better, worse
from ragpg.compare_runs(
    (select max(id) from ragpg.evaluation_runs),
    ragpg.evaluate('handbook', 'default', mode => 'keyword')
);
-- rank_runs
select run_id, vector_weight, train_ndcg, held_out_ndcg, best_trade
from ragpg.rank_runs(array(select id from ragpg.evaluation_runs));
-- calibrate
select min_similarity, kept, refused
from ragpg.calibrate((select max(id) from ragpg.evaluation_runs), keep => 0.95, store => false);
-- evaluation_from_feedback
select ragpg.evaluation_from_feedback('handbook', 'feedback');
-- sample_chunks
select * from ragpg.sample_chunks('handbook', 'default', 3);
-- put_evaluation_draft
select ragpg.put_evaluation_draft(
    'handbook', 'drafted', 'Who approves a large refund?', 'The finance manager.', document.id,
    'the finance manager', position('the finance manager' in document.content) - 1, 'by hand'
)
from ragpg.documents as document
where document.source like '%/refunds.md';
-- accept_draft
select ragpg.accept_draft(id) from ragpg.evaluation_drafts order by id limit 1;
-- evaluation_leaderboard
-- evaluation_measures
-- evaluation_failures
-- evaluation_tags
-- evaluation_answers
-- evaluation_label_spans

--- Fine-tuning
-- advise
select step, points_to, finding, next_command from ragpg.advise('handbook');
-- training_pairs
select split, origin, count(*) from ragpg.training_pairs('handbook') group by split, origin;
-- finetuning_examples
select origin, question, answer from ragpg.finetuning_examples where collection = 'handbook';

--- What is wrong
-- help
select name, kind, left(what, 40) as what from ragpg.help('stale');
-- verify
select problem, object, detail, what_to_do from ragpg.verify('handbook');
-- text_problems
select kind, count, example from ragpg.text_problems('Der ErlÃ¶s war gut.');
-- near_duplicates
select first_source, second_source, similarity, overlap from ragpg.near_duplicates('handbook');
-- near_duplicate_documents
select first_source, second_source, similarity from ragpg.near_duplicate_documents('handbook');
-- repeated_lines
select line, documents from ragpg.repeated_lines('handbook');
-- slow_queries
select calls, mean_ms, total_ms, query from ragpg.slow_queries(10);
-- prune_searches
select ragpg.prune_searches('90 days');
-- health_problems
select collection, problem, detail, what_to_do from ragpg.health_problems;
-- corpus_overview
-- corpus_problems
-- searches_by_day
select day, mode, searches, latency_p95_ms, zero_hit_share
from ragpg.searches_by_day
where collection = 'handbook'
order by day desc;
-- unanswered_searches

--- Roles and tenants
-- grant_reader
create role dashboards_example login;
select ragpg.grant_reader('dashboards_example');
-- grant_writer
create role app_example login;
select ragpg.grant_writer('app_example');
-- distribute
-- On a coordinator of Citus it is `select ragpg.distribute();`. Elsewhere this is no row.
select ragpg.distribute(shard_count => 8) from pg_extension where extname = 'citus';
-- enable_tenants
select ragpg.enable_tenants(existing_tenant => 'first customer');
-- disable_tenants
select ragpg.disable_tenants();
-- set_tenant
select ragpg.set_tenant('a');
-- current_tenant
select ragpg.current_tenant();
-- bind_role
create role shop_a_example login;
select ragpg.bind_role('shop_a_example', 'a');
-- trust_role
create role app_example login;
select ragpg.trust_role('app_example');
-- unbind_role
select ragpg.unbind_role('shop_a_example', 'a');
-- secure
select ragpg.secure();
