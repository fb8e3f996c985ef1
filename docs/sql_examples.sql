-- search
select place, source, content, score
from ragpg.search('how long do refunds take', k => 3, collection => 'handbook');
-- search_distinct
select place, source, content
from ragpg.search_distinct('who may rotate a key', k => 3, collection => 'handbook');
-- explain_search
select place, source, similarity, vector_place, bm25, keyword_place, words
from ragpg.explain_search('how long do refunds take', k => 3, collection => 'handbook');
-- similar_chunks
select place, source, similarity, content
from ragpg.similar_chunks(
    (select chunk_id from ragpg.search('refunds', k => 1, collection => 'handbook')), k => 3
);
-- match_documents
select id, content, similarity
from ragpg.match_documents(
    ragpg.embed_query('how long do refunds take'), match_count => 3, collection => 'handbook'
);
-- embed_query
select vector_dims(ragpg.embed_query('how long do refunds take'));
-- highlight
select ragpg.highlight('The rate limit on Pro is 600 requests.', 'rate limits');
-- put_document
select * from ragpg.put_document(
    collection => 'notes', source => 'office', content => 'The office opens at nine.',
    metadata => '{"year": 2026}'
);
-- delete_document
select ragpg.delete_document('handbook', 'no-such-source');
-- delete_vanished
select * from ragpg.delete_vanished('handbook', paths => '{/no/such/folder}', kept => '{}');
-- erase_document
select * from ragpg.erase_document('handbook', 'no-such-source');
-- document_text
select left(ragpg.document_text(document_id), 60) from ragpg.document_status limit 1;
-- document_as_of
select left(ragpg.document_as_of(collection, source, now()), 60) from ragpg.document_status limit 1;
-- prune_versions
select ragpg.prune_versions('90 days', collection => 'handbook');
-- prune_searches
select ragpg.prune_searches('90 days');
-- wait_until_indexed
select ragpg.wait_until_indexed('handbook', timeout => '1 s');
-- index_table
create table public.articles (id integer primary key, title text, body text);
select ragpg.index_table(
    'public.articles', 'shop', source_column => 'id', content_column => 'body',
    title_column => 'title'
);
-- verify
select problem, object, detail, what_to_do from ragpg.verify('handbook');
-- measure_recall
select ef_search, recall, worst_recall, index_ms, exact_ms
from ragpg.measure_recall('handbook', k => 5, queries => 20);
-- tune_ef_search
select ef_search, recall from ragpg.tune_ef_search('handbook', recall => 0.98, k => 5, queries => 20);
-- refresh_search_index
select ragpg.refresh_search_index(active_index_id, force => true)
from ragpg.collections
where name = 'handbook';
-- activate_search_index
select ragpg.activate_search_index(active_index_id) from ragpg.collections where name = 'handbook';
-- drop_collection
select ragpg.drop_collection('handbook');
-- near_duplicates
select first_source, second_source, similarity, overlap from ragpg.near_duplicates('handbook');
-- near_duplicate_documents
select first_source, second_source, similarity from ragpg.near_duplicate_documents('handbook');
-- repeated_lines
select line, documents from ragpg.repeated_lines('handbook');
-- text_language
select ragpg.text_language('Wo ist hier der Bahnhof, und wann fährt der nächste Zug?');
-- grant_reader
create role dashboards_example login;
select ragpg.grant_reader('dashboards_example');
-- grant_writer
create role app_example login;
select ragpg.grant_writer('app_example');
-- slow_queries
select calls, mean_ms, total_ms, query from ragpg.slow_queries(10);
-- searches_by_day
select day, mode, searches, latency_p95_ms, zero_hit_share
from ragpg.searches_by_day
where collection = 'handbook'
order by day desc;
-- stale_citations
select question, source, cited_version, current_version, quote_is, quote from ragpg.stale_citations;
-- answers_by_day
select day, model, answers, grounded_share, abstained, cost from ragpg.answers_by_day order by day;
-- chunk_sizes
select from_tokens, to_tokens, chunks from ragpg.chunk_sizes where active order by collection, 1;
-- health_problems
select collection, problem, detail, what_to_do from ragpg.health_problems;
-- search_any
select place, source, content
from ragpg.search_any(
    array['how long do refunds take', 'when is money paid back'], k => 3, collection => 'handbook'
);
-- surroundings
select content
from ragpg.surroundings(
    (select chunk_id from ragpg.search('refunds', k => 1, collection => 'handbook')),
    neighbours => 1
);
-- text_lexemes
select ragpg.text_lexemes('北京大学 was founded in 1898', 'english');
-- document_language
select ragpg_internal.document_language('auto', '{"language": "en-GB"}', 'Colour is spelt so.');
-- rank_runs
select run_id, vector_weight, train_ndcg, held_out_ndcg, best_trade
from ragpg.rank_runs(array(select id from ragpg.evaluation_runs));
-- sample_chunks
select * from ragpg.sample_chunks('handbook', 'default', 3);
-- advise
select step, points_to, finding, next_command from ragpg.advise('handbook');
-- finetuning_examples
select origin, question, answer from ragpg.finetuning_examples where collection = 'handbook';
-- training_pairs
select split, origin, count(*) from ragpg.training_pairs('handbook') group by split, origin;
-- hard_negatives
select pair.question, negative.place, negative.source, negative.text
from (select * from ragpg.training_pairs('handbook') where split = 'train' limit 3) as pair
cross join lateral ragpg_internal.hard_negatives(
    pair.question, pair.relevant_chunk_ids, wanted => 2, collection => 'handbook'
) as negative
order by pair.question, negative.place;
-- context_costs
select model, in_batch, sentences, input_tokens, cache_read_tokens, output_tokens, cost
from ragpg.context_costs where collection = 'handbook';
-- contextual_indexes
select index_id, context_model, chunks, chunks_with_sentence from ragpg.contextual_indexes;
-- enable_tenants
select ragpg.enable_tenants(existing_tenant => 'first customer');
-- disable_tenants
select ragpg.disable_tenants();
-- set_tenant
select ragpg.set_tenant('a');
-- bind_role
create role shop_a_example login;
select ragpg.bind_role('shop_a_example', 'a');
-- unbind_role
select ragpg.unbind_role('postgres', 'a');
-- current_tenant
select ragpg.current_tenant();
-- search_recent
select place, source, score
from ragpg.search_recent(
    'how long do refunds take', k => 3, collection => 'handbook', half_life => '30 days'
);
