table answer_feedback column id bigint not null  a storage p
table answer_feedback column answer_id bigint not null   storage p
table answer_feedback column rating text not null   storage x
table answer_feedback column corrected_text text null   storage x
table answer_feedback column comment text not null default ''::text  storage x
table answer_feedback column given_by text not null default CURRENT_USER  storage x
table answer_feedback column given_at timestamp with time zone not null default now()  storage p
table answer_feedback column tenant text not null default ragpg_internal.written_tenant()  storage x
table answer_steps column id bigint not null  a storage p
table answer_steps column answer_id bigint not null   storage p
table answer_steps column place integer not null   storage p
table answer_steps column tool text not null   storage x
table answer_steps column query text not null   storage x
table answer_steps column filter text null   storage x
table answer_steps column k integer null   storage p
table answer_steps column start_char integer null   storage p
table answer_steps column end_char integer null   storage p
table answer_steps column hits jsonb not null   storage x
table answer_steps column input_tokens integer not null   storage p
table answer_steps column output_tokens integer not null   storage p
table answer_steps column cache_read_tokens integer not null   storage p
table answer_steps column cache_creation_tokens integer not null   storage p
table answer_steps column milliseconds integer not null   storage p
table answer_steps column failed text null   storage x
table answer_steps column created_at timestamp with time zone not null default clock_timestamp()  storage p
table answer_steps column tenant text not null default ragpg_internal.written_tenant()  storage x
table answers column id bigint not null  a storage p
table answers column collection_id bigint not null   storage p
table answers column question text not null   storage x
table answers column content text not null   storage x
table answers column model text null   storage x
table answers column abstained boolean not null   storage p
table answers column grounded boolean not null   storage p
table answers column stop_reason text null   storage x
table answers column input_tokens integer not null   storage p
table answers column output_tokens integer not null   storage p
table answers column cache_read_tokens integer not null   storage p
table answers column cache_creation_tokens integer not null   storage p
table answers column latency_ms integer not null   storage p
table answers column created_at timestamp with time zone not null default now()  storage p
table answers column tenant text not null default ragpg_internal.written_tenant()  storage x
table answers column conversation_id bigint null   storage p
table answers column turn integer null   storage p
table answers column standalone text null   storage x
table answers column ended_by text null   storage x
table answers_by_day column collection text null   storage x
table answers_by_day column day date null   storage p
table answers_by_day column model text null   storage x
table answers_by_day column answers bigint null   storage p
table answers_by_day column grounded bigint null   storage p
table answers_by_day column abstained bigint null   storage p
table answers_by_day column input_tokens bigint null   storage p
table answers_by_day column output_tokens bigint null   storage p
table answers_by_day column cache_read_tokens bigint null   storage p
table answers_by_day column median_latency_ms double precision null   storage p
table answers_by_day column cache_creation_tokens bigint null   storage p
table answers_by_day column grounded_share double precision null   storage p
table answers_by_day column cost numeric null   storage m
table answers_by_day column unfinished bigint null   storage p
table chunk_contexts column collection_id bigint not null   storage p
table chunk_contexts column asked_hash bytea not null   storage x
table chunk_contexts column document_hash bytea not null   storage x
table chunk_contexts column model text not null   storage x
table chunk_contexts column sentence text null   storage x
table chunk_contexts column problem text null   storage x
table chunk_contexts column batch_id bigint null   storage p
table chunk_contexts column input_tokens integer not null default 0  storage p
table chunk_contexts column output_tokens integer not null default 0  storage p
table chunk_contexts column cache_read_tokens integer not null default 0  storage p
table chunk_contexts column cache_creation_tokens integer not null default 0  storage p
table chunk_contexts column created_at timestamp with time zone not null default clock_timestamp()  storage p
table chunk_sizes column collection text null   storage x
table chunk_sizes column index_id bigint null   storage p
table chunk_sizes column active boolean null   storage p
table chunk_sizes column from_tokens integer null   storage p
table chunk_sizes column to_tokens integer null   storage p
table chunk_sizes column chunks bigint null   storage p
table chunk_sizes column share double precision null   storage p
table chunks column index_id bigint not null   storage p
table chunks column id bigint not null  a storage p
table chunks column document_id bigint not null   storage p
table chunks column document_version integer not null   storage p
table chunks column ordinal integer not null   storage p
table chunks column start_char integer not null   storage p
table chunks column end_char integer not null   storage p
table chunks column page integer null   storage p
table chunks column token_count integer not null   storage p
table chunks column lexeme_count integer not null   storage p
table chunks column language text not null   storage x
table chunks column context text not null default ''::text  storage x
table chunks column content text not null   storage x
table chunks column content_hash bytea not null default ragpg_internal.hash_text(((context || '
'::text) || content)) s storage x
table chunks column lexemes tsvector not null   storage m
table chunks column embedding halfvec not null   storage m
table chunks column generated_chars integer not null default 0  storage p
table chunks column tenant text not null default ''::text  storage x
table citations column id bigint not null  a storage p
table citations column answer_id bigint not null   storage p
table citations column ordinal integer not null   storage p
table citations column document_id bigint not null   storage p
table citations column document_version integer not null   storage p
table citations column start_char integer not null   storage p
table citations column end_char integer not null   storage p
table citations column quote text not null   storage x
table citations column answer_start integer not null   storage p
table citations column answer_end integer not null   storage p
table citations column page integer null   storage p
table citations column tenant text not null default ragpg_internal.written_tenant()  storage x
table collection_status column collection text null   storage x
table collection_status column description text null   storage x
table collection_status column documents bigint null   storage p
table collection_status column pending_documents bigint null   storage p
table collection_status column chunks bigint null   storage p
table collection_status column characters bigint null   storage p
table collection_status column last_changed_at timestamp with time zone null   storage p
table collection_status column last_indexed_at timestamp with time zone null   storage p
table collection_status column embedding_model text null   storage x
table collection_status column active_index_id bigint null   storage p
table collection_status column chunk_tokens integer null   storage p
table collection_status column language text null   storage x
table collections column id bigint not null  a storage p
table collections column name text not null   storage x
table collections column description text not null default ''::text  storage x
table collections column active_index_id bigint null   storage p
table collections column created_at timestamp with time zone not null default now()  storage p
table collections column search_log_share real not null default 0  storage p
table context_batches column id bigint not null  a storage p
table context_batches column collection_id bigint not null   storage p
table context_batches column model text not null   storage x
table context_batches column request_count integer not null   storage p
table context_batches column provider_batch_id text null   storage x
table context_batches column state text not null default 'submitting'::text  storage x
table context_batches column error text null   storage x
table context_batches column created_at timestamp with time zone not null default clock_timestamp()  storage p
table context_batches column ended_at timestamp with time zone null   storage p
table context_costs column collection text null   storage x
table context_costs column model text null   storage x
table context_costs column in_batch boolean null   storage p
table context_costs column asked bigint null   storage p
table context_costs column sentences bigint null   storage p
table context_costs column open bigint null   storage p
table context_costs column refused bigint null   storage p
table context_costs column empty bigint null   storage p
table context_costs column cut bigint null   storage p
table context_costs column too_long bigint null   storage p
table context_costs column input_tokens bigint null   storage p
table context_costs column output_tokens bigint null   storage p
table context_costs column cache_read_tokens bigint null   storage p
table context_costs column cache_creation_tokens bigint null   storage p
table context_costs column cost numeric null   storage m
table context_costs column first_at timestamp with time zone null   storage p
table context_costs column last_at timestamp with time zone null   storage p
table contextual_indexes column collection text null   storage x
table contextual_indexes column index_id bigint null   storage p
table contextual_indexes column active boolean null   storage p
table contextual_indexes column context_model text null   storage x
table contextual_indexes column context_tokens integer null   storage p
table contextual_indexes column chunks bigint null   storage p
table contextual_indexes column chunks_with_sentence bigint null   storage p
table contextual_indexes column mean_chars numeric null   storage m
table conversation_overview column collection text null   storage x
table conversation_overview column conversation_id bigint null   storage p
table conversation_overview column first_question text null   storage x
table conversation_overview column turns bigint null   storage p
table conversation_overview column steps numeric null   storage m
table conversation_overview column unfinished bigint null   storage p
table conversation_overview column good bigint null   storage p
table conversation_overview column bad bigint null   storage p
table conversation_overview column tokens bigint null   storage p
table conversation_overview column cost numeric null   storage m
table conversation_overview column created_at timestamp with time zone null   storage p
table conversation_overview column last_at timestamp with time zone null   storage p
table conversation_turns column collection text null   storage x
table conversation_turns column conversation_id bigint null   storage p
table conversation_turns column turn integer null   storage p
table conversation_turns column answer_id bigint null   storage p
table conversation_turns column question text null   storage x
table conversation_turns column standalone text null   storage x
table conversation_turns column answer text null   storage x
table conversation_turns column model text null   storage x
table conversation_turns column abstained boolean null   storage p
table conversation_turns column grounded boolean null   storage p
table conversation_turns column ended_by text null   storage x
table conversation_turns column steps bigint null   storage p
table conversation_turns column failed_steps bigint null   storage p
table conversation_turns column citations bigint null   storage p
table conversation_turns column rating text null   storage x
table conversation_turns column input_tokens integer null   storage p
table conversation_turns column output_tokens integer null   storage p
table conversation_turns column cache_read_tokens integer null   storage p
table conversation_turns column cache_creation_tokens integer null   storage p
table conversation_turns column latency_ms integer null   storage p
table conversation_turns column cost numeric null   storage m
table conversation_turns column created_at timestamp with time zone null   storage p
table conversations column id bigint not null  a storage p
table conversations column collection_id bigint not null   storage p
table conversations column created_at timestamp with time zone not null default now()  storage p
table conversations column tenant text not null default ragpg_internal.written_tenant()  storage x
table corpus_overview column collection text null   storage x
table corpus_overview column documents bigint null   storage p
table corpus_overview column characters bigint null   storage p
table corpus_overview column median_characters double precision null   storage p
table corpus_overview column table_share double precision null   storage p
table corpus_overview column code_share double precision null   storage p
table corpus_overview column languages jsonb null   storage x
table corpus_overview column chunks bigint null   storage p
table corpus_overview column tokens_p05 integer null   storage p
table corpus_overview column tokens_p50 integer null   storage p
table corpus_overview column tokens_p95 integer null   storage p
table corpus_overview column window_tokens integer null   storage p
table corpus_overview column duplicate_chunks bigint null   storage p
table corpus_overview column near_duplicate_share double precision null   storage p
table corpus_problems column collection text null   storage x
table corpus_problems column problem text null   storage x
table corpus_problems column source text null   storage x
table corpus_problems column document_id bigint null   storage p
table corpus_problems column detail text null   storage x
table corpus_problems column what_to_do text null   storage x
table document_history column collection text null   storage x
table document_history column source text null   storage x
table document_history column version integer null   storage p
table document_history column title text null   storage x
table document_history column valid_from timestamp with time zone null   storage p
table document_history column valid_to timestamp with time zone null   storage p
table document_history column characters integer null   storage p
table document_history column citations bigint null   storage p
table document_history column document_id bigint null   storage p
table document_status column collection text null   storage x
table document_status column source text null   storage x
table document_status column title text null   storage x
table document_status column media_type text null   storage x
table document_status column metadata jsonb null   storage x
table document_status column version integer null   storage p
table document_status column characters integer null   storage p
table document_status column chunks integer null   storage p
table document_status column indexed boolean null   storage p
table document_status column created_at timestamp with time zone null   storage p
table document_status column updated_at timestamp with time zone null   storage p
table document_status column indexed_at timestamp with time zone null   storage p
table document_status column source_hash bytea null   storage x
table document_status column document_id bigint null   storage p
table document_values column document_id bigint not null   storage p
table document_values column collection_id bigint not null   storage p
table document_values column kind "char" not null   storage p
table document_values column tenant text not null   storage x
table document_values column key text not null   storage x
table document_values column number numeric null   storage m
table document_values column word text null   storage x
table document_versions column document_id bigint not null   storage p
table document_versions column version integer not null   storage p
table document_versions column collection_id bigint not null   storage p
table document_versions column source text not null   storage x
table document_versions column title text not null   storage x
table document_versions column media_type text not null   storage x
table document_versions column content text not null   storage x
table document_versions column metadata jsonb not null   storage x
table document_versions column valid_from timestamp with time zone not null   storage p
table document_versions column valid_to timestamp with time zone not null   storage p
table document_versions column page_starts integer[] not null default '{}'::integer[]  storage x
table document_versions column tenant text not null default ''::text  storage x
table documents column id bigint not null  a storage p
table documents column collection_id bigint not null   storage p
table documents column source text not null   storage x
table documents column title text not null default ''::text  storage x
table documents column media_type text not null default 'text/plain'::text  storage x
table documents column content text not null   storage x
table documents column metadata jsonb not null default '{}'::jsonb  storage x
table documents column version integer not null default 1  storage p
table documents column content_hash bytea not null default ragpg_internal.hash_text(content) s storage x
table documents column source_hash bytea null   storage x
table documents column created_at timestamp with time zone not null default now()  storage p
table documents column updated_at timestamp with time zone not null default now()  storage p
table documents column page_starts integer[] not null default '{}'::integer[]  storage x
table documents column tenant text not null default ragpg_internal.written_tenant()  storage x
table documents column row_of uuid null   storage p
table embedding_models column id bigint not null  a storage p
table embedding_models column provider text not null   storage x
table embedding_models column name text not null   storage x
table embedding_models column dimensions integer not null   storage p
table embedding_models column max_tokens integer not null   storage p
table embedding_models column probe halfvec not null   storage e
table embedding_models column created_at timestamp with time zone not null default now()  storage p
table encoder_embeddings column embedding_model_id bigint not null   storage p
table encoder_embeddings column token_id integer not null   storage p
table encoder_embeddings column embedding halfvec not null   storage e
table encoder_layers column embedding_model_id bigint not null   storage p
table encoder_layers column layer integer not null   storage p
table encoder_layers column attention_gain vector null   storage e
table encoder_layers column attention_shift vector null   storage e
table encoder_layers column output_gain vector not null   storage e
table encoder_layers column output_shift vector not null   storage e
table encoder_positions column embedding_model_id bigint not null   storage p
table encoder_positions column token_position integer not null   storage p
table encoder_positions column embedding vector not null   storage e
table encoder_status column embedding_model text null   storage x
table encoder_status column provider text null   storage x
table encoder_status column dimensions integer null   storage p
table encoder_status column layers integer null   storage p
table encoder_status column pooling text null   storage x
table encoder_status column max_query_tokens integer null   storage p
table encoder_status column verified boolean null   storage p
table encoder_status column verified_cosine double precision null   storage p
table encoder_status column loaded_at timestamp with time zone null   storage p
table encoder_status column embedding_model_id bigint null   storage p
table encoder_vocabulary column embedding_model_id bigint not null   storage p
table encoder_vocabulary column token text not null   storage x
table encoder_vocabulary column token_id integer not null   storage p
table encoder_weights column embedding_model_id bigint not null   storage p
table encoder_weights column layer integer not null   storage p
table encoder_weights column matrix integer not null   storage p
table encoder_weights column place integer not null   storage p
table encoder_weights column weights vector not null   storage e
table encoders column embedding_model_id bigint not null   storage p
table encoders column layers integer not null   storage p
table encoders column heads integer not null   storage p
table encoders column width integer not null   storage p
table encoders column pooling text not null   storage x
table encoders column lower_case boolean not null   storage p
table encoders column strip_accents boolean not null   storage p
table encoders column unknown_token_id integer not null   storage p
table encoders column first_token_id integer not null   storage p
table encoders column last_token_id integer not null   storage p
table encoders column special_tokens text[] not null   storage x
table encoders column longest_token integer not null   storage p
table encoders column query_prefix text not null   storage x
table encoders column max_query_tokens integer not null default 64  storage p
table encoders column layer_norm_epsilon double precision not null   storage p
table encoders column verified_cosine double precision null   storage p
table encoders column verified boolean not null default COALESCE((verified_cosine >= (0.9999)::double precision), false) s storage p
table encoders column loaded_at timestamp with time zone not null default now()  storage p
table encoders column cached_queries integer not null default 10000  storage p
table evaluation_answers column evaluation_run_id bigint null   storage p
table evaluation_answers column evaluation_question_id bigint null   storage p
table evaluation_answers column question text null   storage x
table evaluation_answers column is_answerable boolean null   storage p
table evaluation_answers column expected_answer text null   storage x
table evaluation_answers column answer_id bigint null   storage p
table evaluation_answers column answer text null   storage x
table evaluation_answers column abstained boolean null   storage p
table evaluation_answers column abstained_rightly boolean null   storage p
table evaluation_answers column grounded boolean null   storage p
table evaluation_answers column citations bigint null   storage p
table evaluation_answers column valid_citations bigint null   storage p
table evaluation_answers column labelled_citations bigint null   storage p
table evaluation_answers column grade text null   storage x
table evaluation_answers column grade_reason text null   storage x
table evaluation_answers column latency_ms integer null   storage p
table evaluation_answers column input_tokens integer null   storage p
table evaluation_answers column output_tokens integer null   storage p
table evaluation_drafts column id bigint not null  a storage p
table evaluation_drafts column evaluation_set_id bigint not null   storage p
table evaluation_drafts column document_id bigint not null   storage p
table evaluation_drafts column question text not null   storage x
table evaluation_drafts column expected_answer text not null   storage x
table evaluation_drafts column quote text not null   storage x
table evaluation_drafts column start_char integer not null   storage p
table evaluation_drafts column model text not null   storage x
table evaluation_drafts column drafted_at timestamp with time zone not null default now()  storage p
table evaluation_drafts column rejected_at timestamp with time zone null   storage p
table evaluation_drafts column tenant text not null default ragpg_internal.written_tenant()  storage x
table evaluation_failures column evaluation_run_id bigint null   storage p
table evaluation_failures column evaluation_question_id bigint null   storage p
table evaluation_failures column question text null   storage x
table evaluation_failures column kind text null   storage x
table evaluation_failures column what_to_try text null   storage x
table evaluation_failures column first_relevant_place integer null   storage p
table evaluation_failures column span_recall double precision null   storage p
table evaluation_hits column evaluation_run_id bigint not null   storage p
table evaluation_hits column evaluation_question_id bigint not null   storage p
table evaluation_hits column place integer not null   storage p
table evaluation_hits column is_relevant boolean not null   storage p
table evaluation_hits column document_id bigint not null   storage p
table evaluation_hits column document_version integer not null   storage p
table evaluation_hits column source text not null   storage x
table evaluation_hits column start_char integer not null   storage p
table evaluation_hits column end_char integer not null   storage p
table evaluation_hits column score double precision not null   storage p
table evaluation_hits column similarity double precision null   storage p
table evaluation_hits column bm25 double precision null   storage p
table evaluation_hits column tenant text not null default ragpg_internal.written_tenant()  storage x
table evaluation_label_spans column evaluation_label_id bigint null   storage p
table evaluation_label_spans column evaluation_question_id bigint null   storage p
table evaluation_label_spans column evaluation_set_id bigint null   storage p
table evaluation_label_spans column question text null   storage x
table evaluation_label_spans column source text null   storage x
table evaluation_label_spans column quote text null   storage x
table evaluation_label_spans column state text null   storage x
table evaluation_label_spans column document_id bigint null   storage p
table evaluation_label_spans column start_char integer null   storage p
table evaluation_label_spans column end_char integer null   storage p
table evaluation_labels column id bigint not null  a storage p
table evaluation_labels column evaluation_question_id bigint not null   storage p
table evaluation_labels column source text not null   storage x
table evaluation_labels column quote text null   storage x
table evaluation_labels column start_char integer null   storage p
table evaluation_labels column end_char integer null   storage p
table evaluation_labels column tenant text not null default ragpg_internal.written_tenant()  storage x
table evaluation_leaderboard column collection text null   storage x
table evaluation_leaderboard column evaluation_set text null   storage x
table evaluation_leaderboard column run_id bigint null   storage p
table evaluation_leaderboard column note text null   storage x
table evaluation_leaderboard column mode text null   storage x
table evaluation_leaderboard column k integer null   storage p
table evaluation_leaderboard column index_id bigint null   storage p
table evaluation_leaderboard column active boolean null   storage p
table evaluation_leaderboard column embedding_model text null   storage x
table evaluation_leaderboard column chunk_tokens integer null   storage p
table evaluation_leaderboard column questions bigint null   storage p
table evaluation_leaderboard column labelled_questions bigint null   storage p
table evaluation_leaderboard column success double precision null   storage p
table evaluation_leaderboard column recall double precision null   storage p
table evaluation_leaderboard column precision double precision null   storage p
table evaluation_leaderboard column mrr double precision null   storage p
table evaluation_leaderboard column map double precision null   storage p
table evaluation_leaderboard column ndcg double precision null   storage p
table evaluation_leaderboard column span_recall double precision null   storage p
table evaluation_leaderboard column span_precision double precision null   storage p
table evaluation_leaderboard column span_iou double precision null   storage p
table evaluation_leaderboard column zero_hit_rate numeric null   storage m
table evaluation_leaderboard column answers bigint null   storage p
table evaluation_leaderboard column abstention_accuracy double precision null   storage p
table evaluation_leaderboard column grounded_share double precision null   storage p
table evaluation_leaderboard column citation_validity double precision null   storage p
table evaluation_leaderboard column citation_precision double precision null   storage p
table evaluation_leaderboard column correct_share double precision null   storage p
table evaluation_leaderboard column latency_p50_ms double precision null   storage p
table evaluation_leaderboard column latency_p95_ms double precision null   storage p
table evaluation_leaderboard column started_at timestamp with time zone null   storage p
table evaluation_leaderboard column finished_at timestamp with time zone null   storage p
table evaluation_leaderboard column is_trial boolean null   storage p
table evaluation_measures column evaluation_run_id bigint null   storage p
table evaluation_measures column evaluation_question_id bigint null   storage p
table evaluation_measures column question text null   storage x
table evaluation_measures column tags text[] null   storage x
table evaluation_measures column is_answerable boolean null   storage p
table evaluation_measures column k integer null   storage p
table evaluation_measures column hit_count integer null   storage p
table evaluation_measures column relevant_chunks integer null   storage p
table evaluation_measures column latency_ms double precision null   storage p
table evaluation_measures column first_relevant_place integer null   storage p
table evaluation_measures column recall double precision null   storage p
table evaluation_measures column precision double precision null   storage p
table evaluation_measures column reciprocal_rank double precision null   storage p
table evaluation_measures column average_precision double precision null   storage p
table evaluation_measures column ndcg double precision null   storage p
table evaluation_measures column success double precision null   storage p
table evaluation_measures column span_recall double precision null   storage p
table evaluation_measures column span_precision double precision null   storage p
table evaluation_measures column span_iou double precision null   storage p
table evaluation_questions column id bigint not null  a storage p
table evaluation_questions column evaluation_set_id bigint not null   storage p
table evaluation_questions column question text not null   storage x
table evaluation_questions column expected_answer text null   storage x
table evaluation_questions column is_answerable boolean not null default true  storage p
table evaluation_questions column tags text[] not null default '{}'::text[]  storage x
table evaluation_questions column created_at timestamp with time zone not null default now()  storage p
table evaluation_questions column tenant text not null default ragpg_internal.written_tenant()  storage x
table evaluation_results column evaluation_run_id bigint not null   storage p
table evaluation_results column evaluation_question_id bigint not null   storage p
table evaluation_results column hit_count integer not null   storage p
table evaluation_results column relevant_chunks integer not null   storage p
table evaluation_results column first_relevant_place integer null   storage p
table evaluation_results column latency_ms double precision not null   storage p
table evaluation_results column labels integer not null   storage p
table evaluation_results column lost_labels integer not null   storage p
table evaluation_results column split_labels integer not null   storage p
table evaluation_results column labelled_spans jsonb not null default '{}'::jsonb  storage x
table evaluation_results column answer_id bigint null   storage p
table evaluation_results column grade text null   storage x
table evaluation_results column grade_reason text null   storage x
table evaluation_results column tenant text not null default ragpg_internal.written_tenant()  storage x
table evaluation_runs column id bigint not null  a storage p
table evaluation_runs column evaluation_set_id bigint not null   storage p
table evaluation_runs column index_id bigint not null   storage p
table evaluation_runs column k integer not null   storage p
table evaluation_runs column mode text not null   storage x
table evaluation_runs column note text not null default ''::text  storage x
table evaluation_runs column recipe jsonb not null   storage x
table evaluation_runs column started_at timestamp with time zone not null default now()  storage p
table evaluation_runs column finished_at timestamp with time zone null   storage p
table evaluation_runs column tenant text not null default ragpg_internal.written_tenant()  storage x
table evaluation_runs column is_trial boolean not null default false  storage p
table evaluation_sets column id bigint not null  a storage p
table evaluation_sets column collection_id bigint not null   storage p
table evaluation_sets column name text not null   storage x
table evaluation_sets column description text not null default ''::text  storage x
table evaluation_sets column created_at timestamp with time zone not null default now()  storage p
table evaluation_sets column tenant text not null default ragpg_internal.written_tenant()  storage x
table evaluation_tags column evaluation_run_id bigint null   storage p
table evaluation_tags column tag text null   storage x
table evaluation_tags column questions bigint null   storage p
table evaluation_tags column success double precision null   storage p
table evaluation_tags column recall double precision null   storage p
table evaluation_tags column mrr double precision null   storage p
table evaluation_tags column ndcg double precision null   storage p
table evaluation_tags column span_recall double precision null   storage p
table finetune_jobs column id bigint not null  a storage p
table finetune_jobs column provider text not null   storage x
table finetune_jobs column base_model text not null   storage x
table finetune_jobs column training_hash bytea not null   storage x
table finetune_jobs column validation_hash bytea null   storage x
table finetune_jobs column parameters jsonb not null default '{}'::jsonb  storage x
table finetune_jobs column training_file_id text null   storage x
table finetune_jobs column validation_file_id text null   storage x
table finetune_jobs column job_id text null   storage x
table finetune_jobs column state text not null default 'uploading'::text  storage x
table finetune_jobs column finished_model text null   storage x
table finetune_jobs column error text null   storage x
table finetune_jobs column created_at timestamp with time zone not null default now()  storage p
table finetune_jobs column updated_at timestamp with time zone not null default now()  storage p
table finetune_jobs column tenant text not null default ragpg_internal.written_tenant()  storage x
table finetuning_examples column collection text null   storage x
table finetuning_examples column origin text null   storage x
table finetuning_examples column question text null   storage x
table finetuning_examples column answer text null   storage x
table finetuning_examples column split_by text null   storage x
table health_problems column collection text null   storage x
table health_problems column problem text null   storage x
table health_problems column detail text null   storage x
table health_problems column what_to_do text null   storage x
table hit column place integer null   storage p
table hit column source text null   storage x
table hit column title text null   storage x
table hit column content text null   storage x
table hit column score double precision null   storage p
table hit column similarity double precision null   storage p
table hit column bm25 double precision null   storage p
table hit column start_char integer null   storage p
table hit column end_char integer null   storage p
table hit column page integer null   storage p
table hit column context text null   storage x
table hit column metadata jsonb null   storage x
table hit column document_id bigint null   storage p
table hit column document_version integer null   storage p
table hit column chunk_id bigint null   storage p
table index_documents column index_id bigint not null   storage p
table index_documents column document_id bigint not null   storage p
table index_documents column document_version integer null   storage p
table index_documents column chunk_count integer not null default 0  storage p
table index_documents column indexed_at timestamp with time zone null   storage p
table index_documents column pending_since timestamp with time zone null   storage p
table index_documents column attempts integer not null default 0  storage p
table index_documents column error text null   storage x
table index_documents column next_attempt_at timestamp with time zone not null default '-infinity'::timestamp with time zone  storage p
table index_documents column tenant text not null default ''::text  storage x
table index_health column collection text null   storage x
table index_health column index_id bigint null   storage p
table index_health column active boolean null   storage p
table index_health column state text null   storage x
table index_health column embedding_model text null   storage x
table index_health column chunk_tokens integer null   storage p
table index_health column chunks bigint null   storage p
table index_health column documents bigint null   storage p
table index_health column counted_chunks bigint null   storage p
table index_health column refreshed_at timestamp with time zone null   storage p
table index_health column table_bytes bigint null   storage p
table index_health column index_bytes bigint null   storage p
table index_health column indexes_valid boolean null   storage p
table index_health column pending_documents bigint null   storage p
table index_health column failed_documents bigint null   storage p
table index_health column overlap_tokens integer null   storage p
table index_health column language text null   storage x
table index_health column created_at timestamp with time zone null   storage p
table index_health column activated_at timestamp with time zone null   storage p
table index_health column ef_search integer null   storage p
table index_health column vector_index_bytes bigint null   storage p
table index_health column share_of_buffers double precision null   storage p
table index_health column dead_chunks bigint null   storage p
table index_health column recall double precision null   storage p
table index_health column recall_measured_at timestamp with time zone null   storage p
table index_health column context_model text null   storage x
table index_health column quantize text null   storage x
table index_statistics column index_id bigint not null   storage p
table index_statistics column chunk_count bigint not null   storage p
table index_statistics column mean_length real not null   storage p
table index_statistics column embedding_sample halfvec[] not null   storage x
table index_statistics column refreshed_at timestamp with time zone not null default now()  storage p
table index_statistics column languages text[] not null default '{}'::text[]  storage x
table index_statistics column document_sample bigint[] not null default '{}'::bigint[]  storage x
table index_statistics column tenant text not null default ''::text  storage x
table indexed_tables column table_name regclass null   storage p
table indexed_tables column collection text null   storage x
table indexed_tables column source_column text null   storage x
table indexed_tables column content_column text null   storage x
table indexed_tables column title_column text null   storage x
table indexed_tables column metadata_columns text[] null   storage x
table indexed_tables column media_type text null   storage x
table ingest_lag column collection text null   storage x
table ingest_lag column waiting_documents bigint null   storage p
table ingest_lag column failing_documents bigint null   storage p
table ingest_lag column oldest_waiting_since timestamp with time zone null   storage p
table ingest_lag column lag_seconds double precision null   storage p
table ingest_lag column indexed_last_hour bigint null   storage p
table ingest_lag column last_indexed_at timestamp with time zone null   storage p
table ingest_queue column collection text null   storage x
table ingest_queue column source text null   storage x
table ingest_queue column version integer null   storage p
table ingest_queue column indexed_version integer null   storage p
table ingest_queue column waiting_since timestamp with time zone null   storage p
table ingest_queue column document_id bigint null   storage p
table ingest_queue column index_id bigint null   storage p
table ingest_queue column active boolean null   storage p
table ingest_queue column attempts integer null   storage p
table ingest_queue column error text null   storage x
table ingest_queue column next_attempt_at timestamp with time zone null   storage p
table lexeme_statistics column index_id bigint not null   storage p
table lexeme_statistics column lexeme text not null   storage x
table lexeme_statistics column chunk_count integer not null   storage p
table lexeme_statistics column occurrence_count bigint not null   storage p
table lexeme_statistics column tenant text not null default ''::text  storage x
table model_prices column model text not null   storage x
table model_prices column input_price numeric not null   storage m
table model_prices column output_price numeric not null   storage m
table model_prices column cache_read_price numeric not null   storage m
table model_prices column cache_creation_price numeric not null   storage m
table query_embeddings column id bigint not null  a storage p
table query_embeddings column embedding_model_id bigint not null   storage p
table query_embeddings column query_hash bytea not null   storage x
table query_embeddings column embedding vector not null   storage e
table query_embeddings column weights_loaded_at timestamp with time zone not null   storage p
table query_embeddings column stored_at timestamp with time zone not null default clock_timestamp()  storage p
table query_embeddings column tenant text not null default ragpg_internal.written_tenant()  storage x
table recall_history column collection text null   storage x
table recall_history column index_id bigint null   storage p
table recall_history column active boolean null   storage p
table recall_history column measured_at timestamp with time zone null   storage p
table recall_history column k integer null   storage p
table recall_history column ef_search integer null   storage p
table recall_history column queries integer null   storage p
table recall_history column query_source text null   storage x
table recall_history column recall double precision null   storage p
table recall_history column worst_recall double precision null   storage p
table recall_history column index_ms double precision null   storage p
table recall_history column exact_ms double precision null   storage p
table recall_measurements column id bigint not null  a storage p
table recall_measurements column index_id bigint not null   storage p
table recall_measurements column k integer not null   storage p
table recall_measurements column ef_search integer not null   storage p
table recall_measurements column queries integer not null   storage p
table recall_measurements column query_source text not null   storage x
table recall_measurements column recall double precision not null   storage p
table recall_measurements column worst_recall double precision not null   storage p
table recall_measurements column index_ms double precision not null   storage p
table recall_measurements column exact_ms double precision not null   storage p
table recall_measurements column measured_at timestamp with time zone not null default clock_timestamp()  storage p
table recall_measurements column tenant text not null default ragpg_internal.written_tenant()  storage x
table search_indexes column id bigint not null  a storage p
table search_indexes column collection_id bigint not null   storage p
table search_indexes column embedding_model_id bigint not null   storage p
table search_indexes column state text not null default 'building'::text  storage x
table search_indexes column chunker text not null default 'structure-2'::text  storage x
table search_indexes column chunk_tokens integer not null   storage p
table search_indexes column overlap_tokens integer not null default 0  storage p
table search_indexes column language text not null default 'english'::text  storage x
table search_indexes column vector_weight real null   storage p
table search_indexes column candidates integer not null default 100  storage p
table search_indexes column ef_search integer not null default 100  storage p
table search_indexes column min_similarity real not null default 0.25  storage p
table search_indexes column created_at timestamp with time zone not null default now()  storage p
table search_indexes column activated_at timestamp with time zone null   storage p
table search_indexes column relevance_offset double precision null   storage p
table search_indexes column relevance_slope double precision null   storage p
table search_indexes column context_model text null   storage x
table search_indexes column context_tokens integer not null default 0  storage p
table search_indexes column words_held_slope double precision not null default 0  storage p
table search_indexes column missing_names_slope double precision not null default 0  storage p
table search_indexes column unmatched_negation_slope double precision not null default 0  storage p
table search_indexes column min_relevance double precision null   storage p
table search_indexes column quantize text not null default 'none'::text  storage x
table searches column id bigint not null  a storage p
table searches column collection_id bigint not null   storage p
table searches column index_id bigint not null   storage p
table searches column query text not null   storage x
table searches column query_embedding halfvec null   storage e
table searches column mode text not null   storage x
table searches column k integer not null   storage p
table searches column filtered boolean not null   storage p
table searches column hit_count integer not null   storage p
table searches column best_similarity real null   storage p
table searches column latency_ms real not null   storage p
table searches column share real not null   storage p
table searches column searched_at timestamp with time zone not null default clock_timestamp()  storage p
table searches column tenant text not null default ragpg_internal.written_tenant()  storage x
table searches_by_day column collection text null   storage x
table searches_by_day column day date null   storage p
table searches_by_day column mode text null   storage x
table searches_by_day column logged_searches bigint null   storage p
table searches_by_day column searches bigint null   storage p
table searches_by_day column latency_p50_ms double precision null   storage p
table searches_by_day column latency_p95_ms double precision null   storage p
table searches_by_day column latency_p99_ms double precision null   storage p
table searches_by_day column zero_hit_share double precision null   storage p
table searches_by_day column low_similarity_share double precision null   storage p
table stale_citations column collection text null   storage x
table stale_citations column answer_id bigint null   storage p
table stale_citations column question text null   storage x
table stale_citations column ordinal integer null   storage p
table stale_citations column source text null   storage x
table stale_citations column cited_version integer null   storage p
table stale_citations column current_version integer null   storage p
table stale_citations column quote_is text null   storage x
table stale_citations column quote text null   storage x
table stale_citations column answered_at timestamp with time zone null   storage p
table stale_citations column changed_at timestamp with time zone null   storage p
table tenant_roles column role text not null   storage x
table tenant_roles column tenant text null   storage x
table tenant_roles column proof uuid not null default gen_random_uuid()  storage p
table unanswered_searches column collection text null   storage x
table unanswered_searches column query text null   storage x
table unanswered_searches column logged_searches bigint null   storage p
table unanswered_searches column fewest_hits integer null   storage p
table unanswered_searches column best_similarity real null   storage p
table unanswered_searches column last_searched_at timestamp with time zone null   storage p
table answer_feedback constraint answer_feedback_answer_id_fkey FOREIGN KEY (answer_id, tenant) REFERENCES ragpg.answers(id, tenant) ON UPDATE CASCADE ON DELETE CASCADE
table answer_feedback constraint answer_feedback_corrected_text_is_not_blank CHECK ((corrected_text ~ '\S'::text))
table answer_feedback constraint answer_feedback_pkey PRIMARY KEY (id)
table answer_feedback constraint answer_feedback_rating_is_known CHECK ((rating = ANY (ARRAY['good'::text, 'bad'::text])))
table answer_steps constraint answer_steps_answer_id_fkey FOREIGN KEY (answer_id, tenant) REFERENCES ragpg.answers(id, tenant) ON UPDATE CASCADE ON DELETE CASCADE
table answer_steps constraint answer_steps_answer_id_place_key UNIQUE (answer_id, place)
table answer_steps constraint answer_steps_hits_are_a_list CHECK ((jsonb_typeof(hits) = 'array'::text))
table answer_steps constraint answer_steps_pkey PRIMARY KEY (id)
table answer_steps constraint answer_steps_place_counts_from_1 CHECK ((place >= 1))
table answers constraint answers_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES ragpg.collections(id) ON DELETE CASCADE
table answers constraint answers_conversation_id_fkey FOREIGN KEY (conversation_id, tenant) REFERENCES ragpg.conversations(id, tenant) ON UPDATE CASCADE ON DELETE CASCADE
table answers constraint answers_conversation_id_turn_key UNIQUE (conversation_id, turn)
table answers constraint answers_ended_by_is_known CHECK ((ended_by = ANY (ARRAY['answer'::text, 'steps'::text, 'tokens'::text, 'seconds'::text, 'cost'::text, 'max_tokens'::text, 'refusal'::text, 'failed'::text, 'unfinished'::text])))
table answers constraint answers_id_tenant_key UNIQUE (id, tenant)
table answers constraint answers_pkey PRIMARY KEY (id)
table answers constraint answers_turn_is_of_a_conversation CHECK ((((turn IS NULL) = (conversation_id IS NULL)) AND (turn >= 1)))
table chunk_contexts constraint chunk_contexts_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES ragpg.context_batches(id) ON DELETE CASCADE
table chunk_contexts constraint chunk_contexts_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES ragpg.collections(id) ON DELETE CASCADE
table chunk_contexts constraint chunk_contexts_hashes_are_sha256 CHECK (((octet_length(asked_hash) = 32) AND (octet_length(document_hash) = 32)))
table chunk_contexts constraint chunk_contexts_pkey PRIMARY KEY (collection_id, asked_hash)
table chunk_contexts constraint chunk_contexts_say_why_there_is_none CHECK (
CASE
    WHEN (sentence IS NULL) THEN ((problem IS NULL) AND (batch_id IS NOT NULL))
    ELSE ((sentence = ''::text) = (problem IS NOT NULL))
END)
table chunks constraint chunks_content_is_not_empty CHECK ((content <> ''::text))
table chunks constraint chunks_document_id_fkey FOREIGN KEY (document_id, tenant) REFERENCES ragpg.documents(id, tenant) ON UPDATE CASCADE ON DELETE CASCADE
table chunks constraint chunks_index_id_fkey FOREIGN KEY (index_id) REFERENCES ragpg.search_indexes(id) ON DELETE CASCADE
table chunks constraint chunks_pkey PRIMARY KEY (document_id, ordinal, index_id)
table chunks constraint chunks_span_is_as_long_as_the_content CHECK (((start_char >= 0) AND ((end_char - start_char) = char_length(content))))
table citations constraint citations_answer_id_fkey FOREIGN KEY (answer_id, tenant) REFERENCES ragpg.answers(id, tenant) ON UPDATE CASCADE ON DELETE CASCADE
table citations constraint citations_answer_id_ordinal_key UNIQUE (answer_id, ordinal)
table citations constraint citations_answer_span_is_ordered CHECK (((0 <= answer_start) AND (answer_start <= answer_end)))
table citations constraint citations_pkey PRIMARY KEY (id)
table citations constraint citations_span_is_as_long_as_the_quote CHECK (((start_char >= 0) AND ((end_char - start_char) = char_length(quote)) AND (quote <> ''::text)))
table collections constraint collections_active_index_id_fkey FOREIGN KEY (active_index_id) REFERENCES ragpg.search_indexes(id)
table collections constraint collections_name_is_short_and_trimmed CHECK (((name = btrim(name)) AND (name <> ''::text) AND (octet_length(name) <= 48)))
table collections constraint collections_name_key UNIQUE (name)
table collections constraint collections_pkey PRIMARY KEY (id)
table collections constraint collections_search_log_share_is_a_share CHECK (((search_log_share >= (0)::double precision) AND (search_log_share <= (1)::double precision)))
table context_batches constraint context_batches_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES ragpg.collections(id) ON DELETE CASCADE
table context_batches constraint context_batches_pkey PRIMARY KEY (id)
table conversations constraint conversations_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES ragpg.collections(id) ON DELETE CASCADE
table conversations constraint conversations_id_tenant_key UNIQUE (id, tenant)
table conversations constraint conversations_pkey PRIMARY KEY (id)
table document_values constraint document_values_is_a_number_or_a_word CHECK ((num_nonnulls(number, word) = 1))
table document_values constraint document_values_kind_is_known CHECK ((kind = ANY (ARRAY['n'::"char", 'N'::"char", 's'::"char", 'S'::"char", 't'::"char", 'T'::"char", 'l'::"char", 'L'::"char", 'x'::"char"])))
table document_versions constraint document_versions_pkey PRIMARY KEY (document_id, version)
table document_versions constraint document_versions_valid_range_is_ordered CHECK ((valid_from <= valid_to))
table documents constraint documents_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES ragpg.collections(id) ON DELETE CASCADE
table documents constraint documents_collection_id_tenant_source_key UNIQUE (collection_id, tenant, source)
table documents constraint documents_id_tenant_key UNIQUE (id, tenant)
table documents constraint documents_metadata_is_an_object CHECK ((jsonb_typeof(metadata) = 'object'::text))
table documents constraint documents_page_starts_has_no_null CHECK ((array_position(page_starts, NULL::integer) IS NULL))
table documents constraint documents_pkey PRIMARY KEY (id)
table documents constraint documents_source_is_not_blank CHECK ((source ~ '\S'::text))
table documents constraint documents_version_is_positive CHECK ((version > 0))
table embedding_models constraint embedding_models_max_tokens_is_positive CHECK ((max_tokens > 0))
table embedding_models constraint embedding_models_pkey PRIMARY KEY (id)
table embedding_models constraint embedding_models_probe_has_the_dimensions CHECK ((vector_dims(probe) = dimensions))
table embedding_models constraint embedding_models_provider_name_dimensions_key UNIQUE (provider, name, dimensions)
table encoder_embeddings constraint encoder_embeddings_embedding_model_id_fkey FOREIGN KEY (embedding_model_id) REFERENCES ragpg.encoders(embedding_model_id) ON DELETE CASCADE
table encoder_embeddings constraint encoder_embeddings_pkey PRIMARY KEY (embedding_model_id, token_id)
table encoder_layers constraint encoder_layers_attention_is_there_after_layer_0 CHECK ((num_nulls(attention_gain, attention_shift) =
CASE
    WHEN (layer = 0) THEN 2
    ELSE 0
END))
table encoder_layers constraint encoder_layers_embedding_model_id_fkey FOREIGN KEY (embedding_model_id) REFERENCES ragpg.encoders(embedding_model_id) ON DELETE CASCADE
table encoder_layers constraint encoder_layers_layer_is_not_negative CHECK ((layer >= 0))
table encoder_layers constraint encoder_layers_pkey PRIMARY KEY (embedding_model_id, layer)
table encoder_positions constraint encoder_positions_embedding_model_id_fkey FOREIGN KEY (embedding_model_id) REFERENCES ragpg.encoders(embedding_model_id) ON DELETE CASCADE
table encoder_positions constraint encoder_positions_pkey PRIMARY KEY (embedding_model_id, token_position)
table encoder_positions constraint encoder_positions_token_position_is_positive CHECK ((token_position > 0))
table encoder_vocabulary constraint encoder_vocabulary_embedding_model_id_fkey FOREIGN KEY (embedding_model_id) REFERENCES ragpg.encoders(embedding_model_id) ON DELETE CASCADE
table encoder_vocabulary constraint encoder_vocabulary_pkey PRIMARY KEY (embedding_model_id, token)
table encoder_vocabulary constraint encoder_vocabulary_token_id_is_not_negative CHECK ((token_id >= 0))
table encoder_weights constraint encoder_weights_embedding_model_id_fkey FOREIGN KEY (embedding_model_id) REFERENCES ragpg.encoders(embedding_model_id) ON DELETE CASCADE
table encoder_weights constraint encoder_weights_matrix_is_known CHECK (((matrix >= 1) AND (matrix <= 5)))
table encoder_weights constraint encoder_weights_pkey PRIMARY KEY (embedding_model_id, layer, matrix, place)
table encoder_weights constraint encoder_weights_place_is_positive CHECK ((place > 0))
table encoders constraint encoders_cached_queries_is_not_negative CHECK ((cached_queries >= 0))
table encoders constraint encoders_embedding_model_id_fkey FOREIGN KEY (embedding_model_id) REFERENCES ragpg.embedding_models(id) ON DELETE CASCADE
table encoders constraint encoders_heads_divide_the_width CHECK (((heads > 0) AND (width > 0) AND ((width % heads) = 0)))
table encoders constraint encoders_layer_norm_epsilon_is_not_negative CHECK ((layer_norm_epsilon >= (0)::double precision))
table encoders constraint encoders_layers_is_positive CHECK ((layers > 0))
table encoders constraint encoders_longest_token_is_positive CHECK ((longest_token > 0))
table encoders constraint encoders_max_query_tokens_holds_a_token CHECK ((max_query_tokens > 2))
table encoders constraint encoders_pkey PRIMARY KEY (embedding_model_id)
table encoders constraint encoders_pooling_is_known CHECK ((pooling = ANY (ARRAY['mean'::text, 'cls'::text])))
table encoders constraint encoders_verified_cosine_is_a_cosine CHECK (((verified_cosine >= ('-1.001'::numeric)::double precision) AND (verified_cosine <= (1.001)::double precision)))
table evaluation_drafts constraint evaluation_drafts_document_id_fkey FOREIGN KEY (document_id) REFERENCES ragpg.documents(id) ON DELETE CASCADE
table evaluation_drafts constraint evaluation_drafts_evaluation_set_id_fkey FOREIGN KEY (evaluation_set_id, tenant) REFERENCES ragpg.evaluation_sets(id, tenant) ON UPDATE CASCADE ON DELETE CASCADE
table evaluation_drafts constraint evaluation_drafts_evaluation_set_id_question_key UNIQUE (evaluation_set_id, tenant, question)
table evaluation_drafts constraint evaluation_drafts_pkey PRIMARY KEY (id)
table evaluation_drafts constraint evaluation_drafts_question_is_not_blank CHECK ((question ~ '\S'::text))
table evaluation_drafts constraint evaluation_drafts_quote_is_not_blank CHECK ((quote ~ '\S'::text))
table evaluation_drafts constraint evaluation_drafts_start_char_is_not_negative CHECK ((start_char >= 0))
table evaluation_hits constraint evaluation_hits_evaluation_results_fkey FOREIGN KEY (evaluation_run_id, evaluation_question_id, tenant) REFERENCES ragpg.evaluation_results(evaluation_run_id, evaluation_question_id, tenant) ON UPDATE CASCADE ON DELETE CASCADE
table evaluation_hits constraint evaluation_hits_pkey PRIMARY KEY (evaluation_run_id, evaluation_question_id, place)
table evaluation_labels constraint evaluation_labels_evaluation_question_id_fkey FOREIGN KEY (evaluation_question_id, tenant) REFERENCES ragpg.evaluation_questions(id, tenant) ON UPDATE CASCADE ON DELETE CASCADE
table evaluation_labels constraint evaluation_labels_pkey PRIMARY KEY (id)
table evaluation_labels constraint evaluation_labels_quote_is_not_blank CHECK ((quote ~ '\S'::text))
table evaluation_labels constraint evaluation_labels_source_is_not_blank CHECK ((source ~ '\S'::text))
table evaluation_labels constraint evaluation_labels_span_is_ordered CHECK (((num_nulls(start_char, end_char) = 2) OR ((0 <= start_char) AND (start_char < end_char))))
table evaluation_questions constraint evaluation_questions_evaluation_set_id_fkey FOREIGN KEY (evaluation_set_id, tenant) REFERENCES ragpg.evaluation_sets(id, tenant) ON UPDATE CASCADE ON DELETE CASCADE
table evaluation_questions constraint evaluation_questions_evaluation_set_id_question_key UNIQUE (evaluation_set_id, tenant, question)
table evaluation_questions constraint evaluation_questions_id_tenant_key UNIQUE (id, tenant)
table evaluation_questions constraint evaluation_questions_pkey PRIMARY KEY (id)
table evaluation_questions constraint evaluation_questions_question_is_not_blank CHECK ((question ~ '\S'::text))
table evaluation_results constraint evaluation_results_answer_id_fkey FOREIGN KEY (answer_id) REFERENCES ragpg.answers(id) ON DELETE SET NULL
table evaluation_results constraint evaluation_results_evaluation_question_id_fkey FOREIGN KEY (evaluation_question_id) REFERENCES ragpg.evaluation_questions(id) ON DELETE CASCADE
table evaluation_results constraint evaluation_results_evaluation_run_id_fkey FOREIGN KEY (evaluation_run_id, tenant) REFERENCES ragpg.evaluation_runs(id, tenant) ON UPDATE CASCADE ON DELETE CASCADE
table evaluation_results constraint evaluation_results_evaluation_run_id_question_id_tenant_key UNIQUE (evaluation_run_id, evaluation_question_id, tenant)
table evaluation_results constraint evaluation_results_grade_is_known CHECK ((grade = ANY (ARRAY['right'::text, 'right in fact'::text, 'wrong'::text])))
table evaluation_results constraint evaluation_results_pkey PRIMARY KEY (evaluation_run_id, evaluation_question_id)
table evaluation_runs constraint evaluation_runs_evaluation_set_id_fkey FOREIGN KEY (evaluation_set_id, tenant) REFERENCES ragpg.evaluation_sets(id, tenant) ON UPDATE CASCADE ON DELETE CASCADE
table evaluation_runs constraint evaluation_runs_id_tenant_key UNIQUE (id, tenant)
table evaluation_runs constraint evaluation_runs_k_is_positive CHECK ((k > 0))
table evaluation_runs constraint evaluation_runs_pkey PRIMARY KEY (id)
table evaluation_sets constraint evaluation_sets_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES ragpg.collections(id) ON DELETE CASCADE
table evaluation_sets constraint evaluation_sets_collection_id_tenant_name_key UNIQUE (collection_id, tenant, name)
table evaluation_sets constraint evaluation_sets_id_tenant_key UNIQUE (id, tenant)
table evaluation_sets constraint evaluation_sets_name_is_not_blank CHECK ((name ~ '\S'::text))
table evaluation_sets constraint evaluation_sets_pkey PRIMARY KEY (id)
table finetune_jobs constraint finetune_jobs_pkey PRIMARY KEY (id)
table finetune_jobs constraint finetune_jobs_training_hash_is_a_sha256 CHECK ((octet_length(training_hash) = 32))
table index_documents constraint index_documents_attempts_is_not_negative CHECK ((attempts >= 0))
table index_documents constraint index_documents_document_id_fkey FOREIGN KEY (document_id, tenant) REFERENCES ragpg.documents(id, tenant) ON UPDATE CASCADE ON DELETE CASCADE
table index_documents constraint index_documents_index_id_fkey FOREIGN KEY (index_id) REFERENCES ragpg.search_indexes(id) ON DELETE CASCADE
table index_documents constraint index_documents_is_indexed_or_pending CHECK ((((document_version IS NOT NULL) AND (indexed_at IS NOT NULL)) OR (pending_since IS NOT NULL)))
table index_documents constraint index_documents_pkey PRIMARY KEY (document_id, index_id)
table index_statistics constraint index_statistics_index_id_fkey FOREIGN KEY (index_id) REFERENCES ragpg.search_indexes(id) ON DELETE CASCADE
table index_statistics constraint index_statistics_pkey PRIMARY KEY (index_id, tenant)
table lexeme_statistics constraint lexeme_statistics_index_id_fkey FOREIGN KEY (index_id) REFERENCES ragpg.search_indexes(id) ON DELETE CASCADE
table lexeme_statistics constraint lexeme_statistics_pkey PRIMARY KEY (index_id, tenant, lexeme)
table model_prices constraint model_prices_are_not_negative CHECK ((LEAST(input_price, output_price, cache_read_price, cache_creation_price) >= (0)::numeric))
table model_prices constraint model_prices_pkey PRIMARY KEY (model)
table query_embeddings constraint query_embeddings_embedding_model_id_fkey FOREIGN KEY (embedding_model_id) REFERENCES ragpg.embedding_models(id) ON DELETE CASCADE
table query_embeddings constraint query_embeddings_pkey PRIMARY KEY (id)
table query_embeddings constraint query_embeddings_query_hash_is_a_sha256 CHECK ((length(query_hash) = 32))
table recall_measurements constraint recall_measurements_index_id_fkey FOREIGN KEY (index_id) REFERENCES ragpg.search_indexes(id) ON DELETE CASCADE
table recall_measurements constraint recall_measurements_pkey PRIMARY KEY (id)
table recall_measurements constraint recall_measurements_query_source_is_known CHECK ((query_source = ANY (ARRAY['searches'::text, 'chunks'::text])))
table recall_measurements constraint recall_measurements_recall_is_a_share CHECK (((recall >= (0)::double precision) AND (recall <= (1)::double precision)))
table search_indexes constraint search_indexes_candidates_is_positive CHECK (((candidates >= 1) AND (candidates <= 10000)))
table search_indexes constraint search_indexes_chunk_tokens_is_positive CHECK ((chunk_tokens > 0))
table search_indexes constraint search_indexes_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES ragpg.collections(id) ON DELETE CASCADE
table search_indexes constraint search_indexes_context_has_room CHECK (
CASE
    WHEN (context_model IS NULL) THEN (context_tokens = 0)
    ELSE ((context_tokens >= 1) AND (context_tokens <= (chunk_tokens - 1)))
END)
table search_indexes constraint search_indexes_ef_search_is_in_range CHECK (((ef_search >= 1) AND (ef_search <= 1000)))
table search_indexes constraint search_indexes_embedding_model_id_fkey FOREIGN KEY (embedding_model_id) REFERENCES ragpg.embedding_models(id)
table search_indexes constraint search_indexes_language_is_installed CHECK (((language = 'auto'::text) OR ((language)::regconfig IS NOT NULL)))
table search_indexes constraint search_indexes_min_relevance_is_a_share CHECK (((min_relevance >= (0)::double precision) AND (min_relevance <= (1)::double precision)))
table search_indexes constraint search_indexes_min_similarity_is_a_cosine CHECK (((min_similarity >= ('-1'::integer)::double precision) AND (min_similarity <= (1)::double precision)))
table search_indexes constraint search_indexes_overlap_is_less_than_a_chunk CHECK (((overlap_tokens >= 0) AND (overlap_tokens < chunk_tokens)))
table search_indexes constraint search_indexes_pkey PRIMARY KEY (id)
table search_indexes constraint search_indexes_quantize_is_known CHECK ((quantize ~ '^(none|bit|subvector:[1-9][0-9]{0,3})$'::text))
table search_indexes constraint search_indexes_relevance_is_whole CHECK ((num_nulls(relevance_offset, relevance_slope) = ANY (ARRAY[0, 2])))
table search_indexes constraint search_indexes_state_is_known CHECK ((state = ANY (ARRAY['building'::text, 'ready'::text])))
table search_indexes constraint search_indexes_vector_weight_is_a_share CHECK (((vector_weight >= (0)::double precision) AND (vector_weight <= (1)::double precision)))
table searches constraint searches_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES ragpg.collections(id) ON DELETE CASCADE
table searches constraint searches_pkey PRIMARY KEY (id)
table searches constraint searches_share_is_positive CHECK (((share > (0)::double precision) AND (share <= (1)::double precision)))
table tenant_roles constraint tenant_roles_key UNIQUE NULLS NOT DISTINCT (role, tenant)
table tenant_roles constraint tenant_roles_proof_key UNIQUE (proof)
table tenant_roles constraint tenant_roles_tenant_is_not_blank CHECK ((tenant ~ '\S'::text))
CREATE INDEX answer_feedback_answer_id_btree ON ragpg.answer_feedback USING btree (answer_id)
CREATE UNIQUE INDEX answer_feedback_pkey ON ragpg.answer_feedback USING btree (id)
CREATE UNIQUE INDEX answer_steps_answer_id_place_key ON ragpg.answer_steps USING btree (answer_id, place)
CREATE INDEX answer_steps_hits_gin ON ragpg.answer_steps USING gin (hits jsonb_path_ops)
CREATE UNIQUE INDEX answer_steps_pkey ON ragpg.answer_steps USING btree (id)
CREATE INDEX answers_collection_id_created_at_btree ON ragpg.answers USING btree (collection_id, created_at)
CREATE UNIQUE INDEX answers_conversation_id_turn_key ON ragpg.answers USING btree (conversation_id, turn)
CREATE UNIQUE INDEX answers_id_tenant_key ON ragpg.answers USING btree (id, tenant)
CREATE UNIQUE INDEX answers_pkey ON ragpg.answers USING btree (id)
CREATE INDEX chunk_contexts_batch_id_btree ON ragpg.chunk_contexts USING btree (batch_id) WHERE (batch_id IS NOT NULL)
CREATE INDEX chunk_contexts_collection_id_document_hash_btree ON ragpg.chunk_contexts USING btree (collection_id, document_hash)
CREATE UNIQUE INDEX chunk_contexts_pkey ON ragpg.chunk_contexts USING btree (collection_id, asked_hash)
CREATE INDEX chunks_content_hash_hash ON ONLY ragpg.chunks USING hash (content_hash)
CREATE INDEX chunks_id_btree ON ONLY ragpg.chunks USING btree (id)
CREATE UNIQUE INDEX chunks_pkey ON ONLY ragpg.chunks USING btree (document_id, ordinal, index_id)
CREATE UNIQUE INDEX citations_answer_id_ordinal_key ON ragpg.citations USING btree (answer_id, ordinal)
CREATE INDEX citations_document_id_btree ON ragpg.citations USING btree (document_id)
CREATE UNIQUE INDEX citations_pkey ON ragpg.citations USING btree (id)
CREATE UNIQUE INDEX collections_name_key ON ragpg.collections USING btree (name)
CREATE UNIQUE INDEX collections_pkey ON ragpg.collections USING btree (id)
CREATE INDEX context_batches_collection_id_btree ON ragpg.context_batches USING btree (collection_id)
CREATE UNIQUE INDEX context_batches_pkey ON ragpg.context_batches USING btree (id)
CREATE INDEX conversations_collection_id_btree ON ragpg.conversations USING btree (collection_id)
CREATE UNIQUE INDEX conversations_id_tenant_key ON ragpg.conversations USING btree (id, tenant)
CREATE UNIQUE INDEX conversations_pkey ON ragpg.conversations USING btree (id)
CREATE INDEX document_values_document_id_btree ON ragpg.document_values USING btree (document_id)
CREATE INDEX document_values_number_btree ON ragpg.document_values USING btree (tenant, collection_id, key, kind, number, document_id) WHERE (number IS NOT NULL)
CREATE INDEX document_values_word_btree ON ragpg.document_values USING btree (tenant, collection_id, key, kind, word, document_id) WHERE (word IS NOT NULL)
CREATE INDEX document_versions_collection_id_tenant_source_btree ON ragpg.document_versions USING btree (collection_id, tenant, source)
CREATE UNIQUE INDEX document_versions_pkey ON ragpg.document_versions USING btree (document_id, version)
CREATE UNIQUE INDEX documents_collection_id_tenant_source_key ON ragpg.documents USING btree (collection_id, tenant, source)
CREATE UNIQUE INDEX documents_id_tenant_key ON ragpg.documents USING btree (id, tenant)
CREATE UNIQUE INDEX documents_pkey ON ragpg.documents USING btree (id)
CREATE UNIQUE INDEX embedding_models_pkey ON ragpg.embedding_models USING btree (id)
CREATE UNIQUE INDEX embedding_models_provider_name_dimensions_key ON ragpg.embedding_models USING btree (provider, name, dimensions)
CREATE UNIQUE INDEX encoder_embeddings_pkey ON ragpg.encoder_embeddings USING btree (embedding_model_id, token_id)
CREATE UNIQUE INDEX encoder_layers_pkey ON ragpg.encoder_layers USING btree (embedding_model_id, layer)
CREATE UNIQUE INDEX encoder_positions_pkey ON ragpg.encoder_positions USING btree (embedding_model_id, token_position)
CREATE UNIQUE INDEX encoder_vocabulary_pkey ON ragpg.encoder_vocabulary USING btree (embedding_model_id, token)
CREATE UNIQUE INDEX encoder_weights_pkey ON ragpg.encoder_weights USING btree (embedding_model_id, layer, matrix, place)
CREATE UNIQUE INDEX encoders_pkey ON ragpg.encoders USING btree (embedding_model_id)
CREATE INDEX evaluation_drafts_document_id_btree ON ragpg.evaluation_drafts USING btree (document_id)
CREATE UNIQUE INDEX evaluation_drafts_evaluation_set_id_question_key ON ragpg.evaluation_drafts USING btree (evaluation_set_id, tenant, question)
CREATE UNIQUE INDEX evaluation_drafts_pkey ON ragpg.evaluation_drafts USING btree (id)
CREATE UNIQUE INDEX evaluation_hits_pkey ON ragpg.evaluation_hits USING btree (evaluation_run_id, evaluation_question_id, place)
CREATE INDEX evaluation_labels_evaluation_question_id_btree ON ragpg.evaluation_labels USING btree (evaluation_question_id)
CREATE UNIQUE INDEX evaluation_labels_pkey ON ragpg.evaluation_labels USING btree (id)
CREATE UNIQUE INDEX evaluation_questions_evaluation_set_id_question_key ON ragpg.evaluation_questions USING btree (evaluation_set_id, tenant, question)
CREATE UNIQUE INDEX evaluation_questions_id_tenant_key ON ragpg.evaluation_questions USING btree (id, tenant)
CREATE UNIQUE INDEX evaluation_questions_pkey ON ragpg.evaluation_questions USING btree (id)
CREATE INDEX evaluation_results_answer_id_btree ON ragpg.evaluation_results USING btree (answer_id) WHERE (answer_id IS NOT NULL)
CREATE INDEX evaluation_results_evaluation_question_id_btree ON ragpg.evaluation_results USING btree (evaluation_question_id)
CREATE UNIQUE INDEX evaluation_results_evaluation_run_id_question_id_tenant_key ON ragpg.evaluation_results USING btree (evaluation_run_id, evaluation_question_id, tenant)
CREATE UNIQUE INDEX evaluation_results_pkey ON ragpg.evaluation_results USING btree (evaluation_run_id, evaluation_question_id)
CREATE INDEX evaluation_runs_evaluation_set_id_btree ON ragpg.evaluation_runs USING btree (evaluation_set_id)
CREATE UNIQUE INDEX evaluation_runs_id_tenant_key ON ragpg.evaluation_runs USING btree (id, tenant)
CREATE UNIQUE INDEX evaluation_runs_pkey ON ragpg.evaluation_runs USING btree (id)
CREATE UNIQUE INDEX evaluation_sets_collection_id_tenant_name_key ON ragpg.evaluation_sets USING btree (collection_id, tenant, name)
CREATE UNIQUE INDEX evaluation_sets_id_tenant_key ON ragpg.evaluation_sets USING btree (id, tenant)
CREATE UNIQUE INDEX evaluation_sets_pkey ON ragpg.evaluation_sets USING btree (id)
CREATE UNIQUE INDEX finetune_jobs_pkey ON ragpg.finetune_jobs USING btree (id)
CREATE INDEX index_documents_index_id_btree ON ragpg.index_documents USING btree (index_id)
CREATE INDEX index_documents_next_attempt_at_btree ON ragpg.index_documents USING btree (next_attempt_at, document_id) WHERE (pending_since IS NOT NULL)
CREATE UNIQUE INDEX index_documents_pkey ON ragpg.index_documents USING btree (document_id, index_id)
CREATE UNIQUE INDEX index_statistics_pkey ON ragpg.index_statistics USING btree (index_id, tenant)
CREATE UNIQUE INDEX lexeme_statistics_pkey ON ragpg.lexeme_statistics USING btree (index_id, tenant, lexeme)
CREATE UNIQUE INDEX model_prices_pkey ON ragpg.model_prices USING btree (model)
CREATE INDEX query_embeddings_embedding_model_id_id_btree ON ragpg.query_embeddings USING btree (embedding_model_id, id)
CREATE INDEX query_embeddings_embedding_model_id_tenant_query_hash_btree ON ragpg.query_embeddings USING btree (embedding_model_id, tenant, query_hash)
CREATE UNIQUE INDEX query_embeddings_pkey ON ragpg.query_embeddings USING btree (id)
CREATE INDEX recall_measurements_index_id_measured_at_btree ON ragpg.recall_measurements USING btree (index_id, measured_at)
CREATE UNIQUE INDEX recall_measurements_pkey ON ragpg.recall_measurements USING btree (id)
CREATE INDEX search_indexes_collection_id_btree ON ragpg.search_indexes USING btree (collection_id)
CREATE UNIQUE INDEX search_indexes_pkey ON ragpg.search_indexes USING btree (id)
CREATE INDEX searches_collection_id_searched_at_btree ON ragpg.searches USING btree (collection_id, searched_at)
CREATE UNIQUE INDEX searches_pkey ON ragpg.searches USING btree (id)
CREATE UNIQUE INDEX tenant_roles_key ON ragpg.tenant_roles USING btree (role, tenant) NULLS NOT DISTINCT
CREATE UNIQUE INDEX tenant_roles_proof_key ON ragpg.tenant_roles USING btree (proof)
CREATE TRIGGER chunks_set_lexemes BEFORE INSERT OR UPDATE OF context, content, language ON ragpg.chunks FOR EACH ROW EXECUTE FUNCTION ragpg_internal.set_chunk_lexemes()
CREATE TRIGGER citations_check_quote BEFORE INSERT OR UPDATE ON ragpg.citations FOR EACH ROW EXECUTE FUNCTION ragpg_internal.check_citation_quote()
CREATE TRIGGER documents_keep_version BEFORE DELETE OR UPDATE ON ragpg.documents FOR EACH ROW EXECUTE FUNCTION ragpg_internal.keep_document_version()
CREATE TRIGGER documents_queue_inserted AFTER INSERT ON ragpg.documents REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION ragpg_internal.queue_documents()
CREATE TRIGGER documents_queue_updated AFTER UPDATE ON ragpg.documents REFERENCING OLD TABLE AS replaced NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION ragpg_internal.queue_documents()
CREATE TRIGGER documents_values_are_added AFTER INSERT ON ragpg.documents REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ragpg_internal.keep_document_values()
CREATE TRIGGER documents_values_are_changed AFTER UPDATE ON ragpg.documents REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ragpg_internal.keep_document_values()
CREATE TRIGGER documents_values_are_dropped AFTER DELETE ON ragpg.documents REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION ragpg_internal.keep_document_values()
CREATE TRIGGER encoders_forget_queries AFTER DELETE OR UPDATE ON ragpg.encoders FOR EACH ROW EXECUTE FUNCTION ragpg_internal.forget_queries()
policy answer_feedback_tenant on answer_feedback for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy answer_steps_tenant on answer_steps for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy answers_tenant on answers for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy chunk_contexts_nobody on chunk_contexts for * using false check 
policy chunks_tenant on chunks for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy citations_tenant on citations for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy collections_add on collections for a using  check true
policy collections_read on collections for r using true check 
policy context_batches_nobody on context_batches for * using false check 
policy conversations_tenant on conversations for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy document_values_tenant on document_values for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy document_versions_tenant on document_versions for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check ((tenant = ( SELECT ragpg.current_tenant() AS current_tenant)) AND (EXISTS ( SELECT
   FROM ragpg.documents own
  WHERE (own.id = document_versions.document_id))))
policy documents_tenant on documents for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy embedding_models_read on embedding_models for r using true check 
policy evaluation_drafts_tenant on evaluation_drafts for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check ((tenant = ( SELECT ragpg.current_tenant() AS current_tenant)) AND (EXISTS ( SELECT
   FROM ragpg.documents about
  WHERE (about.id = evaluation_drafts.document_id))))
policy evaluation_hits_tenant on evaluation_hits for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant)))
policy evaluation_labels_tenant on evaluation_labels for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy evaluation_questions_tenant on evaluation_questions for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy evaluation_results_tenant on evaluation_results for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant)) AND (EXISTS ( SELECT
   FROM ragpg.evaluation_questions asked
  WHERE (asked.id = evaluation_results.evaluation_question_id))))
policy evaluation_runs_tenant on evaluation_runs for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy evaluation_sets_tenant on evaluation_sets for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy finetune_jobs_tenant on finetune_jobs for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy index_documents_tenant on index_documents for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy index_statistics_tenant on index_statistics for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy lexeme_statistics_tenant on lexeme_statistics for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy model_prices_read on model_prices for r using true check 
policy query_embeddings_tenant on query_embeddings for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy recall_measurements_tenant on recall_measurements for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy searches_tenant on searches for * using (((( SELECT ragpg_internal.acting_for() AS acting_for))[tenant] IS NOT NULL) AND (tenant = ( SELECT ragpg.current_tenant() AS current_tenant))) check 
policy tenant_roles_own on tenant_roles for r using 
CASE
    WHEN (role = ''::text) THEN false
    ELSE COALESCE(pg_has_role((to_regrole(quote_ident(role)))::oid, 'usage'::text), false)
END check 
table tenant_roles row level security
CREATE OR REPLACE FUNCTION ragpg.accept_draft(draft_id bigint, tags text[] DEFAULT '{drafted}'::text[])
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    draft record;
    new_id bigint;
begin
    delete from ragpg.evaluation_drafts as known
    using ragpg.evaluation_sets as of_set, ragpg.collections as one, ragpg.documents as document
    where known.id = draft_id
        and of_set.id = known.evaluation_set_id
        and one.id = of_set.collection_id
        and document.id = known.document_id
    returning
        known.*, of_set.name as set_name, one.name as collection, document.source,
        strpos(document.content, known.quote) > 0 as stands into draft;
    if draft.id is null then
        raise exception 'there is no draft %', draft_id
            using errcode = 'RG005', hint = 'ragpg.evaluation_drafts holds them';
    end if;
    if not draft.stands then
        raise exception '% no longer holds the quote of draft %', draft.source, draft_id
            using errcode = 'RG006', hint = 'reject the draft';
    end if;
    if exists (
        select
        from ragpg.evaluation_questions as asked
        where asked.evaluation_set_id = draft.evaluation_set_id
            and asked.question = draft.question
    ) then
        raise exception 'the set "%" holds this question already: %', draft.set_name, draft.question
            using errcode = 'RG005', hint = 'edit the draft or reject it';
    end if;
    new_id := ragpg.put_evaluation_question(
        collection => draft.collection, evaluation_set => draft.set_name,
        question => draft.question,
        labels => jsonb_build_array(jsonb_build_object(
            'source', draft.source, 'quote', draft.quote,
            'start_char', draft.start_char,
            'end_char', draft.start_char + char_length(draft.quote)
        )),
        expected_answer => draft.expected_answer, tags => accept_draft.tags
    );
    return new_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.activate_search_index(index_id bigint, incomplete boolean DEFAULT false, proof uuid DEFAULT ragpg_internal.proof())
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    collection_name text;
    dimensions integer;
    waiting bigint;
begin
    select one.name, model.dimensions into collection_name, dimensions
    from ragpg.search_indexes as recipe
    join ragpg.collections as one on one.id = recipe.collection_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where recipe.id = index_id;
    if collection_name is null then
        raise exception 'there is no search index %', coalesce(index_id::text, '(null)')
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    perform ragpg_internal.check_shared('collection ' || collection_name, proof)
    from ragpg.collections as one
    where one.name = collection_name and one.active_index_id is not null;
    select count(*) into waiting
    from ragpg.index_documents as state
    where state.index_id = activate_search_index.index_id and state.pending_since is not null;
    -- Counted and with its vector index before the first search finds it; a collection's first
    -- search index is filled only after this.
    perform ragpg.refresh_search_index(index_id)
    from ragpg.collections as one
    where one.name = collection_name and one.active_index_id is not null;
    update ragpg.collections as one
    set active_index_id = index_id
    where one.name = collection_name
        and (waiting = 0 or one.active_index_id is null or incomplete);
    if not found then
        raise exception 'search index % lacks % documents', index_id, waiting
            using errcode = 'RG010',
                hint = 'ragpg worker indexes them; incomplete => true activates it all the same';
    end if;
    update ragpg.search_indexes as recipe
    set activated_at = clock_timestamp()
    where recipe.id = index_id;
    execute format('drop view if exists ragpg.%I', 'chunks_of_' || collection_name);
    execute format(
        'create view ragpg.%I with (security_invoker = true) as'
        ' select chunk.id, document.source, document.title, chunk.document_id,'
        ' chunk.document_version, chunk.ordinal, chunk.start_char, chunk.end_char, chunk.page,'
        ' chunk.context, chunk.content, chunk.lexemes, document.metadata,'
        ' chunk.embedding::%s.halfvec(%s) as embedding'
        ' from ragpg.chunks as chunk'
        ' join ragpg.documents as document on document.id = chunk.document_id'
        ' where chunk.index_id = %s',
        'chunks_of_' || collection_name, ragpg_internal.vector_schema(), dimensions, index_id
    );
    perform ragpg_internal.comment_chunks_view(collection_name);
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.advise(collection text DEFAULT NULL::text)
 RETURNS TABLE(step text, finding text, points_to text, next_command text)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(advise.collection);
    asked_as text := (
        select '-c ' || one.name from ragpg.collections as one where one.id = parent_id
    );
    measure_command text := format(
        'ragpg eval load FILE %1$s && ragpg eval run %1$s --answers', asked_as
    );
    documents bigint;
    changed bigint;
    answered bigint;
    cited bigint;
    run_id bigint;
    judged bigint;
    knowledge bigint;
    reading bigint;
    behaviour bigint;
    commonest text;
    remedy text;
    corrected bigint;
    examples bigint;
    -- Fewer teach a form unreliably; OpenAI's guide sees clear improvements from 50 to 100.
    enough constant integer := 50;
begin
    select count(*), count(*) filter (where document.updated_at > document.created_at
        and document.updated_at > now() - interval '30 days')
    into documents, changed
    from ragpg.documents as document
    where document.collection_id = parent_id;
    step := 'does the knowledge change?';
    finding := format('%s of %s documents changed in the last 30 days', changed, documents);
    points_to := case when changed > 0 then 'retrieval' else 'either' end;
    next_command := format('ragpg history SOURCE %s', asked_as);
    return next;

    select
        count(*),
        count(*) filter (where exists (
            select from ragpg.citations as quoted where quoted.answer_id = answer.id
        ))
    into answered, cited
    from ragpg.answers as answer
    where answer.collection_id = parent_id;
    step := 'must answers be traceable?';
    finding := format('%s of %s stored answers cite their source', cited, answered);
    points_to := case when cited > 0 then 'retrieval' else 'either' end;
    next_command := format('ragpg ask QUESTION %s', asked_as);
    return next;

    select max(run.id) into run_id
    from ragpg.evaluation_runs as run
    join ragpg.evaluation_sets as of_set on of_set.id = run.evaluation_set_id
    where of_set.collection_id = parent_id and run.finished_at is not null and not run.is_trial;
    select count(*) filter (where result.answer_id is not null) into judged
    from ragpg.evaluation_results as result
    where result.evaluation_run_id = run_id;
    select
        count(*) filter (where missed.kind in (
            'not in the corpus', 'cut across chunks', 'not among the candidates', 'ranked low',
            'should have abstained'
        )),
        count(*) filter (where missed.kind = 'answer wrong or uncited'),
        count(*) filter (where missed.kind = 'answer right in fact, wrong in form'),
        mode() within group (order by missed.kind),
        (array_agg(missed.what_to_try order by missed.times desc, missed.kind))[1]
    into knowledge, reading, behaviour, commonest, remedy
    from (
        select failed.kind, failed.what_to_try, count(*) over (partition by failed.kind) as times
        from ragpg.evaluation_failures as failed
        where failed.evaluation_run_id = run_id
    ) as missed;
    step := 'what goes wrong?';
    finding := case
        when run_id is null then 'no evaluation run yet'
        else format(
            'run %s: %s questions lack knowledge, %s were read wrongly, %s are right in fact and'
            ' wrong in form (%s answers judged)',
            run_id, knowledge, reading, behaviour, judged
        )
    end;
    points_to := case
        when run_id is null then 'measure'
        when knowledge > 0 and knowledge >= behaviour then 'retrieval'
        when behaviour > 0 then 'fine-tuning'
        when reading > 0 then 'prompt'
        else 'neither'
    end;
    next_command := case
        when run_id is null then measure_command
        else format('ragpg eval diagnose %s', run_id)
    end;
    return next;

    select count(*), count(*) filter (where example.origin = 'corrected answer')
    into examples, corrected
    from ragpg.finetuning_examples as example
    join ragpg.collections as one on one.name = example.collection
    where one.id = parent_id;
    step := 'are there examples to learn from?';
    finding := format('%s vouched for, %s of them corrected by a person', examples, corrected);
    points_to := case when examples >= enough then 'either' else 'retrieval' end;
    next_command := 'ragpg feedback ANSWER_ID good';
    return next;

    step := 'verdict';
    if run_id is null then
        finding := 'nothing is measured: evaluate before deciding';
        points_to := 'measure';
        next_command := measure_command;
    elsif knowledge > 0 and knowledge >= behaviour then
        finding := format(
            'a knowledge gap, mostly "%s": %s. Fine-tuning would not close it', commonest, remedy
        );
        points_to := 'retrieval';
        next_command := format('ragpg eval diagnose %s', run_id);
    elsif behaviour > 0 and behaviour >= reading and examples >= enough then
        finding := 'a behaviour gap with enough examples: fine-tune the form, leave facts to retrieval';
        points_to := 'fine-tuning';
        next_command := format('ragpg finetune export FILE %s', asked_as);
    elsif behaviour > 0 and behaviour >= reading then
        finding := format(
            'a behaviour gap, but %s examples (%s at least): say it in the prompt, collect corrections',
            examples, enough
        );
        points_to := 'prompt';
        next_command := 'ragpg feedback ANSWER_ID bad --corrected TEXT';
    elsif reading > 0 then
        finding := 'the facts were found and read wrongly: the prompt or another model comes first';
        points_to := 'prompt';
        next_command := format('ragpg eval diagnose %s', run_id);
    elsif judged = 0 then
        finding := 'retrieval finds what is labelled; whether answers are right is not measured';
        points_to := 'measure';
        next_command := format('ragpg eval run %s --answers', asked_as);
    else
        finding := 'nothing goes wrong in this evaluation set: ask harder questions';
        points_to := 'neither';
        next_command := format('ragpg eval draft %s', asked_as);
    end if;
    return next;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.bind_role(role_name text, tenant text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    if coalesce(tenant, '') !~ '\S' then
        raise exception 'the tenant is blank'
            using errcode = 'RG005', hint = 'a role that may name any: ragpg.trust_role';
    end if;
    perform quote_ident(role_name)::regrole;  -- is there one?
    insert into ragpg.tenant_roles (role, tenant)
    values (bind_role.role_name, bind_role.tenant)
    on conflict on constraint tenant_roles_key do nothing;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.calibrate(run_id bigint, keep double precision DEFAULT 0.95, store boolean DEFAULT true)
 RETURNS TABLE(min_similarity double precision, min_relevance double precision, relevance_weights double precision[], answerable bigint, kept double precision, kept_low double precision, kept_high double precision, unanswerable bigint, refused double precision, refused_low double precision, refused_high double precision, kept_by_similarity double precision, refused_by_similarity double precision)
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    run ragpg.evaluation_runs;
    best double precision[];
    held double precision[];
    missing integer[];
    unmatched boolean[];
    truth boolean[];
    part integer[];
    chosen record;  -- on all questions
    other record;  -- on four fifths of them
    -- Of each question, by what was chosen on the other four fifths: is it answered?
    answered boolean[] := '{}';
    answered_by_similarity boolean[] := '{}';
    counts record;
begin
    if not (calibrate.keep between 0 and 1) then
        raise exception 'keep is %, a share from 0 to 1 is needed', calibrate.keep
            using errcode = 'RG005';
    end if;
    select known.* into run
    from ragpg.evaluation_runs as known
    where known.id = ragpg_internal.check_run(run_id);
    if not exists (
        select from ragpg.search_indexes as recipe where recipe.id = run.index_id
    ) then
        raise exception 'search index % of evaluation run % was dropped', run.index_id, run_id
            using errcode = 'RG010', hint = 'run the evaluation again: ragpg eval run';
    end if;
    select
        array_agg(asked.similarity order by asked.id),
        array_agg(signal.words_held order by asked.id),
        array_agg(cardinality(signal.missing_names) order by asked.id),
        array_agg(signal.unmatched_negation order by asked.id),
        array_agg(asked.is_answerable order by asked.id)
    into best, held, missing, unmatched, truth
    from (
        select
            question.id, question.question, question.is_answerable,
            coalesce(max(hit.similarity), 0) as similarity,
            array_agg(
                substring(
                    ragpg.document_text(hit.document_id, hit.document_version)
                    from hit.start_char + 1 for hit.end_char - hit.start_char
                ) order by hit.place
            ) filter (where hit.place <= 3) as passages,
            array_agg(document.title order by hit.place) filter (where hit.place <= 3) as titles
        from ragpg.evaluation_results as result
        join ragpg.evaluation_questions as question on question.id = result.evaluation_question_id
        left join ragpg.evaluation_hits as hit
            on hit.evaluation_run_id = result.evaluation_run_id
            and hit.evaluation_question_id = result.evaluation_question_id
        left join ragpg.documents as document on document.id = hit.document_id
        where result.evaluation_run_id = run.id
        group by question.id
    ) as asked
    cross join lateral ragpg_internal.answer_signals(
        run.index_id, asked.question, asked.passages, asked.titles
    ) as signal;
    select fitted.* into chosen
    from ragpg_internal.choose_abstention(
        best, held, missing, unmatched, truth, calibrate.keep
    ) as fitted;
    -- A fifth of either kind in each part.
    part := array(
        select row_number() over (partition by given.yes order by given.place) % 5
        from unnest(truth) with ordinality as given (yes, place)
        order by given.place
    );
    if least(
        cardinality(array_positions(truth, true)), cardinality(array_positions(truth, false))
    ) < 2 then
        raise exception 'one of the % questions is %answerable: what is chosen cannot be tested',
            cardinality(truth),
            case when cardinality(array_positions(truth, true)) = 1 then '' else 'un' end
            using errcode = 'RG011', hint = 'an evaluation set needs some of both kinds';
    end if;
    for fifth in 0..4 loop
        select fitted.* into other
        from (
            select
                array_agg(one.similarity) as best, array_agg(one.held) as held,
                array_agg(one.missing) as missing, array_agg(one.unmatched) as unmatched,
                array_agg(one.yes) as truth
            from unnest(best, held, missing, unmatched, truth, part)
                as one (similarity, held, missing, unmatched, yes, part)
            where one.part <> fifth
        ) as four
        cross join lateral ragpg_internal.choose_abstention(
            four.best, four.held, four.missing, four.unmatched, four.truth, calibrate.keep
        ) as fitted;
        for place in 1..cardinality(truth) loop
            if part[place] = fifth then
                answered[place] := best[place] >= other.min_similarity
                    and ragpg_internal.logistic(
                        other.relevance_weights, best[place], held[place], missing[place],
                        unmatched[place]
                    ) >= other.min_relevance;
                answered_by_similarity[place] := best[place] >= other.similarity_alone;
            end if;
        end loop;
    end loop;
    select
        count(*) filter (where given.yes) as answerable,
        count(*) filter (where not given.yes) as unanswerable,
        count(*) filter (where given.yes and given.answered) as kept,
        count(*) filter (where not given.yes and not given.answered) as refused,
        count(*) filter (where given.yes and given.by_similarity) as kept_by_similarity,
        count(*) filter (where not given.yes and not given.by_similarity) as refused_by_similarity
    into counts
    from unnest(truth, answered, answered_by_similarity) as given (yes, answered, by_similarity);
    answerable := counts.answerable;
    unanswerable := counts.unanswerable;
    kept_by_similarity := counts.kept_by_similarity::double precision / answerable;
    refused_by_similarity := counts.refused_by_similarity::double precision / unanswerable;
    kept := counts.kept::double precision / answerable;
    refused := counts.refused::double precision / unanswerable;
    relevance_weights := chosen.relevance_weights;
    if kept + refused > kept_by_similarity + refused_by_similarity then
        min_similarity := chosen.min_similarity;
        min_relevance := chosen.min_relevance;
    else
        -- Too few questions, or none of the kind the signals tell: similarity alone is as good.
        min_similarity := chosen.similarity_alone;
        min_relevance := null;
        kept := kept_by_similarity;
        refused := refused_by_similarity;
    end if;
    select bounds.low, bounds.high into kept_low, kept_high
    from ragpg_internal.wilson_interval(round(kept * answerable)::bigint, answerable) as bounds;
    select bounds.low, bounds.high into refused_low, refused_high
    from ragpg_internal.wilson_interval(
        round(refused * unanswerable)::bigint, unanswerable
    ) as bounds;
    if store then
        update ragpg.search_indexes as recipe
        set min_similarity = calibrate.min_similarity,
            min_relevance = calibrate.min_relevance,
            relevance_offset = calibrate.relevance_weights[1],
            relevance_slope = calibrate.relevance_weights[2],
            words_held_slope = calibrate.relevance_weights[3],
            missing_names_slope = calibrate.relevance_weights[4],
            unmatched_negation_slope = calibrate.relevance_weights[5]
        where recipe.id = run.index_id;
    end if;
    return next;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.collection_id(collection text DEFAULT NULL::text)
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    found_id bigint;
    names text[];
begin
    if collection is not null then
        select one.id into found_id from ragpg.collections as one where one.name = collection;
        if found_id is not null then
            return found_id;
        end if;
    end if;
    select array_agg(one.name order by one.name) into names from ragpg.collections as one;
    if collection is not null or names is null then
        raise exception 'there is no collection %', coalesce('"' || collection || '"', 'yet')
            using errcode = 'RG001',
                hint = coalesce(
                    'there are: ' || array_to_string(names, ', '),
                    'add documents first: ragpg add PATH --collection NAME'
                );
    elsif cardinality(names) > 1 then
        raise exception 'which collection? there are %', array_to_string(names, ', ')
            using errcode = 'RG002', hint = 'name one: collection => ''...''';
    end if;
    return (select one.id from ragpg.collections as one);
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.compare_runs(first_run bigint, second_run bigint, samples integer DEFAULT 2000, split text DEFAULT NULL::text)
 RETURNS TABLE(measure text, questions bigint, first_mean double precision, second_mean double precision, difference double precision, low double precision, high double precision, better bigint, worse bigint)
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
    perform ragpg_internal.check_run(first_run), ragpg_internal.check_run(second_run);
    perform setseed(0.5);  -- the same runs give the same interval
    return query
    with pair as materialized (
        select
            row_number() over (order by a.evaluation_question_id) as number,
            value.measure, value.was, value.became
        from ragpg.evaluation_measures as a
        join ragpg.evaluation_measures as b
            on b.evaluation_run_id = second_run
            and b.evaluation_question_id = a.evaluation_question_id
        left join ragpg_internal.answer_costs(first_run) as before
            on before.question_id = a.evaluation_question_id
        left join ragpg_internal.answer_costs(second_run) as after
            on after.question_id = a.evaluation_question_id
        cross join lateral (
            values
                ('success', a.success, b.success),
                ('recall', a.recall, b.recall),
                ('mrr', a.reciprocal_rank, b.reciprocal_rank),
                ('ndcg', a.ndcg, b.ndcg),
                ('span_recall', a.span_recall, b.span_recall),
                ('span_iou', a.span_iou, b.span_iou),
                ('right', before.is_right, after.is_right),
                ('steps', before.steps, after.steps),
                ('tokens', before.tokens, after.tokens),
                ('cost', before.cost, after.cost)
        ) as value (measure, was, became)
        where a.evaluation_run_id = first_run
            and a.relevant_chunks > 0
            and b.relevant_chunks > 0
            -- What a search gives is 0 where nothing was found; an answer may not be asked for.
            and (
                value.measure not in ('right', 'steps', 'tokens', 'cost')
                or num_nonnulls(value.was, value.became) = 2
            )
            and (
                compare_runs.split is null
                or ragpg_internal.evaluation_split(a.evaluation_question_id) = compare_runs.split
            )
    ),
    numbered as materialized (
        select
            pair.measure, coalesce(pair.became, 0) - coalesce(pair.was, 0) as difference,
            row_number() over (partition by pair.measure order by pair.number) as number
        from pair
    ),
    drawn as materialized (
        select sample, 1 + floor(random() * total.questions)::bigint as number
        from (select count(distinct numbered.number) as questions from numbered) as total
        cross join generate_series(1, samples) as sample
        cross join lateral generate_series(1, total.questions)
    ),
    resampled as (
        select numbered.measure, avg(numbered.difference) as difference
        from drawn
        join numbered on numbered.number = drawn.number
        group by numbered.measure, drawn.sample
    ),
    bounded as (
        select
            resampled.measure,
            percentile_cont(0.025) within group (order by resampled.difference) as low,
            percentile_cont(0.975) within group (order by resampled.difference) as high
        from resampled
        group by resampled.measure
    )
    select
        pair.measure,
        count(*),
        avg(coalesce(pair.was, 0)),
        avg(coalesce(pair.became, 0)),
        avg(coalesce(pair.became, 0) - coalesce(pair.was, 0)),
        bounded.low,
        bounded.high,
        count(*) filter (
            where (coalesce(pair.became, 0) - coalesce(pair.was, 0))
                * case when pair.measure in ('steps', 'tokens', 'cost') then -1 else 1 end > 0
        ),
        count(*) filter (
            where (coalesce(pair.became, 0) - coalesce(pair.was, 0))
                * case when pair.measure in ('steps', 'tokens', 'cost') then -1 else 1 end < 0
        )
    from pair
    join bounded on bounded.measure = pair.measure
    group by pair.measure, bounded.low, bounded.high
    order by array_position(
        array[
            'success', 'recall', 'mrr', 'ndcg', 'span_recall', 'span_iou', 'right', 'steps',
            'tokens', 'cost'
        ],
        pair.measure
    );
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.continue_conversation(collection text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    last_id bigint;
    found_id bigint;
    of_tenant text := ragpg_internal.written_tenant();
    parent_id constant bigint := ragpg.collection_id(continue_conversation.collection);
begin
    select answer.id, answer.conversation_id into last_id, found_id
    from ragpg.answers as answer
    where answer.collection_id = parent_id
        -- Who sees all tenants goes on with what none of them asked.
        and (answer.tenant = of_tenant or not ragpg_internal.tenants_enabled())
        and not exists (
            select from ragpg.evaluation_results as result where result.answer_id = answer.id
        )
    order by answer.created_at desc, answer.id desc
    limit 1;
    if found_id is null and last_id is not null then
        -- Who goes on with the same one at the same time waits, and has the same conversation.
        select answer.conversation_id, answer.tenant into found_id, of_tenant
        from ragpg.answers as answer
        where answer.id = last_id
        for update;
    end if;
    if found_id is null then
        insert into ragpg.conversations as one (collection_id, tenant)
        values (parent_id, coalesce(of_tenant, ragpg_internal.written_tenant()))
        returning one.id into found_id;
        update ragpg.answers as answer
        set conversation_id = found_id, turn = 1
        where answer.id = last_id;
    end if;
    return found_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.create_search_index(collection text, embedding_model_id bigint, chunk_tokens integer, overlap_tokens integer DEFAULT 0, language text DEFAULT 'english'::text, context_model text DEFAULT NULL::text, context_tokens integer DEFAULT 0, proof uuid DEFAULT ragpg_internal.proof())
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    parent_id bigint := ragpg.collection_id(collection);
    new_id bigint;
    dimensions integer;
    quantize text;
    whose regrole;
begin
    -- The first one is anybody's who begins a collection, another one is work for all.
    perform ragpg_internal.check_shared('collection ' || collection, proof)
    from ragpg.collections as one
    where one.id = parent_id and one.active_index_id is not null;
    -- What goes with a session, or with whoever made it, would take the search index with it, and a
    -- dump could not be restored.
    select config.cfgowner into whose
    from pg_ts_config as config
    join pg_roles as maker on maker.oid = config.cfgowner
    where create_search_index.language <> 'auto'
        and config.oid = create_search_index.language::regconfig
        and (
            config.cfgnamespace::regnamespace::text like 'pg_temp%'
            or not (
                maker.rolsuper or pg_has_role(maker.oid, quote_ident(current_user)::regrole, 'usage')
            )
        );
    if whose is not null then
        raise exception 'the text-search configuration "%" is temporary, or the role %''s own',
            create_search_index.language, whose
            using errcode = 'RG005',
                hint = 'one of Postgres''s (\dF in psql), or one that a superuser or the owner of ragpg made for good';
    end if;
    -- Attaching a partition takes this lock anyway; taken first, whoever writes documents is done,
    -- or waits and then queues them for the new index too.
    lock table ragpg.documents in share row exclusive mode;
    select model.dimensions into strict dimensions
    from ragpg.embedding_models as model
    where model.id = embedding_model_id;
    -- As in the active one; of more than halfvec's HNSW takes, bits.
    select known.quantize into quantize
    from ragpg.collections as one
    join ragpg.search_indexes as known on known.id = one.active_index_id
    where one.id = parent_id
        and (
            known.quantize = 'bit'
            or known.embedding_model_id = create_search_index.embedding_model_id
        );
    quantize := coalesce(quantize, case when dimensions > 4000 then 'bit' else 'none' end);
    insert into ragpg.search_indexes (
        collection_id, embedding_model_id, chunk_tokens, overlap_tokens, language,
        context_model, context_tokens, quantize, ef_search
    )
    values (
        parent_id, embedding_model_id, chunk_tokens, overlap_tokens, language,
        context_model, context_tokens, quantize,
        case quantize when 'none' then 100 else 400 end  -- as ragpg.quantize_search_index says
    )
    returning id into new_id;
    -- Made apart and attached: that locks the parent less than "partition of" does.
    execute format(
        'create table ragpg.%I (like ragpg.chunks including defaults including constraints'
        ' including generated including storage, constraint chunks_embedding_has_%s_dimensions'
        ' check (%s.vector_dims(embedding) = %s))',
        'chunks_' || new_id, dimensions, ragpg_internal.vector_schema(), dimensions
    );
    execute format(
        'alter table ragpg.chunks attach partition ragpg.%I for values in (%s)',
        'chunks_' || new_id, new_id
    );
    if ragpg_internal.tenants_enabled() then
        perform ragpg_internal.protect_table(format('ragpg.%I', 'chunks_' || new_id)::regclass, true);
    end if;
    execute format(
        'comment on table ragpg.%I is %L',
        'chunks_' || new_id,
        format('Chunks of search index %s, collection %s.', new_id, collection)
    );
    insert into ragpg.index_documents (index_id, document_id, pending_since, tenant)
    select new_id, document.id, now(), document.tenant
    from ragpg.documents as document
    where document.collection_id = parent_id;
    notify ragpg_documents;
    return new_id;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.current_tenant()
 RETURNS text
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    wanted text := nullif(current_setting('ragpg.tenant', true), '');
    allowed text[];
    is_trusted boolean;
begin
    if ragpg_internal.sees_all_tenants() then
        return wanted;
    end if;
    -- Its policy shows a role its own rows.
    select
        array_agg(distinct bound.tenant) filter (where bound.tenant is not null),
        bool_or(bound.tenant is null)
    into allowed, is_trusted
    from ragpg.tenant_roles as bound;
    if is_trusted or wanted = any(allowed) then
        return wanted;
    elsif wanted is null and cardinality(allowed) = 1 then
        return allowed[1];
    end if;
    return null;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.delete_conversation(conversation_id bigint)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    delete from ragpg.conversations as one where one.id = delete_conversation.conversation_id;
    return found;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.delete_document(collection text, source text)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    delete from ragpg.documents as document
    where document.collection_id = ragpg.collection_id(delete_document.collection)
        and document.tenant = ragpg_internal.written_tenant()
        and document.source = delete_document.source;
    return found;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.delete_documents(collection text DEFAULT 'default'::text, filter jsonpath DEFAULT NULL::jsonpath, sources text[] DEFAULT NULL::text[], dry_run boolean DEFAULT false)
 RETURNS SETOF text
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
    parent_id constant bigint := ragpg.collection_id(delete_documents.collection);
    only_tenant constant text := ragpg_internal.written_tenant();
begin
    perform ragpg_internal.check_choice(filter, sources);
    if dry_run then
        return query
        select document.source
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = only_tenant
            and ragpg_internal.is_chosen(document.source, document.metadata, sources, filter)
        order by document.source;
        return;
    end if;
    return query
    with gone as (
        delete from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = only_tenant
            and ragpg_internal.is_chosen(document.source, document.metadata, sources, filter)
        returning document.source
    )
    select gone.source from gone order by gone.source;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.delete_vanished(collection text, paths text[], kept text[], unread text[] DEFAULT '{}'::text[], max_share double precision DEFAULT 0.2, few bigint DEFAULT 0, dry_run boolean DEFAULT false)
 RETURNS TABLE(candidates bigint, vanished text[])
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    parent_id bigint := ragpg.collection_id(delete_vanished.collection);
    ids bigint[];
begin
    if max_share is null or max_share < 0 or max_share > 1 then
        raise exception 'max_share is a share between 0 and 1, not %', coalesce(max_share::text, 'null')
            using errcode = 'RG005';
    end if;
    with placed as materialized (
        select document.id, document.source, place.path
        from ragpg.documents as document
        cross join ragpg_internal.source_paths(document.source) as place(path)
        where document.collection_id = parent_id
            and document.tenant = ragpg_internal.written_tenant()
    ),
    candidate as materialized (
        select distinct placed.id, placed.source
        from placed
        where placed.path in (select rtrim(given.path, '/') from unnest(paths) as given(path))
    ),
    unsure as (
        select placed.id
        from placed
        where placed.path in (select rtrim(one.path, '/') from unnest(unread) as one(path))
    ),
    gone as (
        select candidate.id, candidate.source
        from candidate
        where not exists (
            select from unnest(kept) as one(source) where one.source = candidate.source
        )
            and not exists (select from unsure where unsure.id = candidate.id)
    )
    select
        (select count(*) from candidate),
        coalesce(array_agg(gone.source order by gone.source), '{}'),
        coalesce(array_agg(gone.id), '{}')
    into candidates, vanished, ids
    from gone;
    if cardinality(vanished) > greatest(max_share * candidates, few) then
        raise exception '% of % documents would be deleted, more than %',
            cardinality(vanished), candidates, round((max_share * 100)::numeric, 1)::float || ' %'
            using errcode = 'RG012',
                hint = 'look whether the folder is the right one and complete; to delete them all'
                    ' the same: ragpg add --sync --delete-many, max_deleted_share=1 in Python,'
                    ' max_share => 1 in SQL';
    end if;
    if not dry_run then
        delete from ragpg.documents as document where document.id = any(ids);
    end if;
    return next;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.disable_tenants()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    role_before constant text := current_setting('role');
    kept regclass;
    leg regprocedure;
begin
    perform pg_advisory_xact_lock(hashtext('ragpg.enable_tenants'));
    if ragpg_internal.is_distributed() then
        -- One connection to each worker, and one role: each statement must see the ones before it.
        perform set_config('citus.multi_shard_modify_mode', 'sequential', true);
        perform set_config(
            'role',
            (
                select known.relowner::regrole::text
                from pg_class as known
                where known.oid = 'ragpg.chunks'::regclass
            ),
            true
        );
    end if;
    for kept in select held.relation from ragpg_internal.protected_tables() as held loop
        perform ragpg_internal.protect_table(kept, false);
    end loop;
    for leg in select own.called from ragpg_internal.tenant_legs() as own loop
        execute format('alter function %s security invoker', leg);
        execute format('grant execute on function %s to public', leg);
    end loop;
    drop index if exists ragpg.documents_tenant_btree;
    drop index if exists ragpg.chunks_tenant_btree;
    drop index if exists ragpg.chunks_content_hash_tenant_btree;
    create index if not exists chunks_content_hash_hash on ragpg.chunks using hash (content_hash);
    comment on index ragpg.chunks_content_hash_hash is 'Serves the reuse of embeddings.';
    delete from ragpg.lexeme_statistics as known where known.tenant <> '';
    delete from ragpg.index_statistics as known where known.tenant <> '';
    perform set_config('role', role_before, true) where ragpg_internal.is_distributed();
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.distribute(shard_count integer DEFAULT NULL::integer)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    workers integer;
    part regclass;
    moved regclass[];
    routine record;
    propagated constant text := current_setting('citus.enable_ddl_propagation', true);
    refused text;
    by_tenant constant boolean := ragpg_internal.tenants_enabled();
    owner_name constant regrole := (
        select known.relowner::regrole
        from pg_class as known
        where known.oid = 'ragpg.chunks'::regclass
    );
begin
    if not pg_has_role(current_user, owner_name, 'usage') then
        raise exception 'role % does not own the tables of ragpg', current_user
            using errcode = '42501', hint = 'the role that ran ragpg init does';
    end if;
    if not exists (
        select
        from pg_extension as citus
        where citus.extname = 'citus' and split_part(citus.extversion, '.', 1)::integer >= 13
    ) then
        raise exception 'the extension citus, 13 or newer, is not in this database'
            using errcode = 'RG005',
                hint = 'on the coordinator and on each worker: shared_preload_libraries = ''citus'', then create extension citus; docs/scale.md';
    end if;
    -- One connection to each worker: what follows in the transaction must see what came before it.
    perform set_config('citus.multi_shard_modify_mode', 'sequential', true);
    lock table ragpg.chunks in access exclusive mode;
    perform from pg_dist_partition as known where known.logicalrelid = 'ragpg.chunks'::regclass;
    if found then
        raise exception 'the chunks are distributed already'
            using errcode = 'RG005',
                hint = format(
                    'a new worker: there set citus.enable_ddl_propagation = off; alter role %s login;'
                    ' then select citus_rebalance_start(), docs/scale.md',
                    owner_name
                );
    end if;
    select count(*) into workers
    from pg_dist_node as node
    where node.isactive and node.noderole = 'primary' and node.shouldhaveshards;
    if workers = 0 then
        raise exception 'no worker is known that takes shards'
            using errcode = 'RG005',
                hint = 'select citus_add_node(''its address'', 5432) for each; docs/scale.md';
    end if;
    if shard_count < workers then
        raise exception 'shard_count is %, there are % workers', shard_count, workers
            using errcode = 'RG005', hint = 'each worker needs a shard, better four';
    end if;
    -- What a distributed table cannot have: a foreign key to one that is not, and triggers. Who
    -- writes chunks makes their words (ragpg_internal.chunk_words).
    alter table ragpg.chunks drop constraint if exists chunks_document_id_fkey;
    alter table ragpg.chunks drop constraint if exists chunks_index_id_fkey;
    drop trigger if exists chunks_set_lexemes on ragpg.chunks;
    drop policy if exists chunks_tenant on ragpg.chunks;
    drop trigger if exists documents_delete_chunks on ragpg.documents;
    create trigger documents_delete_chunks
        after delete on ragpg.documents
        referencing old table as old_rows
        for each statement execute function ragpg_internal.delete_chunks();
    moved := array(
        select inherited.inhrelid::regclass
        from pg_inherits as inherited
        where inherited.inhparent = 'ragpg.chunks'::regclass
    );
    if by_tenant then
        -- All of a tenant's are in one shard, which alone is asked for it.
        alter table ragpg.chunks drop constraint chunks_pkey;
        alter table ragpg.chunks
            add constraint chunks_pkey primary key (document_id, ordinal, index_id, tenant);
    end if;
    -- A search asks every shard: few are quicker, and four a worker leave room for more workers.
    perform create_distributed_table(
        'ragpg.chunks'::regclass, case when by_tenant then 'tenant' else 'document_id' end,
        colocate_with => 'none',
        shard_count => coalesce(distribute.shard_count, 4 * workers)
    );
    foreach part in array moved loop
        perform truncate_local_data_after_distributing_table(part);
    end loop;
    -- Functions that run as the owner reach the workers as the owner.
    select string_agg(format('%s:%s: %s', told.nodename, told.nodeport, told.result), '; ')
    into refused
    from run_command_on_workers(format(
        'do $do$ begin if not (select rolcanlogin from pg_roles where oid = %L::regrole) then'
        -- On the coordinator nobody logs in as it.
        ' perform set_config(''citus.enable_ddl_propagation'', ''off'', true);'
        ' alter role %s login; end if; end $do$',
        owner_name, owner_name
    )) as told
    where not told.success;
    if refused is not null then
        raise exception 'the role % cannot log in on the workers: %', owner_name, refused
            using errcode = 'RG005',
                hint = format('as a superuser, on each worker: set citus.enable_ddl_propagation = off; alter role %s login', owner_name);
    end if;
    create or replace function ragpg_internal.is_distributed() returns boolean
    language sql immutable parallel safe
    return true;
    -- What is_distributed() said is in plans of other sessions: each function is compiled anew.
    perform set_config('citus.enable_ddl_propagation', 'off', true);
    for routine in
        select known.oid::regprocedure as name, known.procost
        from pg_proc as known
        where known.pronamespace in ('ragpg'::regnamespace, 'ragpg_internal'::regnamespace)
            and known.proowner = owner_name
            and known.prokind = 'f'
    loop
        execute format('alter function %s cost %s', routine.name, routine.procost);
    end loop;
    perform set_config('citus.enable_ddl_propagation', propagated, true);
    if by_tenant then
        for part in select held.relation from ragpg_internal.protected_tables() as held loop
            perform ragpg_internal.protect_table(part, true);
        end loop;
        perform ragpg_internal.hand_legs();
    end if;
    return coalesce(distribute.shard_count, 4 * workers);
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.document_as_of(collection text, source text, as_of timestamp with time zone DEFAULT now())
 RETURNS text
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT ragpg.document_text(history.document_id, history.version) AS document_text
    FROM ragpg.document_history history
   WHERE ((history.collection = document_as_of.collection) AND (history.source = document_as_of.source) AND (history.valid_from <= document_as_of.as_of) AND ((history.valid_to IS NULL) OR (document_as_of.as_of < history.valid_to)))
   ORDER BY history.valid_from DESC, history.version DESC
  LIMIT 1;
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg.document_text(document_id bigint, version integer DEFAULT NULL::integer)
 RETURNS text
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT COALESCE(( SELECT document.content
            FROM ragpg.documents document
           WHERE ((document.id = document_text.document_id) AND (document.version = COALESCE(document_text.version, document.version)))), ( SELECT earlier.content
            FROM ragpg.document_versions earlier
           WHERE ((earlier.document_id = document_text.document_id) AND (earlier.version = document_text.version)))) AS "coalesce";
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg.drop_collection(collection text, proof uuid DEFAULT ragpg_internal.proof())
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    gone_id bigint := ragpg.collection_id(drop_collection.collection);
    documents_gone bigint;
    recipe_id bigint;
begin
    perform ragpg_internal.check_shared('collection ' || drop_collection.collection, proof);
    execute format('drop view if exists ragpg.%I', 'chunks_of_' || drop_collection.collection);
    for recipe_id in
        select recipe.id from ragpg.search_indexes as recipe where recipe.collection_id = gone_id
    loop
        execute format('drop table ragpg.%I', 'chunks_' || recipe_id);
    end loop;
    select count(*) into documents_gone
    from ragpg.documents as document
    where document.collection_id = gone_id;
    update ragpg.collections as one set active_index_id = null where one.id = gone_id;
    delete from ragpg.collections as one where one.id = gone_id;
    delete from ragpg.document_versions as earlier where earlier.collection_id = gone_id;
    return documents_gone;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.drop_search_index(index_id bigint, proof uuid DEFAULT ragpg_internal.proof())
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    given_up constant timestamptz := clock_timestamp() + interval '5 seconds';
    running text[];
begin
    perform ragpg_internal.check_shared('search index ' || drop_search_index.index_id, proof);
    if exists (
        select from ragpg.collections as one where one.active_index_id = drop_search_index.index_id
    ) then
        raise exception 'search index % answers searches', index_id
            using errcode = 'RG010', hint = 'activate another one first: ragpg index activate';
    end if;
    if not exists (
        select from ragpg.search_indexes as recipe where recipe.id = drop_search_index.index_id
    ) then
        raise exception 'there is no search index %', index_id
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    -- A search that began before the switch still means to read these chunks, and would find
    -- nothing: a dropped table is gone for older snapshots, too. So those that run now may end
    -- first, up to five seconds; one that outlasts that gets an error from ragpg.search.
    select array_agg(held.virtualtransaction) into running
    from pg_locks as held
    where held.locktype = 'virtualxid' and held.pid <> pg_backend_pid();
    while clock_timestamp() < given_up and exists (
        select
        from pg_locks as held
        where held.locktype = 'virtualxid' and held.virtualtransaction = any(running)
    ) loop
        perform pg_sleep(0.01);
    end loop;
    execute format('drop table ragpg.%I', 'chunks_' || index_id);
    delete from ragpg.search_indexes as recipe where recipe.id = drop_search_index.index_id;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.embed_query(query text, model_id bigint DEFAULT NULL::bigint)
 RETURNS vector
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    usable bigint[];
    encoder ragpg.encoders;
    known vector;
begin
    if query is null then
        return null;
    end if;
    select array_agg(stored.embedding_model_id) into usable
    from ragpg.encoders as stored
    where stored.verified
        and (model_id is null or stored.embedding_model_id = model_id);
    if usable is null and model_id is not null then
        raise exception 'embedding model % is not loaded and verified in the database', model_id
            using errcode = 'RG009', hint = 'load it: ragpg model load';
    elsif usable is null then
        raise exception 'no embedding model is loaded and verified in the database'
            using errcode = 'RG009', hint = 'load one: ragpg model load';
    elsif cardinality(usable) > 1 then
        raise exception 'several embedding models are loaded: say which'
            using errcode = 'RG009', hint = 'pass model_id, a key of ragpg.encoders';
    end if;
    known := ragpg_internal.remembered_query(
        usable[1], query, ragpg_internal.written_tenant()
    );
    if known is not null then
        return known;
    end if;
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = usable[1];
    if encoder.cached_queries > 0
        -- On a standby every transaction is read-only.
        and current_setting('transaction_read_only') = 'off'
        -- In a stricter transaction, rows that others evict would make it fail.
        and current_setting('transaction_isolation') = 'read committed'
        and has_function_privilege('ragpg_internal.remember_query'::regproc, 'execute')
    then
        return ragpg_internal.remember_query(usable[1], query);
    end if;
    return ragpg_internal.encode(usable[1], ragpg_internal.query_tokens(usable[1], query));
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.enable_tenants(existing_tenant text DEFAULT NULL::text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    role_before constant text := current_setting('role');
    kept regclass;
    recipe_id bigint;
begin
    if not pg_has_role(
        current_user,
        (
            select known.relowner
            from pg_class as known
            where known.oid = 'ragpg.documents'::regclass
        ),
        'usage'
    ) then
        raise exception 'role % does not own the tables of ragpg', current_user
            using errcode = '42501', hint = 'the role that ran ragpg init does';
    end if;
    perform pg_advisory_xact_lock(hashtext('ragpg.enable_tenants'));
    if ragpg_internal.is_distributed() then
        -- One connection to each worker, and one role: each statement must see the ones before it.
        perform set_config('citus.multi_shard_modify_mode', 'sequential', true);
        perform set_config(
            'role',
            (
                select known.relowner::regrole::text
                from pg_class as known
                where known.oid = 'ragpg.chunks'::regclass
            ),
            true
        );
    end if;
    -- Its policy shows it to nobody: who sees all tenants proves it by this row.
    insert into ragpg.tenant_roles (role, tenant) values ('', null)
    on conflict on constraint tenant_roles_key do nothing;
    if existing_tenant is not null then
        -- chunks and index_documents follow by their foreign keys, the rest by their parents.
        foreach kept in array array[
            'ragpg.documents', 'ragpg.document_versions', 'ragpg.conversations', 'ragpg.answers',
            'ragpg.searches', 'ragpg.evaluation_sets', 'ragpg.finetune_jobs', 'ragpg.recall_measurements'
        ]::regclass[]
        loop
            execute format('update %s set tenant = $1 where tenant = ''''', kept)
            using existing_tenant;
        end loop;
    end if;
    create index if not exists documents_tenant_btree on ragpg.documents (tenant);
    create index if not exists chunks_tenant_btree on ragpg.chunks (tenant);
    -- By content_hash alone, explain analyze would tell whether another tenant has the same chunk.
    drop index if exists ragpg.chunks_content_hash_hash;
    create index if not exists chunks_content_hash_tenant_btree
        on ragpg.chunks (content_hash, tenant);
    comment on index ragpg.chunks_content_hash_tenant_btree is 'Serves the reuse of embeddings.';
    comment on index ragpg.documents_tenant_btree is 'Serves the documents of one tenant.';
    comment on index ragpg.chunks_tenant_btree is 'Serves exact scans of one tenant''s chunks.';
    for kept in select held.relation from ragpg_internal.protected_tables() as held loop
        perform ragpg_internal.protect_table(kept, true);
    end loop;
    -- Operators on words and on metadata are not leakproof: under a policy they would lose their
    -- indexes. So what uses them runs as the owner and compares the tenant itself.
    perform ragpg_internal.hand_legs();
    for recipe_id in select recipe.id from ragpg.search_indexes as recipe loop
        perform ragpg.refresh_search_index(recipe_id);
    end loop;
    perform set_config('role', role_before, true) where ragpg_internal.is_distributed();
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.erase_document(collection text, source text)
 RETURNS TABLE(documents bigint, versions bigint, answers bigint)
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(erase_document.collection);
    ids bigint[];
    recipe_id bigint;
    owner_name constant text := ragpg_internal.written_tenant();
begin
    -- Also what was deleted under that source before: its versions are still there.
    select array_agg(known.id) into ids
    from (
        select document.id
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = owner_name
            and document.source = erase_document.source
        union
        select earlier.document_id
        from ragpg.document_versions as earlier
        where earlier.collection_id = parent_id
            and earlier.tenant = owner_name
            and earlier.source = erase_document.source
    ) as known;
    -- Who stores an answer that cites it is waited for, and its answer found.
    perform from ragpg.documents as document where document.id = any(ids) for update;
    perform from ragpg.document_versions as earlier where earlier.document_id = any(ids) for update;
    -- Who asks the next question of a conversation in which it was shown is waited for, and its
    -- turn found; or waits, and reads only the turns that are left.
    perform
    from ragpg.conversations as talk
    where talk.id in (
        select answer.conversation_id
        from ragpg.answers as answer
        where answer.id in (
            select cited.answer_id from ragpg.citations as cited where cited.document_id = any(ids)
            union
            select step.answer_id
            from unnest(ids) as gone (id)
            join ragpg.answer_steps as step
                on step.hits @> jsonb_build_array(jsonb_build_object('document_id', gone.id))
        )
    )
    order by talk.id
    for update;
    -- Answers repeat what they read, so those that cite it go as a whole; so do those that were
    -- shown it, whose later steps may repeat it, and the turns of a conversation after them.
    delete from ragpg.answers as answer
    where answer.id in (
        with touched as (
            select cited.answer_id as id
            from ragpg.citations as cited
            where cited.document_id = any(ids)
            union
            select step.answer_id
            from unnest(ids) as gone (id)
            join ragpg.answer_steps as step
                on step.hits @> jsonb_build_array(jsonb_build_object('document_id', gone.id))
        )
        select touched.id
        from touched
        union
        select later.id
        from touched
        join ragpg.answers as earlier on earlier.id = touched.id
        join ragpg.answers as later
            on later.conversation_id = earlier.conversation_id and later.turn > earlier.turn
    );
    get diagnostics answers = row_count;
    -- So do the questions that quote it, and the hits of past runs name it.
    delete from ragpg.evaluation_questions as question
    where question.id in (
        select label.evaluation_question_id
        from ragpg.evaluation_label_spans as label
        where label.document_id = any(ids)
        union
        select label.evaluation_question_id
        from ragpg.evaluation_labels as label
        join ragpg.evaluation_questions as asked on asked.id = label.evaluation_question_id
        join ragpg.evaluation_sets as of_set on of_set.id = asked.evaluation_set_id
        where of_set.collection_id = parent_id
            and of_set.tenant = owner_name
            and label.source = erase_document.source
    );
    delete from ragpg.evaluation_hits as hit where hit.document_id = any(ids);
    -- What a model wrote about its chunks, of all its versions.
    delete from ragpg.chunk_contexts as written
    where written.collection_id = parent_id
        and written.document_hash in (
            select document.content_hash
            from ragpg.documents as document
            where document.id = any(ids)
            union all
            select ragpg_internal.hash_text(earlier.content)
            from ragpg.document_versions as earlier
            where earlier.document_id = any(ids)
        );
    delete from ragpg.documents as document where document.id = any(ids);
    get diagnostics documents = row_count;
    delete from ragpg.document_versions as earlier where earlier.document_id = any(ids);
    get diagnostics versions = row_count;
    versions := versions - documents;  -- the delete above made the last ones
    -- Its words are in the counts, its embeddings may be in the samples.
    for recipe_id in
        select recipe.id from ragpg.search_indexes as recipe where recipe.collection_id = parent_id
    loop
        perform ragpg.refresh_search_index(recipe_id, force => true);
    end loop;
    return next;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.evaluate(collection text, evaluation_set text, k integer DEFAULT 10, mode text DEFAULT 'hybrid'::text, index_id bigint DEFAULT NULL::bigint, note text DEFAULT ''::text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    run_id bigint := ragpg_internal.start_evaluation(
        collection, evaluation_set, k, mode, index_id, note
    );
    question_id bigint;
begin
    for question_id in
        select question.id
        from ragpg.evaluation_questions as question
        join ragpg.evaluation_runs as run on run.evaluation_set_id = question.evaluation_set_id
        where run.id = run_id
        order by question.id
    loop
        perform ragpg_internal.evaluate_question(run_id, question_id);
    end loop;
    update ragpg.evaluation_runs as run
    set finished_at = clock_timestamp()
    where run.id = run_id;
    return run_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.evaluation_from_feedback(collection text DEFAULT NULL::text, evaluation_set text DEFAULT 'feedback'::text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    parent_id constant bigint := ragpg.collection_id(evaluation_from_feedback.collection);
    parent_name text := (select one.name from ragpg.collections as one where one.id = parent_id);
    put_count bigint;
begin
    select count(
        ragpg.put_evaluation_question(
            collection => parent_name,
            evaluation_set => evaluation_from_feedback.evaluation_set,
            question => told.question, labels => told.labels,
            expected_answer => told.expected_answer, is_answerable => told.is_answerable,
            tags => '{feedback}'
        )
    )
    into put_count
    from (
        select distinct on (answer.question)
            answer.question,
            -- A good answer that abstained was right to: there is none.
            not (answer.abstained and newest.corrected_text is null) as is_answerable,
            coalesce(newest.corrected_text, case when not answer.abstained then answer.content end)
                as expected_answer,
            case
                -- What a wrong answer cited says nothing of where the right one stands.
                when newest.rating = 'good' then
                    coalesce(
                        (
                            select jsonb_agg(distinct jsonb_build_object(
                                'source', coalesce(document.source, earlier.source),
                                'quote', cited.quote
                            ))
                            from ragpg.citations as cited
                            left join ragpg.documents as document
                                on document.id = cited.document_id
                            left join ragpg.document_versions as earlier
                                on earlier.document_id = cited.document_id
                                and earlier.version = cited.document_version
                            where cited.answer_id = answer.id
                                and coalesce(document.source, earlier.source) is not null
                        ),
                        '[]'
                    )
                else '[]'
            end as labels
        from (
            -- A follow-up says little without what it follows.
            select
                given.id, given.collection_id, given.content, given.abstained,
                coalesce(given.standalone, given.question) as question
            from ragpg.answers as given
        ) as answer
        cross join lateral (
            select said.id, said.rating, said.corrected_text
            from ragpg.answer_feedback as said
            where said.answer_id = answer.id
            order by said.id desc
            limit 1
        ) as newest
        where answer.collection_id = parent_id
            and (newest.corrected_text is not null or newest.rating = 'good')
            -- A question that somebody wrote or changed in the set stays as it is.
            and not exists (
                select
                from ragpg.evaluation_questions as asked
                join ragpg.evaluation_sets as known on known.id = asked.evaluation_set_id
                where known.collection_id = parent_id
                    and known.name = evaluation_from_feedback.evaluation_set
                    and asked.question = answer.question
                    and asked.tags <> '{feedback}'
            )
        order by answer.question, newest.id desc
    ) as told;
    return put_count;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.explain_search(query text, k integer DEFAULT 10, collection text DEFAULT NULL::text, filter jsonpath DEFAULT NULL::jsonpath, query_embedding halfvec DEFAULT NULL::halfvec, mode text DEFAULT 'hybrid'::text)
 RETURNS TABLE(place integer, source text, title text, content text, score double precision, similarity double precision, bm25 double precision, start_char integer, end_char integer, page integer, context text, metadata jsonb, document_id bigint, document_version integer, chunk_id bigint, vector_place integer, keyword_place integer, words text[])
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    depth integer;
    best_hits ragpg.hit[];
    best_ids bigint[];
    held record;
begin
    select known.* into recipe
    from ragpg.collections as one
    join ragpg.search_indexes as known on known.id = one.active_index_id
    where one.id = ragpg.collection_id(explain_search.collection);
    depth := greatest(k, recipe.candidates);
    -- Embedded here as search would, so that three searches embed once.
    if query_embedding is null and explain_search.query ~ '\S' then
        select ragpg.embed_query(explain_search.query, recipe.embedding_model_id)
        into query_embedding
        from ragpg.encoders as encoder
        where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified;
    end if;
    -- Searched by the index's id, so that the log of searches does not count an explanation.
    best_hits := array(
        select best
        from ragpg.search(query, k, null, filter, query_embedding, mode, recipe.id) as best
        where recipe.id is not null
    );
    best_ids := array(select hit.chunk_id from unnest(best_hits) as hit);
    select array_agg(one.chunk_id) as ids, array_agg(one.lexemes) as lexemes into held
    from ragpg_internal.known_chunks(best_ids, recipe.id) as one;
    return query
    select
        best.*, near.place, said.place,
        (
            select array_agg(word.lexeme order by word.lexeme)
            from ragpg_internal.query_words(recipe.id, explain_search.query) as word
            where chunk.lexemes @@ ragpg_internal.lexeme_query(word.lexeme)
        )
    from unnest(best_hits) as best
    join unnest(held.ids, held.lexemes) as chunk (id, lexemes) on chunk.id = best.chunk_id
    left join ragpg.search(
        query, depth, null, filter, query_embedding,
        -- Without an embedding there is no vector leg: its rows are dropped below.
        case when query_embedding is null then 'keyword' else 'vector' end,
        recipe.id
    ) as near on near.chunk_id = best.chunk_id and near.similarity is not null
    left join ragpg.search(query, depth, null, filter, query_embedding, 'keyword', recipe.id) as said
        on said.chunk_id = best.chunk_id
    where recipe.id is not null
    order by best.place;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.feedback(answer_id bigint, rating text, corrected_text text DEFAULT NULL::text, comment text DEFAULT ''::text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    new_id bigint;
    of_tenant text;
begin
    if rating is null or rating not in ('good', 'bad') then
        raise exception 'the rating is %, not good or bad', coalesce(quote_literal(rating), 'null')
            using errcode = 'RG005', hint = 'say good or bad; what it should have said is corrected_text';
    end if;
    select answer.tenant into of_tenant
    from ragpg.answers as answer
    where answer.id = feedback.answer_id;
    if not found then
        raise exception 'there is no answer %', coalesce(answer_id::text, 'null')
            using errcode = 'RG005', hint = 'table ragpg.answers has them, with their questions';
    end if;
    insert into ragpg.answer_feedback (answer_id, rating, corrected_text, comment, tenant)
    values (
        feedback.answer_id, feedback.rating, nullif(btrim(feedback.corrected_text), ''),
        coalesce(feedback.comment, ''), of_tenant
    )
    returning id into new_id;
    return new_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.find_documents(collection text DEFAULT 'default'::text, filter jsonpath DEFAULT NULL::jsonpath, sources text[] DEFAULT NULL::text[], page_size integer DEFAULT NULL::integer, after text DEFAULT NULL::text)
 RETURNS TABLE(document_id bigint, source text)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
begin
    perform ragpg_internal.check_filter(filter);
    if page_size < 1 then
        raise exception 'page_size must be at least 1, not %', page_size using errcode = 'RG005';
    end if;
    return query
    select document.id, document.source
    from ragpg.documents as document
    where document.collection_id = ragpg.collection_id(find_documents.collection)
        and (after is null or document.source > after)
        and ragpg_internal.is_chosen(document.source, document.metadata, sources, filter)
    order by document.source, document.id
    limit page_size;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.find_source(collection text, VARIADIC names text[])
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    parent_id bigint := ragpg.collection_id(find_source.collection);
    of_tenant constant text := ragpg_internal.written_tenant();
    found_sources text[];
begin
    -- Deleted ones are meant, too: they have a history, and can be erased.
    select array_agg(known.source order by known.is_gone, known.source) into found_sources
    from (
        select document.source, false as is_gone
        from ragpg.documents as document
        where document.collection_id = parent_id and document.tenant = of_tenant
        union
        select earlier.source, true
        from ragpg.document_versions as earlier
        where earlier.collection_id = parent_id
            and earlier.tenant = of_tenant
            and not exists (
                select
                from ragpg.documents as document
                where document.collection_id = parent_id
                    and document.tenant = of_tenant
                    and document.source = earlier.source
            )
    ) as known
    where known.source = any(names)
        or right(known.source, char_length(names[1]) + 1) = '/' || names[1];
    if cardinality(found_sources) > 1 and not found_sources && names then
        raise exception '"%" is the end of % sources: %',
            names[1], cardinality(found_sources), array_to_string(found_sources[:5], ', ')
            using errcode = 'RG005', hint = 'name one of them whole';
    end if;
    return coalesce(
        (
            select known.name
            from unnest(names) with ordinality as known (name, place)
            where known.name = any(found_sources)
            order by known.place
            limit 1
        ),
        found_sources[1],
        names[1]
    );
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.grant_reader(role_name text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    leg record;
begin
    -- One connection to each worker: what follows must see what came before it.
    perform set_config('citus.multi_shard_modify_mode', 'sequential', true)
    where ragpg_internal.is_distributed();
    execute format('grant usage on schema ragpg, ragpg_internal to %I', role_name);
    execute format('grant select on all tables in schema ragpg to %I', role_name);
    execute format(
        'alter default privileges for role %s in schema ragpg grant select on tables to %I',
        (
            select space.nspowner::regrole
            from pg_namespace as space
            where space.nspname = 'ragpg'
        ),
        role_name
    );
    execute format('grant execute on function ragpg_internal.remember_query to %I', role_name);
    execute format('grant execute on function ragpg_internal.log_search to %I', role_name);
    for leg in
        select own.called from ragpg_internal.proof_takers() as own where not own.writes
    loop
        execute format('grant execute on function %s to %I', leg.called, role_name);
    end loop;
    if ragpg_internal.is_distributed() and ragpg_internal.tenants_enabled() then
        -- There chunks are read by these functions alone.
        for leg in
            select held.relation
            from ragpg_internal.protected_tables() as held
            where held.relation = 'ragpg.chunks'::regclass or exists (
                select
                from pg_inherits as part
                where part.inhrelid = held.relation
                    and part.inhparent = 'ragpg.chunks'::regclass
            )
        loop
            execute format('revoke all on %s from %I', leg.relation, role_name);
        end loop;
    end if;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.grant_writer(role_name text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    written record;
begin
    perform ragpg.grant_reader(role_name);
    execute format(
        'grant update, delete on ragpg.collections, ragpg.documents,'
        ' ragpg.document_versions, ragpg.embedding_models, ragpg.chunks, ragpg.index_documents,'
        ' ragpg.answers, ragpg.citations, ragpg.evaluation_sets, ragpg.evaluation_questions,'
        ' ragpg.evaluation_labels, ragpg.evaluation_runs, ragpg.evaluation_results,'
        ' ragpg.evaluation_hits, ragpg.evaluation_drafts, ragpg.searches,'
        ' ragpg.recall_measurements, ragpg.model_prices, ragpg.answer_feedback,'
        ' ragpg.finetune_jobs, ragpg.chunk_contexts, ragpg.context_batches,'
        ' ragpg.conversations, ragpg.answer_steps to %I',
        role_name
    );
    -- Into every column but keys that Postgres gives: one taken would not be given to others.
    for written in
        select
            kept.oid::regclass as relation,
            string_agg(quote_ident(col.attname), ', ' order by col.attnum) as columns
        from pg_class as kept
        join pg_attribute as col on col.attrelid = kept.oid and col.attnum > 0
        cross join aclexplode(kept.relacl) as given
        where kept.relnamespace = 'ragpg'::regnamespace
            and given.grantee = quote_ident(role_name)::regrole
            and given.privilege_type = 'DELETE'
            and not col.attisdropped
            and col.attidentity = ''
            and col.attgenerated = ''
            and (kept.relname <> 'collections' or col.attname in ('name', 'description'))
        group by kept.oid
    loop
        execute format('revoke insert on %s from %I', written.relation, role_name);
        execute format(
            'grant insert (%s) on %s to %I', written.columns, written.relation, role_name
        );
    end loop;
    for written in
        select own.called from ragpg_internal.proof_takers() as own where own.writes
    loop
        execute format('grant execute on function %s to %I', written.called, role_name);
    end loop;
    if ragpg_internal.is_distributed() and ragpg_internal.tenants_enabled() then
        execute format('revoke all on ragpg.chunks from %I', role_name);
    end if;
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index, ragpg.activate_search_index, ragpg.refresh_search_index,'
        ' ragpg.drop_search_index, ragpg.drop_collection, ragpg.tune_ef_search,'
        ' ragpg.quantize_search_index to %I',
        role_name
    );
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.help(about text DEFAULT ''::text)
 RETURNS TABLE(name text, kind text, call text, what text)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT found.name,
     found.kind,
     found.call,
     found.what
    FROM ( SELECT (routine.proname)::text AS name,
             'function'::text AS kind,
             format('%s(%s)'::text, routine.proname, pg_get_function_arguments(routine.oid)) AS call,
             obj_description(routine.oid, 'pg_proc'::name) AS what
            FROM pg_proc routine
           WHERE ((routine.pronamespace = ('ragpg'::regnamespace)::oid) AND (routine.prorettype <> ('trigger'::regtype)::oid))
         UNION ALL
          SELECT (relation.relname)::text AS relname,
                 CASE relation.relkind
                     WHEN 'v'::"char" THEN 'view'::text
                     ELSE 'table'::text
                 END AS "case",
             ( SELECT string_agg((col.attname)::text, ', '::text ORDER BY col.attnum) AS string_agg
                    FROM pg_attribute col
                   WHERE ((col.attrelid = relation.oid) AND (col.attnum > 0) AND (NOT col.attisdropped))) AS string_agg,
             obj_description(relation.oid, 'pg_class'::name) AS obj_description
            FROM pg_class relation
           WHERE ((relation.relnamespace = ('ragpg'::regnamespace)::oid) AND (relation.relkind = ANY (ARRAY['r'::"char", 'p'::"char", 'v'::"char"])) AND (NOT relation.relispartition))) found
   WHERE ((found.what IS NOT NULL) AND ((found.name ~~* (('%'::text || help.about) || '%'::text)) OR (found.what ~~* (('%'::text || help.about) || '%'::text))))
   ORDER BY (found.name <> help.about), (found.name !~~* (('%'::text || help.about) || '%'::text)), found.name, found.call;
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg.highlight(content text, query text, language text DEFAULT 'english'::text, start_mark text DEFAULT '**'::text, end_mark text DEFAULT '**'::text)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    -- Of scripts without spaces, where text_lexemes counts pairs of letters: any two to eight
    -- letters in a row that the question has in a row.
    run constant text := '[\u0e01-\u0edf\u1000-\u108f\u1780-\u17dd\u3041-\u9fff\uac00-\ud7af]{2,}';
    rows_of_letters text;
    said constant tsvector := ragpg.text_lexemes(regexp_replace(query, run, ' ', 'g'), language);
    -- A question of stop words alone asks for these.
    spoken constant text := case when ts_filter(said, '{c,d}') = '' then 'simple' else language end;
    words constant text[] := tsvector_to_array(
        case
            when spoken = language then ts_filter(said, '{c,d}')
            else ragpg.text_lexemes(query, spoken)
        end
    );
    marked text := content;
    mark constant text := regexp_replace(start_mark, '([^[:alnum:]\s])', '\\\1', 'g');
    -- What has the marks already, as in **Markdown**, within a paragraph.
    emphasis constant text := mark || '\S(?:(?!\n\s*\n|' || mark || ').)*' || mark;
begin
    if start_mark = end_mark and start_mark <> '' and content ~ emphasis then
        return (
            select string_agg(
                case
                    when part.found[1] ~ ('^' || mark) then part.found[1]
                    else ragpg.highlight(part.found[1], query, language, start_mark, end_mark)
                end,
                '' order by part.place
            )
            from regexp_matches(
                content, emphasis || '|' || mark || '|(?:(?!' || mark || ').)+', 'g'
            ) with ordinality as part (found, place)
        );
    end if;
    -- Of a compound the parts that were asked for, or all of it where no part alone was.
    if words <> '{}' then
        with parts as materialized (
            select part.found[1] as token, part.place
            from regexp_matches(content, '\s+|\S+', 'g') with ordinality as part (found, place)
        ),
        found as materialized (
            select once.token
            from (select distinct one.token from parts as one where one.token ~ '\S') as once
            where tsvector_to_array(
                ragpg.text_lexemes(regexp_replace(once.token, run, ' ', 'g'), spoken)
            ) && words
        )
        select
            string_agg(
                case
                    when inner_parts.in_parts is null then part.token
                    when inner_parts.is_in_parts then inner_parts.in_parts
                    else regexp_replace(
                        part.token, '^([^[:alnum:]]*)(.*?[[:alnum:]][+#%]*)([^[:alnum:]]*)$',
                        '\1' || replace(start_mark, '\', '\\') || '\2'
                        || replace(end_mark, '\', '\\') || '\3'
                    )
                end,
                '' order by part.place
            )
        into marked
        from parts as part
        left join found on found.token = part.token
        left join lateral (
            select
                string_agg(
                    case
                        when one.is_found then start_mark || one.piece || end_mark
                        else one.piece
                    end,
                    '' order by one.place
                ) as in_parts,
                bool_or(one.is_found) as is_in_parts
            from (
                select
                    piece.found[1] as piece, piece.place,
                    tsvector_to_array(
                        ragpg.text_lexemes(regexp_replace(piece.found[1], run, ' ', 'g'), spoken)
                    ) && words as is_found
                from regexp_matches(found.token, '[!-/:-@[-`{-~]+|[^!-/:-@[-`{-~]+', 'g')
                    with ordinality as piece (found, place)
            ) as one
        ) as inner_parts on true;
    end if;
    select string_agg(distinct substr(part.found[1], start, length), '|') into rows_of_letters
    from regexp_matches(query, run, 'g') as part (found)
    cross join lateral generate_series(1, char_length(part.found[1]) - 1) as start
    cross join lateral generate_series(
        2, least(8, char_length(part.found[1]) - start + 1)
    ) as length;
    return case
        when rows_of_letters is null then marked
        else regexp_replace(
            marked, rows_of_letters,
            replace(start_mark, '\', '\\') || '\&' || replace(end_mark, '\', '\\'), 'g'
        )
    end;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.index_table(table_name regclass, collection text, source_column text, content_column text, title_column text DEFAULT NULL::text, metadata_columns text[] DEFAULT '{}'::text[], media_type text DEFAULT 'text/plain'::text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    -- Whose rows its documents are: kept when the table is followed anew, restored or renamed.
    row_of uuid := coalesce(
        (
            select known.row_of
            from ragpg_internal.followed_tables() as known
            where known.table_name = index_table.table_name
                and known.collection = index_table.collection
        ),
        gen_random_uuid()
    );
    arguments text := format(
        '%L, %L, %L, %L, %L, %L, %L',
        collection, source_column, content_column, coalesce(title_column, ''),
        metadata_columns::text, media_type, row_of
    );
    missing text;
    owner_name name;
    source text;
    content text;
    title text;
    metadata jsonb;
    rows_done bigint := 0;
    before text := current_setting('row_security');
begin
    -- To plan a statement on a table runs what its owner wrote into expressions of its indexes.
    select owner.rolname into owner_name
    from pg_class as relation
    join pg_roles as owner on owner.oid = relation.relowner
    where relation.oid = table_name and not pg_has_role(owner.oid, quote_ident(current_user)::regrole, 'usage');
    if owner_name is not null then
        raise exception '% belongs to the role %, whose code would run with the rights of %',
            table_name, owner_name, current_user
            using errcode = '42501',
                hint = format(
                    'set role %1$I; select ragpg.index_table(...); before, if it has not got them: select ragpg.grant_writer(%1$L); grant execute on function ragpg_internal.index_table_row to %1$I',
                    owner_name
                );
    end if;
    select wanted.name into missing
    from unnest(
        metadata_columns || array[source_column, content_column]
        || array_remove(array[title_column], null)
    ) as wanted (name)
    where not exists (
        select
        from pg_attribute as known
        where known.attrelid = table_name and known.attname = wanted.name
            and known.attnum > 0 and not known.attisdropped
    );
    if missing is not null then
        raise exception 'table % has no column "%"', table_name, missing
            using errcode = 'RG005', hint = 'name columns as \d shows them';
    end if;
    if not has_function_privilege('ragpg_internal.index_table_row()', 'execute') then
        raise exception 'role % may not have a table followed', current_user
            using errcode = '42501',
                hint = format(
                    'ragpg''s owner lets it, for all tenants: grant execute on function ragpg_internal.index_table_row to %I (docs/security.md, Tables you follow)',
                    current_user
                );
    end if;
    perform ragpg_internal.ensure_collection(collection);
    perform ragpg.stop_indexing_table(table_name, collection);
    -- No row can slip in between the triggers and the reading of what is there.
    execute format('lock table %s in share row exclusive mode', table_name);
    execute format(
        'create trigger %I after insert or update or delete on %s'
        ' for each row execute function ragpg_internal.index_table_row(%s)',
        'ragpg_' || collection, table_name, arguments
    );
    execute format(
        'create trigger %I before truncate on %s'
        ' for each statement execute function ragpg_internal.index_table_row(%s)',
        'ragpg_truncate_' || collection, table_name, arguments
    );
    perform set_config('row_security', 'off', true);  -- an error rather than too few rows
    for source, content, title, metadata in execute format(
        'select %s from %s as stored',
        ragpg_internal.row_reading(
            table_name, source_column, content_column, title_column, metadata_columns, 'stored'
        ),
        table_name
    ) loop
        perform ragpg_internal.index_row(
            collection, source, content, title, metadata, media_type, row_of
        );
        rows_done := rows_done + 1;
    end loop;
    perform set_config('row_security', before, true);
    return rows_done;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.judge_hits(query text, chunk_ids bigint[], similarities double precision[], OUT is_enough boolean, OUT relevance double precision, OUT similarity double precision, OUT words_held double precision, OUT missing_names text[], OUT unmatched_negation boolean)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    passages text[];
    titles text[];
    index_id bigint;  -- of the first
begin
    select max(known.similarity) into judge_hits.similarity
    from unnest(similarities) as known (similarity);
    select
        array_agg(chunk.content order by hit.place), array_agg(document.title order by hit.place),
        (array_agg(chunk.index_id order by hit.place) filter (where hit.place = 1))[1]
    into passages, titles, index_id
    from unnest(chunk_ids[:3]) with ordinality as hit (chunk_id, place)
    join ragpg_internal.known_chunks(chunk_ids[:3]) as chunk on chunk.chunk_id = hit.chunk_id
    join ragpg.documents as document on document.id = chunk.document_id;
    select known.* into recipe
    from ragpg.search_indexes as known
    where known.id = index_id;
    if recipe.id is null then
        is_enough := false;
        return;
    end if;
    -- Without a similarity the hits were found by words alone, for which nothing is calibrated.
    is_enough := coalesce(judge_hits.similarity::real >= recipe.min_similarity, true);
    select signal.* into judge_hits.words_held, judge_hits.missing_names,
        judge_hits.unmatched_negation
    from ragpg_internal.answer_signals(recipe.id, judge_hits.query, passages, titles) as signal;
    judge_hits.relevance := ragpg_internal.relevance(
        recipe.id, judge_hits.similarity, judge_hits.words_held,
        cardinality(judge_hits.missing_names), judge_hits.unmatched_negation
    );
    is_enough := is_enough and coalesce(judge_hits.relevance >= recipe.min_relevance, true);
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.match_documents(query_embedding vector, match_count integer DEFAULT 10, filter jsonb DEFAULT '{}'::jsonb, collection text DEFAULT NULL::text)
 RETURNS TABLE(id bigint, content text, metadata jsonb, similarity double precision)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    conditions jsonpath;
begin
    if jsonb_path_exists(filter, '$.* ? (@.type() == "object" || @.type() == "array")') then
        raise exception 'the filter % holds more than plain values', filter
            using errcode = 'RG005', hint = 'use ragpg.search, whose filter is a jsonpath predicate';
    end if;
    select string_agg(format('$.%s == %s', to_json(wanted.key), wanted.value), ' && ')::jsonpath
    into conditions
    from jsonb_each(filter) as wanted;
    return query
    select hit.chunk_id, hit.content, hit.metadata, hit.similarity
    from ragpg.search(
        query => '', k => match_count, collection => match_documents.collection,
        filter => conditions, query_embedding => match_documents.query_embedding::halfvec,
        mode => 'vector'
    ) as hit
    order by hit.place;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.measure_recall(collection text DEFAULT NULL::text, k integer DEFAULT 10, queries integer DEFAULT 100, ef_search integer DEFAULT NULL::integer, index_id bigint DEFAULT NULL::bigint)
 RETURNS ragpg.recall_measurements
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    recipe ragpg.search_indexes :=
        ragpg_internal.recipe_of(measure_recall.collection, measure_recall.index_id);
    drawn record;
    distances double precision[];
    recalls double precision[];
    started timestamptz := clock_timestamp();
    exact_time interval;
    measured ragpg.recall_measurements;
begin
    if least(k, queries) < 1 or k is null or queries is null then
        raise exception 'k is %, queries is %: there is nothing to measure', k, queries
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    select sample.* into drawn
    from ragpg_internal.sample_queries(recipe.id, measure_recall.queries) as sample;
    if cardinality(drawn.embeddings) = 0 then
        return null;
    end if;
    distances := ragpg_internal.exact_distances(recipe.id, drawn.embeddings, drawn.own_ids, k);
    exact_time := clock_timestamp() - started;
    started := clock_timestamp();
    recalls := ragpg_internal.recalls_at(
        recipe.id, drawn.embeddings, drawn.own_ids, distances, k,
        coalesce(ef_search, recipe.ef_search)
    );
    insert into ragpg.recall_measurements as stored (
        index_id, k, ef_search, queries, query_source, recall, worst_recall, index_ms, exact_ms
    )
    select
        recipe.id, measure_recall.k,
        greatest(coalesce(measure_recall.ef_search, recipe.ef_search), measure_recall.k),
        cardinality(recalls), drawn.query_source, avg(one.recall), min(one.recall),
        extract(epoch from clock_timestamp() - started) * 1000 / cardinality(recalls),
        extract(epoch from exact_time) * 1000 / cardinality(recalls)
    from unnest(recalls) as one (recall)
    returning stored.* into measured;
    return measured;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.near_duplicate_documents(collection text DEFAULT NULL::text, min_similarity double precision DEFAULT 0.8)
 RETURNS TABLE(first_document_id bigint, second_document_id bigint, first_source text, second_source text, similarity double precision, is_copy boolean)
 LANGUAGE sql
 STABLE
 SET enable_nestloop TO 'off'
BEGIN ATOMIC
 WITH stored AS MATERIALIZED (
          SELECT document.id,
             document.source,
             document.content,
             min(document.id) OVER (PARTITION BY document.content_hash) AS first_id
            FROM ragpg.documents document
           WHERE ((document.collection_id = ragpg.collection_id(near_duplicate_documents.collection)) AND (document.content ~ '\S'::text))
         ), units AS MATERIALIZED (
          SELECT stored.id,
             hashtextextended(cut.unit, (0)::bigint) AS unit,
             max(char_length(cut.unit)) AS characters
            FROM (stored
              CROSS JOIN LATERAL ( SELECT btrim(part.part, ' 	.!?'::text) AS unit
                    FROM regexp_split_to_table(stored.content, '
|[.!?] +|[。！？]'::text) part(part)) cut)
           WHERE ((stored.id = stored.first_id) AND (cut.unit <> ''::text))
           GROUP BY stored.id, (hashtextextended(cut.unit, (0)::bigint))
         ), sizes AS MATERIALIZED (
          SELECT units.id,
             sum(units.characters) AS characters
            FROM units
           GROUP BY units.id
         ), placed AS MATERIALIZED (
          SELECT units.id,
             units.unit,
             units.characters,
             count(*) OVER (PARTITION BY units.unit) AS documents,
             first_value(units.id) OVER (PARTITION BY units.unit ORDER BY units.id) AS first_id
            FROM units
         ), pairs AS MATERIALIZED (
          SELECT linked.a_id,
             linked.b_id
            FROM ((( SELECT a_1.id AS a_id,
                     b_1.id AS b_id
                    FROM (placed a_1
                      JOIN placed b_1 ON (((b_1.unit = a_1.unit) AND (b_1.id > a_1.id))))
                   WHERE ((a_1.documents <= 20) AND (b_1.documents <= 20))
                 UNION
                  SELECT placed.first_id,
                     placed.id
                    FROM placed
                   WHERE ((placed.documents > 20) AND (placed.id <> placed.first_id))) linked
              JOIN sizes a_size ON ((a_size.id = linked.a_id)))
              JOIN sizes b_size ON ((b_size.id = linked.b_id)))
           WHERE ((LEAST(a_size.characters, b_size.characters))::double precision >= (near_duplicate_documents.min_similarity * (GREATEST(a_size.characters, b_size.characters))::double precision))
         ), of_first AS MATERIALIZED (
          SELECT pairs.a_id,
             pairs.b_id,
             units.unit,
             units.characters
            FROM (pairs
              JOIN units ON ((units.id = pairs.a_id)))
         ), shared AS MATERIALIZED (
          SELECT of_first.a_id,
             of_first.b_id,
             (sum(of_first.characters))::double precision AS characters
            FROM (of_first
              JOIN units ON (((units.id = of_first.b_id) AND (units.unit = of_first.unit))))
           GROUP BY of_first.a_id, of_first.b_id
         ), measured AS (
          SELECT shared.a_id,
             shared.b_id,
             (shared.characters / (((a_size.characters + b_size.characters))::double precision - shared.characters)) AS similarity
            FROM ((shared
              JOIN sizes a_size ON ((a_size.id = shared.a_id)))
              JOIN sizes b_size ON ((b_size.id = shared.b_id)))
         )
  SELECT found.a_id,
     found.b_id,
     a.source,
     b.source,
     found.similarity,
     found.is_copy
    FROM ((( SELECT measured.a_id,
             measured.b_id,
             measured.similarity,
             false AS is_copy
            FROM measured
           WHERE (measured.similarity >= near_duplicate_documents.min_similarity)
         UNION ALL
          SELECT stored.first_id,
             stored.id,
             1,
             true
            FROM stored
           WHERE (stored.first_id <> stored.id)) found
      JOIN stored a ON ((a.id = found.a_id)))
      JOIN stored b ON ((b.id = found.b_id)))
   ORDER BY found.similarity DESC, found.a_id, found.b_id;
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg.near_duplicates(collection text DEFAULT NULL::text, min_similarity double precision DEFAULT 0.95, min_overlap double precision DEFAULT 0.8, neighbours integer DEFAULT 5, chunks integer DEFAULT NULL::integer)
 RETURNS TABLE(first_chunk_id bigint, second_chunk_id bigint, first_source text, second_source text, similarity double precision, overlap double precision, content text)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
 SET "hnsw.ef_search" TO '40'
 SET "hnsw.iterative_scan" TO 'relaxed_order'
AS $function$
#variable_conflict use_column
declare
    active_id bigint;
    dimensions integer;
    quantize text;
    scanned integer;
    looked_at record;
    near_ids bigint[];
    pairs bigint[] := '{}';
    first_ids bigint[];
    copy_ids bigint[];
    held record;  -- the chunks of the pairs
    is_closed constant boolean := ragpg_internal.chunks_are_closed();
    all_chunks text;
begin
    select
        recipe.id, model.dimensions, recipe.quantize,
        least(
            greatest(
                case recipe.quantize when 'bit' then recipe.ef_search else 40 end, neighbours + 1
            ),
            1000
        )
    into active_id, dimensions, quantize, scanned
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where one.id = ragpg.collection_id(near_duplicates.collection);
    all_chunks := case
        when is_closed
            then 'select chunk_id as id, content, embedding'
                ' from ragpg_internal.document_chunks($1, null)'
        else 'select id, content, embedding from ragpg.chunks where index_id = $1'
    end;
    perform set_config('hnsw.ef_search', scanned::text, true);
    if ragpg_internal.is_distributed() then
        perform ragpg_internal.set_on_shards(scanned, 'relaxed_order');
    end if;
    -- One question to the vector index per chunk, so the work grows with the chunks and not with
    -- their square. Of chunks of one text only the first asks.
    for looked_at in execute
        'select drawn.id, drawn.embedding'
        ' from ('
        '  select distinct on (ragpg_internal.hash_text(chunk.content)) chunk.id, chunk.embedding'
        '  from (' || all_chunks || ') as chunk'
        '  order by ragpg_internal.hash_text(chunk.content), chunk.id'
        ' ) as drawn'
        -- Drawn by hash, not by random(): the same chunks give the same answer.
        ' order by hashint8extended(drawn.id, 0)'
        ' limit $2'
        using active_id, near_duplicates.chunks
    loop
        if is_closed then
            select array_agg(near.chunk_id) into near_ids
            from ragpg_internal.vector_candidates(
                active_id, looked_at.embedding, neighbours + 1
            ) as near
            where near.chunk_id <> looked_at.id and near.similarity >= min_similarity;
        else
            execute format(
                'select array_agg(near.id) from (%s) as near'
                ' where near.id <> $2 and near.distance <= 1 - $3::double precision',
                ragpg_internal.nearest_query(
                    'chunks', active_id, dimensions, quantize, '', neighbours + 1, scanned
                )
            )
            into near_ids
            using looked_at.embedding, looked_at.id, min_similarity;
        end if;
        if near_ids is not null then
            pairs := pairs || (
                select array_agg(side.id order by near.id, side.place)
                from unnest(near_ids) as near (id)
                cross join lateral unnest(
                    case
                        when near_duplicates.chunks is null and near.id < looked_at.id
                            then array[near.id, looked_at.id]
                        else array[looked_at.id, near.id]
                    end
                ) with ordinality as side (id, place)
            );
        end if;
    end loop;
    if near_duplicates.chunks is null then
        execute
            'select array_agg(same.first_id), array_agg(same.id)'
            ' from ('
            '  select'
            '   chunk.id,'
            '   min(chunk.id) over ('
            '    partition by ragpg_internal.hash_text(chunk.content)'
            '   ) as first_id'
            '  from (' || all_chunks || ') as chunk'
            ' ) as same'
            ' where same.id <> same.first_id'
        into first_ids, copy_ids
        using active_id;
    end if;
    near_ids := array(
        select distinct one.id from unnest(pairs || first_ids || copy_ids) as one (id)
    );
    select
        array_agg(chunk.chunk_id) as ids, array_agg(chunk.document_id) as document_ids,
        array_agg(chunk.embedding) as embeddings, array_agg(chunk.content) as contents
    into held
    from ragpg_internal.known_chunks(near_ids, active_id) as chunk;
    return query
    with pair as (
        select pairs[2 * place - 1] as a_id, pairs[2 * place] as b_id
        from generate_series(1, cardinality(pairs) / 2) as place
        union
        select same.first_id, same.id from unnest(first_ids, copy_ids) as same (first_id, id)
    ),
    chunk as materialized (
        select one.*
        from unnest(held.ids, held.document_ids, held.embeddings, held.contents)
            as one (id, document_id, embedding, content)
    ),
    measured as (
        select
            a.id as a_id, b.id as b_id, a.document_id as a_document, b.document_id as b_document,
            1 - (a.embedding <=> b.embedding) as similarity,
            case
                when a.content = b.content then 1
                else ragpg_internal.word_overlap(a.content, b.content)
            end
                as overlap,
            a.content
        from pair
        join chunk as a on a.id = pair.a_id
        join chunk as b on b.id = pair.b_id
    )
    select
        measured.a_id, measured.b_id, a.source, b.source, measured.similarity, measured.overlap,
        measured.content
    from measured
    join ragpg.documents as a on a.id = measured.a_document
    join ragpg.documents as b on b.id = measured.b_document
    where measured.overlap >= min_overlap
    order by measured.similarity desc, measured.a_id, measured.b_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.prune_conversations(older_than interval, collection text DEFAULT NULL::text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    gone bigint;
begin
    delete from ragpg.conversations as one
    where one.created_at < now() - older_than
        and (
            prune_conversations.collection is null
            or one.collection_id = ragpg.collection_id(prune_conversations.collection)
        )
        and not exists (
            select
            from ragpg.answers as answer
            where answer.conversation_id = one.id and answer.created_at >= now() - older_than
        );
    get diagnostics gone = row_count;
    return gone;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.prune_searches(older_than interval)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    gone bigint;
begin
    delete from ragpg.searches as logged where logged.searched_at < now() - older_than;
    get diagnostics gone = row_count;
    return gone;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.prune_versions(older_than interval, collection text DEFAULT NULL::text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    gone bigint;
begin
    delete from ragpg.document_versions as earlier
    where earlier.valid_to < now() - older_than
        and (
            prune_versions.collection is null
            or earlier.collection_id = ragpg.collection_id(prune_versions.collection)
        )
        and not exists (
            select
            from ragpg.citations as cited
            where cited.document_id = earlier.document_id
                and cited.document_version = earlier.version
        );
    get diagnostics gone = row_count;
    -- Sentences about texts that nothing holds any more; fresh ones may belong to a document that
    -- is being stored, open ones to a batch.
    delete from ragpg.chunk_contexts as written
    where written.created_at < now() - interval '1 day'
        and written.sentence is not null
        and (
            prune_versions.collection is null
            or written.collection_id = ragpg.collection_id(prune_versions.collection)
        )
        and not exists (
            select
            from ragpg.documents as document
            where document.collection_id = written.collection_id
                and document.content_hash = written.document_hash
        )
        and not exists (
            select
            from ragpg.document_versions as earlier
            where earlier.collection_id = written.collection_id
                and ragpg_internal.hash_text(earlier.content) = written.document_hash
        );
    return gone;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.put_document(collection text, source text, content text, title text DEFAULT ''::text, media_type text DEFAULT 'text/plain'::text, metadata jsonb DEFAULT '{}'::jsonb, source_hash bytea DEFAULT NULL::bytea, page_starts integer[] DEFAULT '{}'::integer[])
 RETURNS TABLE(document_id bigint, version integer, outcome text)
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    parent_id bigint := ragpg_internal.ensure_collection(put_document.collection);
    old_version integer;
    owner_name constant text := ragpg_internal.written_tenant();
begin
    insert into ragpg.documents as document (
        collection_id, source, content, title, media_type, metadata, source_hash, page_starts,
        tenant
    )
    values (
        parent_id, put_document.source, put_document.content, put_document.title,
        put_document.media_type, put_document.metadata, put_document.source_hash,
        put_document.page_starts, owner_name
    )
    on conflict do nothing
    returning document.id, document.version, 'added' into document_id, version, outcome;
    if document_id is null then
        select document.id, document.version into strict document_id, old_version
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = owner_name
            and document.source = put_document.source
        for update;
        update ragpg.documents as document
        set content = put_document.content,
            title = put_document.title,
            media_type = put_document.media_type,
            metadata = put_document.metadata,
            source_hash = put_document.source_hash,
            page_starts = put_document.page_starts
        where document.id = document_id
        returning document.version into version;
        outcome := case when version = old_version then 'unchanged' else 'updated' end;
    end if;
    return next;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.put_evaluation_draft(collection text, evaluation_set text, question text, expected_answer text, document_id bigint, quote text, start_char integer, model text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(put_evaluation_draft.collection);
    set_id bigint;
    new_id bigint;
begin
    perform
    from ragpg.documents as document
    where document.id = put_evaluation_draft.document_id
        and document.collection_id = parent_id
        and put_evaluation_draft.quote = substr(
            document.content, put_evaluation_draft.start_char + 1,
            char_length(put_evaluation_draft.quote)
        );
    if not found then
        raise exception 'document % does not hold this quote at character %',
            put_evaluation_draft.document_id, put_evaluation_draft.start_char
            using errcode = 'RG006', hint = 'draft from the document as it is now';
    end if;
    insert into ragpg.evaluation_sets as known (collection_id, name)
    values (parent_id, evaluation_set)
    on conflict on constraint evaluation_sets_collection_id_tenant_name_key do update
    set name = excluded.name
    returning known.id into set_id;
    insert into ragpg.evaluation_drafts as known (
        evaluation_set_id, document_id, question, expected_answer, quote, start_char, model
    )
    select
        set_id, put_evaluation_draft.document_id, put_evaluation_draft.question,
        put_evaluation_draft.expected_answer, put_evaluation_draft.quote,
        put_evaluation_draft.start_char, put_evaluation_draft.model
    where not exists (
        select
        from ragpg.evaluation_questions as asked
        where asked.evaluation_set_id = set_id
            and asked.question = put_evaluation_draft.question
    )
    on conflict on constraint evaluation_drafts_evaluation_set_id_question_key do nothing
    returning known.id into new_id;
    return new_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.put_evaluation_question(collection text, evaluation_set text, question text, labels jsonb DEFAULT '[]'::jsonb, expected_answer text DEFAULT NULL::text, is_answerable boolean DEFAULT true, tags text[] DEFAULT '{}'::text[])
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    set_id bigint;
    new_id bigint;
begin
    insert into ragpg.evaluation_sets as known (collection_id, name)
    values (ragpg.collection_id(put_evaluation_question.collection), evaluation_set)
    on conflict on constraint evaluation_sets_collection_id_tenant_name_key do update
    set name = excluded.name
    returning known.id into set_id;
    insert into ragpg.evaluation_questions as known (
        evaluation_set_id, question, expected_answer, is_answerable, tags
    )
    values (
        set_id, put_evaluation_question.question, put_evaluation_question.expected_answer,
        put_evaluation_question.is_answerable, put_evaluation_question.tags
    )
    on conflict on constraint evaluation_questions_evaluation_set_id_question_key do update
    set expected_answer = excluded.expected_answer,
        is_answerable = excluded.is_answerable,
        tags = excluded.tags
    returning known.id into new_id;
    delete from ragpg.evaluation_labels as label where label.evaluation_question_id = new_id;
    insert into ragpg.evaluation_labels (
        evaluation_question_id, source, quote, start_char, end_char, tenant
    )
    select asked.id, label.source, label.quote, label.start_char, label.end_char, asked.tenant
    from ragpg.evaluation_questions as asked
    cross join jsonb_to_recordset(labels) as label (
        source text, quote text, start_char integer, end_char integer
    )
    where asked.id = new_id;
    return new_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.quantize_search_index(index_id bigint, quantize text DEFAULT 'auto'::text, proof uuid DEFAULT ragpg_internal.proof())
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    recipe ragpg.search_indexes := ragpg_internal.recipe_of(null, quantize_search_index.index_id);
    index_name constant text := format('chunks_%s_embedding_hnsw', recipe.id);
    lock_timeout constant text := current_setting('lock_timeout');
    dimensions integer;
    chunks bigint;
begin
    perform ragpg_internal.check_shared('search index ' || recipe.id, proof);
    -- Not while refresh_search_index builds what this drops.
    perform pg_advisory_xact_lock(
        hashtext('ragpg.refresh_search_index'), hashtext(recipe.id::text)
    );
    recipe := ragpg_internal.recipe_of(null, recipe.id);  -- as who was waited for left it
    select model.dimensions into strict dimensions
    from ragpg.embedding_models as model
    where model.id = recipe.embedding_model_id;
    if quantize = 'auto' then
        -- What it lacks is taken to be as many chunks as in the active one.
        select max(held.chunks) into chunks
        from (
            select sum(state.chunk_count) as chunks
            from ragpg.collections as one
            join ragpg.index_documents as state
                on state.index_id in (recipe.id, one.active_index_id)
            where one.id = recipe.collection_id
            group by state.index_id
        ) as held;
        quantize := case
            when dimensions > 4000
                -- An embedding in the graph, and its neighbours (docs/scale.md).
                or chunks * (2 * dimensions + 300)
                > pg_size_bytes(current_setting('effective_cache_size'))
                then 'bit'
            else 'none'
        end;
    end if;
    if quantize ~ '^subvector:[1-9][0-9]{0,3}$' then
        if split_part(quantize, ':', 2)::integer >= least(dimensions, 4001) then
            raise exception 'the embeddings have % dimensions, "%" is not a part of them%', dimensions,
                quantize, case when dimensions > 4000 then ' that a vector index takes' else '' end
                using errcode = 'RG005',
                    hint = format('subvector:%s or less', least(dimensions - 1, 4000));
        end if;
    elsif quantize is null or quantize not in ('none', 'bit') then
        raise exception 'there is no quantisation "%"', quantize
            using errcode = 'RG005', hint = 'none, bit, subvector:256 or auto';
    elsif quantize = 'none' and dimensions > 4000 then
        raise exception 'the embeddings have % dimensions, a vector index of them takes 4,000 at most',
            dimensions
            using errcode = 'RG005', hint = 'bit: it holds a bit of each number; or subvector:1024, its first numbers';
    end if;
    if quantize = recipe.quantize then
        return quantize;
    end if;
    update ragpg.search_indexes as known
    set quantize = quantize_search_index.quantize,
        ef_search = case quantize_search_index.quantize when 'none' then 100 else 400 end
    where known.id = recipe.id;
    if recipe.state = 'ready' then
        -- Searches go on by the one there is until the other one is built.
        execute format('alter index ragpg.%I rename to %I', index_name, index_name || '_before');
        perform ragpg_internal.build_vector_index(recipe.id, dimensions);
        -- Who still reads is waited for, a moment at a time: searches wait behind who waits.
        for tried in 1..1500 loop
            begin
                perform set_config('lock_timeout', '200ms', true);
                execute format('drop index ragpg.%I', index_name || '_before');
                exit;
            exception
                when lock_not_available then
                    if tried = 1500 then
                        raise;
                    end if;
                    perform pg_sleep(0.2);
            end;
        end loop;
        perform set_config('lock_timeout', lock_timeout, true);
        if ragpg_internal.tenants_enabled() then  -- the new index's expression, too
            perform ragpg_internal.protect_table(
                format('ragpg.%I', 'chunks_' || recipe.id)::regclass, true
            );
        end if;
    end if;
    return quantize;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.rank_runs(run_ids bigint[])
 RETURNS TABLE(run_id bigint, index_id bigint, embedding_model text, chunk_tokens integer, overlap_tokens integer, k integer, vector_weight real, candidates integer, ef_search integer, train_ndcg double precision, train_span_recall double precision, held_out_ndcg double precision, held_out_span_recall double precision, latency_p50_ms double precision, index_bytes bigint, best_trade boolean)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH measured AS MATERIALIZED (
          SELECT measure.evaluation_run_id AS run_id,
             avg(measure.ndcg) FILTER (WHERE (side.split = 'train'::text)) AS train_ndcg,
             avg(measure.span_recall) FILTER (WHERE (side.split = 'train'::text)) AS train_span_recall,
             avg(measure.ndcg) FILTER (WHERE (side.split = 'held-out'::text)) AS held_out_ndcg,
             avg(measure.span_recall) FILTER (WHERE (side.split = 'held-out'::text)) AS held_out_span_recall,
             percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY measure.latency_ms) AS latency
            FROM (ragpg.evaluation_measures measure
              CROSS JOIN LATERAL ragpg_internal.evaluation_split(measure.evaluation_question_id) side(split))
           WHERE (measure.evaluation_run_id = ANY (rank_runs.run_ids))
           GROUP BY measure.evaluation_run_id
         ), sized AS MATERIALIZED (
          SELECT run.id,
             run.index_id,
             run.recipe,
             run.k,
             measured.train_ndcg,
             measured.train_span_recall,
             measured.held_out_ndcg,
             measured.held_out_span_recall,
             measured.latency,
             (sizes.table_bytes + sizes.index_bytes) AS bytes
            FROM ((measured
              JOIN ragpg.evaluation_runs run ON ((run.id = measured.run_id)))
              CROSS JOIN LATERAL ragpg_internal.partition_sizes(to_regclass(('ragpg.chunks_'::text || run.index_id)), NULL::regclass) sizes(table_bytes, index_bytes, vector_index_bytes, dead_chunks))
         )
  SELECT one.id,
     one.index_id,
     (one.recipe ->> 'embedding_model'::text),
     ((one.recipe ->> 'chunk_tokens'::text))::integer AS int4,
     ((one.recipe ->> 'overlap_tokens'::text))::integer AS int4,
     one.k,
     ((one.recipe ->> 'vector_weight'::text))::real AS float4,
     ((one.recipe ->> 'candidates'::text))::integer AS int4,
     ((one.recipe ->> 'ef_search'::text))::integer AS int4,
     one.train_ndcg,
     one.train_span_recall,
     one.held_out_ndcg,
     one.held_out_span_recall,
     one.latency,
     one.bytes,
     (NOT (EXISTS ( SELECT
            FROM sized other
           WHERE ((other.train_span_recall >= one.train_span_recall) AND (other.train_ndcg >= one.train_ndcg) AND (other.latency <= one.latency) AND (other.bytes <= one.bytes) AND ((other.train_span_recall > one.train_span_recall) OR (other.train_ndcg > one.train_ndcg) OR (other.latency < one.latency) OR (other.bytes < one.bytes))))))
    FROM sized one
   ORDER BY one.train_span_recall DESC NULLS LAST, one.train_ndcg DESC NULLS LAST, one.id;
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg.refresh_search_index(index_id bigint, force boolean DEFAULT false)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    partition_name text := 'chunks_' || refresh_search_index.index_id;
    recipe ragpg.search_indexes;
    dimensions integer;
    counted_at timestamptz;
    counted bigint;
    total bigint;
    changed bigint;
begin
    -- One at a time per search index; a second caller waits and then finds little to do.
    perform pg_advisory_xact_lock(
        hashtext('ragpg.refresh_search_index'), hashtext(refresh_search_index.index_id::text)
    );
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = refresh_search_index.index_id;
    select model.dimensions into dimensions
    from ragpg.embedding_models as model
    where model.id = recipe.embedding_model_id;
    select known.refreshed_at, known.chunk_count into counted_at, counted
    from ragpg.index_statistics as known
    where known.index_id = refresh_search_index.index_id and known.tenant = '';
    select
        coalesce(sum(state.chunk_count), 0),
        coalesce(sum(state.chunk_count) filter (where state.indexed_at > counted_at), 0)
    into total, changed
    from ragpg.index_documents as state
    where state.index_id = refresh_search_index.index_id;
    changed := greatest(changed, abs(total - coalesce(counted, 0)));
    -- Small indexes are counted every time; large ones when 2 % changed: df and N move BM25
    -- and the standard scores by less than that.
    if counted_at is not null and recipe.state = 'ready' and not force
        and (changed = 0 or (total > 20000 and changed < total / 50))
    then
        return ragpg_internal.count_tenants(refresh_search_index.index_id, force) > 0;
    end if;
    if recipe.state = 'building' then
        execute format(
            'create index if not exists %I on ragpg.%I using gin (lexemes)',
            partition_name || '_lexemes_gin', partition_name
        );
        perform ragpg_internal.build_vector_index(refresh_search_index.index_id, dimensions);
        if ragpg_internal.tenants_enabled() then  -- the expressions of new indexes, too
            perform ragpg_internal.protect_table(format('ragpg.%I', partition_name)::regclass, true);
        end if;
        update ragpg.search_indexes as known
        set state = 'ready'
        where known.id = refresh_search_index.index_id;
    end if;
    execute format('analyze ragpg.%I', partition_name);
    perform ragpg_internal.count_chunks(refresh_search_index.index_id, '');
    perform ragpg_internal.count_tenants(refresh_search_index.index_id, force);
    return true;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.repeated_lines(collection text DEFAULT NULL::text, min_share double precision DEFAULT 0.3, min_documents integer DEFAULT 5)
 RETURNS TABLE(line text, documents bigint, share double precision)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH stored AS MATERIALIZED (
          SELECT document.id,
             document.content
            FROM ragpg.documents document
           WHERE (document.collection_id = ragpg.collection_id(repeated_lines.collection))
         ), lines AS (
          SELECT stored.id,
             btrim(cut.line, ' 	'::text) AS line
            FROM (stored
              CROSS JOIN LATERAL string_to_table(stored.content, '
'::text) cut(line))
           WHERE (char_length(cut.line) >= 15)
         )
  SELECT min(lines.line) AS line,
     count(DISTINCT lines.id) AS documents,
     ((count(DISTINCT lines.id))::double precision / (( SELECT count(*) AS count
            FROM stored))::double precision) AS share
    FROM lines
   WHERE ((lines.line !~ '^#{1,6} '::text) AND (lines.line ~ '[^\u0001-\u0040\u005b-\u0060\u007b-\u00a9]{3}'::text))
   GROUP BY (regexp_replace(lines.line, '[0-9]+'::text, '0'::text, 'g'::text))
  HAVING ((count(DISTINCT lines.id) >= repeated_lines.min_documents) AND ((count(DISTINCT lines.id))::double precision >= (repeated_lines.min_share * (( SELECT count(*) AS count
            FROM stored))::double precision)))
   ORDER BY (count(DISTINCT lines.id)) DESC, (min(lines.line));
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg.rollback_search_index(collection text DEFAULT NULL::text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    earlier_id bigint;
begin
    select recipe.id into earlier_id
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.collection_id = one.id
    where one.id = ragpg.collection_id(rollback_search_index.collection)
        and recipe.id <> one.active_index_id
        and recipe.activated_at is not null
    order by recipe.activated_at desc
    limit 1;
    if earlier_id is null then
        raise exception 'no other search index of this collection has been active'
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    perform ragpg.activate_search_index(earlier_id);
    return earlier_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.sample_chunks(collection text, evaluation_set text, k integer DEFAULT 20, min_chars integer DEFAULT 100)
 RETURNS TABLE(document_id bigint, source text, title text, context text, content text, start_char integer)
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    parent ragpg.collections;
    set_id bigint;
begin
    select one.* into parent
    from ragpg.collections as one
    where one.id = ragpg.collection_id(sample_chunks.collection);
    select known.id into set_id
    from ragpg.evaluation_sets as known
    where known.collection_id = parent.id and known.name = sample_chunks.evaluation_set;
    return query
    with taken as materialized (
        select draft.document_id, draft.start_char,
            draft.start_char + char_length(draft.quote) as end_char
        from ragpg.evaluation_drafts as draft
        where draft.evaluation_set_id = set_id
        union all
        select label.document_id, label.start_char, label.end_char
        from ragpg.evaluation_label_spans as label
        where label.evaluation_set_id = set_id and label.state = 'found'
    ),
    drawn as (
        -- A chunk of each document first, then a second of each.
        select
            chunk.id, random() as luck,
            row_number() over (partition by chunk.document_id order by random()) as turn
        from ragpg.chunks as chunk
        where chunk.index_id = parent.active_index_id
            and chunk.end_char - chunk.start_char >= min_chars
            and not exists (
                select
                from taken
                where taken.document_id = chunk.document_id
                    and taken.start_char < chunk.end_char
                    and chunk.start_char < taken.end_char
            )
        order by turn, luck
        limit sample_chunks.k
    )
    select
        document.id, document.source, document.title, chunk.context, chunk.content,
        chunk.start_char
    from drawn
    join ragpg.chunks as chunk on chunk.index_id = parent.active_index_id and chunk.id = drawn.id
    join ragpg.documents as document
        on document.id = chunk.document_id and document.version = chunk.document_version
    order by drawn.turn, drawn.luck;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.save_answer(collection text, question text, content text, model text, abstained boolean, grounded boolean, stop_reason text, input_tokens integer, output_tokens integer, cache_read_tokens integer, cache_creation_tokens integer, latency_ms integer, citations jsonb)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    new_id bigint;
begin
    insert into ragpg.answers as answer (
        collection_id, question, content, model, abstained, grounded, stop_reason, input_tokens,
        output_tokens, cache_read_tokens, cache_creation_tokens, latency_ms
    )
    values (
        ragpg.collection_id(save_answer.collection), save_answer.question, save_answer.content,
        save_answer.model, save_answer.abstained, save_answer.grounded, save_answer.stop_reason,
        save_answer.input_tokens, save_answer.output_tokens, save_answer.cache_read_tokens,
        save_answer.cache_creation_tokens, save_answer.latency_ms
    )
    returning answer.id into new_id;
    perform ragpg_internal.put_citations(new_id, save_answer.citations);
    return new_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.search(query text, k integer DEFAULT 10, collection text DEFAULT NULL::text, filter jsonpath DEFAULT NULL::jsonpath, query_embedding halfvec DEFAULT NULL::halfvec, mode text DEFAULT 'hybrid'::text, index_id bigint DEFAULT NULL::bigint)
 RETURNS SETOF ragpg.hit
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
 SET plan_cache_mode TO 'auto'
AS $function$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    all_chunks bigint;
    mean_length real;
    some_documents bigint[];  -- drawn at random
    dimensions integer;
    wanted integer;
    -- That the filter lets through; null where they are many: each candidate is asked.
    matching_documents bigint[];
    matching_chunks bigint;
    matching_share double precision := 0;
    few_chunks constant integer := 200;
    vector_ids bigint[];  -- best first
    similarities double precision[];
    bm25_scores double precision[];  -- of the same chunks
    words tsquery[];  -- the rarest first
    word_weights double precision[];
    word_counts integer[];  -- of chunks
    word_chunks bigint;  -- that hold one of the words, at most
    word_ids bigint[];  -- best first
    word_scores double precision[];
    met_ids bigint[];  -- the same chunks, as they came
    met_embeddings halfvec[];  -- of these
    best_ids bigint[];  -- best first
    best_scores double precision[];
    best_similarities double precision[];
    best_bm25_scores double precision[];
    vector_weight double precision := 1;
    vector_mean double precision;
    vector_deviation double precision;
    word_weight double precision := 0;
    word_mean double precision := 0;
    word_deviation double precision := 1;
    least_bm25 double precision := 0;  -- with less a chunk of the word leg alone cannot be a hit
    logged boolean := false;
    hit_count integer;
    counted_tenant constant text := coalesce(ragpg_internal.searched_tenant(), '');
    started constant timestamptz := clock_timestamp();
begin
    if mode not in ('hybrid', 'vector', 'keyword') or mode is null then
        raise exception 'there is no mode "%"', mode
            using errcode = 'RG005', hint = 'modes are hybrid, vector and keyword';
    end if;
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    if query_embedding is null and coalesce(query, '') !~ '\S' then
        raise exception 'the query is blank' using errcode = 'RG005', hint = 'ask something';
    end if;
    if search.index_id is null then
        select known.* into recipe
        from ragpg.collections as one
        join ragpg.search_indexes as known on known.id = one.active_index_id
        where one.id = ragpg.collection_id(search.collection);
        if recipe.id is null then
            return;  -- a collection without a document yet
        end if;
        -- Is this one of the share that is logged? Never where it could not be written: on a
        -- standby every transaction is read-only.
        select
            one.search_log_share > random()
            and current_setting('transaction_read_only') = 'off'
            and has_function_privilege('ragpg_internal.log_search'::regproc, 'execute')
        into logged
        from ragpg.collections as one
        where one.id = recipe.collection_id;
    else
        select known.* into recipe
        from ragpg.search_indexes as known
        where known.id = search.index_id;
        if recipe.id is null then
            raise exception 'there is no search index %', search.index_id
                using errcode = 'RG010', hint = 'view index_health lists them';
        end if;
    end if;
    -- A question is enough when the database holds the model that embedded the chunks.
    if query_embedding is null and mode <> 'keyword'
        and exists (
            select
            from ragpg.encoders as encoder
            where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified
        )
    then
        query_embedding := ragpg.embed_query(search.query, recipe.embedding_model_id);
    end if;
    if query_embedding is null and mode = 'vector' then
        raise exception 'mode vector needs a query embedding'
            using errcode = 'RG005',
                hint = 'load the model with ragpg model load, pass query_embedding, or use hybrid';
    end if;
    select known.dimensions into dimensions
    from ragpg.embedding_models as known
    where known.id = recipe.embedding_model_id;
    if vector_dims(query_embedding) <> dimensions then
        raise exception 'the query embedding has % dimensions, the collection''s have %',
            vector_dims(query_embedding), dimensions
            using errcode = 'RG003', hint = 'embed the query with the model the collection was built with';
    end if;
    -- Not the whole row: its sample of embeddings is large.
    select
        known.chunk_count, known.mean_length,
        case when filter is not null then known.document_sample end
    into all_chunks, mean_length, some_documents
    from ragpg.index_statistics as known
    where known.index_id = recipe.id and known.tenant = counted_tenant;
    -- Planned once in a session from here on, not in each search: 0.4 ms instead of 0.65 were
    -- measured. (Not above: a model in the database takes half as long again.)
    if not ragpg_internal.is_distributed() then  -- Citus plans by the values
        perform set_config('plan_cache_mode', 'force_generic_plan', true);
    end if;
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg_internal.check_filter(filter);
        if all_chunks > 20000 then
            select found.document_ids, found.chunks into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(recipe.id, filter, 4000) as found;
            -- Of some documents, how many pass? Where they are many, to list them all takes longer
            -- than to ask of each candidate as it is met.
            if matching_documents is null then
                if all_chunks < 200000 then
                    some_documents := some_documents[:50];
                end if;
                matching_share := coalesce(
                    cardinality(ragpg_internal.passing(some_documents, filter)), 0
                )::double precision / nullif(cardinality(some_documents), 0);
                matching_chunks := all_chunks * matching_share;
            end if;
        end if;
        if matching_documents is null and (
            matching_share < 0.3 and matching_share * coalesce(all_chunks, 0) <= 40000
            or ragpg_internal.is_distributed()  -- the shards have no documents to ask
        ) then
            select found.document_ids, coalesce(found.chunks, matching_chunks)
            into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(
                -- So many are listed in 10 ms.
                recipe.id, filter,
                case
                    when matching_share >= 0.03 and not ragpg_internal.is_distributed() then 50000
                end
            ) as found;
        end if;
        if matching_chunks = 0 then
            if logged then
                perform ragpg_internal.log_search(
                    recipe.id, search.query, search.query_embedding, search.mode, search.k, true,
                    0, null, extract(epoch from clock_timestamp() - started) * 1000
                );
            end if;
            return;
        end if;
    end if;

    if mode <> 'vector' then
        select
            array_agg(word.word order by word.place), array_agg(word.weight order by word.place),
            array_agg(word.chunk_count order by word.place), sum(word.chunk_count),
            coalesce(sum(word.mean_score), 0),
            coalesce(nullif(sqrt(sum(word.mean_square - word.mean_score ^ 2)), 0), 1)
        into words, word_weights, word_counts, word_chunks, word_mean, word_deviation
        from ragpg_internal.query_words(recipe.id, search.query) as word;
        if cardinality(words) = 64 then
            raise notice 'of the question''s words the 64 that weigh most are looked for';
        end if;
    end if;
    if mode = 'keyword' or query_embedding is null then
        select array_agg(found.chunk_id), array_agg(found.score)
        into word_ids, word_scores
        from ragpg_internal.keyword_candidates(
            recipe.id, words, word_weights, word_chunks, wanted, matching_documents, filter
        ) as found;
    end if;
    if mode = 'keyword' then
        query_embedding := null;
        vector_weight := 0;
    elsif mode = 'hybrid' then
        vector_weight := recipe.vector_weight;
        if query_embedding is null then
            query_embedding := ragpg_internal.feedback_embedding(recipe.id, word_ids, word_scores);
            vector_weight := 0.5;  -- measured: near one half is best when words made the vector
            raise notice 'the database holds no model to embed the query with: searched by words'
                using hint = 'load the model with ragpg model load, or pass query_embedding';
        end if;
    end if;
    if query_embedding is not null then
        select array_agg(found.chunk_id), array_agg(found.similarity)
        into vector_ids, similarities
        from ragpg_internal.vector_candidates(
            recipe.id, query_embedding, wanted, matching_documents, matching_chunks, filter
        ) as found;
    end if;

    -- Standard scores: how many deviations above the mean of the whole index a chunk is, in each
    -- leg. The vector leg's mean and deviation come from a sample of embeddings, the word leg's from
    -- how common each word is.
    if mode = 'hybrid' then
        select spread.mean, spread.deviation
        into vector_mean, vector_deviation
        from ragpg_internal.similarity_spread(recipe.id, counted_tenant, query_embedding)
            as spread;
    end if;
    -- Where the search index names no weight it follows the question: the less its nearest chunk
    -- stands out, the less the model knows of it. Of few chunks, that pass a filter or are all
    -- there are, it tells less: none of n is more than (n - 1) / sqrt(n) deviations above the mean.
    vector_weight := coalesce(
        vector_weight,
        case
            when filter is not null or coalesce(all_chunks, 0) < few_chunks then 0.55
            else ragpg_internal.question_weight((similarities[1] - vector_mean) / vector_deviation)
        end
    );
    word_weight := 1 - vector_weight;
    if mode = 'hybrid' and vector_ids is not null then
        bm25_scores := ragpg_internal.word_scores(
            recipe.id, vector_ids, words, word_weights, mean_length
        );
        -- Fewer than wanted are all there are. Else any other chunk is at most as similar as the
        -- last of these, so that its words must make up for that to come before the k-th of these
        -- (the threshold algorithm of Fagin, Lotem and Naor 2003).
        if word_ids is null and cardinality(vector_ids) >= wanted then
            select
                word_mean + word_deviation / nullif(word_weight, 0) * (
                    vector_weight * (known.similarity - similarities[wanted]) / vector_deviation
                    + word_weight * (known.bm25 - word_mean) / word_deviation
                )
            into least_bm25
            from unnest(similarities, bm25_scores) as known (similarity, bm25)
            order by
                vector_weight * known.similarity / vector_deviation
                + word_weight * known.bm25 / word_deviation desc
            offset k - 1
            limit 1;
            -- Where very many chunks hold the words, those that only the commonest speak for are
            -- left to the vector leg: none of the best 30 by words were lost (docs/measured.md).
            if word_chunks <= 30000 or matching_documents is not null then
                word_counts := null;
            end if;
            select array_agg(found.chunk_id), array_agg(found.score)
            into word_ids, word_scores
            from ragpg_internal.keyword_candidates(
                recipe.id, words, word_weights, word_chunks, wanted, matching_documents, filter,
                least_bm25, word_counts
            ) as found;
        end if;
    end if;

    if query_embedding is not null and word_ids is not null then
        met_ids := array(
            select met.id
            from unnest(word_ids) as met (id)
            where met.id <> all(coalesce(vector_ids, '{}'))
        );
        if ragpg_internal.is_distributed() then
            -- The operator is asked for here, and not where the chunks are.
            select array_agg(chunk.embedding), array_agg(chunk.chunk_id)
            into met_embeddings, met_ids
            from ragpg_internal.known_chunks(met_ids, recipe.id) as chunk;
        else
            select array_agg(chunk.embedding), array_agg(chunk.id) into met_embeddings, met_ids
            from ragpg.chunks as chunk
            where chunk.index_id = recipe.id and chunk.id = any(met_ids);
        end if;
    end if;
    select
        array_agg(best.chunk_id), array_agg(best.score), array_agg(best.similarity),
        array_agg(best.bm25)
    into best_ids, best_scores, best_similarities, best_bm25_scores
    from (
        select known.*
        from (
            select
                candidate.*,
                case mode
                    when 'vector' then candidate.similarity
                    when 'keyword' then candidate.bm25
                    else
                        vector_weight * (candidate.similarity - vector_mean) / vector_deviation
                        + word_weight * (candidate.bm25 - word_mean) / word_deviation
                end as score
            from (
                select known.*
                from unnest(vector_ids, similarities, bm25_scores)
                    as known (chunk_id, similarity, bm25)
                union all
                select
                    said.chunk_id,
                    case
                        when query_embedding is not null
                            then coalesce(nullif(1 - (met.embedding <=> query_embedding), 'NaN'), 0)
                    end,
                    said.bm25
                from unnest(word_ids, word_scores) as said (chunk_id, bm25)
                left join unnest(met_ids, met_embeddings) as met (chunk_id, embedding)
                    on met.chunk_id = said.chunk_id
                where said.chunk_id <> all(coalesce(vector_ids, '{}'))
            ) as candidate
        ) as known
        -- Alike to the words, which none of them holds, or to a weight of nothing: the nearest.
        order by known.score desc nulls last, known.similarity desc nulls last, known.chunk_id
        limit k
    ) as best;
    if ragpg_internal.is_distributed() then
        return query
        select hit.*
        from ragpg_internal.distant_hits(
            recipe.id, best_ids, best_scores, best_similarities, best_bm25_scores
        ) as hit;
    else
        return query
        -- Each looked up by its key: without statistics of the parent of all partitions, and it has
        -- none, a join may be planned that reads every chunk.
        select
            best.place::integer, document.source, document.title, hit.content, best.score,
            best.similarity, best.bm25, hit.start_char, hit.end_char, hit.page, hit.context,
            document.metadata, hit.document_id, hit.document_version, hit.id
        from unnest(best_ids, best_scores, best_similarities, best_bm25_scores) with ordinality
            as best (chunk_id, score, similarity, bm25, place)
        cross join lateral (
            select
                chunk.id, chunk.content, chunk.start_char, chunk.end_char, chunk.page,
                chunk.context, chunk.document_id, chunk.document_version
            from ragpg.chunks as chunk
            where chunk.index_id = recipe.id and chunk.id = best.chunk_id
            limit 1
        ) as hit
        cross join lateral (
            select one.source, one.title, one.metadata
            from ragpg.documents as one
            where one.id = hit.document_id
            limit 1
        ) as document
        order by 1;
    end if;
    get diagnostics hit_count = row_count;
    if hit_count = 0 and to_regclass('ragpg.chunks_' || recipe.id) is null then
        raise exception 'search index % was dropped during the search', recipe.id
            using errcode = 'RG010', hint = 'search again';
    end if;
    if logged then
        perform ragpg_internal.log_search(
            recipe.id, search.query, search.query_embedding, search.mode, search.k,
            filter is not null, hit_count, similarities[1],
            extract(epoch from clock_timestamp() - started) * 1000
        );
    end if;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.search_any(queries text[], k integer DEFAULT 10, collection text DEFAULT NULL::text, filter jsonpath DEFAULT NULL::jsonpath, query_embeddings halfvec[] DEFAULT NULL::halfvec[], mode text DEFAULT 'hybrid'::text, index_id bigint DEFAULT NULL::bigint)
 RETURNS SETOF ragpg.hit
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
    if coalesce(cardinality(queries), 0) = 0 then
        raise exception 'there is no query' using errcode = 'RG005', hint = 'ask something';
    end if;
    if cardinality(query_embeddings) <> cardinality(queries) then
        raise exception '% queries came with % embeddings',
            cardinality(queries), cardinality(query_embeddings)
            using errcode = 'RG005', hint = 'pass one for each, or none';
    end if;
    return query
    with hits as materialized (
        select hit.*, asked.number
        from unnest(queries) with ordinality as asked (query, number)
        cross join lateral ragpg.search(
            asked.query, greatest(2 * k, 20), search_any.collection, search_any.filter,
            query_embeddings[asked.number], search_any.mode, search_any.index_id
        ) as hit
    ),
    fused as (
        -- Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009): scores of different
        -- questions are on different scales.
        select
            hits.chunk_id, sum(1.0::double precision / (60 + hits.place)) as score,
            max(hits.similarity) as similarity, max(hits.bm25) as bm25, min(hits.number) as number
        from hits
        group by hits.chunk_id
    )
    select
        (row_number() over (order by fused.score desc, hit.chunk_id))::integer, hit.source,
        hit.title, hit.content, fused.score, fused.similarity, fused.bm25, hit.start_char,
        hit.end_char, hit.page, hit.context, hit.metadata, hit.document_id, hit.document_version,
        hit.chunk_id
    from fused
    join hits as hit on hit.chunk_id = fused.chunk_id and hit.number = fused.number
    order by 1
    limit k;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.search_distinct(query text, k integer DEFAULT 10, collection text DEFAULT NULL::text, filter jsonpath DEFAULT NULL::jsonpath, query_embedding halfvec DEFAULT NULL::halfvec, mode text DEFAULT 'hybrid'::text, index_id bigint DEFAULT NULL::bigint, max_similarity double precision DEFAULT 0.95, min_overlap double precision DEFAULT 0.8, relevance double precision DEFAULT 1)
 RETURNS SETOF ragpg.hit
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    hits jsonb;
    ids bigint[];
    contents text[];
    embeddings halfvec[];
    scores double precision[];  -- from 0, the last, to 1, the first
    nearest double precision[];  -- cosine to what is picked
    is_taken boolean[];  -- picked, or nearly the same as what is
    picks integer[];
    pick integer;
    -- Maximal marginal relevance chooses among more than it returns.
    wanted integer := case when relevance < 1 then greatest(3 * k, 30) else k + k / 2 + 1 end;
begin
    if num_nulls(max_similarity, min_overlap, relevance) > 0 or relevance not between 0 and 1 then
        raise exception 'max_similarity is %, min_overlap is %, relevance is %',
            max_similarity, min_overlap, relevance
            using errcode = 'RG005',
                hint = 'max_similarity is a cosine, min_overlap a share; relevance is from 0 (different) to 1 (best)';
    end if;
    loop
        select
            jsonb_agg(to_jsonb(hit) order by hit.place),
            array_agg(hit.content order by hit.place),
            array_agg(hit.chunk_id order by hit.place),
            array_agg(
                coalesce((hit.score - hit.least) / nullif(hit.most - hit.least, 0), 1)
                order by hit.place
            ),
            array_agg(0 order by hit.place),
            array_agg(false order by hit.place)
        into hits, contents, ids, scores, nearest, is_taken
        from (
            select found.*, min(found.score) over () as least, max(found.score) over () as most
            from ragpg.search(
                query, wanted, collection, filter, query_embedding, mode, index_id
            ) as found
        ) as hit;
        select array_agg(chunk.embedding order by array_position(ids, chunk.chunk_id))
        into embeddings
        from ragpg_internal.known_chunks(ids) as chunk;
        picks := '{}';
        while cardinality(picks) < k loop
            select candidate.place into pick
            from unnest(scores, nearest, is_taken) with ordinality
                as candidate (score, nearest, is_taken, place)
            where not candidate.is_taken
            order by
                relevance * candidate.score - (1 - relevance) * candidate.nearest desc,
                candidate.place
            limit 1;
            exit when pick is null;
            picks := picks || pick;
            select
                array_agg(greatest(known.nearest, near.similarity) order by known.place),
                array_agg(
                    known.is_taken or known.place = pick
                    or near.similarity >= max_similarity
                    and ragpg_internal.word_overlap(known.content, contents[pick]) >= min_overlap
                    order by known.place
                )
            into nearest, is_taken
            from unnest(nearest, is_taken, embeddings, contents) with ordinality
                as known (nearest, is_taken, embedding, content, place)
            cross join lateral (
                select 1 - (known.embedding <=> embeddings[pick]) as similarity
            ) as near;
        end loop;
        -- Too few, and search has more to give: look further down.
        exit when cardinality(picks) = k or coalesce(cardinality(scores), 0) < wanted;
        wanted := 2 * wanted;
    end loop;
    return query
    select
        picked.place::integer, hit.source, hit.title, hit.content, hit.score, hit.similarity,
        hit.bm25, hit.start_char, hit.end_char, hit.page, hit.context, hit.metadata,
        hit.document_id, hit.document_version, hit.chunk_id
    from unnest(picks) with ordinality as picked (hit, place)
    join jsonb_populate_recordset(null::ragpg.hit, hits) as hit on hit.place = picked.hit
    order by 1;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.search_recent(query text, k integer DEFAULT 10, collection text DEFAULT NULL::text, filter jsonpath DEFAULT NULL::jsonpath, query_embedding halfvec DEFAULT NULL::halfvec, mode text DEFAULT 'hybrid'::text, index_id bigint DEFAULT NULL::bigint, dated jsonpath DEFAULT '$."date"'::jsonpath, half_life interval DEFAULT '180 days'::interval, weight double precision DEFAULT 1)
 RETURNS SETOF ragpg.hit
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
    if half_life is null or half_life <= '0' or weight is null or weight < 0 then
        raise exception 'half_life is %, weight is %', half_life, weight
            using errcode = 'RG005',
                hint = 'half_life is an interval such as 30 days, weight zero or more';
    end if;
    return query
    select
        (row_number() over (order by boosted.score desc, boosted.chunk_id))::integer,
        boosted.source, boosted.title, boosted.content, boosted.score, boosted.similarity,
        boosted.bm25, boosted.start_char, boosted.end_char, boosted.page, boosted.context,
        boosted.metadata, boosted.document_id, boosted.document_version, boosted.chunk_id
    from (
        select
            hit.source, hit.title, hit.content,
            hit.score + weight * (
                case
                    when said.date is null then 0
                    -- A date of the future is as new as today's.
                    else 0.5 ^ (
                        greatest(extract(epoch from now() - said.date), 0)::double precision
                        / extract(epoch from half_life)::double precision
                    )
                end
            ) as score,
            hit.similarity, hit.bm25, hit.start_char, hit.end_char, hit.page, hit.context,
            hit.metadata, hit.document_id, hit.document_version, hit.chunk_id
        from ragpg.search(
            query, greatest(3 * k, 50), collection, filter, query_embedding, mode, index_id
        ) as hit
        -- What is no date, or not there, adds nothing.
        cross join lateral (
            select (
                jsonb_path_query_first_tz(
                    to_jsonb(
                        -- datetime() reads offsets, but no Z.
                        regexp_replace(
                            jsonb_path_query_first(hit.metadata, dated) #>> '{}', 'Z$', '+00:00'
                        )
                    ),
                    '$.datetime()', silent => true
                ) #>> '{}'
            )::timestamptz as date
        ) as said
    ) as boosted
    order by 1
    limit k;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.secure()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
begin
    perform pg_advisory_xact_lock(hashtext('ragpg.secure'));
    perform ragpg_internal.hand_over();
    perform ragpg_internal.reunite_chunks();
    if ragpg_internal.tenants_enabled() then
        perform ragpg.enable_tenants();
    end if;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.set_tenant(tenant text, for_session boolean DEFAULT false)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    if coalesce(tenant, '') !~ '\S' then
        raise exception 'the tenant is blank' using errcode = 'RG005', hint = 'name one';
    end if;
    perform set_config('ragpg.tenant', set_tenant.tenant, not for_session);
    if ragpg.current_tenant() is distinct from set_tenant.tenant then
        raise exception 'role % may not act for tenant "%"', current_user, tenant
            using errcode = 'RG013', hint = 'the owner of the schema binds roles (ragpg.bind_role), or lets them choose (ragpg.trust_role)';
    end if;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.similar_chunks(to_chunk_id bigint, k integer DEFAULT 10)
 RETURNS TABLE(place integer, source text, title text, content text, similarity double precision, start_char integer, end_char integer, document_id bigint, chunk_id bigint)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    given record;
    near_ids bigint[];
    similarities double precision[];
begin
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    select chunk.chunk_id as id, chunk.index_id, chunk.embedding into given
    from ragpg_internal.known_chunks(array[similar_chunks.to_chunk_id]) as chunk;
    if given.id is null then
        raise exception 'there is no chunk %', similar_chunks.to_chunk_id
            using errcode = 'RG005', hint = 'pass the chunk_id of a row of ragpg.search';
    end if;
    select array_agg(near.chunk_id), array_agg(near.similarity) into near_ids, similarities
    from ragpg_internal.vector_candidates(given.index_id, given.embedding, k + 1) as near;
    return query
    select
        (row_number() over (order by near.similarity desc, near.chunk_id))::integer,
        document.source, document.title, chunk.content, near.similarity, chunk.start_char,
        chunk.end_char, chunk.document_id, chunk.chunk_id
    from unnest(near_ids, similarities) as near (chunk_id, similarity)
    join ragpg_internal.known_chunks(near_ids, given.index_id) as chunk
        on chunk.chunk_id = near.chunk_id
    join ragpg.documents as document on document.id = chunk.document_id
    where near.chunk_id <> given.id
    order by 1
    limit k;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.slow_queries(most integer DEFAULT 20)
 RETURNS TABLE(query text, calls bigint, mean_ms double precision, total_ms double precision, row_count bigint, cached_share double precision)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    home text := (
        select space.nspname
        from pg_extension as installed
        join pg_namespace as space on space.oid = installed.extnamespace
        where installed.extname = 'pg_stat_statements'
    );
begin
    if home is null then
        raise notice 'pg_stat_statements is not installed'
            using hint = 'add it to shared_preload_libraries, then: create extension pg_stat_statements';
        return;
    end if;
    return query execute format(
        'select query, calls, mean_exec_time, total_exec_time, rows,'
        '  shared_blks_hit::double precision / nullif(shared_blks_hit + shared_blks_read, 0)'
        ' from %I.pg_stat_statements'
        ' where dbid = (select oid from pg_database where datname = current_database())'
        '  and query ilike ''%%ragpg.%%'''
        ' order by total_exec_time desc limit $1',
        home
    )
    using most;
exception
    when object_not_in_prerequisite_state then
        raise notice 'pg_stat_statements is installed but not loaded'
            using hint = 'add it to shared_preload_libraries and restart';
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.start_conversation(collection text)
 RETURNS bigint
 LANGUAGE sql
BEGIN ATOMIC
 INSERT INTO ragpg.conversations (collection_id)
   VALUES (ragpg.collection_id(start_conversation.collection))
   RETURNING conversations.id;
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg.stop_indexing_table(table_name regclass, collection text, delete_documents boolean DEFAULT false)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    followed record;
    gone bigint := 0;
begin
    select known.* into followed
    from ragpg_internal.followed_tables() as known
    where known.table_name = stop_indexing_table.table_name
        and known.collection = stop_indexing_table.collection;
    if not found then
        return 0;
    end if;
    execute format('drop trigger %I on %s', 'ragpg_' || collection, table_name);
    execute format('drop trigger %I on %s', 'ragpg_truncate_' || collection, table_name);
    if delete_documents then
        delete from ragpg.documents as document
        where document.collection_id = ragpg.collection_id(stop_indexing_table.collection)
            and document.row_of = followed.row_of;
        get diagnostics gone = row_count;
    end if;
    return gone;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.surroundings(chunk_id bigint, neighbours integer DEFAULT 1)
 RETURNS TABLE(start_char integer, end_char integer, content text)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    hit record;
    span int4range;
begin
    select one.index_id, one.document_id, one.document_version, one.ordinal into hit
    from ragpg_internal.known_chunks(array[surroundings.chunk_id]) as one;
    select int4range(min(near.start_char), max(near.end_char)) into span
    from ragpg_internal.document_chunks(hit.index_id, array[hit.document_id]) as near
    where near.document_version = hit.document_version
        and near.ordinal between hit.ordinal - surroundings.neighbours
            and hit.ordinal + surroundings.neighbours;
    return query
    select
        lower(span), upper(span), substr(kept.content, lower(span) + 1, upper(span) - lower(span))
    from (
        select document.content
        from ragpg.documents as document
        where document.id = hit.document_id and document.version = hit.document_version
        union all
        select earlier.content
        from ragpg.document_versions as earlier
        where earlier.document_id = hit.document_id and earlier.version = hit.document_version
        limit 1
    ) as kept;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.text_language(content text)
 RETURNS text
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    -- Without fenced code, tags and addresses, which are English everywhere.
    sample text := lower(left(
        regexp_replace(
            regexp_replace(E'\n' || left(content, 12000), '\n {0,3}?```.*?\n {0,3}?```', '', 'g'),
            '<[^<>]*>|https?://[^ \n<>)]*|\{[^ \n{}]*\}|`[^`\n]*`|\]\([^ \n)]*', ' ', 'g'
        ),
        2000
    ));
    script_name text;
    latin integer := char_length(sample)
        - char_length(regexp_replace(sample, '[a-z\u00df-\u024f\u1e00-\u1eff]+', '', 'g'));
    kana integer := regexp_count(sample, '[\u3040-\u30ff]');
    han integer := regexp_count(sample, '[\u3400-\u4dbf\u4e00-\u9fff]');
    found_language text;
begin
    -- A Chinese or Japanese character is about a third of a word; others are letters.
    select candidate.name into script_name
    from (
        values
            ('latin', latin),
            ('chinese', 3 * (han + kana)),
            ('korean', 2 * regexp_count(sample, '[\uac00-\ud7af]')),
            ('thai', regexp_count(sample, '[\u0e00-\u0e7f]')),
            ('arabic', regexp_count(sample, '[\u0600-\u06ff\u0750-\u077f]')),
            ('hebrew', regexp_count(sample, '[\u0590-\u05ff]')),
            ('hindi', regexp_count(sample, '[\u0900-\u097f]')),
            ('greek', regexp_count(sample, '[\u0370-\u03ff\u1f00-\u1fff]')),
            ('armenian', regexp_count(sample, '[\u0530-\u058f]')),
            ('tamil', regexp_count(sample, '[\u0b80-\u0bff]')),
            ('cyrillic', regexp_count(sample, '[\u0400-\u04ff]'))
    ) as candidate (name, weight)
    where candidate.weight >= 20
    order by candidate.weight desc, candidate.name
    limit 1;
    if script_name = 'chinese' and kana > 0.1 * (han + kana) then
        return 'japanese';
    elsif script_name = 'cyrillic' and regexp_count(sample, '[\u0454\u0456\u0457\u0491]') > 0.03 * char_length(sample) then
        return 'ukrainian';
    elsif script_name = 'latin' and regexp_count(sample, '[\u1ea0-\u1ef9]') > 0.03 * latin then
        return 'vietnamese';
    elsif script_name = 'latin' and regexp_count(sample, '[\u0103\u021b\u0163]') > 0.015 * latin then
        return 'romanian';
    elsif script_name not in ('latin', 'cyrillic') or script_name is null then
        return script_name;
    end if;
    -- The share of words that are stop words, by the dictionaries Postgres brings.
    with word as materialized (
        select token, count(*) as times
        from ts_parse('default', sample)
        where tokid in (1, 2) and char_length(token) > 1
        group by token
    ),
    looked_up as materialized (
        select language.name, word.times, ts_lexize(language.dictionary, word.token) = '{}' as is_stop
        from word
        cross join (
            values
                ('cyrillic', 'russian', 'pg_catalog.russian_stem'::regdictionary),
                ('latin', 'danish', 'pg_catalog.danish_stem'),
                ('latin', 'dutch', 'pg_catalog.dutch_stem'),
                ('latin', 'english', 'pg_catalog.english_stem'),
                ('latin', 'finnish', 'pg_catalog.finnish_stem'),
                ('latin', 'french', 'pg_catalog.french_stem'),
                ('latin', 'german', 'pg_catalog.german_stem'),
                ('latin', 'hungarian', 'pg_catalog.hungarian_stem'),
                ('latin', 'italian', 'pg_catalog.italian_stem'),
                ('latin', 'norwegian', 'pg_catalog.norwegian_stem'),
                ('latin', 'portuguese', 'pg_catalog.portuguese_stem'),
                ('latin', 'spanish', 'pg_catalog.spanish_stem'),
                ('latin', 'swedish', 'pg_catalog.swedish_stem'),
                ('latin', 'turkish', 'pg_catalog.turkish_stem')
        ) as language (script, name, dictionary)
        where language.script = script_name
    ),
    share as (
        select
            looked_up.name,
            sum(looked_up.times) filter (where looked_up.is_stop) / sum(looked_up.times) as share,
            count(*) filter (where looked_up.is_stop) as words
        from looked_up
        group by looked_up.name
    )
    select ranked.name into found_language
    from (
        select share.name, share.share, lead(share.share) over (order by share.share desc) as next
        from share
        where share.words >= 3  -- different ones: a table's "no" is no language
        order by share.share desc
        limit 1
    ) as ranked
    where ranked.share >= 0.1 and ranked.share >= 1.1 * coalesce(ranked.next, 0);
    return found_language;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.text_lexemes(content text, language text)
 RETURNS tsvector
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    -- Scripts without spaces between words, and Hangul, whose words carry their particles.
    run constant text := '[\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecd\u0edc-\u0edf\u1000-\u103f'
        '\u1050-\u108f\u1780-\u17d3\u17dd\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa'
        '\u30fc-\u30ff\u31f0-\u31ff\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff'
        '\uff66-\uff9f\U00020000-\U0003ffff]+';
    -- A letter with the marks that belong to it.
    letter constant text := '.[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd'
        '\u102b-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074'
        '\u1082-\u108d\u108f\u17b4-\u17d3\u17dd\u3099\u309a\uff9e\uff9f]*';
    pairs tsvector;
    said tsvector;
    parts tsvector;
    silent tsvector;
begin
    content := ragpg_internal.normal_form(content);
    if content ~ run then
        select string_agg(format('''%s'':%s', counted.pair, least(counted.place, 16383)), ' ')::tsvector
        into pairs
        from (
            select
                unit.letter || coalesce(unit.next, '') as pair,
                row_number() over (order by unit.run, unit.place) as place
            from (
                select
                    part.place as run, one.place, one.found[1] as letter,
                    lead(one.found[1]) over same_run as next,
                    count(*) over (partition by part.place) as letters
                from regexp_matches(content, run, 'g') with ordinality as part (found, place)
                cross join lateral regexp_matches(part.found[1], letter, 'g') with ordinality
                    as one (found, place)
                window same_run as (partition by part.place order by one.place)
            ) as unit
            where unit.next is not null or unit.letters = 1
        ) as counted;
        content := regexp_replace(content, run, ' ', 'g');
    end if;
    said := to_tsvector(language::regconfig, content);
    parts := ragpg_internal.word_parts(content, language);
    if language <> 'simple' and content ~ '\S\s+\S' then
        -- Two words in a row that the configuration leaves out, after the common grams of Lucene:
        -- a question may have no others.
        with left_out as (
            select word.lexeme, word.place
            from (
                select each.lexeme, unnest(each.positions) as place
                from unnest(to_tsvector('simple', content)) as each
            ) as word
            where word.place not in (
                select unnest(kept.positions) from unnest(said) as kept
            )
        )
        select string_agg(format('''%s %s'':%sB', one.lexeme, other.lexeme, one.place), ' ')::tsvector
        into silent
        from left_out as one
        join left_out as other on other.place = one.place + 1
        where one.lexeme || other.lexeme !~ '[''\\]';
    end if;
    said := coalesce(pairs || said, said);
    return said
        || ts_delete(
            parts,
            tsvector_to_array(said) || array(
                select part.lexeme from unnest(parts) as part where char_length(part.lexeme) = 1
            )
        )
        || coalesce(silent, '');
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.text_problems(content text)
 RETURNS TABLE(kind text, count bigint, example text)
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    -- Without blanks, whatever the database's locale, and the lines of Markdown tables.
    dense text := translate(text_problems.content, E' \t\n\r\f\u00a0\u3000|-', '');
    letters text;
    rule record;
begin
    for rule in select * from ragpg_internal.inspection_rules()
    loop
        kind := rule.problem;
        example := '';
        case
            when kind = 'empty document' then
                count := (char_length(dense) < rule.minimum)::integer;
            when kind = 'tiny document' then
                count := char_length(dense);
                example := btrim(text_problems.content, E' \n');
                if count >= rule.minimum then
                    count := 0;
                end if;
            when kind = 'over-long line' then
                select count(*), left((array_agg(cut.line order by cut.place))[1], 60)
                into count, example
                from string_to_table(text_problems.content, E'\n')
                    with ordinality as cut (line, place)
                where char_length(cut.line) > rule.minimum;
            when kind = 'few letters' then
                letters := regexp_replace(dense, rule.pattern, '', 'g');
                count := char_length(dense) - char_length(letters);
                example := left(dense, 60);
                if char_length(dense) < 200
                    or char_length(letters) >= rule.minimum * char_length(dense)
                then
                    count := 0;
                end if;
            when rule.pattern is not null then
                count := regexp_count(text_problems.content, rule.pattern);
                if count < rule.minimum then
                    count := 0;
                end if;
                if count > 0 then
                    -- The first, with what stands around it.
                    example := substr(
                        text_problems.content,
                        greatest(1, regexp_instr(text_problems.content, rule.pattern) - 20), 60
                    );
                end if;
            else
                count := 0;
        end case;
        if count > 0 then
            example := replace(example, E'\n', ' ');
            return next;
        end if;
    end loop;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.training_pairs(collection text DEFAULT NULL::text, index_id bigint DEFAULT NULL::bigint)
 RETURNS TABLE(question text, origin text, split text, source text, text text, start_char integer, end_char integer, document_id bigint, chunk_id bigint, relevant_chunk_ids bigint[])
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
    return query
    with recipe as materialized (
        select known.id, known.collection_id
        from ragpg.collections as one
        join ragpg.search_indexes as known
            on known.collection_id = one.id
            and known.id = coalesce(training_pairs.index_id, one.active_index_id)
        where one.id = ragpg.collection_id(training_pairs.collection)
    ),
    labelled as materialized (
        select
            lower(btrim(span.question)) as asked, span.question,
            'evaluation set ' || of_set.name as origin, span.document_id, span.start_char,
            span.end_char, ragpg_internal.evaluation_split(span.evaluation_question_id) as split,
            given.quote is null and num_nulls(given.start_char, given.end_char) = 2
                as is_of_document
        from recipe
        join ragpg.evaluation_sets as of_set on of_set.collection_id = recipe.collection_id
        join ragpg.evaluation_label_spans as span on span.evaluation_set_id = of_set.id
        join ragpg.evaluation_labels as given on given.id = span.evaluation_label_id
        where span.state = 'found'
    ),
    cited as materialized (
        select
            lower(btrim(coalesce(answer.standalone, answer.question))) as asked,
            coalesce(answer.standalone, answer.question) as question,
            case newest.rating when 'good' then 'accepted answer' else 'citation' end as origin,
            document.id as document_id, place.start_char,
            place.start_char + char_length(quoted.quote) as end_char
        from recipe
        join ragpg.answers as answer on answer.collection_id = recipe.collection_id
        join ragpg.citations as quoted on quoted.answer_id = answer.id
        join ragpg.documents as document on document.id = quoted.document_id
        left join lateral (
            select said.rating
            from ragpg.answer_feedback as said
            where said.answer_id = answer.id
            order by said.id desc
            limit 1
        ) as newest on true
        cross join lateral (
            -- At its old place still, or else where it first occurs in the document of today.
            select case
                when substr(document.content, quoted.start_char + 1, char_length(quoted.quote))
                    = quoted.quote then quoted.start_char
                else nullif(strpos(document.content, quoted.quote), 0) - 1
            end as start_char
        ) as place
        -- Without a model the best hits are quoted: that would teach the model what it knows.
        where answer.model is not null
            and newest.rating is distinct from 'bad'
            and place.start_char is not null
    ),
    known as materialized (
        select asked, question, origin, document_id, start_char, end_char, is_of_document
        from labelled
        union all
        select asked, question, origin, document_id, start_char, end_char, false from cited
    ),
    touched as materialized (
        select
            known.*, chunk.id as chunk_id, chunk.ordinal,
            least(known.end_char, chunk.end_char) - greatest(known.start_char, chunk.start_char)
                as shared,
            -- Which of its chunks answers, a label of a whole document does not say.
            known.is_of_document and count(*) over (
                partition by known.asked, known.origin, known.document_id, known.start_char,
                    known.end_char
            ) > 1 as is_open
        from known
        cross join recipe
        join ragpg.chunks as chunk
            on chunk.index_id = recipe.id
            and chunk.document_id = known.document_id
            and chunk.start_char < known.end_char
            and known.start_char < chunk.end_char
    ),
    relevant as materialized (
        select touched.asked, array_agg(distinct touched.chunk_id) as chunk_ids
        from touched
        group by touched.asked
    ),
    positive as (
        select distinct on (best.asked, best.chunk_id) best.*
        from (
            select distinct on (asked, origin, document_id, start_char, end_char) touched.*
            from touched
            where not touched.is_open
            order by
                asked, origin, document_id, start_char, end_char, shared desc, ordinal
        ) as best
        -- An evaluation set before an accepted answer, that before a mere citation.
        order by
            best.asked, best.chunk_id, best.origin = 'citation', best.origin = 'accepted answer',
            best.origin, best.start_char
    )
    select
        positive.question,
        positive.origin,
        case
            when exists (
                select
                from labelled as held
                where held.split = 'held-out'
                    and (held.asked = positive.asked or held.document_id = positive.document_id)
            ) then 'held-out'
            else 'train'
        end,
        document.source,
        ragpg_internal.embedded_text(document.title, chunk.context, chunk.content, chunk.ordinal),
        positive.start_char,
        positive.end_char,
        positive.document_id,
        positive.chunk_id,
        relevant.chunk_ids
    from positive
    cross join recipe
    join ragpg.chunks as chunk
        on chunk.index_id = recipe.id
        and chunk.document_id = positive.document_id
        and chunk.ordinal = positive.ordinal
    join ragpg.documents as document on document.id = positive.document_id
    join relevant on relevant.asked = positive.asked
    order by ragpg_internal.hash_text(positive.asked), document.source, positive.ordinal;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.trust_role(role_name text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    perform quote_ident(role_name)::regrole;  -- is there one?
    insert into ragpg.tenant_roles (role, tenant)
    values (trust_role.role_name, null)
    on conflict on constraint tenant_roles_key do nothing;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.tune_ef_search(collection text DEFAULT NULL::text, recall double precision DEFAULT 0.98, k integer DEFAULT 10, queries integer DEFAULT 100, index_id bigint DEFAULT NULL::bigint, proof uuid DEFAULT ragpg_internal.proof())
 RETURNS ragpg.recall_measurements
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    recipe ragpg.search_indexes :=
        ragpg_internal.recipe_of(tune_ef_search.collection, tune_ef_search.index_id);
    drawn record;
    distances double precision[];
    low integer := k;
    high integer := 1000;  -- the most pgvector takes
    middle integer;
begin
    perform ragpg_internal.check_shared('search index ' || recipe.id, proof);
    if recall is null or recall not between 0 and 1 or k is null or k not between 1 and 1000 then
        raise exception 'recall is %, k is %', recall, k
            using errcode = 'RG005', hint = 'recall is a share, 0.98 say; k is from 1 to 1000';
    end if;
    select sample.* into drawn
    from ragpg_internal.sample_queries(recipe.id, tune_ef_search.queries) as sample;
    distances := ragpg_internal.exact_distances(recipe.id, drawn.embeddings, drawn.own_ids, k);
    -- Recall grows with ef_search, so halving finds the least that suffices.
    while low < high loop
        middle := (low + high) / 2;
        if (
            select coalesce(avg(one.recall), 1) >= tune_ef_search.recall - 1e-9
            from unnest(
                ragpg_internal.recalls_at(
                    recipe.id, drawn.embeddings, drawn.own_ids, distances, k, middle
                )
            ) as one (recall)
        ) then
            high := middle;
        else
            low := middle + 1;
        end if;
    end loop;
    update ragpg.search_indexes as known set ef_search = low where known.id = recipe.id;
    return ragpg.measure_recall(k => k, queries => queries, index_id => recipe.id);
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.unbind_role(role_name text, tenant text)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    delete from ragpg.tenant_roles as bound
    where bound.role = unbind_role.role_name
        and bound.tenant is not distinct from unbind_role.tenant;
    return found;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg.update_metadata(changes jsonb, collection text DEFAULT 'default'::text, filter jsonpath DEFAULT NULL::jsonpath, sources text[] DEFAULT NULL::text[], dry_run boolean DEFAULT false)
 RETURNS SETOF text
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
    parent_id constant bigint := ragpg.collection_id(update_metadata.collection);
    only_tenant constant text := ragpg_internal.written_tenant();
begin
    perform ragpg_internal.check_choice(filter, sources);
    if jsonb_typeof(changes) is distinct from 'object' then
        raise exception 'the changes % are no JSON object', coalesce(changes::text, 'null')
            using errcode = 'RG005', hint = 'name keys and values, such as {"tier": "pro"}';
    end if;
    if dry_run then
        return query
        select document.source
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = only_tenant
            and ragpg_internal.is_chosen(document.source, document.metadata, sources, filter)
            and document.metadata <> ragpg_internal.merge_patch(document.metadata, changes)
        order by document.source;
        return;
    end if;
    return query
    with changed as (
        update ragpg.documents as document
        set metadata = ragpg_internal.merge_patch(document.metadata, changes)
        where document.collection_id = parent_id
            and document.tenant = only_tenant
            and ragpg_internal.is_chosen(document.source, document.metadata, sources, filter)
            and document.metadata <> ragpg_internal.merge_patch(document.metadata, changes)
        returning document.source
    )
    select changed.source from changed order by changed.source;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.verify(collection text DEFAULT NULL::text)
 RETURNS TABLE(problem text, object text, detail text, what_to_do text)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    only_id bigint := case
        when verify.collection is not null then ragpg.collection_id(verify.collection)
    end;
    block_chars constant integer := 65536;
    some_ids bigint[];
    held record;  -- their chunks
begin
    -- A block is cut out of a text once for all chunks that begin in it: substr() walks from the
    -- start of the text, which over a long document is quadratic.
    for some_ids in
        select array_agg(listed.id)
        from (
            select
                document.id,
                sum(coalesce(held.chunks, 0)) over (order by document.id) / 5000 as batch
            from ragpg.documents as document
            left join (
                select state.document_id, sum(state.chunk_count)::bigint as chunks
                from ragpg.index_documents as state
                group by state.document_id
            ) as held on held.document_id = document.id
            where only_id is null or document.collection_id = only_id
        ) as listed
        group by listed.batch::bigint
    loop
        select
            array_agg(chunk.id) as ids, array_agg(chunk.index_id) as index_ids,
            array_agg(chunk.document_id) as document_ids,
            array_agg(chunk.document_version) as versions,
            array_agg(chunk.start_char) as starts, array_agg(chunk.end_char) as ends,
            array_agg(chunk.content) as contents
        into held
        from ragpg.chunks as chunk
        where chunk.document_id = any(some_ids);
        return query
        with chunk as materialized (
            select one.*, one.start_char / block_chars as block_number
            from unnest(
                held.ids, held.index_ids, held.document_ids, held.versions, held.starts, held.ends,
                held.contents
            ) as one (id, index_id, document_id, version, start_char, end_char, content)
        ),
        block as materialized (
            select
                used.document_id, used.version, used.number,
                substr(
                    ragpg.document_text(used.document_id, used.version),
                    used.number * block_chars + 1, block_chars + used.longest
                ) as content
            from (
                select
                    chunk.document_id, chunk.version, chunk.block_number as number,
                    max(chunk.end_char - chunk.start_char) as longest
                from chunk
                group by 1, 2, 3
            ) as used
        )
        select
            'chunk is not its span',
            format('chunk %s of search index %s', chunk.id, chunk.index_id),
            format('document %s version %s, characters %s to %s', chunk.document_id,
                chunk.version, chunk.start_char, chunk.end_char),
            'build the search index anew: ragpg index build'
        from chunk
        join block
            on block.document_id = chunk.document_id
            and block.version = chunk.version
            and block.number = chunk.block_number
        where substr(
            block.content,
            chunk.start_char - block.number * block_chars + 1, chunk.end_char - chunk.start_char
        ) is distinct from chunk.content;
    end loop;

    return query
    select
        'chunks missing or too many',
        format('document %s in search index %s', state.document_id, state.index_id),
        format('%s chunks, %s were stored', held.chunks, state.chunk_count),
        'build the search index anew: ragpg index build'
    from ragpg.index_documents as state
    join ragpg.search_indexes as recipe on recipe.id = state.index_id
    left join (
        select chunk.index_id, chunk.document_id, count(*) as chunks
        from ragpg.chunks as chunk
        group by chunk.index_id, chunk.document_id
    ) as held on held.index_id = state.index_id and held.document_id = state.document_id
    where (only_id is null or recipe.collection_id = only_id)
        and coalesce(held.chunks, 0) <> coalesce(state.chunk_count, 0);

    return query
    select
        'values of metadata missing or too many', format('document %s', document.id),
        'filters miss it, or ask it without need',
        format('select ragpg_internal.put_document_values(array[%s])', document.id)
    from ragpg.documents as document
    where (only_id is null or document.collection_id = only_id)
        and exists (
            select
            from (
                select held.kind, held.key, held.number, held.word
                from ragpg_internal.metadata_values(document.metadata) as held
            ) as held
            full join (
                select known.kind, known.key, known.number, known.word
                from ragpg.document_values as known
                where known.document_id = document.id
                    and known.collection_id = document.collection_id
                    and known.tenant = document.tenant
            ) as known
                on known.kind = held.kind
                and known.key = held.key
                and coalesce(known.number, 0) = coalesce(held.number, 0)
                and coalesce(known.word, '') = coalesce(held.word, '')
            where known.kind is null or held.kind is null
        );

    return query
    select
        case when said.content is null then 'quote without its source'
            else 'quote is not its source' end,
        format('citation %s of answer %s', cited.id, cited.answer_id),
        format('document %s version %s, characters %s to %s', cited.document_id,
            cited.document_version, cited.start_char, cited.end_char),
        case when said.content is null
            then 'the version was pruned: the quote can no longer be checked'
            else 'do not trust the answer; restore document_versions from a backup' end
    from ragpg.citations as cited
    join ragpg.answers as answer on answer.id = cited.answer_id
    cross join lateral ragpg.document_text(cited.document_id, cited.document_version)
        as said (content)
    where (only_id is null or answer.collection_id = only_id)
        and substr(said.content, cited.start_char + 1, cited.end_char - cited.start_char)
            is distinct from cited.quote;

    return query
    select
        'index is invalid', part.indexrelid::regclass::text,
        format('on %s', part.indrelid::regclass),
        format('reindex index concurrently %s', part.indexrelid::regclass)
    from pg_index as part
    join pg_class as kept on kept.oid = part.indrelid
    where kept.relnamespace = 'ragpg'::regnamespace and not part.indisvalid;

    return query
    select
        wrong.problem, format('search index %s of %s', health.index_id, health.collection),
        wrong.detail, format('select ragpg.refresh_search_index(%s, force => true)', health.index_id)
    from ragpg.index_health as health
    cross join lateral (
        select
            'vector index is missing' as problem,
            format('%s chunks are searched one by one', health.chunks) as detail
        where health.state = 'ready' and not exists (
            select
            from pg_index as part
            join pg_class as built on built.oid = part.indexrelid
            join pg_am as method on method.oid = built.relam
            where part.indrelid = to_regclass('ragpg.chunks_' || health.index_id)
                and method.amname = 'hnsw'
        )
        union all
        -- What refresh_search_index itself would count again.
        select
            'statistics are stale',
            format('counted with %s chunks at %s, now %s', coalesce(health.counted_chunks, 0),
                coalesce(health.refreshed_at::text, 'no time'), health.chunks)
        where abs(health.chunks - coalesce(health.counted_chunks, 0))
            > case when health.chunks > 20000 then health.chunks / 50 else 0 end
    ) as wrong
    where verify.collection is null or health.collection = verify.collection;

    return query
    select found.problem, found.object, found.detail, found.what_to_do
    from ragpg_internal.safety_problems() as found;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg.wait_until_indexed(collection text, source text DEFAULT NULL::text, timeout interval DEFAULT '00:00:30'::interval)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    parent_id bigint := ragpg.collection_id(wait_until_indexed.collection);
    until timestamptz := clock_timestamp() + timeout;
    is_own boolean;
    is_waiting boolean;
begin
    loop
        select
            coalesce(bool_or(document.updated_at = now()), false),
            count(*) > 0
        into is_own, is_waiting
        from ragpg.documents as document
        join ragpg.collections as one on one.id = document.collection_id
        left join ragpg.index_documents as state
            on state.document_id = document.id and state.index_id = one.active_index_id
        where one.id = parent_id
            and (wait_until_indexed.source is null or document.source = wait_until_indexed.source)
            and state.document_version is distinct from document.version;
        if not is_waiting then
            return true;
        elsif is_own then
            raise exception 'this transaction wrote the document: no worker sees it before commit'
                using errcode = 'RG005', hint = 'commit, then wait';
        elsif clock_timestamp() >= until then
            return false;
        end if;
        perform pg_sleep(0.05);
    end loop;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.acting_for()
 RETURNS jsonb
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT COALESCE(jsonb_object_agg(acting.tenant, true), '{}'::jsonb) AS "coalesce"
    FROM ragpg.current_tenant() acting(tenant)
   WHERE (acting.tenant IS NOT NULL);
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.answer_costs(run_id bigint)
 RETURNS TABLE(question_id bigint, is_right double precision, steps double precision, tokens double precision, cost double precision)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT result.evaluation_question_id,
     (((result.grade = 'right'::text))::integer)::double precision AS float8,
     (GREATEST((1)::bigint, ( SELECT count(*) AS count
            FROM ragpg.answer_steps step
           WHERE ((step.answer_id = answer.id) AND (step.tool <> 'standalone'::text)))))::double precision AS "greatest",
     ((((answer.input_tokens + answer.output_tokens) + answer.cache_read_tokens) + answer.cache_creation_tokens))::double precision AS float8,
     (((((((answer.input_tokens)::numeric * price.input_price) + ((answer.output_tokens)::numeric * price.output_price)) + ((answer.cache_read_tokens)::numeric * price.cache_read_price)) + ((answer.cache_creation_tokens)::numeric * price.cache_creation_price)) / (1000000)::numeric))::double precision AS float8
    FROM ((ragpg.evaluation_results result
      JOIN ragpg.answers answer ON ((answer.id = result.answer_id)))
      LEFT JOIN ragpg.model_prices price ON ((price.model = answer.model)))
   WHERE (result.evaluation_run_id = answer_costs.run_id);
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.answer_signals(index_id bigint, query text, passages text[], titles text[], OUT words_held double precision, OUT missing_names text[], OUT unmatched_negation boolean)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    spoken text := (
        select ragpg_internal.document_language(recipe.language, '{}', passages[1])
        from ragpg.search_indexes as recipe
        where recipe.id = answer_signals.index_id
    );
    negation constant text := '\m(not|no|never|none|nor|neither|without|cannot)\M|n[''’]t\M';
    words tsquery[];
    weights double precision[];
    sentence text;
    held text[];  -- the words of that sentence, of those beside it and of the title
begin
    select array_agg(word.word), array_agg(word.weight)
    into words, weights
    from ragpg_internal.query_words(answer_signals.index_id, answer_signals.query) as word;
    -- The sentence that holds most of the question's words, itself and with its neighbours.
    select best.content, tsvector_to_array(best.lexemes_around), best.share
    into sentence, held, words_held
    from (
        select
            around.*,
            (
                select sum(word.weight) filter (where around.lexemes @@ word.query)
                    / sum(word.weight)
                from unnest(words, weights) as word (query, weight)
            ) as share,
            (
                select sum(word.weight) filter (where around.lexemes_around @@ word.query)
                    / sum(word.weight)
                from unnest(words, weights) as word (query, weight)
            ) as share_around
        from (
            select
                one.*,
                one.lexemes
                || coalesce(lag(one.lexemes) over beside, '')
                || coalesce(lead(one.lexemes) over beside, '')
                || ragpg.text_lexemes(coalesce(one.title, ''), spoken) as lexemes_around
            from (
                select
                    hit.place, hit.title, part.number, part.content,
                    ragpg.text_lexemes(part.content, spoken) as lexemes
                from unnest(passages[:3], titles[:3]) with ordinality as hit (content, title, place)
                cross join lateral regexp_split_to_table(
                    hit.content, '(?<=[.?!])\s+|(?<=[。！？])|\n\s*\n'
                ) with ordinality as part (content, number)
            ) as one
            window beside as (partition by one.place order by one.number)
        ) as around
    ) as best
    order by
        coalesce(best.share, 0) + coalesce(best.share_around, 0) desc, best.place, best.number
    limit 1;
    words_held := coalesce(words_held, 0);
    missing_names := array(
        select said.word
        from (
            select one.match[1] as word, min(one.place) as place
            from regexp_matches(
                answer_signals.query, '[[:alnum:]](?:[[:alnum:]''’.-]*[[:alnum:]])?', 'g'
            ) with ordinality as one (match, place)
            group by one.match[1]
        ) as said
        where (said.word ~ '\d' or said.place > 1 and left(said.word, 1) <> lower(left(said.word, 1)))
            and not tsvector_to_array(ts_filter(ragpg.text_lexemes(said.word, spoken), '{d}'))
                <@ coalesce(held, '{}')
        order by said.place
    );
    unmatched_negation := answer_signals.query ~* negation
        and not coalesce(sentence, '') ~* negation;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.bm25_expression(words tsquery[], weights double precision[])
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
BEGIN ATOMIC
 SELECT
         CASE
             WHEN (count(*) = 0) THEN '0::double precision'::text
             ELSE format('(%s - chunk.saturation * (%s))'::text, sum(word.weight), string_agg(format('%s / (chunk.saturation + round(0.6079271018540267 / (1 - ts_rank(''{1,1,1,1}'', chunk.lexemes, %L)::double precision) - 0.5))'::text, word.weight, word.query), ' + '::text))
         END AS format
    FROM UNNEST(bm25_expression.words, bm25_expression.weights) word(query, weight);
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.bm25_saturation(mean_length real)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN format('1.2 * (0.25 + 0.75 * stored.lexeme_count / %s::double precision)'::text, GREATEST(mean_length, (1)::real))
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.build_vector_index(index_id bigint, dimensions integer)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    quantize constant text := (
        select recipe.quantize from ragpg.search_indexes as recipe where recipe.id = index_id
    );
    -- ragpg_internal.nearest_query asks for these expressions.
    statement text := format(
        'create index if not exists %1$I on ragpg.%2$I using hnsw '
        || case quantize
            when 'none' then '((embedding::%3$s.halfvec(%4$s)) %3$s.halfvec_cosine_ops)'
            when 'bit' then '((%3$s.binary_quantize(embedding)::bit(%4$s)) %3$s.bit_hamming_ops)'
            else
                '((%3$s.subvector(embedding, 1, %5$s)::%3$s.halfvec(%5$s)) %3$s.halfvec_cosine_ops)'
        end,
        format('chunks_%s_embedding_hnsw', index_id), 'chunks_' || index_id,
        ragpg_internal.vector_schema(), dimensions, split_part(quantize, ':', 2)
    );
begin
    execute statement;
exception
    -- Too little shared memory for a parallel build (containers often have 64 MB): build alone.
    when disk_full or out_of_memory then
        perform set_config('max_parallel_maintenance_workers', '0', true);
        execute statement;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.carry_chunks(index_id bigint, document_ids bigint[], document_version integer, proof uuid DEFAULT CASE WHEN ragpg_internal.is_distributed() THEN ragpg_internal.proof() ELSE NULL::uuid END)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    owned record;
begin
    for owned in
        select known.* from ragpg_internal.document_owners(document_ids, proof) as known
    loop
        execute format(
            'update ragpg.chunks as chunk set document_version = $3'
            ' where chunk.index_id = $1 and chunk.document_id = any($2) and chunk.tenant = %L',
            owned.tenant
        )
        using carry_chunks.index_id, owned.owned_ids, carry_chunks.document_version;
    end loop;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.check_choice(filter jsonpath, sources text[])
 RETURNS void
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    if filter is null and sources is null then
        raise exception 'nothing says which documents' using errcode = 'RG005',
            hint = 'give a filter over their metadata, such as $.tier == "pro", or their sources';
    end if;
    perform ragpg_internal.check_filter(filter);
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.check_citation_quote()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    whole text;
begin
    -- Who erases the document meanwhile waits, and then finds the answer; or was first.
    perform from ragpg.documents as document where document.id = new.document_id for key share;
    perform
    from ragpg.document_versions as earlier
    where earlier.document_id = new.document_id and earlier.version = new.document_version
    for key share;
    whole := ragpg.document_text(new.document_id, new.document_version);
    if whole is null then
        raise exception 'document % has no version % (any more)',
            new.document_id, new.document_version
            using errcode = 'RG007', hint = 'it was erased or pruned meanwhile: ask again';
    end if;
    if substr(whole, new.start_char + 1, new.end_char - new.start_char) <> new.quote then
        raise exception 'the quote "%" is not what document % version % holds at characters % to %',
            left(new.quote, 60), new.document_id, new.document_version, new.start_char, new.end_char
            using errcode = 'RG006',
                hint = 'quotes must be exact; characters count from 0 and the end is not included';
    end if;
    new.page := ragpg_internal.page_at(new.document_id, new.document_version, new.start_char);
    return new;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.check_filter(filter jsonpath)
 RETURNS void
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    perform jsonb_path_match_tz('{}', filter);
exception
    when others then
        raise exception 'the filter % is not a predicate: %', filter, sqlerrm
            using errcode = 'RG004',
                hint = 'compare something, such as $.tier == "pro" && $.year >= 2024';
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.check_run(run_id bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    known text;
begin
    if exists (
        select
        from ragpg.evaluation_runs as run
        where run.id = check_run.run_id and run.finished_at is not null
    ) then
        return run_id;
    end if;
    select string_agg(newest.id::text, ', ' order by newest.id) into known
    from (
        select run.id
        from ragpg.evaluation_runs as run
        where run.finished_at is not null
        order by run.id desc
        limit 10
    ) as newest;
    raise exception 'there is no finished evaluation run %', coalesce(run_id::text, '(null)')
        using errcode = 'RG011',
            hint = coalesce('the newest are: ' || known, 'there is none yet: ragpg eval run');
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.check_shared(what text, proof uuid)
 RETURNS void
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    if not (select known.sees_all from ragpg_internal.proven_tenant(proof) as known) then
        raise exception '% belongs to all tenants', what
            using errcode = 'RG014', hint = 'only the owner of the schema may do this';
    end if;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.choose_abstention(similarities double precision[], words_held double precision[], missing_names integer[], unmatched_negations boolean[], answerable boolean[], keep double precision, OUT relevance_weights double precision[], OUT min_similarity double precision, OUT min_relevance double precision, OUT similarity_alone double precision)
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    relevance_weights := ragpg_internal.fit_relevance(
        similarities, words_held, missing_names, unmatched_negations, answerable
    );
    similarity_alone := ragpg_internal.similarity_to_keep(similarities, answerable, keep);
    -- Half of what may be lost goes to a floor under similarity: questions that look like others
    -- but have no answer teach little about those that are of something else altogether.
    min_similarity := ragpg_internal.similarity_to_keep(similarities, answerable, (1 + keep) / 2);
    select ragpg_internal.similarity_to_keep(
        array_agg(
            case
                when given.similarity < choose_abstention.min_similarity then -1
                else ragpg_internal.logistic(
                    relevance_weights, given.similarity, given.held, given.missing, given.unmatched
                )
            end order by given.place
        ),
        answerable, keep
    )
    into min_relevance
    from unnest(similarities, words_held, missing_names, unmatched_negations) with ordinality
        as given (similarity, held, missing, unmatched, place);
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.chunk_overview(index_id bigint, proof uuid DEFAULT CASE WHEN ragpg_internal.is_distributed() THEN ragpg_internal.proof() ELSE NULL::uuid END)
 RETURNS TABLE(chunks bigint, texts bigint, tokens_p05 integer, tokens_p50 integer, tokens_p95 integer)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
begin
    return query execute
        'select'
        ' count(*),'
        ' count(distinct ragpg_internal.hash_text(chunk.content)),'
        ' percentile_disc(0.05) within group (order by chunk.token_count),'
        ' percentile_disc(0.5) within group (order by chunk.token_count),'
        ' percentile_disc(0.95) within group (order by chunk.token_count)'
        ' from ragpg.chunks as chunk where chunk.index_id = $1'
        || ragpg_internal.own_condition(proof)
    using chunk_overview.index_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.chunk_words(context text, content text, language text, OUT lexemes tsvector, OUT lexeme_count integer)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    lexemes := ragpg.text_lexemes(context || E'\n' || content, language);
    lexeme_count := (
        select coalesce(sum(cardinality(word.positions)), 0)
        from unnest(ts_filter(lexemes, '{d}')) as word
    );
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.chunks_are_closed()
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT bool_or(reader.prosecdef) AS bool_or
    FROM pg_proc reader
   WHERE ((reader.proname = 'known_chunks'::name) AND (reader.pronamespace = ('ragpg_internal'::regnamespace)::oid));
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.claim_documents(wanted integer DEFAULT 32, only_collection text DEFAULT NULL::text, only_index_id bigint DEFAULT NULL::bigint)
 RETURNS TABLE(index_id bigint, document_id bigint, tenant text, version integer, source text, title text, media_type text, content text, page_starts integer[])
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    waiting record;
    taken integer := 0;
    characters bigint := 0;
begin
    for waiting in
        select state.index_id, state.document_id
        from ragpg.index_documents as state
        join ragpg.search_indexes as recipe on recipe.id = state.index_id
        join ragpg.collections as one on one.id = recipe.collection_id
        where state.pending_since is not null
            and state.next_attempt_at <= now()
            and (only_collection is null or one.name = only_collection)
            and (only_index_id is null or state.index_id = only_index_id)
            -- Nobody pays for sentences of a recipe that never answered, unless told to fill it.
            and (
                recipe.context_model is null
                or recipe.activated_at is not null
                or state.index_id = only_index_id
            )
        order by state.next_attempt_at, state.document_id
    loop
        exit when taken >= wanted or characters > 2000000;
        -- The lock belongs to the session: it goes with a worker that is killed, and nobody who
        -- writes the document waits for it.
        continue when not pg_try_advisory_lock(
            ragpg_internal.claim_key(waiting.index_id, waiting.document_id)
        );
        -- Read after the lock: another worker may have finished it in between.
        select
            state.index_id, document.id, document.tenant, document.version, document.source,
            document.title, document.media_type, document.content, document.page_starts
        into
            index_id, document_id, tenant, version, source, title, media_type, content, page_starts
        from ragpg.index_documents as state
        join ragpg.documents as document on document.id = state.document_id
        where state.index_id = waiting.index_id
            and state.document_id = waiting.document_id
            and state.pending_since is not null
            and state.next_attempt_at <= now();
        if not found then
            perform pg_advisory_unlock(
                ragpg_internal.claim_key(waiting.index_id, waiting.document_id)
            );
            continue;
        end if;
        taken := taken + 1;
        characters := characters + char_length(content);
        return next;
    end loop;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.claim_key(index_id bigint, document_id bigint)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT hashtextextended(format('ragpg.index_documents %s %s'::text, index_id, document_id), (0)::bigint) AS hashtextextended;
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.close_table(kept regclass, closed boolean)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    allowed record;
begin
    -- Nobody has a policy there, so that where a right is left nothing is shown.
    execute format(
        'alter table %s %s row level security',
        kept, case when closed then 'enable' else 'disable' end
    );
    if closed then
        for allowed in
            select distinct
                case given.grantee
                    when 0 then 'public' else given.grantee::regrole::text
                end as to_whom
            from (
                select acl.grantee
                from pg_class as one
                cross join aclexplode(one.relacl) as acl
                where one.oid = kept and acl.grantee <> one.relowner
                union all
                select acl.grantee
                from pg_class as one
                join pg_attribute as col on col.attrelid = one.oid
                cross join aclexplode(col.attacl) as acl
                where one.oid = kept and acl.grantee <> one.relowner
            ) as given
        loop
            execute format('revoke all on %s from %s', kept, allowed.to_whom);
        end loop;
        return;
    end if;
    for allowed in
        select
            case acl.grantee when 0 then 'public' else acl.grantee::regrole::text end as to_whom,
            bool_or(acl.privilege_type = 'DELETE') as writes
        from pg_class as documents
        cross join aclexplode(documents.relacl) as acl
        where documents.oid = 'ragpg.documents'::regclass
            and acl.privilege_type in ('SELECT', 'DELETE')
            and acl.grantee <> documents.relowner
        group by acl.grantee
    loop
        execute format('grant select on %s to %s', kept, allowed.to_whom);
        -- As ragpg.grant_writer gives it.
        if allowed.writes and kept = 'ragpg.chunks'::regclass then
            execute format(
                'grant update, delete, insert (%s) on %s to %s',
                (
                    select string_agg(quote_ident(col.attname), ', ' order by col.attnum)
                    from pg_attribute as col
                    where col.attrelid = kept
                        and col.attnum > 0
                        and not col.attisdropped
                        and col.attidentity = ''
                        and col.attgenerated = ''
                ),
                kept, allowed.to_whom
            );
        end if;
    end loop;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.column_reading(table_name regclass, column_name text, prefix text, as_json boolean DEFAULT false)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
    with recursive wanted as (
        select typed.oid, typed.typtype, typed.typbasetype, typed.typelem, typed.typsubscript
        from pg_attribute as known
        join pg_type as typed on typed.oid = known.atttypid
        where known.attrelid = table_name and known.attname = column_name
            and known.attnum > 0 and not known.attisdropped
        union all
        select typed.oid, typed.typtype, typed.typbasetype, typed.typelem, typed.typsubscript
        from wanted
        join pg_type as typed on typed.oid = wanted.typbasetype
        where wanted.typtype = 'd'
    )
    select coalesce(
        (
            select format(
                'case when num_nulls(%1$s) = 0 then %2$s end',
                format('%s.%I', prefix, column_name),
                format(
                    case
                        when not as_json then $reading$format('%%s', %s.%I)$reading$
                        -- Types that came with Postgres; of others to_jsonb would look for a cast.
                        when wanted.oid < 16384 then 'to_jsonb(%s.%I)'
                        when wanted.typsubscript = 'array_subscript_handler'::regproc then
                            $reading$to_jsonb(array(
                                select case when num_nulls(one) = 0 then format('%%s', one) end
                                from unnest(%s.%I) as one
                            ))$reading$
                        else $reading$to_jsonb(format('%%s', %s.%I))$reading$
                    end,
                    prefix, column_name
                )
            )
            from wanted
            where wanted.typtype <> 'd'
        ),
        'null'
    )
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.comment_chunks_view(collection_name text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    view_name constant text := format('ragpg.%I', 'chunks_of_' || collection_name);
    shown record;
begin
    execute format(
        'comment on view %s is %L', view_name,
        'The chunks that answer searches in ' || collection_name
        || '; order by embedding <=> $1 uses the vector index.'
    );
    for shown in
        select distinct on (one.attnum)
            one.attname, col_description(origin.attrelid, origin.attnum) as said
        from pg_attribute as one
        join pg_attribute as origin
            on origin.attname = one.attname
            and origin.attrelid in ('ragpg.chunks'::regclass, 'ragpg.documents'::regclass)
        where one.attrelid = view_name::regclass and one.attnum > 0
        order by one.attnum, origin.attrelid = 'ragpg.chunks'::regclass desc
    loop
        execute format('comment on column %s.%I is %L', view_name, shown.attname, shown.said);
    end loop;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.count_chunks(index_id bigint, tenant text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    counted constant text := format(
        'chunk.index_id = %s%s',
        count_chunks.index_id,
        case when tenant = '' then '' else format(' and chunk.tenant = %L', tenant) end
    );
    held record;
    embeddings halfvec[];
    documents bigint[];
    words text[];
    chunk_counts integer[];
    occurrence_counts bigint[];
begin
    -- Each by itself, a shape in which shards can be asked.
    execute
        'select count(*) as chunks, coalesce(avg(chunk.lexeme_count), 0) as mean_length,'
        ' coalesce(array_agg(distinct chunk.language), ''{}'') as languages'
        ' from ragpg.chunks as chunk where ' || counted
    into held;
    -- Drawn by hash, not by random(): the same chunks give the same ranking.
    execute
        'select coalesce(array_agg(drawn.embedding), ''{}'')'
        ' from (select chunk.embedding from ragpg.chunks as chunk where ' || counted
        || ' order by hashint8extended(chunk.id, 0) limit 256) as drawn'
    into embeddings;
    execute
        'select coalesce(array_agg(drawn.document_id), ''{}'')'
        ' from (select chunk.document_id from ragpg.chunks as chunk where ' || counted
        || ' and chunk.ordinal = 0 order by hashint8extended(chunk.document_id, 0) limit 400)'
        ' as drawn'
    into documents;
    insert into ragpg.index_statistics as known (
        index_id, tenant, chunk_count, mean_length, embedding_sample, document_sample,
        languages, refreshed_at
    )
    values (
        count_chunks.index_id, count_chunks.tenant, held.chunks, held.mean_length, embeddings,
        documents, held.languages, clock_timestamp()
    )
    on conflict on constraint index_statistics_pkey do update
    set chunk_count = excluded.chunk_count,
        mean_length = excluded.mean_length,
        embedding_sample = excluded.embedding_sample,
        document_sample = excluded.document_sample,
        languages = excluded.languages,
        refreshed_at = excluded.refreshed_at;
    if ragpg_internal.is_distributed() then
        -- Each shard counts its own; ts_stat would fetch the words of all.
        execute
            'select array_agg(word.lexeme), array_agg(word.ndoc), array_agg(word.nentry)'
            ' from (select said.lexeme, count(*)::integer as ndoc,'
            '  sum(coalesce(cardinality(said.positions), 1))::bigint as nentry'
            '  from ragpg.chunks as chunk cross join lateral unnest(chunk.lexemes) as said'
            '  where ' || counted || ' group by said.lexeme) as word'
        into words, chunk_counts, occurrence_counts;
    end if;
    with counted_now as materialized (
        select word.word::text collate "C" as lexeme, word.ndoc, word.nentry
        from ts_stat(
            'select chunk.lexemes from ragpg.chunks as chunk where ' || counted
        ) as word
        where not ragpg_internal.is_distributed()
        union all
        select word.lexeme collate "C", word.ndoc, word.nentry
        from unnest(words, chunk_counts, occurrence_counts) as word (lexeme, ndoc, nentry)
    ),
    gone as (
        delete from ragpg.lexeme_statistics as known
        where known.index_id = count_chunks.index_id
            and known.tenant = count_chunks.tenant
            and not exists (select from counted_now where counted_now.lexeme = known.lexeme)
    )
    insert into ragpg.lexeme_statistics as known (
        index_id, tenant, lexeme, chunk_count, occurrence_count
    )
    select count_chunks.index_id, count_chunks.tenant, lexeme, ndoc, nentry
    from counted_now
    on conflict on constraint lexeme_statistics_pkey do update
    set chunk_count = excluded.chunk_count, occurrence_count = excluded.occurrence_count
    where (known.chunk_count, known.occurrence_count)
        is distinct from (excluded.chunk_count, excluded.occurrence_count);
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.count_tenants(index_id bigint, force boolean)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    changed_tenant text;
    done integer := 0;
begin
    if not ragpg_internal.tenants_enabled() then
        return 0;
    end if;
    delete from ragpg.lexeme_statistics as known
    where known.index_id = count_tenants.index_id and known.tenant <> '' and not exists (
        select
        from ragpg.index_documents as state
        where state.index_id = known.index_id and state.tenant = known.tenant
    );
    delete from ragpg.index_statistics as known
    where known.index_id = count_tenants.index_id and known.tenant <> '' and not exists (
        select
        from ragpg.index_documents as state
        where state.index_id = known.index_id and state.tenant = known.tenant
    );
    -- The rule of refresh_search_index, for each of them: what did not change costs nothing.
    for changed_tenant in
        select held.tenant
        from (
            select
                state.tenant, known.refreshed_at, sum(state.chunk_count) as total,
                greatest(
                    coalesce(
                        sum(state.chunk_count) filter (where state.indexed_at > known.refreshed_at),
                        0
                    ),
                    abs(sum(state.chunk_count) - coalesce(known.chunk_count, 0))
                ) as changed
            from ragpg.index_documents as state
            left join ragpg.index_statistics as known
                on known.index_id = state.index_id and known.tenant = state.tenant
            where state.index_id = count_tenants.index_id and state.tenant <> ''
            group by state.tenant, known.refreshed_at, known.chunk_count
        ) as held
        where held.refreshed_at is null
            or held.changed > 0
            and (force or held.total <= 20000 or held.changed >= held.total / 50)
    loop
        perform ragpg_internal.count_chunks(count_tenants.index_id, changed_tenant);
        done := done + 1;
    end loop;
    return done;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.counted_tenant()
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT
         CASE
             WHEN ragpg_internal.tenants_enabled() THEN COALESCE(ragpg.current_tenant(), ''::text)
             ELSE ''::text
         END AS "case";
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.cut_chunks(collection text DEFAULT NULL::text)
 RETURNS TABLE(chunk_id bigint, document_id bigint, content text)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    active_id constant bigint := (
        select one.active_index_id
        from ragpg.collections as one
        where one.id = ragpg.collection_id(cut_chunks.collection)
    );
begin
    return query
    select ended.chunk_id, ended.document_id, ended.content
    from (
        select
            chunk.chunk_id, chunk.document_id, chunk.content, chunk.end_char,
            lead(chunk.start_char) over (
                partition by chunk.document_id order by chunk.ordinal
            ) as next_start
        from ragpg_internal.document_chunks(active_id, null) as chunk
    ) as ended
    join ragpg.documents as document on document.id = ended.document_id
    where ended.next_start is not null
        and right(ended.content, 8) !~ '[.!?:;…؟।。！？；：|>}][\u0022\u0027)\]*_`”’»）」』]*$'
        -- Between lines is no sentence; the character after the chunk tells.
        and ended.next_start <= ended.end_char + 2
        and substr(document.content, ended.end_char + 1, 2) !~ '^\s*\n';
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.delete_chunks()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    document_ids constant bigint[] := array(select dropped.id from old_rows as dropped);
begin
    delete from ragpg.chunks as chunk where chunk.document_id = any(document_ids);
    return null;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.distant_hits(index_id bigint, chunk_ids bigint[], scores double precision[], similarities double precision[], bm25_scores double precision[])
 RETURNS SETOF ragpg.hit
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
begin
    return query
    select
        (row_number() over (order by best.place))::integer, document.source, document.title,
        hit.content, best.score, best.similarity, best.bm25, hit.start_char, hit.end_char,
        hit.page, hit.context, document.metadata, hit.document_id, hit.document_version,
        hit.chunk_id
    from unnest(chunk_ids, scores, similarities, bm25_scores) with ordinality
        as best (chunk_id, score, similarity, bm25, place)
    join ragpg_internal.known_chunks(chunk_ids, distant_hits.index_id) as hit
        on hit.chunk_id = best.chunk_id
    join ragpg.documents as document on document.id = hit.document_id
    order by 1;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.document_chunks(index_id bigint, document_ids bigint[], proof uuid DEFAULT CASE WHEN ragpg_internal.is_distributed() THEN ragpg_internal.proof() ELSE NULL::uuid END)
 RETURNS TABLE(chunk_id bigint, document_id bigint, document_version integer, ordinal integer, start_char integer, end_char integer, context text, content text, embedding halfvec)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
begin
    return query execute
        'select chunk.id, chunk.document_id, chunk.document_version, chunk.ordinal,'
        ' chunk.start_char, chunk.end_char, chunk.context, chunk.content, chunk.embedding'
        ' from ragpg.chunks as chunk where chunk.index_id = $1'
        || case when document_ids is not null then ' and chunk.document_id = any($2)' else '' end
        || ragpg_internal.own_condition(proof)
    using document_chunks.index_id, document_ids;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.document_language(language text, metadata jsonb, content text)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    said text := lower(metadata ->> 'language');
begin
    if language <> 'auto' then
        return language;
    end if;
    select iso.name into said
    from (
        values
            ('ar', 'arabic'), ('hy', 'armenian'), ('eu', 'basque'), ('ca', 'catalan'),
            ('da', 'danish'), ('nl', 'dutch'), ('en', 'english'), ('et', 'estonian'),
            ('fi', 'finnish'), ('fr', 'french'), ('de', 'german'), ('el', 'greek'),
            ('hi', 'hindi'), ('hu', 'hungarian'), ('id', 'indonesian'), ('ga', 'irish'),
            ('it', 'italian'), ('lt', 'lithuanian'), ('ne', 'nepali'), ('nb', 'norwegian'),
            ('nn', 'norwegian'), ('no', 'norwegian'), ('pl', 'polish'), ('pt', 'portuguese'),
            ('ro', 'romanian'), ('ru', 'russian'), ('sr', 'serbian'), ('es', 'spanish'),
            ('sv', 'swedish'), ('ta', 'tamil'), ('tr', 'turkish'), ('yi', 'yiddish')
    ) as iso (code, name)
    where said in (iso.code, iso.name) or said like iso.code || '-%' or said like iso.code || '\_%';
    return coalesce(
        (
            select configuration.cfgname::text
            from unnest(array[said, ragpg.text_language(content)]) with ordinality
                as candidate (name, place)
            join pg_catalog.pg_ts_config as configuration on configuration.cfgname = candidate.name
            where pg_ts_config_is_visible(configuration.oid)
            order by candidate.place
            limit 1
        ),
        'simple'
    );
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.document_owners(document_ids bigint[], proof uuid)
 RETURNS TABLE(tenant text, owned_ids bigint[])
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    proven record;
    missing bigint;
begin
    select known.* into proven from ragpg_internal.proven_tenant(proof) as known;
    select given.id into missing
    from unnest(document_ids) as given (id)
    where not exists (
        select
        from ragpg.documents as document
        where document.id = given.id and (proven.sees_all or document.tenant = proven.tenant)
    )
    limit 1;
    if found then
        -- The same for one of another tenant as for one that never was.
        raise exception 'there is no document %', missing
            using errcode = 'RG007', hint = 'read the documents again and repeat';
    end if;
    return query
    select document.tenant, array_agg(document.id)
    from ragpg.documents as document
    where document.id = any(document_ids)
    group by document.tenant;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.embedded_text(title text, context text, content text, ordinal integer)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
BEGIN ATOMIC
 SELECT ((
         CASE
             WHEN (embedded_text.ordinal = 0) THEN embedded_text.context
             WHEN (embedded_text.context = plain.title) THEN ''::text
             WHEN starts_with(embedded_text.context, (plain.title || ' > '::text)) THEN substr(embedded_text.context, (char_length(plain.title) + 4))
             WHEN starts_with(embedded_text.context, (plain.title || '
'::text)) THEN substr(embedded_text.context, (char_length(plain.title) + 2))
             ELSE embedded_text.context
         END || '
'::text) || embedded_text.content)
    FROM ( SELECT btrim(regexp_replace(embedded_text.title, '\s+'::text, ' '::text, 'g'::text)) AS title) plain;
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.encode(encoder_id bigint, token_ids integer[])
 RETURNS vector
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
AS $function$
declare
    encoder ragpg.encoders;
    norm ragpg.encoder_layers;
    count_of_tokens integer := cardinality(token_ids);
    size integer;  -- width of a head
    states vector[];  -- of each token, with a 1 at the end that multiplies the bias
    asked vector[];  -- queries and keys of each token
    keys vector[];  -- keys of each head, token by token
    held vector[];  -- values: one vector over the tokens for each number of the width
    mixed vector[];
    ones vector;
    token_ones vector;
    tail vector;  -- puts LayerNorm's epsilon under the root
    one constant vector := '[1]';
begin
    if current_setting('server_version_num')::integer < 160000 then
        raise exception 'computing embeddings in the database needs Postgres 16 or newer'
            using errcode = 'RG009', hint = 'pass a query embedding';
    end if;
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = encode.encoder_id;
    if not found then
        raise exception 'embedding model % is not loaded into the database', encoder_id
            using errcode = 'RG009', hint = 'load it: ragpg model load';
    end if;
    size := encoder.width / encoder.heads;
    ones := array_fill(1::real, array[encoder.width])::vector;
    token_ones := array_fill(1::real, array[count_of_tokens])::vector;
    tail := array[sqrt(encoder.layer_norm_epsilon * encoder.width)]::vector;
    -- LayerNorm: off with the mean, to length 1; the gain brings back the root of the width.
    select
        array_agg(
            l2_normalize(
                entered.state - array_fill(
                    (-(entered.state <#> ones) / encoder.width)::real, array[encoder.width]
                )::vector || tail
            ) * entered.output_gain + entered.output_shift
            order by entered.place
        )
    into states
    from (
        select
            listed.place,
            token.embedding::vector + position.embedding as state,
            layer.output_gain,
            layer.output_shift
        from unnest(token_ids) with ordinality as listed (token_id, place)
        join ragpg.encoder_embeddings as token
            on token.embedding_model_id = encoder_id and token.token_id = listed.token_id
        join ragpg.encoder_positions as position
            on position.embedding_model_id = encoder_id
            and position.token_position = listed.place::integer
        join ragpg.encoder_layers as layer
            on layer.embedding_model_id = encoder_id and layer.layer = 0
        offset 0
    ) as entered;
    if cardinality(states) is distinct from count_of_tokens then
        raise exception 'a token or its place is unknown to embedding model %', encoder_id
            using errcode = 'RG009';
    end if;
    for layer_number in 1..encoder.layers loop
        select stored.* into norm
        from ragpg.encoder_layers as stored
        where stored.embedding_model_id = encoder_id and stored.layer = layer_number;
        -- Attention: each head of each token mixes the values of all tokens, in shares of the
        -- exponentials of its query's products with their keys.
        asked := ragpg_internal.multiply_weights(encoder_id, layer_number, 1, states);
        held := ragpg_internal.multiply_values(encoder_id, layer_number, states);
        select array_agg(
            subvector(listed.state, encoder.width + head * size + 1, size)
            order by head, listed.place
        )
        into keys
        from unnest(asked) with ordinality as listed (state, place)
        cross join generate_series(0, encoder.heads - 1) as head;
        select array_agg(array(select unnest(by_token.by_head))::vector || one order by place)
        into mixed
        from (
            select
                share.place,
                array_agg(
                    array(
                        select (share.shares <#> value) / (share.shares <#> token_ones)
                        from unnest(share.head_values) as value
                    )
                    order by share.head
                ) as by_head
            from (
                select
                    query.place,
                    query.head,
                    query.head_values,
                    -- The exponential must fit a real: where the product could be large, the
                    -- largest is taken off first.
                    case when vector_norm(query.state) * query.longest < 60 then array(
                        select exp(query.state <#> key)
                        from unnest(query.head_keys) as key
                    )::vector else array(
                        select exp(greatest(product - max(product) over (), -80))
                        from (
                            select key_place, query.state <#> key as product
                            from unnest(query.head_keys) with ordinality as listed (key, key_place)
                        ) as scored
                        order by key_place
                    )::vector end as shares
                from (
                    select
                        listed.place,
                        of_head.*,
                        subvector(listed.state, of_head.head * size + 1, size) as state
                    from (
                        select
                            one_head.*,
                            (
                                select max(vector_norm(key)) from unnest(one_head.head_keys) as key
                            ) as longest
                        from (
                            select
                                head,
                                keys[head * count_of_tokens + 1:(head + 1) * count_of_tokens]
                                    as head_keys,
                                held[head * size + 1:(head + 1) * size] as head_values
                            from generate_series(0, encoder.heads - 1) as head
                            offset 0
                        ) as one_head
                        offset 0
                    ) as of_head
                    cross join unnest(asked) with ordinality as listed (state, place)
                    offset 0
                ) as query
                offset 0
            ) as share
            group by share.place
        ) as by_token;
        mixed := ragpg_internal.multiply_weights(encoder_id, layer_number, 3, mixed);
        select
            array_agg(
                l2_normalize(
                    added.state - array_fill(
                        (-(added.state <#> ones) / encoder.width)::real, array[encoder.width]
                    )::vector || tail
                ) * norm.attention_gain + norm.attention_shift
                order by added.place
            )
        into states
        from (
            select listed.place, subvector(listed.state, 1, encoder.width) + change as state
            from unnest(states, mixed) with ordinality as listed (state, change, place)
            offset 0
        ) as added;
        -- Feed-forward: into the wide layer, GELU, and out of it.
        mixed := ragpg_internal.multiply_weights(
            encoder_id, layer_number, 5,
            ragpg_internal.multiply_wide(encoder_id, layer_number, states)
        );
        select
            array_agg(
                l2_normalize(
                    added.state - array_fill(
                        (-(added.state <#> ones) / encoder.width)::real, array[encoder.width]
                    )::vector || tail
                ) * norm.output_gain + norm.output_shift
                order by added.place
            )
        into states
        from (
            select listed.place, subvector(listed.state, 1, encoder.width) + change as state
            from unnest(states, mixed) with ordinality as listed (state, change, place)
            offset 0
        ) as added;
    end loop;
    if encoder.pooling = 'cls' then
        return l2_normalize(subvector(states[1], 1, encoder.width));
    end if;
    return (
        select l2_normalize(subvector(sum(state), 1, encoder.width)) from unnest(states) as state
    );
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.ensure_collection(name text, description text DEFAULT ''::text)
 RETURNS bigint
 LANGUAGE sql
BEGIN ATOMIC
 INSERT INTO ragpg.collections (name, description)
   VALUES (ensure_collection.name, ensure_collection.description) ON CONFLICT DO NOTHING;
 SELECT one.id
    FROM ragpg.collections one
   WHERE (one.name = ensure_collection.name);
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.ensure_embedding_model(provider text, name text, max_tokens integer, probe halfvec)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    known ragpg.embedding_models;
begin
    if not exists (
        select
        from ragpg.embedding_models as model
        where model.provider = ensure_embedding_model.provider
            and model.name = ensure_embedding_model.name
            and model.dimensions = vector_dims(ensure_embedding_model.probe)
    ) then
        -- The owner's workers load the models of this table, by name.
        if not ragpg_internal.sees_all_tenants() then
            raise exception 'the model "%" is none of this database''s', name
                using errcode = 'RG014',
                    hint = 'only the owner of the schema may add one, by the first documents of a collection';
        end if;
        insert into ragpg.embedding_models (provider, name, dimensions, max_tokens, probe)
        values (provider, name, vector_dims(probe), max_tokens, probe)
        on conflict do nothing;
    end if;
    select model.* into strict known
    from ragpg.embedding_models as model
    where model.provider = ensure_embedding_model.provider
        and model.name = ensure_embedding_model.name
        and model.dimensions = vector_dims(ensure_embedding_model.probe);
    if known.probe <=> probe > 0.01 then
        raise exception 'the model "%" gives another embedding than the one stored here under that name (cosine % of the probe text)',
            name, round((1 - (known.probe <=> probe))::numeric, 4)
            using errcode = 'RG008',
                hint = 'use the model the collection was built with, or build a new collection';
    end if;
    return known.id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.ensure_search_index(collection text, embedding_model_id bigint, chunk_tokens integer, overlap_tokens integer DEFAULT 0, language text DEFAULT 'english'::text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    found_id bigint;
    found_model bigint;
    names text[];
begin
    -- Two first writers at once: the second waits here and finds what the first made.
    perform pg_advisory_xact_lock(hashtext('ragpg_internal.ensure_search_index'), hashtext(collection));
    perform ragpg_internal.ensure_collection(collection);
    select recipe.id, recipe.embedding_model_id into found_id, found_model
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
    where one.name = collection;
    if found_id is null then
        found_id := ragpg.create_search_index(
            collection, embedding_model_id, chunk_tokens, overlap_tokens, language
        );
        perform ragpg.activate_search_index(found_id);
    elsif found_model <> embedding_model_id then
        select array_agg(format('%s (%s dimensions)', model.name, model.dimensions) order by model.id = found_model)
        into names
        from ragpg.embedding_models as model
        where model.id in (found_model, embedding_model_id);
        raise exception 'the collection "%" was embedded with %, not with %', collection, names[2], names[1]
            using errcode = 'RG008',
                hint = 'set that model again, or use another collection for the new one';
    end if;
    return found_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.evaluate_question(run_id bigint, question_id bigint, query_embedding halfvec DEFAULT NULL::halfvec)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    run ragpg.evaluation_runs;
    asked text;
    collection text;
    started timestamptz;
    latency double precision;
    labelled_documents bigint[];
    found jsonb;
    relevant_ids bigint[];
    relevant integer;
    labels integer;
    lost integer;
    split integer;
    spans jsonb;
    first_place integer;
    held record;  -- the chunks of the labelled documents
begin
    select known.* into strict run from ragpg.evaluation_runs as known where known.id = run_id;
    select question.question, one.name into strict asked, collection
    from ragpg.evaluation_questions as question
    join ragpg.evaluation_sets as of_set on of_set.id = question.evaluation_set_id
    join ragpg.collections as one on one.id = of_set.collection_id
    where question.id = question_id and of_set.id = run.evaluation_set_id;
    started := clock_timestamp();
    select coalesce(jsonb_agg(to_jsonb(hit) - 'content' - 'metadata' - 'context'), '[]') into found
    from ragpg.search(
        query => asked, k => run.k, collection => collection,
        query_embedding => evaluate_question.query_embedding, mode => run.mode,
        index_id => run.index_id
    ) as hit;
    latency := extract(epoch from clock_timestamp() - started) * 1000;

    labelled_documents := array(
        select one.document_id
        from ragpg.evaluation_label_spans as one
        where one.evaluation_question_id = question_id and one.document_id is not null
    );
    -- By key, and apart from the labels: a join may be planned that reads every chunk.
    select
        array_agg(chunk.chunk_id) as ids, array_agg(chunk.document_id) as document_ids,
        array_agg(chunk.start_char) as starts, array_agg(chunk.end_char) as ends
    into held
    from ragpg_internal.document_chunks(run.index_id, labelled_documents) as chunk;
    with span as materialized (
        select label.*
        from (
            select
                one.*, known.is_of_document,
                bool_and(known.is_of_document) over (partition by one.document_id) as is_alone
            from ragpg.evaluation_label_spans as one
            join ragpg.evaluation_labels as given on given.id = one.evaluation_label_id
            cross join lateral (
                select given.quote is null and num_nulls(given.start_char, given.end_char) = 2
            ) as known (is_of_document)
            where one.evaluation_question_id = question_id
        ) as label
        -- Of a document labelled as a whole any chunk will do; a text labelled in it is stricter.
        where label.state <> 'found' or label.is_of_document = label.is_alone
    ),
    touched as materialized (
        select
            span.evaluation_label_id, span.document_id, span.is_of_document, chunk.id,
            span.is_of_document
            or (chunk.start_char <= span.start_char and span.end_char <= chunk.end_char)
                as is_whole
        from span
        join unnest(held.ids, held.document_ids, held.starts, held.ends)
            as chunk (id, document_id, start_char, end_char)
            on chunk.document_id = span.document_id
            and chunk.start_char < span.end_char
            and span.start_char < chunk.end_char
        where span.state = 'found'
    )
    select
        (select coalesce(array_agg(distinct touched.id), '{}') from touched),
        (
            select count(distinct case when touched.is_of_document then -touched.document_id
                else touched.id end)
            from touched
        ),
        (select count(*) from span),
        (select count(*) from span where span.state <> 'found'),
        (
            select count(*)
            from span
            where span.state = 'found'
                and not exists (
                    select
                    from touched
                    where touched.evaluation_label_id = span.evaluation_label_id
                        and touched.is_whole
                )
        ),
        (
            select coalesce(jsonb_object_agg(by_document.document_id, by_document.spans::text), '{}')
            from (
                select
                    span.document_id,
                    case
                        when not bool_or(span.is_of_document)
                            then range_agg(int4range(span.start_char, span.end_char))
                    end as spans
                from span
                where span.state = 'found'
                group by span.document_id
            ) as by_document
        )
    into relevant_ids, relevant, labels, lost, split, spans;

    select min(hit.place) into first_place
    from jsonb_to_recordset(found) as hit (place integer, chunk_id bigint)
    where hit.chunk_id = any(relevant_ids);
    if first_place is null and cardinality(relevant_ids) > 0 then
        -- Ranked too low, or not even a candidate?
        select min(hit.place) into first_place
        from ragpg.search(
            query => asked, k => (run.recipe ->> 'candidates')::integer * 2,
            collection => collection, query_embedding => evaluate_question.query_embedding,
            mode => run.mode, index_id => run.index_id
        ) as hit
        where hit.chunk_id = any(relevant_ids);
    end if;
    insert into ragpg.evaluation_results (
        evaluation_run_id, evaluation_question_id, hit_count, relevant_chunks,
        first_relevant_place, latency_ms, labels, lost_labels, split_labels, labelled_spans,
        tenant
    )
    values (
        run_id, question_id, jsonb_array_length(found), relevant, first_place,
        latency, labels, lost, split, spans, run.tenant
    );
    insert into ragpg.evaluation_hits (
        evaluation_run_id, evaluation_question_id, place, is_relevant, document_id,
        document_version, source, start_char, end_char, score, similarity, bm25, tenant
    )
    select
        run_id, question_id, hit.place, hit.chunk_id = any(relevant_ids), hit.document_id,
        hit.document_version, hit.source, hit.start_char, hit.end_char, hit.score,
        hit.similarity, hit.bm25, run.tenant
    from jsonb_to_recordset(found) as hit (
        place integer, chunk_id bigint, document_id bigint, document_version integer,
        source text, start_char integer, end_char integer, score double precision,
        similarity double precision, bm25 double precision
    );
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.evaluation_split(question_id bigint)
 RETURNS text
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT
         CASE
             WHEN (get_byte(ragpg_internal.hash_text(COALESCE(min(label.source), question.question)), 0) < 128) THEN 'train'::text
             ELSE 'held-out'::text
         END AS "case"
    FROM (ragpg.evaluation_questions question
      LEFT JOIN ragpg.evaluation_labels label ON ((label.evaluation_question_id = question.id)))
   WHERE (question.id = evaluation_split.question_id)
   GROUP BY question.id;
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.exact_distances(index_id bigint, embeddings halfvec[], own_ids bigint[], k integer)
 RETURNS double precision[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    distances double precision[] := '{}';
    farthest double precision;
begin
    for place in 1..cardinality(embeddings) loop
        -- Without the cast it is not the index's expression, so every chunk is looked at.
        execute format(
            'select max(near.distance) from ('
            '  select chunk.embedding operator(%s.<=>) $1 as distance from ragpg.chunks as chunk'
            '  where chunk.index_id = %s and chunk.id is distinct from $2 order by 1 limit %s'
            ' ) as near',
            ragpg_internal.vector_schema(), exact_distances.index_id, k
        )
        into farthest
        using embeddings[place], own_ids[place];
        distances := distances || farthest;
    end loop;
    return distances;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.feedback_embedding(index_id bigint, chunk_ids bigint[], scores double precision[])
 RETURNS halfvec
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    held record;
begin
    if ragpg_internal.is_distributed() then
        select array_agg(one.chunk_id) as ids, array_agg(one.embedding) as embeddings into held
        from ragpg_internal.known_chunks(chunk_ids[:3], feedback_embedding.index_id) as one;
    else
        select array_agg(one.id) as ids, array_agg(one.embedding) as embeddings into held
        from ragpg.chunks as one
        where one.index_id = feedback_embedding.index_id and one.id = any(chunk_ids[:3]);
    end if;
    return (
        select l2_normalize(
            sum(
                chunk.embedding::vector
                * array_fill(best.score::real, array[vector_dims(chunk.embedding)])::vector
                order by best.place
            )
        )::halfvec
        from unnest(chunk_ids[:3], scores[:3]) with ordinality as best (chunk_id, score, place)
        join unnest(held.ids, held.embeddings) as chunk (id, embedding)
            on chunk.id = best.chunk_id
    );
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.filter_condition(condition text, OUT kind "char", OUT key text, OUT sign text, OUT number numeric, OUT word text, OUT is_exact boolean)
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    path constant text := '\$(?:\."(?:[^"\\]|\\.)*"(?:\[\*\])?)+';
    literal constant text := '(?:"(?:[^"\\]|\\.)*"|-?[0-9][-+.0-9e]*|true|false|null)';
    -- Without a format, or with one of those by which Python's filters read what has Z.
    moment constant text :=
        '(?:\.datetime\((?:"yyyy-mm-dd\\"T\\"hh24:mi:ss(?:\.us)?\\"Z\\"")?\))?';
    signs constant text := ' (?:==|<=?|>=?|starts with) ';
    is_turned constant boolean := condition not like '$%';
    pattern text;
    part text;
    said text[];
begin
    -- Part by part: one expression that captures all five took 270 us.
    foreach pattern in array case
        when is_turned then array[literal, moment, signs, path, moment]
        else array[path, moment, signs, literal, moment] end
    loop
        part := regexp_substr(condition, '^' || pattern);
        if part is null then
            return;
        end if;
        said := said || part;
        condition := substr(condition, length(part) + 1);
    end loop;
    if is_turned then
        said := array[said[4], said[5], translate(said[3], '<>', '><'), said[1], said[2]];
    end if;
    if condition <> '' or (said[2] = '') <> (said[5] = '') then
        return;
    end if;
    key := (
        select string_agg(
            ragpg_internal.key_step(step.found[1]::jsonb #>> '{}'), '.' order by step.place
        )
        from regexp_matches(said[1], '"(?:[^"\\]|\\.)*"', 'g')
            with ordinality as step (found, place)
    );
    sign := btrim(said[3]);
    is_exact := true;
    if said[5] <> '' then
        kind := 't';
        number := ragpg_internal.instant(said[4]::jsonb #>> '{}');
        -- A zone that was not said may be any: Postgres takes up to a week.
        is_exact := false;
    elsif said[4] like '"%' then
        kind := 's';
        word := said[4]::jsonb #>> '{}';
        if length(word) >= 100 then
            word := left(word, 100);
            sign := case sign when '<' then '<=' when '>' then '>=' else sign end;
            is_exact := false;
        end if;
    elsif said[4] ~ '^[-0-9]' then
        kind := 'n';
        number := said[4]::numeric;
    else
        kind := 'l';
        word := said[4];
    end if;
    if length(key) > 100
        or coalesce(number = 'NaN' or length(said[4]) > 100 and kind = 'n', word is null)
        -- jsonpath orders texts by their UTF-16, which is their UTF-8's order up to there.
        or kind = 's' and sign <> '==' and word ~ '[\ue000-\U0010ffff]'
        or kind = 'l' and sign <> '=='
        or kind <> 's' and sign = 'starts with'
    then
        kind := null;
    end if;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.filter_of_each(condition text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (SELECT string_agg(CASE token.part[1] WHEN '@'::text THEN asked.part[1] ELSE token.part[1] END, ''::text ORDER BY token.place) AS string_agg FROM (regexp_match(filter_of_each.condition, '^exists \((\$(?:\."(?:[^"\\]|\\.)*"(?:\[\*\])?)+)\?(\(.*\))\)$'::text) asked(part) CROSS JOIN LATERAL regexp_matches(asked.part[2], '"(?:[^"\\]|\\.)*"|[^"@]+|@'::text, 'g'::text) WITH ORDINALITY token(part, place)))
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.filter_parts(condition text, OUT operator text, OUT parts text[])
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    is_enclosed boolean;
begin
    -- Most filters are one comparison.
    parts := regexp_match(condition, '^\(?((?:"(?:[^"\\]|\\.)*"|[^"()&|])+)\)?$');
    if parts is not null then
        return;
    end if;
    -- A jsonpath writes itself with blanks around operators, keys and strings in double quotes, and
    -- parentheses where && stands within && and || within &&.
    loop
        with token as (
            select
                found.part[1] as part, found.place,
                sum(case found.part[1] when '(' then 1 when ')' then -1 else 0 end)
                    over (order by found.place) as depth
            from regexp_matches(
                condition, '"(?:[^"\\]|\\.)*"| && | \|\| |[()]|[^"()&| ]+|.', 'g'
            ) with ordinality as found (part, place)
        ),
        joined as (
            select max(token.part) as operator  -- || binds less
            from token
            where token.depth = 0 and token.part in (' && ', ' || ')
        ),
        divided as (
            select
                token.*,
                count(*) filter (where token.depth = 0 and token.part = joined.operator)
                    over (order by token.place) as number,
                token.depth = 0 and token.part = joined.operator as divides
            from token
            cross join joined
        ),
        held as (
            select divided.number, string_agg(divided.part, '' order by divided.place) as part
            from divided
            where divided.divides is not true
            group by divided.number
        )
        select
            (select joined.operator from joined),
            array(select held.part from held order by held.number),
            -- Do the first parenthesis and the last one belong together?
            (
                select
                    bool_and(token.depth > 0 or token.place = last.place)
                    and bool_or(token.depth > 0)
                from token
                cross join (select max(token.place) as place from token) as last
            ) and condition like '(%'
        into operator, parts, is_enclosed;
        exit when not coalesce(is_enclosed, false);
        condition := substr(condition, 2, length(condition) - 2);
    end loop;
    if operator is not null then
        parts := array(
            select unnest(
                case within.operator when filter_parts.operator then within.parts
                    else array[part] end
            )
            from unnest(filter_parts.parts) as part
            cross join lateral ragpg_internal.filter_parts(part) as within
        );
    end if;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.finish_answer(answer_id bigint, content text, model text, abstained boolean, grounded boolean, stop_reason text, input_tokens integer, output_tokens integer, cache_read_tokens integer, cache_creation_tokens integer, latency_ms integer, ended_by text, citations jsonb)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
    -- In the order of erase_document: documents first, then answers.
    perform ragpg_internal.shown_before((cited.body ->> 'document_id')::bigint)
    from jsonb_array_elements(finish_answer.citations) as cited (body);
    update ragpg.answers as answer
    set content = finish_answer.content,
        model = finish_answer.model,
        abstained = finish_answer.abstained,
        grounded = finish_answer.grounded,
        stop_reason = finish_answer.stop_reason,
        input_tokens = finish_answer.input_tokens,
        output_tokens = finish_answer.output_tokens,
        cache_read_tokens = finish_answer.cache_read_tokens,
        cache_creation_tokens = finish_answer.cache_creation_tokens,
        latency_ms = finish_answer.latency_ms,
        ended_by = finish_answer.ended_by
    where answer.id = finish_answer.answer_id;
    if not found then
        raise exception 'answer % is not there any more', finish_answer.answer_id
            using errcode = 'RG007', hint = 'what it was shown was erased meanwhile: ask again';
    end if;
    perform ragpg_internal.put_citations(finish_answer.answer_id, finish_answer.citations);
    return finish_answer.answer_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.finish_context_batch(batch_id bigint, error text DEFAULT NULL::text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    left_over bigint;
begin
    delete from ragpg.chunk_contexts as written
    where written.batch_id = finish_context_batch.batch_id and written.sentence is null;
    get diagnostics left_over = row_count;
    update ragpg.context_batches as batch
    set state = 'ended', error = finish_context_batch.error, ended_at = clock_timestamp()
    where batch.id = finish_context_batch.batch_id;
    return left_over;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.fit_relevance(similarities double precision[], words_held double precision[], missing_names integer[], unmatched_negations boolean[], answerable boolean[])
 RETURNS double precision[]
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    total bigint := cardinality(answerable);
    positives bigint := (select count(*) from unnest(answerable) as given (yes) where given.yes);
    means double precision[];
    deviations double precision[];
    -- Of the intercept and of the signals less their mean, in deviations.
    weights double precision[] := '{0,0,0,0,0}';
    gradient double precision;
    curvature double precision;
    moved double precision;
    largest_move double precision;
begin
    if positives = 0 or positives = total then
        raise exception 'all % questions are %answerable: relevance cannot be told apart', total,
            case when positives = 0 then 'un' else '' end
            using errcode = 'RG011', hint = 'an evaluation set needs questions of both kinds';
    end if;
    select
        array[avg(similarity), avg(held), avg(-ln(1 + missing)), avg(-unmatched::integer)],
        array[
            stddev_pop(similarity), stddev_pop(held), stddev_pop(-ln(1 + missing)),
            stddev_pop(-unmatched::integer)
        ]
    into means, deviations
    from unnest(similarities, words_held, missing_names, unmatched_negations)
        as given (similarity, held, missing, unmatched);
    deviations := array(
        select case when one.deviation > 1e-6 then one.deviation else 1 end  -- or all are the same
        from unnest(deviations) with ordinality as one (deviation, place)
        order by one.place
    );
    -- Logistic regression with a ridge of 1 by Newton's method in one weight at a time, none below
    -- 0: more similarity, more words, fewer missing never speak against an answer. Targets as Platt
    -- (1999) smooths them.
    for sweep in 1..200 loop
        largest_move := 0;
        for chosen in 1..5 loop
            select
                sum((point.probability - point.target) * point.x[chosen]),
                sum(point.probability * (1 - point.probability) * point.x[chosen] ^ 2)
            into gradient, curvature
            from (
                select
                    one.x,
                    1 / (1 + exp(-(
                        weights[1] + weights[2] * one.x[2] + weights[3] * one.x[3]
                        + weights[4] * one.x[4] + weights[5] * one.x[5]
                    ))) as probability,
                    case
                        when given.yes then (positives + 1.0) / (positives + 2.0)
                        else 1.0 / (total - positives + 2.0)
                    end::double precision as target
                from unnest(
                    similarities, words_held, missing_names, unmatched_negations, answerable
                ) as given (similarity, held, missing, unmatched, yes)
                cross join lateral (
                    select array[
                        1,
                        (given.similarity - means[1]) / deviations[1],
                        (given.held - means[2]) / deviations[2],
                        (-ln(1 + given.missing) - means[3]) / deviations[3],
                        (-given.unmatched::integer - means[4]) / deviations[4]
                    ] as x
                ) as one
            ) as point;
            if chosen > 1 then
                gradient := gradient + weights[chosen];
                curvature := curvature + 1;
            end if;
            moved := -gradient / greatest(curvature, 1e-9);
            if chosen > 1 then
                moved := greatest(moved, -weights[chosen]);
            end if;
            weights[chosen] := weights[chosen] + moved;
            largest_move := greatest(largest_move, abs(moved));
        end loop;
        exit when largest_move < 1e-7;
    end loop;
    weights := array[
        weights[1], weights[2] / deviations[1], weights[3] / deviations[2],
        -weights[4] / deviations[3], -weights[5] / deviations[4]
    ];
    weights[1] := weights[1] - weights[2] * means[1] - weights[3] * means[2]
        + weights[4] * means[3] + weights[5] * means[4];
    return weights;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.followed_tables()
 RETURNS TABLE(table_name regclass, collection text, source_column text, content_column text, title_column text, metadata_columns text[], media_type text, row_of uuid)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT (trigger.tgrelid)::regclass AS tgrelid,
     convert_from(argument.list[1], 'utf8'::name) AS convert_from,
     convert_from(argument.list[2], 'utf8'::name) AS convert_from,
     convert_from(argument.list[3], 'utf8'::name) AS convert_from,
     NULLIF(convert_from(argument.list[4], 'utf8'::name), ''::text) AS "nullif",
     (convert_from(argument.list[5], 'utf8'::name))::text[] AS convert_from,
     convert_from(argument.list[6], 'utf8'::name) AS convert_from,
     (NULLIF(convert_from(argument.list[7], 'utf8'::name), ''::text))::uuid AS "nullif"
    FROM (pg_trigger trigger
      CROSS JOIN LATERAL ( SELECT array_agg(decode(cut.part, 'hex'::text) ORDER BY cut.place) AS list
            FROM regexp_split_to_table(regexp_replace(encode(trigger.tgargs, 'hex'::text), '(..)'::text, '\1 '::text, 'g'::text), '00 '::text) WITH ORDINALITY cut(part, place)) argument)
   WHERE ((trigger.tgfoid = ('ragpg_internal.index_table_row'::regproc)::oid) AND (((trigger.tgtype)::integer & 1) = 1));
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.forget_queries()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    delete from ragpg.query_embeddings as known
    where known.embedding_model_id = old.embedding_model_id;
    return null;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.give_chunks(document_ids bigint[], new_tenant text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
begin
    if ragpg_internal.is_spread_by_tenant() then
        raise exception 'the chunks are distributed by tenant: documents stay whose they are'
            using errcode = 'RG005',
                hint = 'add the documents once more for the other tenant, and delete these';
    end if;
    update ragpg.chunks as chunk
    set tenant = new_tenant
    where chunk.document_id = any(document_ids);
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.hand_legs()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    leg record;
    granted record;
    quiet regprocedure;
    propagated constant text := current_setting('citus.enable_ddl_propagation', true);
begin
    -- Workers have these functions, too, and there they stay without rights.
    perform set_config('citus.enable_ddl_propagation', 'off', true)
    where ragpg_internal.is_distributed();
    for leg in select own.* from ragpg_internal.proof_takers() as own loop
        if not leg.runs_as_owner then
            execute format('alter function %s security invoker', leg.called);
            execute format('grant execute on function %s to public', leg.called);
            continue;
        end if;
        execute format('alter function %s security definer', leg.called);
        execute format('revoke execute on function %s from public', leg.called);
        for granted in
            select distinct
                case acl.grantee when 0 then 'public' else acl.grantee::regrole::text end as to_whom
            from pg_class as documents
            cross join aclexplode(documents.relacl) as acl
            where documents.oid = 'ragpg.documents'::regclass
                and acl.privilege_type = case when leg.writes then 'DELETE' else 'SELECT' end
        loop
            execute format('grant execute on function %s to %s', leg.called, granted.to_whom);
        end loop;
    end loop;
    if not ragpg_internal.is_distributed() then
        return;
    end if;
    -- What Citus sends to shards, and it tells whoever asks, names tenants where all are counted.
    for quiet in
        select routine.oid
        from pg_proc as routine
        where routine.pronamespace in ('ragpg'::regnamespace, 'ragpg_internal'::regnamespace)
            and routine.prosecdef
    loop
        execute format('alter function %s set citus.log_remote_commands = off', quiet);
        execute format('alter function %s set client_min_messages = notice', quiet);
    end loop;
    perform set_config('citus.enable_ddl_propagation', propagated, true);
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.hand_over()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    change text;
begin
    if to_regrole('ragpg_owner') is null then
        create role ragpg_owner;
        comment on role ragpg_owner is 'Owns ragpg in every database of this server; nobody logs in as it. Its members administer ragpg.';
        if current_setting('is_superuser') = 'off' then
            execute format('grant ragpg_owner to %I', current_user);
        end if;
    elsif exists (
        select
        from pg_roles as known
        where known.rolname = 'ragpg_owner'
            and (known.rolcanlogin or known.rolsuper or known.rolcreaterole or known.rolbypassrls)
    ) then
        raise exception 'the role ragpg_owner may log in, or more than own ragpg'
            using errcode = '42501',
                hint = 'alter role ragpg_owner nologin nosuperuser nocreaterole nobypassrls';
    end if;
    if exists (select from ragpg_internal.ownership_changes()) and exists (
        select
        from pg_auth_members as given
        where given.roleid = to_regrole('ragpg_owner')
            and given.member <> quote_ident(current_user)::regrole
    ) then
        raise notice 'members of the role ragpg_owner own ragpg here from now on: %', (
            select string_agg(given.member::regrole::text, ', ' order by given.member)
            from pg_auth_members as given
            where given.roleid = to_regrole('ragpg_owner')
        );
    end if;
    -- Schemas first: what is in them may only be given to who may create there.
    for change in select owned.statement from ragpg_internal.ownership_changes() as owned loop
        execute change;
    end loop;
    if not has_schema_privilege('ragpg_owner', ragpg_internal.vector_schema()::regnamespace, 'usage')
    then
        execute format('grant usage on schema %s to ragpg_owner', ragpg_internal.vector_schema());
    end if;
exception
    when insufficient_privilege then
        raise notice 'ragpg stays with the role %: %', current_user, sqlerrm
            using hint = 'a role that may create roles gives it to one of its own: select ragpg.secure()';
    when duplicate_object or unique_violation then
        -- Another database of this server was quicker.
        perform ragpg_internal.hand_over();
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.hard_negatives(question text, relevant_chunk_ids bigint[], wanted integer DEFAULT 3, collection text DEFAULT NULL::text, query_embedding halfvec DEFAULT NULL::halfvec, index_id bigint DEFAULT NULL::bigint, depth integer DEFAULT 50, max_similarity double precision DEFAULT 0.95, excluded_document_ids bigint[] DEFAULT '{}'::bigint[])
 RETURNS TABLE(place integer, source text, text text, similarity double precision, document_id bigint, chunk_id bigint)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    recipe_id constant bigint := coalesce(
        hard_negatives.index_id,
        (
            select one.active_index_id
            from ragpg.collections as one
            where one.id = ragpg.collection_id(hard_negatives.collection)
        )
    );
    hits ragpg.hit[];
    asked_ids bigint[];
    held record;  -- the chunks of hits and of answers
begin
    hits := array(
        select hit
        from ragpg.search(
            query => hard_negatives.question, k => hard_negatives.depth,
            collection => hard_negatives.collection,
            query_embedding => hard_negatives.query_embedding, index_id => recipe_id
        ) as hit
    );
    asked_ids := relevant_chunk_ids || array(select hit.chunk_id from unnest(hits) as hit);
    select
        array_agg(chunk.chunk_id) as ids, array_agg(chunk.ordinal) as ordinals,
        array_agg(chunk.content_hash) as hashes, array_agg(chunk.embedding) as embeddings
    into held
    from ragpg_internal.known_chunks(asked_ids, recipe_id) as chunk;
    return query
    with chunk as materialized (
        select one.*
        from unnest(held.ids, held.ordinals, held.hashes, held.embeddings)
            as one (id, ordinal, content_hash, embedding)
    )
    select
        hit.place, hit.source,
        ragpg_internal.embedded_text(hit.title, hit.context, hit.content, chunk.ordinal),
        hit.similarity, hit.document_id, hit.chunk_id
    from unnest(hits) as hit
    join chunk on chunk.id = hit.chunk_id
    where hit.chunk_id <> all(hard_negatives.relevant_chunk_ids)
        and hit.document_id <> all(hard_negatives.excluded_document_ids)
        -- A copy of the answer is an answer.
        and not exists (
            select
            from chunk as answer
            where answer.id = any(hard_negatives.relevant_chunk_ids)
                and (
                    answer.content_hash = chunk.content_hash
                    or 1 - (answer.embedding <=> chunk.embedding) > hard_negatives.max_similarity
                )
        )
    order by hit.place
    limit hard_negatives.wanted;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.has_times(filter jsonpath)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((filter)::text ~ '\.(datetime|date|time|time_tz|timestamp|timestamp_tz)\('::text)
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.hash_text(content text)
 RETURNS bytea
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN sha256(convert_to(content, 'UTF8'::name))
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.index_row(collection text, source text, content text, title text, metadata jsonb, media_type text, row_of uuid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    stored_id bigint;
begin
    if coalesce(source, '') !~ '\S' then
        return;  -- nothing to call it by
    end if;
    if coalesce(content, '') !~ '\S' then
        perform ragpg.delete_document(collection, source);
        return;
    end if;
    select stored.document_id into stored_id
    from ragpg.put_document(
        collection => index_row.collection,
        source => index_row.source,
        content => index_row.content,
        title => coalesce(index_row.title, ''),
        media_type => index_row.media_type,
        metadata => index_row.metadata
    ) as stored;
    update ragpg.documents as document
    set row_of = index_row.row_of
    where document.id = stored_id and document.row_of is distinct from index_row.row_of;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.index_table_row()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    source_was text;
    source text;
    content text;
    title text;
    metadata jsonb;
    before text := current_setting('ragpg.tenant', true);
begin
    -- The table may be anybody's: what its owner has made of types, casts and policies must not run
    -- with the rights of this function.
    if tg_op = 'TRUNCATE' then
        -- Not read: to plan a statement on a table runs functions of its indexes' expressions.
        if tg_argv[6] is null then
            raise exception 'collection % would keep the rows of %', tg_argv[0], tg_relid::regclass
                using errcode = '42501',
                    hint = 'it is followed since before version 0003 of the schema: ragpg.index_table it anew, or delete instead';
        end if;
        delete from ragpg.documents as document
        where document.collection_id = ragpg.collection_id(tg_argv[0])
            and document.row_of = tg_argv[6]::uuid;
        return null;
    end if;
    perform set_config('ragpg.tenant', coalesce(ragpg_internal.session_tenant(), ''), true);
    if tg_op <> 'INSERT' then
        execute 'select ' || ragpg_internal.column_reading(tg_relid, tg_argv[1], '($1)')
        into source_was
        using old;
    end if;
    if tg_op <> 'DELETE' then
        execute 'select ' || ragpg_internal.row_reading(
            tg_relid, tg_argv[1], tg_argv[2], tg_argv[3], tg_argv[4]::text[], '($1)'
        )
        into source, content, title, metadata
        using new;
    end if;
    if tg_op <> 'INSERT' and source_was is distinct from source then
        perform ragpg.delete_document(tg_argv[0], source_was);
    end if;
    if tg_op <> 'DELETE' then
        perform ragpg_internal.index_row(
            tg_argv[0], source, content, title, metadata, tg_argv[5], tg_argv[6]::uuid
        );
    end if;
    perform set_config('ragpg.tenant', coalesce(before, ''), true);
    return null;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.inspection_rules()
 RETURNS TABLE(problem text, unit text, pattern text, minimum double precision, what_to_do text)
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
 VALUES ('empty document'::text,'characters'::text,NULL::text,1,'delete it, or find out why it was stored without text'::text), ('tiny document'::text,'characters'::text,NULL::text,40,'join it with what it belongs to: alone it is found, but answers nothing'::text), ('mojibake'::text,'times'::text,'[\u00c2\u00c3][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]|\u00c2\u00a0|[\u00ce\u00cf][\u0080-\u009f\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u20ac\u2122]|\u00e2[\u0080-\u009f\u201a\u20ac\u2020\u2021\u02c6\u201e\u2026\u2030][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]|[\u00e0\u00e1\u00e3-\u00ef][\u0080-\u009f\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u20ac\u2122][\u0080-\u009f\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u20ac\u2122]|(?:[\u00e0\u00e1\u00e3-\u00ef][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122\u00a0][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122\u00a0]){2,}|\u00f0\u0178|(?:[\u00c4-\u00cd\u00d0-\u00df][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]){3,}'::text,1,'UTF-8 was read as Windows-1252: read it again as UTF-8, or repair it (ftfy)'::text), ('replacement characters'::text,'times'::text,'\ufffd+'::text,1,'characters were lost: read the original again with its right encoding'::text), ('control characters'::text,'times'::text,'[\u0001-\u0008\u000b\u000e-\u001f\u007f-\u009f]+'::text,1,'remove them, or export the text anew: they cut words apart'::text), ('invisible characters'::text,'times'::text,'[\u00ad\u200b\u2060\ufeff]+'::text,5,'remove soft hyphens and zero-width spaces: they cut words apart'::text), ('encoded data'::text,'times'::text,'[A-Za-z0-9+/]{200,}'::text,1,'leave base64 and dumps out: they fill chunks and mean nothing'::text), ('over-long line'::text,'lines'::text,NULL::text,5000,'break it into paragraphs: a chunker sees no structure in it'::text), ('few letters'::text,'characters that are no letters'::text,'[\u0001-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3007-\u3020\u3030-\u303f\ue000-\uf8ff\ufe10-\ufe6f\uff01-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0-\uffff\U0001f000-\U0001faff]+'::text,0.3,'search cannot find what numbers and symbols mean: say it in words beside them'::text), ('other language'::text,'letters'::text,NULL::text,200,'put it into a collection of its language, or use the language simple: its words are stemmed by the wrong rules'::text), ('duplicate document'::text,''::text,NULL::text,1,'keep one: copies crowd other documents out of the hits'::text), ('near-duplicate document'::text,''::text,NULL::text,0.8,'keep the newest, or search with ragpg.search_distinct'::text), ('repeated line'::text,'documents'::text,NULL::text,0.3,'take it out when reading: it makes all chunks alike'::text), ('cut chunk'::text,'chunks'::text,NULL::text,1,'a sentence is longer than the window: break it, or build an index with larger chunks'::text), ('not indexed'::text,''::text,NULL::text,1,'run ragpg worker; ragpg.ingest_queue has the error if there is one'::text);
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.instant(content text)
 RETURNS numeric
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    found text;
begin
    -- Most texts are none, and none is longer. Fractions and Z are not read before Postgres 17.
    if content !~ '^\s*[-+\d]' or length(content) > 60 then
        return null;
    end if;
    found := jsonb_path_query_first(
        to_jsonb(regexp_replace(regexp_replace(content, '\.\d+', ''), 'Z$', '+00:00')),
        '$.datetime() ? (@.type() == "date" || @.type() starts with "timestamp")', silent => true
    ) #>> '{}';
    return extract(epoch from case
        when found ~ 'T.*[-+]' then found::timestamptz
        else (found || case when found ~ 'T' then 'Z' else 'T00:00:00Z' end)::timestamptz
    end);
exception
    when data_exception then
        return 'NaN';
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.is_chosen(source text, metadata jsonb, sources text[], filter jsonpath)
 RETURNS boolean
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (((sources IS NULL) OR (source = ANY (sources))) AND ((filter IS NULL) OR ragpg_internal.passes(metadata, filter)))
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.is_code(media_type text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN (media_type ~ '^text/(x-(?!rst)|javascript$)'::text)
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.is_distributed()
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN false
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.is_spread_by_tenant()
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    -- Where there is no Citus, nothing after this is looked at.
    return ragpg_internal.is_distributed() and exists (
        select
        from pg_dist_partition as known
        where known.logicalrelid = 'ragpg.chunks'::regclass
            and column_to_column_name(known.logicalrelid, known.partkey) = 'tenant'
    );
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.keep_document_values()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    document_ids bigint[];
begin
    -- Each has other rows to look at, and a statement is planned with those it names.
    if tg_op = 'INSERT' then
        document_ids := array(select added.id from new_rows as added);
    elsif tg_op = 'DELETE' then
        document_ids := array(select dropped.id from old_rows as dropped);
    else
        document_ids := array(
            select later.id
            from new_rows as later
            join old_rows as earlier on earlier.id = later.id
            where (later.metadata, later.collection_id, later.tenant)
                is distinct from (earlier.metadata, earlier.collection_id, earlier.tenant)
        );
    end if;
    perform ragpg_internal.put_document_values(document_ids);
    return null;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.keep_document_version()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    if tg_op = 'UPDATE'
        and (old.source, old.title, old.media_type, old.content, old.metadata, old.page_starts)
            is not distinct from
            (new.source, new.title, new.media_type, new.content, new.metadata, new.page_starts)
    then
        new.version := old.version;
        return new;
    end if;
    insert into ragpg.document_versions (
        document_id, version, collection_id, source, title, media_type, content, metadata,
        page_starts, valid_from, valid_to, tenant
    )
    values (
        old.id, old.version, old.collection_id, old.source, old.title, old.media_type,
        old.content, old.metadata, old.page_starts, old.updated_at, greatest(old.updated_at, now()),
        old.tenant
    );
    if tg_op = 'DELETE' then
        return old;
    end if;
    new.version := old.version + 1;
    new.updated_at := greatest(old.updated_at, now());
    return new;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.key_step(key text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN CASE WHEN ((key ~ '[."]'::text) OR (key = ''::text)) THEN (to_json(key))::text ELSE key END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.keyword_candidates(index_id bigint, words tsquery[], weights double precision[], word_chunks bigint, wanted integer, document_ids bigint[] DEFAULT NULL::bigint[], filter jsonpath DEFAULT NULL::jsonpath, least_score double precision DEFAULT 0, word_counts integer[] DEFAULT NULL::integer[], proof uuid DEFAULT ragpg_internal.proof())
 RETURNS TABLE(chunk_id bigint, score double precision)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    most_possible double precision := (select sum(weight) from unnest(weights) as weight);
    -- What a word can add to a score, as a share of its weight: less than 1, however often it
    -- occurs, and .75 only if it occurs four times in a chunk of mean length.
    most_added double precision;
    threshold double precision;
    sought tsquery;
    statement text;
    ids bigint[];
    scores double precision[];
    only_tenant constant text := (
        select known.tenant from ragpg_internal.proven_tenant(proof) as known
    );
    -- Up to so many chunks all that hold a word are scored; up to so many the result is exact.
    few constant integer := 500;
    exact_limit constant integer := 20000;
begin
    if words is null then
        return;
    end if;
    -- setweight returns a copy in memory, so that each word's ts_rank does not read the row anew.
    -- Of what stands under an offset Citus would fetch all rows; a function called once does.
    statement := format(
        'select array_agg(best.id order by best.score desc, best.id),'
        ' array_agg(best.score order by best.score desc, best.id)'
        ' from (select chunk.id, %s as score from ('
        '  select stored.id, copied.lexemes, %s as saturation'
        '  from ragpg.chunks as stored'
        '  cross join lateral %s as copied (lexemes)'
        '  where stored.index_id = %s and stored.lexemes @@ $1%s%s%s) as chunk'
        ' order by score desc, chunk.id limit %s) as best',
        ragpg_internal.bm25_expression(words, weights),
        (
            select ragpg_internal.bm25_saturation(known.mean_length)
            from ragpg.index_statistics as known
            where known.index_id = keyword_candidates.index_id
                and known.tenant = coalesce(only_tenant, '')
        ),
        case when ragpg_internal.is_distributed() then 'setweight(stored.lexemes, ''D'')'
            else '(select setweight(stored.lexemes, ''D''))' end,
        keyword_candidates.index_id,
        case
            when document_ids is not null then ' and stored.document_id = any($2)'
            -- A subquery that looks one document up, and no join: only candidates are asked.
            when filter is not null then
                -- Nothing is asked of another tenant's: an error, or the time it takes, would tell.
                ' and case when $4 is null or stored.tenant = $4 then'
                '  (select ragpg_internal.passes(document.metadata, $3)'
                '   from ragpg.documents as document where document.id = stored.document_id) end'
        end,
        case
            when only_tenant is not null then ' and ' || ragpg_internal.tenant_condition(
                keyword_candidates.index_id, only_tenant, 'stored.tenant', '$4'
            )
        end,
        case when not ragpg_internal.is_distributed() then ' offset 0' end,
        wanted
    );
    most_added := case when word_chunks <= exact_limit then 1 else 0.75 end;
    most_possible := most_added * most_possible;
    least_score := greatest(coalesce(least_score, 0), 0);
    -- A first guess of the last score wanted; then, from what it found, what is certain.
    threshold := greatest(
        least_score,
        case
            when word_counts is not null then 0.3 * most_possible
            when document_ids is null and word_chunks > few then 0.45 * most_possible
        end
    );
    loop
        sought := ragpg_internal.word_combinations(
            words, array(select most_added * weight from unnest(weights) as weight), threshold,
            word_counts
        );
        execute statement into ids, scores using sought, document_ids, filter, only_tenant;
        exit when threshold <= least_score or scores[wanted] >= threshold
            or word_counts is not null;
        threshold := greatest(
            least_score,
            case
                when coalesce(cardinality(ids), 0) >= wanted then scores[wanted]
                when threshold > 0.05 * most_possible then 0.5 * threshold
            end
        );
    end loop;
    return query
    select found.id, found.score
    from unnest(ids, scores) as found (id, score)
    where found.score >= least_score or word_counts is not null;
end
$function$
 -- access {=X/owner,owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.known_chunks(chunk_ids bigint[], only_index_id bigint DEFAULT NULL::bigint, proof uuid DEFAULT CASE WHEN ragpg_internal.is_distributed() THEN ragpg_internal.proof() ELSE NULL::uuid END)
 RETURNS TABLE(chunk_id bigint, index_id bigint, document_id bigint, document_version integer, ordinal integer, start_char integer, end_char integer, page integer, language text, context text, content text, content_hash bytea, lexemes tsvector, embedding halfvec)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
begin
    return query execute
        'select chunk.id, chunk.index_id, chunk.document_id, chunk.document_version,'
        ' chunk.ordinal, chunk.start_char, chunk.end_char, chunk.page, chunk.language,'
        ' chunk.context, chunk.content, chunk.content_hash, chunk.lexemes, chunk.embedding'
        ' from ragpg.chunks as chunk where chunk.id = any($1)'
        || coalesce(' and chunk.index_id = ' || only_index_id, '')
        || ragpg_internal.own_condition(proof)
    using chunk_ids;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.known_embeddings(index_ids bigint[], hashes bytea[], tenant text DEFAULT NULL::text, proof uuid DEFAULT CASE WHEN ragpg_internal.is_distributed() THEN ragpg_internal.proof() ELSE NULL::uuid END)
 RETURNS TABLE(content_hash bytea, embedding halfvec)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    owner_name text := known_embeddings.tenant;
    own_condition constant text := ragpg_internal.own_condition(proof);
begin
    if own_condition <> '' then
        owner_name := coalesce(
            owner_name, (select known.tenant from ragpg_internal.proven_tenant(proof) as known)
        );
    else
        owner_name := coalesce(owner_name, ragpg_internal.written_tenant());
    end if;
    if ragpg_internal.is_distributed() then
        return query execute format(
            'select distinct on (chunk.content_hash) chunk.content_hash, chunk.embedding'
            ' from ragpg.chunks as chunk'
            ' where chunk.index_id = any($1) and chunk.content_hash = any($2)'
            ' and chunk.tenant = %L%s',
            owner_name, own_condition
        )
        using index_ids, hashes;
        return;
    end if;
    return query
    select distinct on (chunk.content_hash) chunk.content_hash, chunk.embedding
    from ragpg.chunks as chunk
    where chunk.index_id = any(index_ids)
        and chunk.content_hash = any(hashes)
        and chunk.tenant = owner_name;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.l2_normalize(halfvec)
 RETURNS halfvec
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN l2_normalize($1)
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.l2_normalize(vector)
 RETURNS vector
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN l2_normalize($1)
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.lexeme_query(lexeme text)
 RETURNS tsquery
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN (((''''::text || replace(replace(lexeme, '\'::text, '\\'::text), ''''::text, ''''''::text)) || ''''::text))::tsquery
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.listed_documents(collection_id bigint, tenants text[], condition text, most integer, OUT document_ids bigint[], OUT is_exact boolean)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
#variable_conflict use_column
declare
    joined record;
    part text;
    asked record;
    listed record;
    within text;
    found_ids bigint[];
    has_lists boolean;
    -- A text behind all that are kept.
    beyond constant text := repeat(U&'\+10FFFF', 101);
begin
    joined := ragpg_internal.filter_parts(condition);
    if joined.operator = ' || ' then
        document_ids := '{}';
        is_exact := true;
        foreach part in array joined.parts loop
            listed := ragpg_internal.listed_documents(
                listed_documents.collection_id, tenants, part, most
            );
            document_ids := document_ids || listed.document_ids;
            if listed.document_ids is null or cardinality(document_ids) > most then
                document_ids := null;
                return;
            end if;
            is_exact := is_exact and listed.is_exact;
        end loop;
        document_ids := array(select distinct id from unnest(document_ids) as id);
        return;
    end if;
    -- Of conditions that all must hold the one that lists least is enough; both bounds of a key are
    -- one condition. What is equal is asked first: it is likely to list less.
    for asked in
        select
            one.kind, one.key, one.is_exact, one.is_both,
            coalesce(one.least, '-Infinity') - one.leeway as low_number,
            coalesce(one.greatest, 'Infinity') + one.leeway as high_number,
            coalesce(one.first, '') as low_word,
            coalesce(one.last, beyond) as high_word,
            case when one.is_open and one.kind <> 't' then coalesce(one.least, one.greatest) end
                as other_number,
            case when one.is_open then coalesce(one.first, one.last) end as other_word
        from (
            select
                said.kind, said.key, bool_and(said.is_exact) as is_exact,
                count(*) > 1 as is_both, bool_or(said.sign = '==') as is_equal,
                count(*) = 1 and min(said.sign) in ('<', '>') as is_open,
                case said.kind when 't' then 604800 else 0 end as leeway,
                max(said.number) filter (where said.sign not like '<%') as least,
                min(said.number) filter (where said.sign not like '>%') as greatest,
                max(said.word collate "C") filter (where said.sign not like '<%') as first,
                min(
                    case said.sign when 'starts with' then said.word || beyond else said.word end
                    collate "C"
                ) filter (where said.sign not like '>%') as last
            from unnest(joined.parts) as part
            cross join lateral ragpg_internal.filter_condition(part) as said
            where said.kind is not null
            group by said.kind, said.key
        ) as one
        order by one.is_equal desc, one.is_both desc, one.key
    loop
        -- Of a list one value may keep the one bound, another the other.
        if asked.kind in ('s', 'l') then
            select coalesce(array_agg(found.document_id), '{}'), bool_or(found.is_of_list)
            into found_ids, has_lists
            from (
                (
                    select one.document_id, false as is_of_list
                    from ragpg.document_values as one
                    where one.collection_id = listed_documents.collection_id
                        and one.key = asked.key
                        and one.kind = asked.kind
                        and one.tenant = any(tenants)
                        and one.word >= asked.low_word
                        and one.word <= asked.high_word
                        and one.word is distinct from asked.other_word
                )
                union all
                (
                    select one.document_id, true
                    from ragpg.document_values as one
                    where one.collection_id = listed_documents.collection_id
                        and one.key = asked.key
                        and one.kind = upper(asked.kind::text)::"char"
                        and one.tenant = any(tenants)
                        and one.word >= asked.low_word
                        and one.word <= case when asked.is_both then beyond else asked.high_word end
                        and one.word is distinct from asked.other_word
                )
                limit most + 1
            ) as found;
        else
            select coalesce(array_agg(found.document_id), '{}'), bool_or(found.is_of_list)
            into found_ids, has_lists
            from (
                (
                    select one.document_id, false as is_of_list
                    from ragpg.document_values as one
                    where one.collection_id = listed_documents.collection_id
                        and one.key = asked.key
                        and one.kind = asked.kind
                        and one.tenant = any(tenants)
                        and one.number >= asked.low_number
                        and one.number <= asked.high_number
                        and one.number is distinct from asked.other_number
                )
                union all
                (
                    select one.document_id, true
                    from ragpg.document_values as one
                    where one.collection_id = listed_documents.collection_id
                        and one.key = asked.key
                        and one.kind = upper(asked.kind::text)::"char"
                        and one.tenant = any(tenants)
                        and one.number >= asked.low_number
                        and one.number <= case
                            when asked.is_both then 'Infinity' else asked.high_number end
                        and one.number is distinct from asked.other_number
                )
                limit most + 1
            ) as found;
        end if;
        if cardinality(found_ids) <= most then
            document_ids := case
                when has_lists then array(select distinct id from unnest(found_ids) as id)
                else found_ids
            end;
            is_exact := cardinality(joined.parts) = 1 and asked.is_exact;
            most := cardinality(document_ids) - 1;
            exit when most < 200;
        end if;
    end loop;
    foreach part in array joined.parts loop
        exit when most < 200 or cardinality(joined.parts) = 1 and is_exact;
        within := coalesce(
            ragpg_internal.filter_of_each(part),
            case when (ragpg_internal.filter_parts(part)).operator is not null then part end
        );
        continue when within is null;
        listed := ragpg_internal.listed_documents(
            listed_documents.collection_id, tenants, within, most
        );
        if listed.document_ids is not null then
            document_ids := listed.document_ids;
            is_exact := false;
            most := cardinality(document_ids) - 1;
        end if;
    end loop;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.log_search(index_id bigint, query text, query_embedding halfvec, mode text, k integer, filtered boolean, hit_count integer, best_similarity double precision, latency_ms double precision, proof uuid DEFAULT ragpg_internal.proof())
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
    insert into ragpg.searches (
        collection_id, index_id, query, query_embedding, mode, k, filtered, hit_count,
        best_similarity, latency_ms, share, tenant
    )
    select
        one.id, recipe.id, coalesce(log_search.query, ''), log_search.query_embedding, log_search.mode,
        log_search.k, log_search.filtered, log_search.hit_count, log_search.best_similarity,
        log_search.latency_ms, one.search_log_share, ragpg_internal.proven_writer(proof)
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.collection_id = one.id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where recipe.id = log_search.index_id
        and one.search_log_share > 0
        and coalesce(vector_dims(log_search.query_embedding) = model.dimensions, true)
    -- The foreign key's row: when somebody holds it, the search is not kept waiting.
    for key share of one skip locked
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.logistic(weights double precision[], similarity double precision, words_held double precision, missing_names integer, unmatched_negation boolean)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((1)::double precision / ((1)::double precision + exp((- GREATEST(('-500'::integer)::double precision, LEAST((500)::double precision, (((((weights)[1] + ((weights)[2] * similarity)) + ((weights)[3] * words_held)) + ((weights)[4] * ln(((1 + missing_names))::double precision))) + ((weights)[5] * ((unmatched_negation)::integer)::double precision))))))))
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.matching_documents(index_id bigint, filter jsonpath, OUT document_ids bigint[], OUT chunks bigint, most integer DEFAULT NULL::integer, proof uuid DEFAULT ragpg_internal.proof())
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    only_tenant text := (select known.tenant from ragpg_internal.proven_tenant(proof) as known);
    tenants text[] := array[only_tenant];
    only_collection bigint;
    untold bigint[];
    is_exact boolean;
    counted integer[];  -- places of the documents whose chunks are counted
begin
    select recipe.collection_id into only_collection
    from ragpg.search_indexes as recipe
    where recipe.id = matching_documents.index_id;
    if only_tenant is null then
        -- One look at an index for each.
        tenants := array(
            with recursive met as (
                (
                    select document.tenant
                    from ragpg.documents as document
                    where document.collection_id = only_collection
                    order by document.tenant
                    limit 1
                )
                union all
                select (
                    select document.tenant
                    from ragpg.documents as document
                    where document.collection_id = only_collection and document.tenant > met.tenant
                    order by document.tenant
                    limit 1
                )
                from met
                where met.tenant is not null
            )
            select met.tenant from met where met.tenant is not null
        );
    end if;
    select listed.document_ids, listed.is_exact into document_ids, is_exact
    from ragpg_internal.listed_documents(
        only_collection, tenants, filter::text, coalesce(most, 1000000)
    ) as listed;
    if document_ids is not null then
        select array_agg(known.document_id) into untold
        from ragpg.document_values as known
        where known.collection_id = only_collection
            and known.key = ''
            and known.kind = 'x'
            and known.tenant = any(tenants)
            and known.word is not null;
        if untold is not null then
            document_ids := array(
                select distinct id from unnest(document_ids || untold) as id
            );
        end if;
        if untold is not null or not is_exact then
            document_ids := ragpg_internal.passing(document_ids, filter);
        end if;
    elsif most is null then
        -- Nothing is asked of another tenant's: an error, or the time it takes, would tell.
        execute format(
            'select array_agg(document.id) from ragpg.documents as document'
            ' where document.collection_id = $1 and case when %s'
            '  then ragpg_internal.passes(document.metadata, $2) end',
            case when only_tenant is null then 'true' else 'document.tenant = $3' end
        )
        into document_ids
        using only_collection, filter, only_tenant;
    else
        return;
    end if;
    -- Counted, or where they are many, estimated from some of them, old and new.
    counted := array(
        select *
        from generate_series(
            1, cardinality(document_ids),
            greatest(ceil(cardinality(document_ids) / 20.0), 1)::integer
        )
    );
    select
        (sum(state.chunk_count) * cardinality(document_ids) / cardinality(counted))::bigint
    into chunks
    from unnest(counted) as listed (place)
    cross join lateral (
        select one.chunk_count
        from ragpg.index_documents as one
        where one.document_id = document_ids[listed.place]
            and one.index_id = matching_documents.index_id
        limit 1
    ) as state;
    chunks := greatest(chunks, case when cardinality(document_ids) > 20 then 1 else 0 end);
end
$function$
 -- access {=X/owner,owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.merge_patch(target jsonb, patch jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
begin
    if jsonb_typeof(patch) is distinct from 'object' then
        return patch;
    end if;
    if jsonb_typeof(target) is distinct from 'object' then
        target := '{}';
    end if;
    return (
        select coalesce(jsonb_object_agg(merged.key, merged.value), '{}')
        from (
            select one.key, one.value from jsonb_each(target) as one where not patch ? one.key
            union all
            select one.key, ragpg_internal.merge_patch(target -> one.key, one.value)
            from jsonb_each(patch) as one
            where jsonb_typeof(one.value) <> 'null'
        ) as merged
    );
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.metadata_values(metadata jsonb)
 RETURNS TABLE(kind "char", key text, number numeric, word text)
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
 WITH RECURSIVE member(key, value, type, is_element, is_several) AS (
          SELECT ragpg_internal.key_step(held.key) AS key_step,
             held.value,
             jsonb_typeof(held.value) AS jsonb_typeof,
             false AS "?column?",
             false AS "?column?"
            FROM jsonb_each(metadata_values.metadata) held(key, value)
         UNION ALL
          SELECT within.key,
             within.value,
             jsonb_typeof(within.value) AS jsonb_typeof,
             within.is_element,
             (member.is_several OR within.is_element)
            FROM (member
              CROSS JOIN LATERAL ( SELECT ((member.key || '.'::text) || ragpg_internal.key_step(held.key)) AS key,
                     held.value,
                     false AS is_element
                    FROM jsonb_each(
                         CASE member.type
                             WHEN 'object'::text THEN member.value
                             ELSE NULL::jsonb
                         END) held(key, value)
                 UNION ALL
                  SELECT member.key,
                     held.value,
                     true
                    FROM jsonb_array_elements(
                         CASE member.type
                             WHEN 'array'::text THEN member.value
                             ELSE NULL::jsonb
                         END) held(value)
                   WHERE (NOT member.is_element)) within)
           WHERE (member.type = ANY (ARRAY['object'::text, 'array'::text]))
         ), read AS (
          SELECT DISTINCT
                 CASE
                     WHEN member.is_several THEN upper(one.kind)
                     ELSE one.kind
                 END AS kind,
             member.key,
             one.number,
             one.word,
             ((one.kind = 'x'::text) OR (length(member.key) > 100) OR (NOT (one.number IS DISTINCT FROM 'NaN'::numeric))) AS is_untold
            FROM (member
              CROSS JOIN LATERAL ( SELECT
                         CASE
                             WHEN (length((member.value)::text) > 100) THEN 'x'::text
                             ELSE 'n'::text
                         END AS kind,
                     (member.value)::numeric AS number,
                     NULL::text AS word
                   WHERE (member.type = 'number'::text)
                 UNION ALL
                  SELECT 's'::text,
                     NULL::numeric,
                     "left"((member.value #>> '{}'::text[]), 100) AS "left"
                   WHERE (member.type = 'string'::text)
                 UNION ALL
                  SELECT 't'::text,
                     moment.moment,
                     NULL::text
                    FROM ragpg_internal.instant(
                         CASE member.type
                             WHEN 'string'::text THEN (member.value #>> '{}'::text[])
                             ELSE NULL::text
                         END) moment(moment)
                   WHERE (moment.moment IS NOT NULL)
                 UNION ALL
                  SELECT 'l'::text,
                     NULL::numeric,
                     (member.value)::text AS value
                   WHERE (member.type = ANY (ARRAY['boolean'::text, 'null'::text]))
                 UNION ALL
                  SELECT 'x'::text,
                     NULL::numeric,
                     NULL::text
                   WHERE ((member.type = 'array'::text) AND member.is_element)) one)
          LIMIT 1001
         )
  SELECT (read.kind)::"char" AS kind,
     read.key,
     read.number,
     read.word
    FROM read
   WHERE ((NOT read.is_untold) AND (( SELECT count(*) AS count
            FROM read read_1) <= 1000))
 UNION ALL
  SELECT 'x'::"char",
     ''::text,
     NULL::numeric,
     ''::text
   WHERE ((EXISTS ( SELECT
            FROM read
           WHERE read.is_untold)) OR (( SELECT count(*) AS count
            FROM read) > 1000));
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.multiply_values(encoder_id bigint, layer_number integer, inputs vector[])
 RETURNS vector[]
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE
AS $function$
declare
    outputs vector[] := '{}';
    input_1 vector; input_2 vector; input_3 vector; input_4 vector;
    input_5 vector; input_6 vector; input_7 vector; input_8 vector;
    batch vector[];
begin
    -- Eight tokens at a time, each in a variable: a row is read once for all of them, and no
    -- operation but the product is left for a pair. The last batch may hold nulls.
    for begun in 1..cardinality(inputs) by 8 loop
        input_1 := inputs[begun];
        input_2 := inputs[begun + 1];
        input_3 := inputs[begun + 2];
        input_4 := inputs[begun + 3];
        input_5 := inputs[begun + 4];
        input_6 := inputs[begun + 5];
        input_7 := inputs[begun + 6];
        input_8 := inputs[begun + 7];
        select
            array_agg(
                (array[
                    listed.weights <#> input_1,
                    listed.weights <#> input_2,
                    listed.weights <#> input_3,
                    listed.weights <#> input_4,
                    listed.weights <#> input_5,
                    listed.weights <#> input_6,
                    listed.weights <#> input_7,
                    listed.weights <#> input_8
                ])[:cardinality(inputs) - begun + 1]::vector
            )
        into batch
        from (
            select stored.weights
            from ragpg.encoder_weights as stored
            where stored.embedding_model_id = encoder_id
                and stored.layer = layer_number
                and stored.matrix = 2
            order by stored.place
            offset 0
        ) as listed;
        if begun = 1 then
            outputs := batch;
        else
            outputs := array(
                select listed.earlier || listed.added
                from unnest(outputs, batch) with ordinality as listed (earlier, added, place)
                order by listed.place
            );
        end if;
    end loop;
    return outputs;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.multiply_weights(encoder_id bigint, layer_number integer, matrix_number integer, inputs vector[])
 RETURNS vector[]
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE
AS $function$
declare
    outputs vector[] := '{}';
    input_1 vector; input_2 vector; input_3 vector; input_4 vector;
    input_5 vector; input_6 vector; input_7 vector; input_8 vector;
    output_1 vector; output_2 vector; output_3 vector; output_4 vector;
    output_5 vector; output_6 vector; output_7 vector; output_8 vector;
begin
    -- Eight tokens at a time, each in a variable: a row is read once for all of them, and no
    -- operation but the product is left for a pair. The last batch may hold nulls.
    for begun in 1..cardinality(inputs) by 8 loop
        input_1 := inputs[begun];
        input_2 := inputs[begun + 1];
        input_3 := inputs[begun + 2];
        input_4 := inputs[begun + 3];
        input_5 := inputs[begun + 4];
        input_6 := inputs[begun + 5];
        input_7 := inputs[begun + 6];
        input_8 := inputs[begun + 7];
        select
            (array_agg(listed.weights <#> input_1) filter (where input_1 is not null))::vector,
            (array_agg(listed.weights <#> input_2) filter (where input_2 is not null))::vector,
            (array_agg(listed.weights <#> input_3) filter (where input_3 is not null))::vector,
            (array_agg(listed.weights <#> input_4) filter (where input_4 is not null))::vector,
            (array_agg(listed.weights <#> input_5) filter (where input_5 is not null))::vector,
            (array_agg(listed.weights <#> input_6) filter (where input_6 is not null))::vector,
            (array_agg(listed.weights <#> input_7) filter (where input_7 is not null))::vector,
            (array_agg(listed.weights <#> input_8) filter (where input_8 is not null))::vector
        into output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        from (
            select stored.weights
            from ragpg.encoder_weights as stored
            where stored.embedding_model_id = encoder_id
                and stored.layer = layer_number
                and stored.matrix = matrix_number
            order by stored.place
            offset 0
        ) as listed;
        outputs := outputs || (array[
            output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        ])[:cardinality(inputs) - begun + 1];
    end loop;
    return outputs;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.multiply_wide(encoder_id bigint, layer_number integer, inputs vector[])
 RETURNS vector[]
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE
AS $function$
declare
    one constant vector := '[1]';  -- multiplies the bias of the next matrix
    outputs vector[] := '{}';
    input_1 vector; input_2 vector; input_3 vector; input_4 vector;
    input_5 vector; input_6 vector; input_7 vector; input_8 vector;
    output_1 vector; output_2 vector; output_3 vector; output_4 vector;
    output_5 vector; output_6 vector; output_7 vector; output_8 vector;
begin
    -- Eight tokens at a time, each in a variable: a row is read once for all of them, and no
    -- operation but the product is left for a pair. The last batch may hold nulls.
    for begun in 1..cardinality(inputs) by 8 loop
        input_1 := inputs[begun];
        input_2 := inputs[begun + 1];
        input_3 := inputs[begun + 2];
        input_4 := inputs[begun + 3];
        input_5 := inputs[begun + 4];
        input_6 := inputs[begun + 5];
        input_7 := inputs[begun + 6];
        input_8 := inputs[begun + 7];
        -- GELU, exactly: x / 2 * (1 + erf(x / sqrt(2))); the constants are in the weights.
        select
            (
                array_agg(p.of_1 * (1 + erf(p.of_1))) filter (where input_1 is not null)
            )::vector || one,
            (
                array_agg(p.of_2 * (1 + erf(p.of_2))) filter (where input_2 is not null)
            )::vector || one,
            (
                array_agg(p.of_3 * (1 + erf(p.of_3))) filter (where input_3 is not null)
            )::vector || one,
            (
                array_agg(p.of_4 * (1 + erf(p.of_4))) filter (where input_4 is not null)
            )::vector || one,
            (
                array_agg(p.of_5 * (1 + erf(p.of_5))) filter (where input_5 is not null)
            )::vector || one,
            (
                array_agg(p.of_6 * (1 + erf(p.of_6))) filter (where input_6 is not null)
            )::vector || one,
            (
                array_agg(p.of_7 * (1 + erf(p.of_7))) filter (where input_7 is not null)
            )::vector || one,
            (
                array_agg(p.of_8 * (1 + erf(p.of_8))) filter (where input_8 is not null)
            )::vector || one
        into output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        from (
            select
                listed.weights <#> input_1 as of_1,
                listed.weights <#> input_2 as of_2,
                listed.weights <#> input_3 as of_3,
                listed.weights <#> input_4 as of_4,
                listed.weights <#> input_5 as of_5,
                listed.weights <#> input_6 as of_6,
                listed.weights <#> input_7 as of_7,
                listed.weights <#> input_8 as of_8
            from (
                select stored.weights
                from ragpg.encoder_weights as stored
                where stored.embedding_model_id = encoder_id
                    and stored.layer = layer_number
                    and stored.matrix = 4
                order by stored.place
                offset 0
            ) as listed
            offset 0
        ) as p;
        outputs := outputs || (array[
            output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        ])[:cardinality(inputs) - begun + 1];
    end loop;
    return outputs;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.nearest_query(table_name text, index_id bigint, dimensions integer, quantize text, conditions text, wanted integer, scanned integer)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
BEGIN ATOMIC
 SELECT format(
         CASE quantize
             WHEN 'none'::text THEN 'select * from (  select chunk.id, chunk.document_id,   chunk.embedding::%1$s.halfvec(%5$s) operator(%1$s.<=>) $1 as distance  from ragpg.%2$s as chunk where chunk.index_id = %3$s%4$s  order by chunk.embedding::%1$s.halfvec(%5$s) operator(%1$s.<=>) $1 limit %6$s ) as chunk order by distance'::text
             ELSE (('select chunk.id, chunk.document_id, chunk.embedding operator(%1$s.<=>) $1 as distance from (  select chunk.id, chunk.document_id, chunk.embedding from ragpg.%2$s as chunk  where chunk.index_id = %3$s%4$s  order by '::text ||
             CASE quantize
                 WHEN 'bit'::text THEN '%1$s.binary_quantize(chunk.embedding)::bit(%5$s) operator(%1$s.<~>) %1$s.binary_quantize($1)::bit(%5$s)'::text
                 ELSE '%1$s.subvector(chunk.embedding, 1, %8$s)::%1$s.halfvec(%8$s) operator(%1$s.<=>) %1$s.subvector($1, 1, %8$s)::%1$s.halfvec(%8$s)'::text
             END) || ' limit %7$s ) as chunk order by distance limit %6$s'::text)
         END, ragpg_internal.vector_schema(), table_name, index_id, conditions, dimensions, wanted, GREATEST(scanned, wanted), split_part(quantize, ':'::text, 2)) AS format;
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.normal_form(content text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN CASE WHEN (content ~ '^[\u0001-\u007f]*$'::text) THEN content ELSE regexp_replace(translate(NORMALIZE(regexp_replace(content, '([[:digit:]])[\u00a0\u2009\u202f](?=[[:digit:]]{3})'::text, '\1'::text, 'g'::text), NFKC), '‐‑‒–—―−‘’ʼ'::text, '-------'''''''::text), '\u00ad\n?|[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufe00-\ufe0f\u0640]'::text, ''::text, 'g'::text) END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.normalize_text(query text, lower_case boolean, strip_accents boolean)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    cleaned text;
    -- The classes of characters as the library `tokenizers` has them (0.23, Unicode of its time),
    -- written out: the server's own depend on its version, its locale and how it was built.
    removed constant text :=
        '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u0600-\u0605\u061c\u06dd'
        '\u070f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ue000-\uf8ff\ufeff'
        '\ufff9-\ufffb\ufffd\U000110bd\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001'
        '\U000e0020-\U000e007f\U000f0000-\U000ffffd\U00100000-\U0010fffd]';
    space constant text :=
        '[\u0009\u000a\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]';
    -- Chinese characters are words of their own.
    chinese constant text :=
        '([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b81f'
        '\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f])';
    accents constant text :=
        '[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7'
        '\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed'
        '\u0711\u0730-\u074a\u07a6-\u07b0\u07eb-\u07f3\u0816-\u0819\u081b-\u0823\u0825-\u0827'
        '\u0829-\u082d\u0859-\u085b\u08e3-\u0902\u093a\u093c\u0941-\u0948\u094d\u0951-\u0957'
        '\u0962\u0963\u0981\u09bc\u09c1-\u09c4\u09cd\u09e2\u09e3\u0a01\u0a02\u0a3c\u0a41\u0a42'
        '\u0a47\u0a48\u0a4b-\u0a4d\u0a51\u0a70\u0a71\u0a75\u0a81\u0a82\u0abc\u0ac1-\u0ac5'
        '\u0ac7\u0ac8\u0acd\u0ae2\u0ae3\u0b01\u0b3c\u0b3f\u0b41-\u0b44\u0b4d\u0b56\u0b62\u0b63'
        '\u0b82\u0bc0\u0bcd\u0c00\u0c3e-\u0c40\u0c46-\u0c48\u0c4a-\u0c4d\u0c55\u0c56\u0c62\u0c63'
        '\u0c81\u0cbc\u0cbf\u0cc6\u0ccc\u0ccd\u0ce2\u0ce3\u0d01\u0d41-\u0d44\u0d4d\u0d62\u0d63'
        '\u0dca\u0dd2-\u0dd4\u0dd6\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0eb9\u0ebb\u0ebc'
        '\u0ec8-\u0ecd\u0f18\u0f19\u0f35\u0f37\u0f39\u0f71-\u0f7e\u0f80-\u0f84\u0f86\u0f87'
        '\u0f8d-\u0f97\u0f99-\u0fbc\u0fc6\u102d-\u1030\u1032-\u1037\u1039\u103a\u103d\u103e'
        '\u1058\u1059\u105e-\u1060\u1071-\u1074\u1082\u1085\u1086\u108d\u109d\u135d-\u135f'
        '\u1712-\u1714\u1732-\u1734\u1752\u1753\u1772\u1773\u17b4\u17b5\u17b7-\u17bd\u17c6'
        '\u17c9-\u17d3\u17dd\u180b-\u180d\u18a9\u1920-\u1922\u1927\u1928\u1932\u1939-\u193b'
        '\u1a17\u1a18\u1a1b\u1a56\u1a58-\u1a5e\u1a60\u1a62\u1a65-\u1a6c\u1a73-\u1a7c\u1a7f'
        '\u1ab0-\u1abd\u1b00-\u1b03\u1b34\u1b36-\u1b3a\u1b3c\u1b42\u1b6b-\u1b73\u1b80\u1b81'
        '\u1ba2-\u1ba5\u1ba8\u1ba9\u1bab-\u1bad\u1be6\u1be8\u1be9\u1bed\u1bef-\u1bf1\u1c2c-\u1c33'
        '\u1c36\u1c37\u1cd0-\u1cd2\u1cd4-\u1ce0\u1ce2-\u1ce8\u1ced\u1cf4\u1cf8\u1cf9\u1dc0-\u1df5'
        '\u1dfc-\u1dff\u20d0-\u20dc\u20e1\u20e5-\u20f0\u2cef-\u2cf1\u2d7f\u2de0-\u2dff'
        '\u302a-\u302d\u3099\u309a\ua66f\ua674-\ua67d\ua69e\ua69f\ua6f0\ua6f1\ua802\ua806\ua80b'
        '\ua825\ua826\ua8c4\ua8e0-\ua8f1\ua926-\ua92d\ua947-\ua951\ua980-\ua982\ua9b3'
        '\ua9b6-\ua9b9\ua9bc\ua9e5\uaa29-\uaa2e\uaa31\uaa32\uaa35\uaa36\uaa43\uaa4c\uaa7c\uaab0'
        '\uaab2-\uaab4\uaab7\uaab8\uaabe\uaabf\uaac1\uaaec\uaaed\uaaf6\uabe5\uabe8\uabed\ufb1e'
        '\ufe00-\ufe0f\ufe20-\ufe2f\U000101fd\U000102e0\U00010376-\U0001037a\U00010a01-\U00010a03'
        '\U00010a05\U00010a06\U00010a0c-\U00010a0f\U00010a38-\U00010a3a\U00010a3f'
        '\U00010ae5\U00010ae6\U00011001\U00011038-\U00011046\U0001107f-\U00011081'
        '\U000110b3-\U000110b6\U000110b9\U000110ba\U00011100-\U00011102\U00011127-\U0001112b'
        '\U0001112d-\U00011134\U00011173\U00011180\U00011181\U000111b6-\U000111be'
        '\U000111ca-\U000111cc\U0001122f-\U00011231\U00011234\U00011236\U00011237\U000112df'
        '\U000112e3-\U000112ea\U00011300\U00011301\U0001133c\U00011340\U00011366-\U0001136c'
        '\U00011370-\U00011374\U000114b3-\U000114b8\U000114ba\U000114bf\U000114c0'
        '\U000114c2\U000114c3\U000115b2-\U000115b5\U000115bc\U000115bd\U000115bf\U000115c0'
        '\U000115dc\U000115dd\U00011633-\U0001163a\U0001163d\U0001163f\U00011640\U000116ab'
        '\U000116ad\U000116b0-\U000116b5\U000116b7\U0001171d-\U0001171f\U00011722-\U00011725'
        '\U00011727-\U0001172b\U00016af0-\U00016af4\U00016b30-\U00016b36\U00016f8f-\U00016f92'
        '\U0001bc9d\U0001bc9e\U0001d167-\U0001d169\U0001d17b-\U0001d182\U0001d185-\U0001d18b'
        '\U0001d1aa-\U0001d1ad\U0001d242-\U0001d244\U0001da00-\U0001da36\U0001da3b-\U0001da6c'
        '\U0001da75\U0001da84\U0001da9b-\U0001da9f\U0001daa1-\U0001daaf\U0001e8d0-\U0001e8d6'
        '\U000e0100-\U000e01ef]';
    punctuation constant text :=
        '([!-/:-@\[-`{-~\u00a1\u00a7\u00ab\u00b6\u00b7\u00bb\u00bf\u037e\u0387\u055a-\u055f'
        '\u0589\u058a\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u0609\u060a\u060c\u060d\u061b'
        '\u061e\u061f\u066a-\u066d\u06d4\u0700-\u070d\u07f7-\u07f9\u0830-\u083e\u085e\u0964\u0965'
        '\u0970\u0af0\u0df4\u0e4f\u0e5a\u0e5b\u0f04-\u0f12\u0f14\u0f3a-\u0f3d\u0f85\u0fd0-\u0fd4'
        '\u0fd9\u0fda\u104a-\u104f\u10fb\u1360-\u1368\u1400\u166d\u166e\u169b\u169c\u16eb-\u16ed'
        '\u1735\u1736\u17d4-\u17d6\u17d8-\u17da\u1800-\u180a\u1944\u1945\u1a1e\u1a1f\u1aa0-\u1aa6'
        '\u1aa8-\u1aad\u1b5a-\u1b60\u1bfc-\u1bff\u1c3b-\u1c3f\u1c7e\u1c7f\u1cc0-\u1cc7\u1cd3'
        '\u2010-\u2027\u2030-\u2043\u2045-\u2051\u2053-\u205e\u207d\u207e\u208d\u208e'
        '\u2308-\u230b\u2329\u232a\u2768-\u2775\u27c5\u27c6\u27e6-\u27ef\u2983-\u2998'
        '\u29d8-\u29db\u29fc\u29fd\u2cf9-\u2cfc\u2cfe\u2cff\u2d70\u2e00-\u2e2e\u2e30-\u2e42'
        '\u3001-\u3003\u3008-\u3011\u3014-\u301f\u3030\u303d\u30a0\u30fb\ua4fe\ua4ff\ua60d-\ua60f'
        '\ua673\ua67e\ua6f2-\ua6f7\ua874-\ua877\ua8ce\ua8cf\ua8f8-\ua8fa\ua8fc\ua92e\ua92f\ua95f'
        '\ua9c1-\ua9cd\ua9de\ua9df\uaa5c-\uaa5f\uaade\uaadf\uaaf0\uaaf1\uabeb\ufd3e\ufd3f'
        '\ufe10-\ufe19\ufe30-\ufe52\ufe54-\ufe61\ufe63\ufe68\ufe6a\ufe6b\uff01-\uff03'
        '\uff05-\uff0a\uff0c-\uff0f\uff1a\uff1b\uff1f\uff20\uff3b-\uff3d\uff3f\uff5b\uff5d'
        '\uff5f-\uff65\U00010100-\U00010102\U0001039f\U000103d0\U0001056f\U00010857\U0001091f'
        '\U0001093f\U00010a50-\U00010a58\U00010a7f\U00010af0-\U00010af6\U00010b39-\U00010b3f'
        '\U00010b99-\U00010b9c\U00011047-\U0001104d\U000110bb\U000110bc\U000110be-\U000110c1'
        '\U00011140-\U00011143\U00011174\U00011175\U000111c5-\U000111c9\U000111cd\U000111db'
        '\U000111dd-\U000111df\U00011238-\U0001123d\U000112a9\U000114c6\U000115c1-\U000115d7'
        '\U00011641-\U00011643\U0001173c-\U0001173e\U00012470-\U00012474\U00016a6e\U00016a6f'
        '\U00016af5\U00016b37-\U00016b3b\U00016b44\U0001bc9f\U0001da87-\U0001da8b])';
    upper_letters constant text :=
        'ABCDEFGHIJKLMNOPQRSTUVWXYZÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮĲĴĶĹĻĽĿŁ'
        'ŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽƁƂƄƆƇƉƊƋƎƏƐƑƓƔƖƗƘƜƝƟƠƢƤƦƧƩƬƮƯƱƲƳƵƷƸƼǄǅǇǈǊǋǍǏǑǓǕǗǙǛǞǠǢǤǦǨǪǬ'
        'ǮǱǲǴǶǷǸǺǼǾȀȂȄȆȈȊȌȎȐȒȔȖȘȚȜȞȠȢȤȦȨȪȬȮȰȲȺȻȽȾɁɃɄɅɆɈɊɌɎͰͲͶͿΆΈΉΊΌΎΏΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫϏϘ'
        'ϚϜϞϠϢϤϦϨϪϬϮϴϷϹϺϽϾϿЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮѰѲѴѶѸѺѼѾҀҊҌҎҐҒ'
        'ҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӁӃӅӇӉӋӍӐӒӔӖӘӚӜӞӠӢӤӦӨӪӬӮӰӲӴӶӸӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸԹԺ'
        'ԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖႠႡႢႣႤႥႦႧႨႩႪႫႬႭႮႯႰႱႲႳႴႵႶႷႸႹႺႻႼႽႾႿჀჁჂჃჄჅჇჍᎠᎡᎢᎣᎤᎥᎦᎧᎨᎩᎪᎫᎬᎭᎮᎯᎰᎱᎲᎳ'
        'ᎴᎵᎶᎷᎸᎹᎺᎻᎼᎽᎾᎿᏀᏁᏂᏃᏄᏅᏆᏇᏈᏉᏊᏋᏌᏍᏎᏏᏐᏑᏒᏓᏔᏕᏖᏗᏘᏙᏚᏛᏜᏝᏞᏟᏠᏡᏢᏣᏤᏥᏦᏧᏨᏩᏪᏫᏬᏭᏮᏯᏰᏱᏲᏳᏴᏵᲉᲐᲑᲒᲓᲔᲕᲖᲗᲘᲙᲚᲛᲜᲝᲞᲟᲠᲡᲢᲣᲤ'
        'ᲥᲦᲧᲨᲩᲪᲫᲬᲭᲮᲯᲰᲱᲲᲳᲴᲵᲶᲷᲸᲹᲺᲽᲾᲿḀḂḄḆḈḊḌḎḐḒḔḖḘḚḜḞḠḢḤḦḨḪḬḮḰḲḴḶḸḺḼḾṀṂṄṆṈṊṌṎṐṒṔṖṘṚṜṞṠṢṤṦṨṪṬṮṰṲṴṶṸṺṼ'
        'ṾẀẂẄẆẈẊẌẎẐẒẔẞẠẢẤẦẨẪẬẮẰẲẴẶẸẺẼẾỀỂỄỆỈỊỌỎỐỒỔỖỘỚỜỞỠỢỤỦỨỪỬỮỰỲỴỶỸỺỼỾἈἉἊἋἌἍἎἏἘἙἚἛἜἝἨἩἪἫἬἭἮἯἸἹἺἻἼ'
        'ἽἾἿὈὉὊὋὌὍὙὛὝὟὨὩὪὫὬὭὮὯᾈᾉᾊᾋᾌᾍᾎᾏᾘᾙᾚᾛᾜᾝᾞᾟᾨᾩᾪᾫᾬᾭᾮᾯᾸᾹᾺΆᾼῈΈῊΉῌῘῙῚΊῨῩῪΎῬῸΌῺΏῼΩKÅℲⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩⅪⅫⅬⅭⅮ'
        'ⅯↃⒶⒷⒸⒹⒺⒻⒼⒽⒾⒿⓀⓁⓂⓃⓄⓅⓆⓇⓈⓉⓊⓋⓌⓍⓎⓏⰀⰁⰂⰃⰄⰅⰆⰇⰈⰉⰊⰋⰌⰍⰎⰏⰐⰑⰒⰓⰔⰕⰖⰗⰘⰙⰚⰛⰜⰝⰞⰟⰠⰡⰢⰣⰤⰥⰦⰧⰨⰩⰪⰫⰬⰭⰮⰯⱠⱢⱣⱤⱧⱩⱫⱭⱮⱯⱰⱲ'
        'ⱵⱾⱿⲀⲂⲄⲆⲈⲊⲌⲎⲐⲒⲔⲖⲘⲚⲜⲞⲠⲢⲤⲦⲨⲪⲬⲮⲰⲲⲴⲶⲸⲺⲼⲾⳀⳂⳄⳆⳈⳊⳌⳎⳐⳒⳔⳖⳘⳚⳜⳞⳠⳢⳫⳭⳲꙀꙂꙄꙆꙈꙊꙌꙎꙐꙒꙔꙖꙘꙚꙜꙞꙠꙢꙤꙦꙨꙪꙬꚀꚂꚄꚆꚈꚊꚌꚎꚐ'
        'ꚒꚔꚖꚘꚚꜢꜤꜦꜨꜪꜬꜮꜲꜴꜶꜸꜺꜼꜾꝀꝂꝄꝆꝈꝊꝌꝎꝐꝒꝔꝖꝘꝚꝜꝞꝠꝢꝤꝦꝨꝪꝬꝮꝹꝻꝽꝾꞀꞂꞄꞆꞋꞍꞐꞒꞖꞘꞚꞜꞞꞠꞢꞤꞦꞨꞪꞫꞬꞭꞮꞰꞱꞲꞳꞴꞶꞸꞺꞼꞾꟀꟂꟄꟅꟆꟇꟉꟋ'
        'Ꟍ꟎Ꟑ꟒꟔ꟖꟘꟚꟜꟵＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ𐐀𐐁𐐂𐐃𐐄𐐅𐐆𐐇𐐈𐐉𐐊𐐋𐐌𐐍𐐎𐐏𐐐𐐑𐐒𐐓𐐔𐐕𐐖𐐗𐐘𐐙𐐚𐐛𐐜𐐝𐐞𐐟𐐠𐐡𐐢𐐣𐐤𐐥𐐦𐐧𐒰𐒱𐒲𐒳𐒴𐒵𐒶𐒷𐒸𐒹𐒺𐒻'
        '𐒼𐒽𐒾𐒿𐓀𐓁𐓂𐓃𐓄𐓅𐓆𐓇𐓈𐓉𐓊𐓋𐓌𐓍𐓎𐓏𐓐𐓑𐓒𐓓𐕰𐕱𐕲𐕳𐕴𐕵𐕶𐕷𐕸𐕹𐕺𐕼𐕽𐕾𐕿𐖀𐖁𐖂𐖃𐖄𐖅𐖆𐖇𐖈𐖉𐖊𐖌𐖍𐖎𐖏𐖐𐖑𐖒𐖔𐖕𐲀𐲁𐲂𐲃𐲄𐲅𐲆𐲇𐲈𐲉𐲊𐲋𐲌𐲍𐲎𐲏𐲐𐲑𐲒𐲓𐲔𐲕𐲖𐲗𐲘𐲙𐲚𐲛𐲜'
        '𐲝𐲞𐲟𐲠𐲡𐲢𐲣𐲤𐲥𐲦𐲧𐲨𐲩𐲪𐲫𐲬𐲭𐲮𐲯𐲰𐲱𐲲𐵐𐵑𐵒𐵓𐵔𐵕𐵖𐵗𐵘𐵙𐵚𐵛𐵜𐵝𐵞𐵟𐵠𐵡𐵢𐵣𐵤𐵥𑢠𑢡𑢢𑢣𑢤𑢥𑢦𑢧𑢨𑢩𑢪𑢫𑢬𑢭𑢮𑢯𑢰𑢱𑢲𑢳𑢴𑢵𑢶𑢷𑢸𑢹𑢺𑢻𑢼𑢽𑢾𑢿𖹀𖹁𖹂𖹃𖹄𖹅𖹆𖹇𖹈𖹉𖹊𖹋'
        '𖹌𖹍𖹎𖹏𖹐𖹑𖹒𖹓𖹔𖹕𖹖𖹗𖹘𖹙𖹚𖹛𖹜𖹝𖹞𖹟𖺠𖺡𖺢𖺣𖺤𖺥𖺦𖺧𖺨𖺩𖺪𖺫𖺬𖺭𖺮𖺯𖺰𖺱𖺲𖺳𖺴𖺵𖺶𖺷𖺸𞤀𞤁𞤂𞤃𞤄𞤅𞤆𞤇𞤈𞤉𞤊𞤋𞤌𞤍𞤎𞤏𞤐𞤑𞤒𞤓𞤔𞤕𞤖𞤗𞤘𞤙𞤚𞤛𞤜𞤝𞤞𞤟𞤠𞤡';
    lower_letters constant text :=
        'abcdefghijklmnopqrstuvwxyzàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįĳĵķĺļľŀł'
        'ńņňŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷÿźżžɓƃƅɔƈɖɗƌǝəɛƒɠɣɩɨƙɯɲɵơƣƥʀƨʃƭʈưʊʋƴƶʒƹƽǆǆǉǉǌǌǎǐǒǔǖǘǚǜǟǡǣǥǧǩǫǭ'
        'ǯǳǳǵƕƿǹǻǽǿȁȃȅȇȉȋȍȏȑȓȕȗșțȝȟƞȣȥȧȩȫȭȯȱȳⱥȼƚⱦɂƀʉʌɇɉɋɍɏͱͳͷϳάέήίόύώαβγδεζηθικλμνξοπρστυφχψωϊϋϗϙ'
        'ϛϝϟϡϣϥϧϩϫϭϯθϸϲϻͻͼͽѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюяѡѣѥѧѩѫѭѯѱѳѵѷѹѻѽѿҁҋҍҏґғ'
        'ҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӂӄӆӈӊӌӎӑӓӕӗәӛӝӟӡӣӥӧөӫӭӯӱӳӵӷӹӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯաբգդեզէըթժ'
        'իլխծկհձղճմյնշոչպջռսվտրցւփքօֆⴀⴁⴂⴃⴄⴅⴆⴇⴈⴉⴊⴋⴌⴍⴎⴏⴐⴑⴒⴓⴔⴕⴖⴗⴘⴙⴚⴛⴜⴝⴞⴟⴠⴡⴢⴣⴤⴥⴧⴭꭰꭱꭲꭳꭴꭵꭶꭷꭸꭹꭺꭻꭼꭽꭾꭿꮀꮁꮂꮃ'
        'ꮄꮅꮆꮇꮈꮉꮊꮋꮌꮍꮎꮏꮐꮑꮒꮓꮔꮕꮖꮗꮘꮙꮚꮛꮜꮝꮞꮟꮠꮡꮢꮣꮤꮥꮦꮧꮨꮩꮪꮫꮬꮭꮮꮯꮰꮱꮲꮳꮴꮵꮶꮷꮸꮹꮺꮻꮼꮽꮾꮿᏸᏹᏺᏻᏼᏽᲊაბგდევზთიკლმნოპჟრსტუფ'
        'ქღყშჩცძწჭხჯჰჱჲჳჴჵჶჷჸჹჺჽჾჿḁḃḅḇḉḋḍḏḑḓḕḗḙḛḝḟḡḣḥḧḩḫḭḯḱḳḵḷḹḻḽḿṁṃṅṇṉṋṍṏṑṓṕṗṙṛṝṟṡṣṥṧṩṫṭṯṱṳṵṷṹṻṽ'
        'ṿẁẃẅẇẉẋẍẏẑẓẕßạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹỻỽỿἀἁἂἃἄἅἆἇἐἑἒἓἔἕἠἡἢἣἤἥἦἧἰἱἲἳἴ'
        'ἵἶἷὀὁὂὃὄὅὑὓὕὗὠὡὢὣὤὥὦὧᾀᾁᾂᾃᾄᾅᾆᾇᾐᾑᾒᾓᾔᾕᾖᾗᾠᾡᾢᾣᾤᾥᾦᾧᾰᾱὰάᾳὲέὴήῃῐῑὶίῠῡὺύῥὸόὼώῳωkåⅎⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹⅺⅻⅼⅽⅾ'
        'ⅿↄⓐⓑⓒⓓⓔⓕⓖⓗⓘⓙⓚⓛⓜⓝⓞⓟⓠⓡⓢⓣⓤⓥⓦⓧⓨⓩⰰⰱⰲⰳⰴⰵⰶⰷⰸⰹⰺⰻⰼⰽⰾⰿⱀⱁⱂⱃⱄⱅⱆⱇⱈⱉⱊⱋⱌⱍⱎⱏⱐⱑⱒⱓⱔⱕⱖⱗⱘⱙⱚⱛⱜⱝⱞⱟⱡɫᵽɽⱨⱪⱬɑɱɐɒⱳ'
        'ⱶȿɀⲁⲃⲅⲇⲉⲋⲍⲏⲑⲓⲕⲗⲙⲛⲝⲟⲡⲣⲥⲧⲩⲫⲭⲯⲱⲳⲵⲷⲹⲻⲽⲿⳁⳃⳅⳇⳉⳋⳍⳏⳑⳓⳕⳗⳙⳛⳝⳟⳡⳣⳬⳮⳳꙁꙃꙅꙇꙉꙋꙍꙏꙑꙓꙕꙗꙙꙛꙝꙟꙡꙣꙥꙧꙩꙫꙭꚁꚃꚅꚇꚉꚋꚍꚏꚑ'
        'ꚓꚕꚗꚙꚛꜣꜥꜧꜩꜫꜭꜯꜳꜵꜷꜹꜻꜽꜿꝁꝃꝅꝇꝉꝋꝍꝏꝑꝓꝕꝗꝙꝛꝝꝟꝡꝣꝥꝧꝩꝫꝭꝯꝺꝼᵹꝿꞁꞃꞅꞇꞌɥꞑꞓꞗꞙꞛꞝꞟꞡꞣꞥꞧꞩɦɜɡɬɪʞʇʝꭓꞵꞷꞹꞻꞽꞿꟁꟃꞔʂᶎꟈꟊɤ'
        'ꟍ꟏ꟑꟓꟕꟗꟙꟛƛꟶａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ𐐨𐐩𐐪𐐫𐐬𐐭𐐮𐐯𐐰𐐱𐐲𐐳𐐴𐐵𐐶𐐷𐐸𐐹𐐺𐐻𐐼𐐽𐐾𐐿𐑀𐑁𐑂𐑃𐑄𐑅𐑆𐑇𐑈𐑉𐑊𐑋𐑌𐑍𐑎𐑏𐓘𐓙𐓚𐓛𐓜𐓝𐓞𐓟𐓠𐓡𐓢𐓣'
        '𐓤𐓥𐓦𐓧𐓨𐓩𐓪𐓫𐓬𐓭𐓮𐓯𐓰𐓱𐓲𐓳𐓴𐓵𐓶𐓷𐓸𐓹𐓺𐓻𐖗𐖘𐖙𐖚𐖛𐖜𐖝𐖞𐖟𐖠𐖡𐖣𐖤𐖥𐖦𐖧𐖨𐖩𐖪𐖫𐖬𐖭𐖮𐖯𐖰𐖱𐖳𐖴𐖵𐖶𐖷𐖸𐖹𐖻𐖼𐳀𐳁𐳂𐳃𐳄𐳅𐳆𐳇𐳈𐳉𐳊𐳋𐳌𐳍𐳎𐳏𐳐𐳑𐳒𐳓𐳔𐳕𐳖𐳗𐳘𐳙𐳚𐳛𐳜'
        '𐳝𐳞𐳟𐳠𐳡𐳢𐳣𐳤𐳥𐳦𐳧𐳨𐳩𐳪𐳫𐳬𐳭𐳮𐳯𐳰𐳱𐳲𐵰𐵱𐵲𐵳𐵴𐵵𐵶𐵷𐵸𐵹𐵺𐵻𐵼𐵽𐵾𐵿𐶀𐶁𐶂𐶃𐶄𐶅𑣀𑣁𑣂𑣃𑣄𑣅𑣆𑣇𑣈𑣉𑣊𑣋𑣌𑣍𑣎𑣏𑣐𑣑𑣒𑣓𑣔𑣕𑣖𑣗𑣘𑣙𑣚𑣛𑣜𑣝𑣞𑣟𖹠𖹡𖹢𖹣𖹤𖹥𖹦𖹧𖹨𖹩𖹪𖹫'
        '𖹬𖹭𖹮𖹯𖹰𖹱𖹲𖹳𖹴𖹵𖹶𖹷𖹸𖹹𖹺𖹻𖹼𖹽𖹾𖹿𖺻𖺼𖺽𖺾𖺿𖻀𖻁𖻂𖻃𖻄𖻅𖻆𖻇𖻈𖻉𖻊𖻋𖻌𖻍𖻎𖻏𖻐𖻑𖻒𖻓𞤢𞤣𞤤𞤥𞤦𞤧𞤨𞤩𞤪𞤫𞤬𞤭𞤮𞤯𞤰𞤱𞤲𞤳𞤴𞤵𞤶𞤷𞤸𞤹𞤺𞤻𞤼𞤽𞤾𞤿𞥀𞥁𞥂𞥃';
begin
    -- Printable ASCII, nearly every question: no class above matters.
    if query ~ '^[\x20-\x7e]*$' then
        return regexp_replace(
            case when lower_case then lower(query collate "C") else query end,
            '([!-/:-@\[-`{-~])', ' \1 ', 'g'
        );
    end if;
    cleaned := regexp_replace(query collate "C", removed, '', 'g');
    cleaned := regexp_replace(cleaned, space, ' ', 'g');
    cleaned := regexp_replace(cleaned, chinese, ' \1 ', 'g');
    if strip_accents then
        cleaned := regexp_replace(normalize(cleaned, nfd), accents, '', 'g');
    end if;
    if lower_case then
        cleaned := translate(replace(cleaned, 'İ', 'i̇'), upper_letters, lower_letters);
    end if;
    return regexp_replace(cleaned, punctuation, ' \1 ', 'g');
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.note_answer(run_id bigint, question_id bigint, answer_id bigint, grade text DEFAULT NULL::text, grade_reason text DEFAULT NULL::text)
 RETURNS void
 LANGUAGE sql
BEGIN ATOMIC
 UPDATE ragpg.evaluation_results result SET answer_id = note_answer.answer_id, grade = note_answer.grade, grade_reason = note_answer.grade_reason
   WHERE ((result.evaluation_run_id = note_answer.run_id) AND (result.evaluation_question_id = note_answer.question_id));
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.note_step(answer_id bigint, place integer, tool text, query text, filter text, k integer, start_char integer, end_char integer, hits jsonb, input_tokens integer, output_tokens integer, cache_read_tokens integer, cache_creation_tokens integer, milliseconds integer, failed text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    of_tenant text;
begin
    -- Who erases a document meanwhile waits, and then finds the answer; or was first.
    perform ragpg_internal.shown_before((shown.hit ->> 'document_id')::bigint)
    from jsonb_array_elements(note_step.hits) as shown (hit);
    update ragpg.answers as answer
    set input_tokens = answer.input_tokens + note_step.input_tokens,
        output_tokens = answer.output_tokens + note_step.output_tokens,
        cache_read_tokens = answer.cache_read_tokens + note_step.cache_read_tokens,
        cache_creation_tokens = answer.cache_creation_tokens + note_step.cache_creation_tokens,
        latency_ms = answer.latency_ms + note_step.milliseconds,
        standalone = case
            when note_step.tool = 'standalone' then note_step.query
            else answer.standalone
        end
    where answer.id = note_step.answer_id
    returning answer.tenant into of_tenant;
    if not found then
        raise exception 'answer % is not there any more', note_step.answer_id
            using errcode = 'RG007', hint = 'what it was shown was erased meanwhile: ask again';
    end if;
    insert into ragpg.answer_steps (
        answer_id, place, tool, query, filter, k, start_char, end_char, hits, input_tokens,
        output_tokens, cache_read_tokens, cache_creation_tokens, milliseconds, failed, tenant
    )
    values (
        note_step.answer_id, note_step.place, note_step.tool, note_step.query,
        note_step.filter, note_step.k, note_step.start_char, note_step.end_char, note_step.hits,
        note_step.input_tokens, note_step.output_tokens, note_step.cache_read_tokens,
        note_step.cache_creation_tokens, note_step.milliseconds, note_step.failed, of_tenant
    );
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.own_condition(proof uuid)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    proven record;
begin
    if not ragpg_internal.chunks_are_closed() then
        return '';
    end if;
    select known.* into proven from ragpg_internal.proven_tenant(proof) as known;
    -- As a literal: so Citus asks the one shard that has it.
    return case
        when proven.sees_all then '' else format(' and chunk.tenant = %L', proven.tenant)
    end;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.ownership_changes()
 RETURNS TABLE(statement text)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH owned AS (
          SELECT space.oid,
             space.nspname
            FROM pg_namespace space
           WHERE (space.nspname = ANY (ARRAY['ragpg'::name, 'ragpg_internal'::name]))
         ), thing AS (
          SELECT 1 AS place,
             format('schema %I'::text, owned.nspname) AS name,
             space.nspowner AS owner
            FROM (owned
              JOIN pg_namespace space ON ((space.oid = owned.oid)))
         UNION ALL
          SELECT 2,
             (
                 CASE relation.relkind
                     WHEN 'v'::"char" THEN 'view'::text
                     WHEN 'm'::"char" THEN 'materialized view'::text
                     WHEN 'c'::"char" THEN 'type'::text
                     ELSE 'table'::text
                 END || format(' %I.%I'::text, owned.nspname, relation.relname)),
             relation.relowner
            FROM (owned
              JOIN pg_class relation ON ((relation.relnamespace = owned.oid)))
           WHERE (relation.relkind = ANY (ARRAY['r'::"char", 'p'::"char", 'v'::"char", 'm'::"char", 'c'::"char"]))
         UNION ALL
          SELECT 3,
             format('domain %I.%I'::text, owned.nspname, kind.typname) AS format,
             kind.typowner
            FROM (owned
              JOIN pg_type kind ON ((kind.typnamespace = owned.oid)))
           WHERE (kind.typtype = 'd'::"char")
         UNION ALL
          SELECT 4,
             ('routine '::text || (routine.oid)::regprocedure),
             routine.proowner
            FROM (owned
              JOIN pg_proc routine ON ((routine.pronamespace = owned.oid)))
         UNION ALL
          SELECT 5,
             ('operator '::text || (operator.oid)::regoperator),
             operator.oprowner
            FROM (owned
              JOIN pg_operator operator ON ((operator.oprnamespace = owned.oid)))
         )
  SELECT told.statement
    FROM ( SELECT thing.place,
             format('alter %s owner to ragpg_owner'::text, thing.name) AS statement
            FROM thing
           WHERE ((thing.owner IS DISTINCT FROM (to_regrole('ragpg_owner'::text))::oid) AND ((thing.owner = ((quote_ident((CURRENT_USER)::text))::regrole)::oid) OR (thing.owner IN ( SELECT space.nspowner
                    FROM (owned
                      JOIN pg_namespace space ON ((space.oid = owned.oid)))))))
         UNION ALL
          SELECT 6,
             format('alter default privileges for role %s in schema ragpg %s'::text, maker.role, format(maker.change, (acl.grantee)::regrole)) AS format
            FROM (((owned
              JOIN pg_default_acl given ON ((given.defaclnamespace = owned.oid)))
              CROSS JOIN LATERAL aclexplode(given.defaclacl) acl(grantor, grantee, privilege_type, is_grantable))
              CROSS JOIN LATERAL ( VALUES ('ragpg_owner'::text,'grant select on tables to %s'::text), (((given.defaclrole)::regrole)::text,'revoke select on tables from %s'::text)) maker(role, change))
           WHERE ((given.defaclobjtype = 'r'::"char") AND (acl.privilege_type = 'SELECT'::text) AND (acl.grantee <> (0)::oid) AND (acl.grantee <> given.defaclrole) AND (given.defaclrole IS DISTINCT FROM (to_regrole('ragpg_owner'::text))::oid))) told
   ORDER BY told.place, told.statement;
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.page_at(document_id bigint, version integer, start_char integer)
 RETURNS integer
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT width_bucket(page_at.start_char, NULLIF(stored.page_starts, '{}'::integer[])) AS width_bucket
    FROM ( SELECT document.version,
             document.page_starts
            FROM ragpg.documents document
           WHERE (document.id = page_at.document_id)
         UNION ALL
          SELECT earlier.version,
             earlier.page_starts
            FROM ragpg.document_versions earlier
           WHERE (earlier.document_id = page_at.document_id)) stored
   WHERE (stored.version = page_at.version);
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.partition_sizes(relation regclass, vector_index regclass, OUT table_bytes bigint, OUT index_bytes bigint, OUT vector_index_bytes bigint, OUT dead_chunks bigint)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    if not ragpg_internal.is_distributed() then
        table_bytes := pg_table_size(relation);
        index_bytes := pg_indexes_size(relation);
        vector_index_bytes := pg_relation_size(vector_index);
        dead_chunks := pg_stat_get_dead_tuples(relation);
    elsif relation is not null then
        select
            sum(told.sizes[1]), sum(told.sizes[2]),
            case when vector_index is not null then sum(told.sizes[3]) end, sum(told.sizes[4])
        into table_bytes, index_bytes, vector_index_bytes, dead_chunks
        from (
            select
                -- Where a worker is not there, nothing is known.
                case when bool_and(shard.success) over ()
                    then string_to_array(shard.result, ' ')::bigint[] end as sizes
            from run_command_on_shards(
                relation,
                'select concat_ws('' '', pg_table_size(%1$L), pg_indexes_size(%1$L), ('
                'select coalesce(sum(pg_relation_size(part.indexrelid)), 0)'
                ' from pg_index as part join pg_class as built on built.oid = part.indexrelid'
                ' join pg_am as method on method.oid = built.relam'
                ' where part.indrelid = %1$L::regclass and method.amname = ''hnsw''),'
                ' pg_stat_get_dead_tuples(%1$L::regclass))'
            ) as shard
        ) as told;
    end if;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.passes(metadata jsonb, filter jsonpath, has_times boolean DEFAULT NULL::boolean)
 RETURNS boolean
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN CASE WHEN COALESCE(has_times, ragpg_internal.has_times(filter)) THEN jsonb_path_match_tz(metadata, filter, '{}'::jsonb, true) ELSE (metadata @@ filter) END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.passing(document_ids bigint[], filter jsonpath)
 RETURNS bigint[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
declare
    has_times constant boolean := ragpg_internal.has_times(filter);
begin
    return (
        select array_agg(known.id)
        from unnest(document_ids) as known (id)
        -- Looked up one by one: a join may be planned that reads all of a tenant's documents.
        where (
            select ragpg_internal.passes(document.metadata, filter, has_times)
            from ragpg.documents as document
            where document.id = known.id
        )
    );
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.proof()
 RETURNS uuid
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    sees_all constant boolean := ragpg_internal.sees_all_tenants();
    acting_for text;
begin
    if not ragpg_internal.tenants_enabled() then
        return null;
    end if;
    acting_for := ragpg.current_tenant();
    -- The policy of tenant_roles shows a role its own rows; the row without a role is for those
    -- alone who see everything.
    return (
        select bound.proof
        from ragpg.tenant_roles as bound
        where case
            when sees_all then bound.role = ''
            else bound.tenant is null or bound.tenant = acting_for
        end
        order by bound.tenant nulls last
        limit 1
    );
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.proof_takers()
 RETURNS TABLE(called regprocedure, runs_as_owner boolean, writes boolean)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT (leg.oid)::regprocedure AS oid,
     ((leg.proname = ANY (ARRAY['keyword_candidates'::name, 'matching_documents'::name])) OR ragpg_internal.is_distributed()),
     (leg.proname = ANY (ARRAY['write_chunks'::name, 'carry_chunks'::name]))
    FROM pg_proc leg
   WHERE ((leg.pronamespace = ('ragpg_internal'::regnamespace)::oid) AND (leg.proname = ANY (ARRAY['keyword_candidates'::name, 'matching_documents'::name, 'vector_candidates'::name, 'word_scores'::name, 'known_chunks'::name, 'document_chunks'::name, 'chunk_overview'::name, 'known_embeddings'::name, 'write_chunks'::name, 'carry_chunks'::name])));
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.protect_table(kept regclass, protected boolean)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    told record;
begin
    if ragpg_internal.is_distributed() and (
        kept = 'ragpg.chunks'::regclass
        or exists (
            select
            from pg_inherits as part
            where part.inhrelid = kept and part.inhparent = 'ragpg.chunks'::regclass
        )
    ) then
        perform ragpg_internal.close_table(kept, protected);
        return;
    end if;
    execute format(
        'alter table %s %s row level security',
        kept, case when protected then 'enable' else 'disable' end
    );
    for told in select col.* from ragpg_internal.told_columns(kept) as col loop
        execute format(
            'alter %s %s alter column %s set statistics %s',
            case when told.is_index then 'index' else 'table' end, told.relation,
            case when told.is_index then told.place::text else quote_ident(told.name) end,
            case when protected then 0 else -1 end
        );
        if not protected then
            continue;
        elsif current_setting('server_version_num')::integer >= 180000 then
            execute
                'select pg_clear_attribute_stats($1, $2, $3, inherited)'
                ' from unnest(array[false, true]) as inherited'
            using told.schema_name, told.relation_name, told.name;
        elsif (select known.rolsuper from pg_roles as known where known.rolname = current_user) then
            delete from pg_statistic as known
            where known.starelid = told.relation and known.staattnum = told.place;
        end if;
    end loop;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.protected_tables()
 RETURNS TABLE(relation regclass, closed boolean)
 LANGUAGE sql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
    select
        policy.polrelid::regclass,
        bool_and(pg_get_expr(policy.polqual, policy.polrelid) = 'false')
    from pg_policy as policy
    join pg_class as kept on kept.oid = policy.polrelid
    where kept.relnamespace = 'ragpg'::regnamespace
        and kept.relname <> 'tenant_roles'  -- always, and each role its own
    group by policy.polrelid
    union all
    -- Policies of chunks hold where chunks is named; a partition named itself shows nothing.
    select part.inhrelid::regclass, true
    from pg_inherits as part
    where part.inhparent = 'ragpg.chunks'::regclass
    union all
    -- Shards cannot ask who is whose tenant: distributed, it has no policy.
    select 'ragpg.chunks'::regclass, true
    where ragpg_internal.is_distributed()
    order by 1;
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.proven_tenant(proof uuid, OUT sees_all boolean, OUT tenant text)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    wanted text := nullif(current_setting('ragpg.tenant', true), '');
    bound ragpg.tenant_roles;
begin
    if not ragpg_internal.tenants_enabled() then
        sees_all := true;
        return;
    end if;
    select known.* into bound
    from ragpg.tenant_roles as known
    where known.proof = proven_tenant.proof;
    sees_all := bound.role is not distinct from '';
    tenant := case when bound.proof is not null then coalesce(bound.tenant, wanted) end;
    if tenant is null and not sees_all then
        raise exception 'called for no tenant'
            using errcode = 'RG013',
                hint = 'select ragpg.set_tenant(''...''), connect(tenant=...) in Python; who may: ragpg.bind_role, ragpg.trust_role';
    end if;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.proven_writer(proof uuid)
 RETURNS text
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT COALESCE(
         CASE
             WHEN (NOT ragpg_internal.tenants_enabled()) THEN ragpg_internal.written_tenant()
             ELSE ( SELECT COALESCE(bound.tenant, NULLIF(current_setting('ragpg.tenant'::text, true), ''::text)) AS "coalesce"
                FROM ragpg.tenant_roles bound
               WHERE (bound.proof = proven_writer.proof))
         END, ''::text) AS "coalesce";
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.put_citations(answer_id bigint, citations jsonb)
 RETURNS void
 LANGUAGE sql
BEGIN ATOMIC
 INSERT INTO ragpg.citations (answer_id, ordinal, document_id, document_version, start_char, end_char, quote, answer_start, answer_end, tenant)  SELECT answer.id,
             ((cited.place - 1))::integer AS int4,
             said.document_id,
             said.document_version,
             said.start_char,
             said.end_char,
             said.quote,
             said.answer_start,
             said.answer_end,
             answer.tenant
            FROM ((ragpg.answers answer
              CROSS JOIN jsonb_array_elements(put_citations.citations) WITH ORDINALITY cited(body, place))
              CROSS JOIN LATERAL jsonb_to_record(cited.body) said(document_id bigint, document_version integer, start_char integer, end_char integer, quote text, answer_start integer, answer_end integer))
           WHERE (answer.id = put_citations.answer_id);
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.put_document_values(document_ids bigint[])
 RETURNS void
 LANGUAGE sql
BEGIN ATOMIC
 DELETE FROM ragpg.document_values known
   WHERE (known.document_id = ANY (put_document_values.document_ids));
 INSERT INTO ragpg.document_values (document_id, collection_id, tenant, kind, key, number, word)  SELECT document.id,
             document.collection_id,
             document.tenant,
             held.kind,
             held.key,
             held.number,
             held.word
            FROM ((unnest(put_document_values.document_ids) asked(id)
              JOIN ragpg.documents document ON ((document.id = asked.id)))
              CROSS JOIN LATERAL ragpg_internal.metadata_values(document.metadata) held(kind, key, number, word));
END
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.put_embedded_documents(index_id bigint, sources text[], contents text[], titles text[], media_types text[], metadata jsonb[], source_hashes bytea[], embeddings halfvec[])
 RETURNS TABLE(source text, outcome text)
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    owner_name constant text := ragpg_internal.written_tenant();
    kept record;
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = put_embedded_documents.index_id;
    -- The trigger of documents runs after this and finds the versions indexed.
    with given as materialized (
        select distinct on (row.source)
            row.source, btrim(row.content, E' \t\n\r') as content, row.title, row.media_type,
            row.metadata, row.source_hash, row.place
        from unnest(
            sources, contents, titles, media_types, put_embedded_documents.metadata,
            source_hashes
        ) with ordinality as row (
            source, content, title, media_type, metadata, source_hash, place
        )
        order by row.source, row.place desc  -- given twice, the last one counts
    ),
    stored as (
        insert into ragpg.documents as document (
            collection_id, source, content, title, media_type, metadata, source_hash, tenant
        )
        select
            recipe.collection_id, given.source, given.content, given.title, given.media_type,
            given.metadata, given.source_hash, owner_name
        from given
        on conflict on constraint documents_collection_id_tenant_source_key do update
        set content = excluded.content,
            title = excluded.title,
            media_type = excluded.media_type,
            metadata = excluded.metadata,
            source_hash = excluded.source_hash,
            page_starts = default
        returning document.id, document.source, document.version
    ),
    indexed as (
        insert into ragpg.index_documents as state (
            index_id, document_id, document_version, chunk_count, indexed_at, tenant
        )
        select recipe.id, stored.id, stored.version, 1, clock_timestamp(), owner_name
        from stored
        on conflict on constraint index_documents_pkey do update
        set document_version = excluded.document_version,
            chunk_count = excluded.chunk_count,
            indexed_at = excluded.indexed_at,
            pending_since = null,
            attempts = 0,
            error = null,
            next_attempt_at = default
    )
    select
        array_agg(given.place) as places, array_agg(stored.id) as ids,
        array_agg(stored.version) as versions,
        array_agg(stored.id) filter (where stored.version > 1) as changed_ids
    into kept
    from stored
    join given on given.source = stored.source;
    if ragpg_internal.is_distributed() then
        perform ragpg_internal.write_chunks(
            recipe.id, array_agg(stored.id), array_agg(stored.id), array_agg(stored.version),
            array_agg(0), array_agg(0), array_agg(null::integer), array_agg(0),
            array_agg(spoken.language), array_agg(given.title), array_agg(given.content),
            array_agg(given.embedding), array_agg(0)
        )
        from unnest(kept.places, kept.ids, kept.versions) as stored (place, id, version)
        join (
            select
                row.place, btrim(row.content, E' \t\n\r') as content, row.title, row.metadata,
                row.embedding
            from unnest(contents, titles, put_embedded_documents.metadata, embeddings)
                with ordinality as row (content, title, metadata, embedding, place)
        ) as given on given.place = stored.place
        cross join lateral (
            select
                case recipe.language
                    when 'auto' then
                        ragpg_internal.document_language('auto', given.metadata, given.content)
                    else recipe.language  -- without a call for each
                end as language
            offset 0
        ) as spoken;
    else
        delete from ragpg.chunks as chunk
        where chunk.index_id = recipe.id
            and chunk.document_id = any(kept.changed_ids)
            and chunk.ordinal > 0;
        insert into ragpg.chunks as chunk (
            index_id, document_id, document_version, ordinal, start_char, end_char, token_count,
            lexeme_count, language, context, content, lexemes, embedding, tenant
        )
        select
            recipe.id, stored.id, stored.version, 0, 0, char_length(given.content),
            0, 0, spoken.language, given.title, given.content, '', given.embedding, owner_name
        from unnest(kept.places, kept.ids, kept.versions) as stored (place, id, version)
        join (
            select
                row.place, btrim(row.content, E' \t\n\r') as content, row.title, row.metadata,
                row.embedding
            from unnest(contents, titles, put_embedded_documents.metadata, embeddings)
                with ordinality as row (content, title, metadata, embedding, place)
        ) as given on given.place = stored.place
        cross join lateral (
            select
                case recipe.language
                    when 'auto' then
                        ragpg_internal.document_language('auto', given.metadata, given.content)
                    else recipe.language  -- without a call for each
                end as language
            offset 0
        ) as spoken
        on conflict (document_id, ordinal, index_id) do update
        set document_version = excluded.document_version,
            end_char = excluded.end_char,
            token_count = excluded.token_count,
            lexeme_count = excluded.lexeme_count,
            language = excluded.language,
            context = excluded.context,
            content = excluded.content,
            lexemes = excluded.lexemes,
            embedding = excluded.embedding,
            generated_chars = 0;
    end if;
    return query
    select
        sources[stored.place], case stored.version when 1 then 'added' else 'updated' end
    from unnest(kept.places, kept.versions) as stored (place, version);
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.query_lexemes(languages text[], query text)
 RETURNS TABLE(lexeme text, positions smallint[], is_part boolean)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    stop_positions smallint[];
begin
    if cardinality(languages) > 1 then
        -- The question is taken for the language of which it has most stop words; they are left
        -- out under every language, or English "the" would be a rare word of German texts.
        select dropped.positions into stop_positions
        from unnest(languages) as spoken (language)
        cross join lateral (
            select array_agg(token.place) as positions, count(*) as stop_words
            from (
                select distinct unnest(word.positions) as place
                from unnest(ragpg.text_lexemes(query_lexemes.query, 'simple')) as word
                where 'D' = any(word.weights)
            ) as token
            where not exists (
                select
                from unnest(ragpg.text_lexemes(query_lexemes.query, spoken.language)) as kept
                where token.place = any(kept.positions) and 'D' = any(kept.weights)
            )
        ) as dropped
        order by dropped.stop_words desc, spoken.language
        limit 1;
    end if;
    return query
    with said as (
        select distinct on (word.lexeme)
            word.lexeme, word.positions, word.weights[1] = 'C' as is_part,
            word.weights[1] = 'B' as is_silent
        from unnest(languages) as spoken (language)
        cross join lateral unnest(ragpg.text_lexemes(query_lexemes.query, spoken.language)) as word
        where word.weights[1] <> 'D' or not word.positions <@ coalesce(stop_positions, '{}')
        order by word.lexeme, cardinality(word.positions) desc
    )
    -- Two stop words in a row are asked for by a question that has no others.
    select said.lexeme, said.positions, said.is_part
    from said
    where not said.is_silent or not exists (select from said as other where not other.is_silent);
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.query_tokens(encoder_id bigint, query text)
 RETURNS integer[]
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    encoder ragpg.encoders;
    spelled integer[];
begin
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = query_tokens.encoder_id;
    spelled := ragpg_internal.tokenize(
        encoder_id, encoder.query_prefix || query, encoder.max_query_tokens - 1
    );
    if cardinality(spelled) > encoder.max_query_tokens - 2 then
        raise notice 'the query is cut to % tokens', encoder.max_query_tokens;
        spelled := spelled[:encoder.max_query_tokens - 2];
    end if;
    return encoder.first_token_id || spelled || encoder.last_token_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.query_words(index_id bigint, query text)
 RETURNS TABLE(place bigint, lexeme text, word tsquery, weight double precision, chunk_count integer, mean_score double precision, mean_square double precision)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT row_number() OVER (ORDER BY asked.chunk_count, asked.lexeme) AS place,
     asked.lexeme,
     ragpg_internal.lexeme_query(asked.lexeme) AS word,
     asked.weight,
     asked.chunk_count,
     ((asked.share * asked.weight) * asked.saturation) AS mean_score,
     (asked.share * ((asked.weight * asked.saturation) ^ (2)::double precision)) AS mean_square
    FROM ( SELECT found.lexeme,
             found.chunk_count,
             ((found.chunk_count)::double precision / GREATEST(found.total, (1)::double precision)) AS share,
             ((((found.times)::numeric *
                 CASE
                     WHEN found.is_part THEN 0.5
                     ELSE (1)::numeric
                 END))::double precision * ln(((1)::double precision + (((found.total - (found.chunk_count)::double precision) + (0.5)::double precision) / (((found.chunk_count)::numeric + 0.5))::double precision)))) AS weight,
             (found.mean_frequency / (found.mean_frequency + (1.2)::double precision)) AS saturation,
             found.is_known
            FROM ( SELECT said.lexeme,
                     said.is_part,
                     cardinality(said.positions) AS times,
                     (known.lexeme IS NOT NULL) AS is_known,
                     LEAST(COALESCE(known.chunk_count, 1), (total.chunk_count)::integer) AS chunk_count,
                     COALESCE(((known.occurrence_count)::double precision / (known.chunk_count)::double precision), (1)::double precision) AS mean_frequency,
                     (total.chunk_count)::double precision AS total,
                     bool_or((known.lexeme IS NOT NULL)) OVER (PARTITION BY said.positions) AS is_answered
                    FROM (((ragpg.search_indexes recipe
                      JOIN ragpg.index_statistics total ON (((total.index_id = recipe.id) AND (total.tenant = ( SELECT COALESCE(ragpg_internal.searched_tenant(), ''::text) AS "coalesce")))))
                      CROSS JOIN LATERAL ragpg_internal.query_lexemes(
                         CASE
                             WHEN (recipe.language <> 'auto'::text) THEN ARRAY[recipe.language]
                             WHEN (total.languages = '{}'::text[]) THEN '{simple}'::text[]
                             ELSE total.languages
                         END, query_words.query) said(lexeme, positions, is_part))
                      LEFT JOIN LATERAL ( SELECT counted.lexeme,
                             counted.chunk_count,
                             counted.occurrence_count
                            FROM ragpg.lexeme_statistics counted
                           WHERE ((counted.index_id = recipe.id) AND (counted.tenant = total.tenant) AND (counted.lexeme = (said.lexeme COLLATE "C")))
                          LIMIT 1) known ON (true))
                   WHERE (recipe.id = query_words.index_id)) found
           WHERE (found.is_known OR (NOT found.is_answered))
           ORDER BY found.is_known DESC, ((((found.times)::numeric *
                 CASE
                     WHEN found.is_part THEN 0.5
                     ELSE (1)::numeric
                 END))::double precision * ln(((1)::double precision + (((found.total - (found.chunk_count)::double precision) + (0.5)::double precision) / (((found.chunk_count)::numeric + 0.5))::double precision)))) DESC, found.lexeme
          LIMIT 64) asked
   ORDER BY (row_number() OVER (ORDER BY asked.chunk_count, asked.lexeme));
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.question_weight(stands_out double precision)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((0.65)::double precision * LEAST(GREATEST(((stands_out - (2)::double precision) / (3)::double precision), (0)::double precision), (1)::double precision))
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.queue_documents()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    moved record;
begin
    if tg_op = 'UPDATE' then
        -- What is cut and embedded is as it was: the chunks are the new version's, too.
        for moved in
            with carried as (
                update ragpg.index_documents as state
                set document_version = later.version
                from written as later
                join replaced as earlier on earlier.id = later.id
                where state.document_id = later.id
                    and state.document_version = earlier.version
                    and state.pending_since is null
                    and later.version <> earlier.version
                    and (later.content, later.title, later.media_type, later.page_starts)
                        is not distinct from
                        (earlier.content, earlier.title, earlier.media_type, earlier.page_starts)
                    and (later.tenant, later.collection_id, later.metadata -> 'language')
                        is not distinct from
                        (earlier.tenant, earlier.collection_id, earlier.metadata -> 'language')
                returning state.index_id, state.document_id, state.document_version
            )
            select
                carried.index_id, carried.document_version,
                array_agg(carried.document_id) as document_ids
            from carried
            group by carried.index_id, carried.document_version
        loop
            if ragpg_internal.is_distributed() then
                perform ragpg_internal.carry_chunks(
                    moved.index_id, moved.document_ids, moved.document_version
                );
                continue;
            end if;
            update ragpg.chunks as chunk
            set document_version = moved.document_version
            where chunk.index_id = moved.index_id
                and chunk.document_id = any(moved.document_ids);
        end loop;
        if ragpg_internal.is_distributed() then
            -- On one server the foreign key does.
            for moved in
                select later.tenant, array_agg(later.id) as document_ids
                from written as later
                join replaced as earlier on earlier.id = later.id
                where earlier.tenant <> later.tenant
                group by later.tenant
            loop
                perform ragpg_internal.give_chunks(moved.document_ids, moved.tenant);
            end loop;
        end if;
    end if;
    insert into ragpg.index_documents as state (index_id, document_id, pending_since, tenant)
    select recipe.id, written.id, now(), written.tenant
    from written
    join ragpg.search_indexes as recipe on recipe.collection_id = written.collection_id
    left join ragpg.index_documents as known
        on known.index_id = recipe.id and known.document_id = written.id
    where known.document_version is distinct from written.version
    on conflict on constraint index_documents_pkey do update
    set pending_since = coalesce(state.pending_since, excluded.pending_since),
        attempts = 0,
        error = null,
        next_attempt_at = default;
    notify ragpg_documents;
    return null;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.range_length(spans int4multirange)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT COALESCE(sum((upper(part.part) - lower(part.part))), (0)::bigint) AS "coalesce"
    FROM unnest(range_length.spans) part(part);
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.read_document(collection text, source text, start_char integer, end_char integer, filter jsonpath)
 RETURNS TABLE(document_id bigint, document_version integer, title text, content text, page integer, metadata jsonb, length integer)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
    return query
    select
        document.id, document.version, document.title,
        substr(
            document.content, read_document.start_char + 1,
            read_document.end_char - read_document.start_char
        ),
        ragpg_internal.page_at(document.id, document.version, read_document.start_char),
        document.metadata, char_length(document.content)
    from ragpg.documents as document
    where document.collection_id = ragpg.collection_id(read_document.collection)
        and document.source = read_document.source
        and document.tenant = coalesce(ragpg_internal.searched_tenant(), document.tenant)
        and (
            read_document.filter is null
            or ragpg_internal.passes(document.metadata, read_document.filter)
        )
    order by document.tenant = ragpg_internal.written_tenant() desc, document.id
    limit 1;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.recalls_at(index_id bigint, embeddings halfvec[], own_ids bigint[], distances double precision[], k integer, ef_search integer)
 RETURNS double precision[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
 SET "hnsw.ef_search" TO '100'
 SET "hnsw.iterative_scan" TO 'relaxed_order'
AS $function$
declare
    recalls double precision[] := '{}';
    held bigint := (
        select count(*) from ragpg.chunks as chunk where chunk.index_id = recalls_at.index_id
    );
    quantize constant text := (
        select recipe.quantize from ragpg.search_indexes as recipe where recipe.id = index_id
    );
    found bigint;
begin
    perform set_config('hnsw.ef_search', least(greatest(ef_search, k), 1000)::text, true);
    if ragpg_internal.is_distributed() then
        perform ragpg_internal.set_on_shards(least(greatest(ef_search, k), 1000), 'relaxed_order');
    end if;
    for place in 1..cardinality(embeddings) loop
        execute format(
            'select count(*) from ('
            '  select near.distance from (%s) as near where near.id is distinct from $2'
            '  order by near.distance limit %s'
            -- By distance, not by id: of chunks equally far any will do.
            ' ) as best where best.distance <= $3 + 1e-6',
            ragpg_internal.nearest_query(
                'chunks', recalls_at.index_id, vector_dims(embeddings[place]), quantize, '',
                k + (own_ids[place] is not null)::integer, ef_search
            ),
            k
        )
        into found
        using embeddings[place], own_ids[place], distances[place];
        recalls := recalls || coalesce(
            found::double precision
                / nullif(least(k, held - (own_ids[place] is not null)::integer), 0),
            1
        );
    end loop;
    return recalls;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.recipe_of(collection text, index_id bigint)
 RETURNS ragpg.search_indexes
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    recipe ragpg.search_indexes;
begin
    select known.* into recipe
    from ragpg.search_indexes as known
    where known.id = coalesce(
        recipe_of.index_id,
        (
            select one.active_index_id
            from ragpg.collections as one
            -- Not asked when the id is given.
            where recipe_of.index_id is null and one.id = ragpg.collection_id(recipe_of.collection)
        )
    );
    if recipe.id is null then
        raise exception 'there is no search index %',
            coalesce(recipe_of.index_id::text, 'of ' || collection, '')
            using errcode = 'RG010', hint = 'view index_health lists them';
    end if;
    return recipe;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.release_document(index_id bigint, document_id bigint, document_version integer, error text DEFAULT NULL::text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
    if error is not null then
        -- 5 s, 10 s, 20 s ... up to an hour; a newer version does not wait.
        update ragpg.index_documents as state
        set attempts = state.attempts + 1,
            error = release_document.error,
            next_attempt_at = clock_timestamp()
                + least(5 * 2 ^ least(state.attempts, 20), 3600) * interval '1 second'
        from ragpg.documents as document
        where state.index_id = release_document.index_id
            and state.document_id = release_document.document_id
            and state.pending_since is not null
            and document.id = state.document_id
            and document.version = release_document.document_version;
    end if;
    perform pg_advisory_unlock(
        ragpg_internal.claim_key(release_document.index_id, release_document.document_id)
    );
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.relevance(index_id bigint, similarity double precision, words_held double precision, missing_names integer, unmatched_negation boolean)
 RETURNS double precision
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT ragpg_internal.logistic(ARRAY[recipe.relevance_offset, recipe.relevance_slope, recipe.words_held_slope, recipe.missing_names_slope, recipe.unmatched_negation_slope], relevance.similarity, relevance.words_held, relevance.missing_names, relevance.unmatched_negation) AS logistic
    FROM ragpg.search_indexes recipe
   WHERE (recipe.id = relevance.index_id);
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.remember_query(encoder_id bigint, query text, proof uuid DEFAULT ragpg_internal.proof())
 RETURNS vector
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    for_tenant constant text := ragpg_internal.proven_writer(proof);
    -- Perhaps stored by the statement that asks, whose own snapshot does not show it.
    computed vector := ragpg_internal.remembered_query(encoder_id, query, for_tenant);
    -- Read before the weights: a vector of weights loaded in between is never looked up.
    loaded_at timestamptz := (
        select encoder.loaded_at
        from ragpg.encoders as encoder
        where encoder.embedding_model_id = remember_query.encoder_id
    );
    stored_id bigint;
    first_over bigint;
    check_every constant integer := 128;
begin
    if computed is not null then
        return computed;
    end if;
    computed := ragpg_internal.encode(encoder_id, ragpg_internal.query_tokens(encoder_id, query));
    -- Nothing here waits for another session: no unique index (two sessions that ask the same new
    -- question both store it), and the row the foreign key locks is skipped when it is taken.
    insert into ragpg.query_embeddings (
        embedding_model_id, query_hash, embedding, weights_loaded_at, tenant
    )
    select model.id, ragpg_internal.hash_text(remember_query.query), computed, loaded_at,
        for_tenant
    from ragpg.embedding_models as model
    where model.id = remember_query.encoder_id
    for key share skip locked
    returning id into stored_id;
    if stored_id % check_every = 0 then
        -- Two statements: in one the offset may be counted again for every row.
        select newest.id into first_over
        from ragpg.query_embeddings as newest
        where newest.embedding_model_id = remember_query.encoder_id
        order by newest.id desc
        offset (
            select encoder.cached_queries
            from ragpg.encoders as encoder
            where encoder.embedding_model_id = remember_query.encoder_id
        )
        limit 1;
        delete from ragpg.query_embeddings as gone
        where gone.id in (
            select old.id
            from ragpg.query_embeddings as old
            where old.embedding_model_id = remember_query.encoder_id and old.id <= first_over
            for update skip locked
        );
    end if;
    return computed;
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.remembered_query(encoder_id bigint, query text, tenant text)
 RETURNS vector
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
    select known.embedding
    from ragpg.encoders as encoder
    join ragpg.query_embeddings as known
        on known.embedding_model_id = encoder.embedding_model_id
        -- What other weights made does not count, whenever it was stored.
        and known.weights_loaded_at = encoder.loaded_at
    where encoder.embedding_model_id = remembered_query.encoder_id
        and encoder.cached_queries > 0
        and known.query_hash = ragpg_internal.hash_text(remembered_query.query)
        -- Whether somebody else asked it would show in how fast the answer comes.
        and known.tenant = remembered_query.tenant
    limit 1
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.replace_chunks(index_id bigint, document_id bigint, document_version integer, starts integer[], ends integer[], contexts text[], token_counts integer[], embeddings halfvec[], generated_chars integer[] DEFAULT NULL::integer[])
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    body text;
    page_starts integer[];
    document_metadata jsonb;
    words_language text;
    owner_name text;
    -- A block is cut out of the text once for all chunks that begin in it: substr() walks from
    -- the start of the text, which over a long document is quadratic.
    block constant integer := 65536;
    longest integer;
begin
    select document.content, nullif(document.page_starts, '{}'), document.metadata, document.tenant
    into body, page_starts, document_metadata, owner_name
    from ragpg.documents as document
    where document.id = replace_chunks.document_id
        and document.version = replace_chunks.document_version
    for share;  -- a newer version waits, so that it is not taken off the queue unread
    if not found then
        raise exception 'document % is not at version % any more',
            replace_chunks.document_id, replace_chunks.document_version
            using errcode = 'RG007', hint = 'read the document again and repeat';
    end if;
    select ragpg_internal.document_language(recipe.language, document_metadata, body)
    into strict words_language
    from ragpg.search_indexes as recipe
    where recipe.id = replace_chunks.index_id;
    select coalesce(max(e.value - s.value), 0) into longest
    from unnest(starts) with ordinality as s (value, place)
    join unnest(ends) with ordinality as e (value, place) using (place);
    if ragpg_internal.is_distributed() then
        perform ragpg_internal.write_chunks(
            replace_chunks.index_id, array[replace_chunks.document_id],
            array_agg(replace_chunks.document_id), array_agg(replace_chunks.document_version),
            array_agg(piece.ordinal), array_agg(piece.start_char),
            array_agg(width_bucket(piece.start_char, page_starts)), array_agg(piece.token_count),
            array_agg(words_language), array_agg(piece.context), array_agg(piece.content),
            array_agg(piece.embedding), array_agg(piece.generated_chars)
        )
        from (
            with blocks as materialized (
                select number, substr(body, number * block + 1, block + longest) as content
                from (select distinct start / block as number from unnest(starts) as start) as used
            )
            select
                (piece.place - 1)::integer as ordinal, piece.start_char, piece.token_count,
                piece.context, piece.embedding,
                coalesce(piece.generated_chars, 0) as generated_chars,
                substr(
                    blocks.content,
                    piece.start_char - blocks.number * block + 1,
                    piece.end_char - piece.start_char
                ) as content
            from unnest(
                starts, ends, contexts, token_counts, embeddings, replace_chunks.generated_chars
            ) with ordinality as piece (
                start_char, end_char, context, token_count, embedding, generated_chars, place
            )
            join blocks on blocks.number = piece.start_char / block
        ) as piece;
    else
        delete from ragpg.chunks as chunk
        where chunk.index_id = replace_chunks.index_id
            and chunk.document_id = replace_chunks.document_id;
        insert into ragpg.chunks (
            index_id, document_id, document_version, ordinal, start_char, end_char, page,
            token_count, lexeme_count, language, context, content, lexemes, embedding,
            generated_chars, tenant
        )
        with blocks as materialized (
            select number, substr(body, number * block + 1, block + longest) as content
            from (select distinct start / block as number from unnest(starts) as start) as used
        )
        select
            replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
            piece.place - 1, piece.start_char, piece.end_char,
            width_bucket(piece.start_char, page_starts), piece.token_count,
            0, words_language, piece.context,
            substr(
                blocks.content,
                piece.start_char - blocks.number * block + 1,
                piece.end_char - piece.start_char
            ),
            '', piece.embedding, coalesce(piece.generated_chars, 0), owner_name
        from unnest(
            starts, ends, contexts, token_counts, embeddings, replace_chunks.generated_chars
        ) with ordinality
            as piece (start_char, end_char, context, token_count, embedding, generated_chars, place)
        join blocks on blocks.number = piece.start_char / block;
    end if;
    insert into ragpg.index_documents as state (
        index_id, document_id, document_version, chunk_count, indexed_at, pending_since, tenant
    )
    values (
        replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
        cardinality(starts), clock_timestamp(), null, owner_name
    )
    on conflict on constraint index_documents_pkey do update
    set document_version = excluded.document_version,
        chunk_count = excluded.chunk_count,
        indexed_at = excluded.indexed_at,
        pending_since = null,
        attempts = 0,
        error = null,
        next_attempt_at = default;
    return cardinality(starts);
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.reunite_chunks()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    is_spread boolean := false;
    part regclass;
begin
    if not ragpg_internal.is_distributed() then
        return;
    end if;
    if to_regclass('pg_catalog.pg_dist_partition') is not null then
        select exists (
            select
            from pg_dist_partition as known
            where known.logicalrelid = 'ragpg.chunks'::regclass
        )
        into is_spread;
    end if;
    if is_spread then
        return;
    end if;
    create or replace function ragpg_internal.is_distributed() returns boolean
    language sql immutable parallel safe
    return false;
    drop trigger if exists documents_delete_chunks on ragpg.documents;
    alter table ragpg.chunks
        add constraint chunks_document_id_fkey
            foreign key (document_id, tenant)
                references ragpg.documents (id, tenant) on update cascade on delete cascade,
        add constraint chunks_index_id_fkey
            foreign key (index_id) references ragpg.search_indexes (id) on delete cascade;
    create trigger chunks_set_lexemes before insert or update of context, content, language
        on ragpg.chunks
        for each row execute function ragpg_internal.set_chunk_lexemes();
    comment on trigger chunks_set_lexemes on ragpg.chunks is 'Sets lexemes and lexeme_count.';
    create policy chunks_tenant on ragpg.chunks
        using (
            (select ragpg_internal.acting_for())[tenant] is not null
            and tenant = (select ragpg.current_tenant())
        );
    comment on policy chunks_tenant on ragpg.chunks is 'Rows of the session''s tenant.';
    -- By tenant it has a key of more columns; and who might read nothing of it may again.
    if exists (
        select
        from pg_constraint as known
        where known.conname = 'chunks_pkey'
            and known.conrelid = 'ragpg.chunks'::regclass
            and cardinality(known.conkey) > 3
    ) then
        alter table ragpg.chunks drop constraint chunks_pkey;
        alter table ragpg.chunks
            add constraint chunks_pkey primary key (document_id, ordinal, index_id);
    end if;
    for part in
        select 'ragpg.chunks'::regclass
        union all
        select inherited.inhrelid::regclass
        from pg_inherits as inherited
        where inherited.inhparent = 'ragpg.chunks'::regclass
    loop
        perform ragpg_internal.close_table(part, false);
    end loop;
    perform ragpg_internal.hand_legs() where ragpg_internal.tenants_enabled();
end
$function$
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.row_reading(table_name regclass, source_column text, content_column text, title_column text, metadata_columns text[], prefix text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
    select format(
        '%s, %s, %s, jsonb_build_object(%s)',
        ragpg_internal.column_reading(table_name, source_column, prefix),
        ragpg_internal.column_reading(table_name, content_column, prefix),
        ragpg_internal.column_reading(table_name, title_column, prefix),
        (
            select string_agg(
                format(
                    '%L::text, %s',
                    wanted.name,
                    ragpg_internal.column_reading(table_name, wanted.name, prefix, as_json => true)
                ),
                ', '
            )
            from unnest(metadata_columns) as wanted (name)
        )
    )
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.safety_problems()
 RETURNS TABLE(problem text, object text, detail text, what_to_do text)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH kept AS MATERIALIZED (
          SELECT held.relation,
             part.relrowsecurity,
             (part.relispartition OR (part.relkind = 'p'::"char")) AS is_spread
            FROM (ragpg_internal.protected_tables() held(relation, closed)
              JOIN pg_class part ON ((part.oid = (held.relation)::oid)))
           WHERE ragpg_internal.tenants_enabled()
         ), wrong AS (
          SELECT 'functions run as a superuser'::text AS problem,
             (owner.rolname)::text AS object,
             format('%s functions run as their owner'::text, count(*)) AS detail,
             'select ragpg.secure()'::text AS what_to_do
            FROM (pg_proc routine
              JOIN pg_roles owner ON ((owner.oid = routine.proowner)))
           WHERE ((routine.pronamespace = ANY (ARRAY[('ragpg'::regnamespace)::oid, ('ragpg_internal'::regnamespace)::oid])) AND routine.prosecdef AND owner.rolsuper)
           GROUP BY owner.rolname
         UNION ALL
          SELECT 'others may create in ragpg'::text,
             ((acl.grantee)::regrole)::text AS grantee,
             format('in the schema %I, on which functions that run as their owner rely'::text, space.nspname) AS format,
             format('revoke create on schema %I from %s'::text, space.nspname, (acl.grantee)::regrole) AS format
            FROM (pg_namespace space
              CROSS JOIN LATERAL aclexplode(space.nspacl) acl(grantor, grantee, privilege_type, is_grantable))
           WHERE ((space.nspname = ANY (ARRAY['ragpg'::name, 'ragpg_internal'::name])) AND (acl.privilege_type = 'CREATE'::text) AND (acl.grantee <> space.nspowner))
         UNION ALL
          SELECT 'object of another role in ragpg'::text,
             made.name,
             format('%s made it'::text, (made.owner)::regrole) AS format,
             'see what it does; drop it, or give it to the owner of ragpg'::text
            FROM (pg_namespace space
              CROSS JOIN LATERAL ( SELECT ((routine.oid)::regprocedure)::text AS name,
                     routine.proowner AS owner
                    FROM pg_proc routine
                   WHERE (routine.pronamespace = space.oid)
                 UNION ALL
                  SELECT ((relation.oid)::regclass)::text AS oid,
                     relation.relowner
                    FROM pg_class relation
                   WHERE ((relation.relnamespace = space.oid) AND (relation.relkind = ANY (ARRAY['r'::"char", 'p'::"char", 'v'::"char", 'm'::"char"])))
                 UNION ALL
                  SELECT ((operator.oid)::regoperator)::text AS oid,
                     operator.oprowner
                    FROM pg_operator operator
                   WHERE (operator.oprnamespace = space.oid)) made)
           WHERE ((space.nspname = ANY (ARRAY['ragpg'::name, 'ragpg_internal'::name])) AND (made.owner <> space.nspowner))
         UNION ALL
          SELECT 'table is not kept apart'::text,
             (kept.relation)::text AS relation,
             'every reader sees all its rows'::text,
             'select ragpg.secure()'::text
            FROM kept
           WHERE (NOT kept.relrowsecurity)
         UNION ALL
          SELECT 'function does not run as its owner'::text,
             (leg.called)::text AS called,
             'it searches slowly, without its index, or not at all'::text,
             'select ragpg.secure()'::text
            FROM (ragpg_internal.tenant_legs() leg(called)
              JOIN pg_proc routine ON ((routine.oid = (leg.called)::oid)))
           WHERE (ragpg_internal.tenants_enabled() AND (NOT routine.prosecdef))
         UNION ALL
          SELECT 'table of all tenants may be read'::text,
             (kept.relation)::text AS relation,
             format('by %s'::text, string_agg(((acl.grantee)::regrole)::text, ', '::text)) AS format,
             'select ragpg.secure()'::text
            FROM ((kept
              JOIN pg_class part ON ((part.oid = (kept.relation)::oid)))
              CROSS JOIN LATERAL aclexplode(part.relacl) acl(grantor, grantee, privilege_type, is_grantable))
           WHERE (ragpg_internal.is_distributed() AND kept.is_spread AND (acl.grantee <> part.relowner))
           GROUP BY kept.relation
         UNION ALL
          SELECT 'statistics tell of all tenants'::text,
             (kept.relation)::text AS relation,
             format('of %s'::text, string_agg(format('%s.%s'::text, told.relation_name, told.name), ', '::text)) AS format,
                 CASE
                     WHEN bool_or((told.target <> 0)) THEN 'select ragpg.secure()'::text
                     ELSE (('as a superuser: delete from pg_statistic where starelid = '::text || quote_literal(kept.relation)) || '::regclass'::text)
                 END AS "case"
            FROM (kept
              CROSS JOIN LATERAL ragpg_internal.told_columns(kept.relation) told(relation, schema_name, relation_name, is_index, place, name, target))
           WHERE (((told.target <> 0) OR (EXISTS ( SELECT
                    FROM pg_stats known
                   WHERE ((known.schemaname = told.schema_name) AND (known.tablename = told.relation_name) AND (known.attname = told.name))))) AND (NOT (kept.is_spread AND ragpg_internal.is_distributed())))
           GROUP BY kept.relation
         UNION ALL
          SELECT 'statistics tell of all tenants'::text,
             (kept.relation)::text AS relation,
             format('extended statistics %I'::text, extended.stxname) AS format,
             format('drop statistics %s.%I'::text, (extended.stxnamespace)::regnamespace, extended.stxname) AS format
            FROM (kept
              JOIN pg_statistic_ext extended ON ((extended.stxrelid = (kept.relation)::oid)))
         UNION ALL
          SELECT 'bound role is missing'::text,
             bound.role,
             format('it would act for %L'::text, bound.tenant) AS format,
             format('create the role, or select ragpg.unbind_role(%L, %L)'::text, bound.role, bound.tenant) AS format
            FROM ragpg.tenant_roles bound
           WHERE ((bound.role <> ''::text) AND (NOT (EXISTS ( SELECT
                    FROM pg_roles known
                   WHERE (known.rolname = bound.role)))))
         UNION ALL
          SELECT 'role acts for no tenant'::text,
             (known.rolname)::text AS rolname,
             'it may read ragpg and sees nothing'::text,
             format('select ragpg.bind_role(%1$L, ''...''), or ragpg.trust_role(%1$L) for one that chooses'::text, known.rolname) AS format
            FROM (pg_roles known
              JOIN pg_class documents ON ((documents.oid = ('ragpg.documents'::regclass)::oid)))
           WHERE (ragpg_internal.tenants_enabled() AND known.rolcanlogin AND (NOT known.rolbypassrls) AND (NOT pg_has_role(known.oid, documents.relowner, 'usage'::text)) AND has_table_privilege(known.oid, documents.oid, 'select'::text) AND (NOT (EXISTS ( SELECT
                    FROM (ragpg.tenant_roles bound
                      JOIN pg_roles giving ON ((giving.rolname = bound.role)))
                   WHERE pg_has_role(known.oid, giving.oid, 'usage'::text)))))
         )
  SELECT wrong.problem,
     wrong.object,
     wrong.detail,
     wrong.what_to_do
    FROM wrong
   WHERE ragpg_internal.sees_all_tenants();
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.sample_queries(index_id bigint, queries integer, OUT query_source text, OUT embeddings halfvec[], OUT own_ids bigint[])
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
begin
    query_source := 'searches';
    select array_agg(asked.query_embedding), array_agg(null::bigint) into embeddings, own_ids
    from (
        select logged.query_embedding
        from ragpg.searches as logged
        where logged.index_id = sample_queries.index_id and logged.query_embedding is not null
        order by logged.searched_at desc, logged.id desc
        limit queries
    ) as asked;
    if coalesce(cardinality(embeddings), 0) < least(queries, 20) then
        query_source := 'chunks';
        select coalesce(array_agg(drawn.embedding), '{}'), coalesce(array_agg(drawn.id), '{}')
        into embeddings, own_ids
        from (
            select chunk.embedding, chunk.id
            from ragpg.chunks as chunk
            where chunk.index_id = sample_queries.index_id
            -- Drawn by hash, not by random(): the same chunks give the same recall.
            order by hashint8extended(chunk.id, 1)
            limit queries
        ) as drawn;
    end if;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.searched_tenant()
 RETURNS text
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    found_tenant text;
    wanted text := nullif(current_setting('ragpg.tenant', true), '');
begin
    if not ragpg_internal.tenants_enabled() then
        return null;
    end if;
    found_tenant := ragpg.current_tenant();
    if found_tenant is null and not ragpg_internal.sees_all_tenants() then
        raise exception 'role % %', current_user, coalesce(
            format('may not act for tenant "%s"', wanted), 'acts for no tenant'
        )
            using errcode = 'RG013',
                hint = 'select ragpg.set_tenant(''...''), connect(tenant=...) in Python; who may: ragpg.bind_role, ragpg.trust_role';
    end if;
    return found_tenant;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.sees_all_tenants()
 RETURNS boolean
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT ((NOT kept.relrowsecurity) OR pg_has_role(kept.relowner, 'usage'::text) OR ( SELECT known.rolbypassrls
            FROM pg_roles known
           WHERE (known.rolname = CURRENT_USER)))
    FROM pg_class kept
   WHERE (kept.oid = ('ragpg.documents'::regclass)::oid);
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.session_tenant()
 RETURNS text
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH acting AS (
          SELECT array_agg(DISTINCT bound.tenant) FILTER (WHERE (bound.tenant IS NOT NULL)) AS allowed,
             bool_or((bound.tenant IS NULL)) AS is_free,
             NULLIF(current_setting('ragpg.tenant'::text, true), ''::text) AS wanted
            FROM (ragpg.tenant_roles bound
              JOIN pg_roles known ON ((known.rolname = bound.role)))
           WHERE pg_has_role(COALESCE((NULLIF(current_setting('role'::text), 'none'::text))::name, SESSION_USER), known.oid, 'usage'::text)
         )
  SELECT
         CASE
             WHEN ((NOT ragpg_internal.tenants_enabled()) OR acting.is_free OR (acting.wanted = ANY (acting.allowed)) OR pg_has_role(COALESCE((NULLIF(current_setting('role'::text), 'none'::text))::name, SESSION_USER), kept.relowner, 'usage'::text)) THEN acting.wanted
             WHEN ((acting.wanted IS NULL) AND (cardinality(acting.allowed) = 1)) THEN acting.allowed[1]
             ELSE NULL::text
         END AS "case"
    FROM (acting
      JOIN pg_class kept ON ((kept.oid = ('ragpg.documents'::regclass)::oid)));
END
 -- access {owner=X/owner}
CREATE OR REPLACE FUNCTION ragpg_internal.set_chunk_lexemes()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    select words.lexemes, words.lexeme_count
    into new.lexemes, new.lexeme_count
    from ragpg_internal.chunk_words(new.context, new.content, new.language) as words;
    return new;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.set_on_shards(ef_search integer, iterative_scan text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    propagated constant text := current_setting('citus.propagate_set_commands');
begin
    perform set_config('citus.propagate_set_commands', 'local', true);
    execute format('set local hnsw.ef_search = %s', ef_search);
    execute format('set local hnsw.iterative_scan = %I', iterative_scan);
    perform set_config('citus.propagate_set_commands', propagated, true);
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.shown_before(document_id bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    perform from ragpg.documents as document where document.id = shown_before.document_id
    for key share;
    if found then
        return;
    end if;
    perform
    from ragpg.document_versions as earlier
    where earlier.document_id = shown_before.document_id
    for key share;
    if not found then
        raise exception 'document % is not there any more', shown_before.document_id
            using errcode = 'RG007', hint = 'it was erased or pruned meanwhile: ask again';
    end if;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.similarity_spread(index_id bigint, tenant text, query_embedding halfvec, OUT mean double precision, OUT deviation double precision)
 RETURNS record
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT COALESCE(avg(((1)::double precision - (sample.sample OPERATOR(ragpg_internal.<=>) similarity_spread.query_embedding))), (0)::double precision) AS "coalesce",
     COALESCE(NULLIF(stddev_pop(((1)::double precision - (sample.sample OPERATOR(ragpg_internal.<=>) similarity_spread.query_embedding))), (0)::double precision), (1)::double precision) AS "coalesce"
    FROM (ragpg.index_statistics known
      CROSS JOIN LATERAL unnest(known.embedding_sample) sample(sample))
   WHERE ((known.index_id = similarity_spread.index_id) AND (known.tenant = similarity_spread.tenant) AND ((sample.sample OPERATOR(ragpg_internal.<=>) similarity_spread.query_embedding) <> 'NaN'::double precision));
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.similarity_to_keep(similarities double precision[], answerable boolean[], keep double precision)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT GREATEST(COALESCE((array_agg(given.similarity ORDER BY given.similarity))[(LEAST((floor((((count(*))::double precision * ((1)::double precision - similarity_to_keep.keep)) + (0.000000001)::double precision)) + (1)::double precision), (count(*))::double precision))::integer], (0)::double precision), (0)::double precision) AS "greatest"
    FROM UNNEST(similarity_to_keep.similarities, similarity_to_keep.answerable) given(similarity, is_answerable)
   WHERE given.is_answerable;
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.source_paths(source text)
 RETURNS SETOF text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT source_paths.source AS source
 UNION ALL
  SELECT "left"(source_paths.source, (regexp_instr(source_paths.source, '[/#]'::text, 1, nth.nth) - 1)) AS "left"
    FROM generate_series(1, regexp_count(source_paths.source, '[/#]'::text)) nth(nth);
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.start_answer(collection text, question text, model text, conversation_id bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    parent_id constant bigint := ragpg.collection_id(start_answer.collection);
    new_id bigint;
    of_tenant text := ragpg_internal.written_tenant();
    next_turn integer;
begin
    if start_answer.conversation_id is not null then
        -- Who asks at the same time waits here, and has the next turn.
        select one.tenant into of_tenant
        from ragpg.conversations as one
        where one.id = start_answer.conversation_id
            and one.collection_id = parent_id
            -- Who sees all tenants would show this one what is the others'.
            and (one.tenant = of_tenant or not ragpg_internal.tenants_enabled())
        for update;
        if not found then
            raise exception 'there is no conversation % with collection "%"',
                start_answer.conversation_id, start_answer.collection
                using errcode = 'RG005', hint = 'view ragpg.conversation_overview has them';
        end if;
        select coalesce(max(answer.turn), 0) + 1 into next_turn
        from ragpg.answers as answer
        where answer.conversation_id = start_answer.conversation_id;
    end if;
    insert into ragpg.answers as answer (
        collection_id, question, content, model, abstained, grounded, input_tokens, output_tokens,
        cache_read_tokens, cache_creation_tokens, latency_ms, conversation_id, turn, ended_by,
        tenant
    )
    values (
        parent_id, start_answer.question, '', start_answer.model, false, false, 0, 0, 0, 0, 0,
        start_answer.conversation_id, next_turn, 'unfinished', of_tenant
    )
    returning answer.id into new_id;
    return new_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.start_context_batch(collection text, model text, asked_hashes bytea[], document_hashes bytea[])
 RETURNS TABLE(batch_id bigint, asked_hash bytea)
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(start_context_batch.collection);
    new_id bigint;
begin
    insert into ragpg.context_batches as batch (collection_id, model, request_count)
    values (parent_id, start_context_batch.model, 0)
    returning batch.id into new_id;
    -- Two at once: the second waits for the first's rows and leaves them to it.
    return query
    insert into ragpg.chunk_contexts as written (
        collection_id, asked_hash, document_hash, model, batch_id
    )
    select parent_id, wanted.asked_hash, wanted.document_hash, start_context_batch.model, new_id
    from unnest(asked_hashes, document_hashes) as wanted (asked_hash, document_hash)
    order by wanted.asked_hash
    on conflict do nothing
    returning new_id, written.asked_hash;
    update ragpg.context_batches as batch
    set request_count = (
        select count(*) from ragpg.chunk_contexts as written where written.batch_id = new_id
    )
    where batch.id = new_id;
    delete from ragpg.context_batches as batch
    where batch.id = new_id and batch.request_count = 0;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.start_evaluation(collection text, evaluation_set text, k integer DEFAULT 10, mode text DEFAULT 'hybrid'::text, index_id bigint DEFAULT NULL::bigint, note text DEFAULT ''::text, is_trial boolean DEFAULT false)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    parent_id bigint := ragpg.collection_id(start_evaluation.collection);
    set_id bigint;
    names text;
    recipe ragpg.search_indexes;
    new_id bigint;
begin
    select known.id into set_id
    from ragpg.evaluation_sets as known
    where known.collection_id = parent_id
        and known.tenant = ragpg_internal.written_tenant()
        and known.name = start_evaluation.evaluation_set;
    if set_id is null then
        select string_agg(known.name, ', ' order by known.name) into names
        from ragpg.evaluation_sets as known
        where known.collection_id = parent_id;
        raise exception 'there is no evaluation set "%"', start_evaluation.evaluation_set
            using errcode = 'RG011',
                hint = coalesce('there are: ' || names, 'load one: ragpg eval load FILE');
    end if;
    select known.* into recipe
    from ragpg.search_indexes as known
    where known.collection_id = parent_id
        and known.id = coalesce(
            start_evaluation.index_id,
            (select one.active_index_id from ragpg.collections as one where one.id = parent_id)
        );
    if recipe.id is null then
        raise exception 'this collection has no search index %', coalesce(index_id::text, 'yet')
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    insert into ragpg.evaluation_runs (
        evaluation_set_id, index_id, k, mode, note, is_trial, recipe, tenant
    )
    select
        asked.id, recipe.id, start_evaluation.k, start_evaluation.mode, start_evaluation.note,
        start_evaluation.is_trial,
        to_jsonb(recipe) || jsonb_build_object(
            'embedding_model', (
                select model.name
                from ragpg.embedding_models as model
                where model.id = recipe.embedding_model_id
            )
        ),
        asked.tenant
    from ragpg.evaluation_sets as asked
    where asked.id = set_id
    returning id into new_id;
    return new_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.start_finetuning(provider text, base_model text, training_hash bytea, validation_hash bytea DEFAULT NULL::bytea, parameters jsonb DEFAULT '{}'::jsonb, again boolean DEFAULT false)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
declare
    known ragpg.finetune_jobs;
    new_id bigint;
begin
    -- Two at once: the second waits, and finds what the first made.
    perform pg_advisory_xact_lock(
        hashtext('ragpg_internal.start_finetuning'), hashtext(encode(training_hash, 'hex') || base_model)
    );
    select job.* into known
    from ragpg.finetune_jobs as job
    where job.provider = start_finetuning.provider
        and job.base_model = start_finetuning.base_model
        and job.training_hash = start_finetuning.training_hash
        and job.validation_hash is not distinct from start_finetuning.validation_hash
    order by job.id desc
    limit 1;
    if known.id is not null and known.job_id is null then
        return known.id;  -- interrupted before the provider knew it, or before we knew that it did
    end if;
    if known.id is not null and not again and known.state not in ('failed', 'cancelled') then
        raise exception 'this data was submitted already: job % of %, %',
            known.id, known.created_at::date, known.state
            using errcode = 'RG005', hint = format('ragpg finetune status %s, or submit --again', known.id);
    end if;
    insert into ragpg.finetune_jobs (
        provider, base_model, training_hash, validation_hash, parameters
    )
    values (
        start_finetuning.provider, start_finetuning.base_model, start_finetuning.training_hash,
        start_finetuning.validation_hash, start_finetuning.parameters
    )
    returning id into new_id;
    return new_id;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.subvector(halfvec, integer, integer)
 RETURNS halfvec
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN subvector($1, $2, $3)
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.subvector(vector, integer, integer)
 RETURNS vector
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN subvector($1, $2, $3)
 -- access 
aggregate ragpg_internal.sum(vector) -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.tenant_condition(index_id bigint, tenant text, column_name text, parameter text)
 RETURNS text
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT format(
         CASE
             WHEN ragpg_internal.is_distributed() THEN '%s = %s'::text
             WHEN (COALESCE(max(counted.chunk_count), (0)::bigint) > 20000) THEN '%s || '''' = %s'::text
             ELSE '%s = %s'::text
         END, tenant_condition.column_name, tenant_condition.parameter) AS format
    FROM ragpg.index_statistics counted
   WHERE ((counted.index_id = tenant_condition.index_id) AND (counted.tenant = tenant_condition.tenant));
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.tenant_legs()
 RETURNS TABLE(called regprocedure)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT taker.called
    FROM ragpg_internal.proof_takers() taker(called, runs_as_owner, writes)
   WHERE taker.runs_as_owner;
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.tenants_enabled()
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE
 SET search_path TO 'ragpg', 'pg_temp'
AS $function$
begin
    return (
        select kept.relrowsecurity
        from pg_class as kept
        where kept.oid = 'ragpg.documents'::regclass
    );
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.text_parts(content text, media_type text)
 RETURNS TABLE(table_characters bigint, code_characters bigint)
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT ( SELECT COALESCE(sum(char_length(line.line)), (0)::bigint) AS "coalesce"
            FROM string_to_table(text_parts.content, '
'::text) line(line)
           WHERE (line.line ~~ '|%'::text)) AS "coalesce",
         CASE
             WHEN ragpg_internal.is_code(media_type) THEN char_length(content)
             ELSE ((char_length(content) - char_length(regexp_replace(('
'::text || content), '\n {0,3}?```.*?\n {0,3}?```'::text, ''::text, 'g'::text))) + 1)
         END AS "case";
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.tokenize(encoder_id bigint, query text, wanted integer DEFAULT NULL::integer)
 RETURNS integer[]
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    encoder ragpg.encoders;
    special_pattern text;
    parts text[];
    found_special text[];
    found_ids integer[] := '{}';
    word record;
    pieces integer[];
    place integer;
    piece record;
    longest_word constant integer := 100;  -- longer ones are unknown, as BERT has it
begin
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = tokenize.encoder_id;
    if not found then
        raise exception 'embedding model % is not loaded into the database', encoder_id
            using errcode = 'RG009', hint = 'load it: ragpg model load';
    end if;
    -- Special tokens such as [MASK] are taken out first, as they stand.
    parts := array[query];
    found_special := '{}';
    if query ~ '\[' and cardinality(encoder.special_tokens) > 0 then
        select string_agg(regexp_replace(token, '([^[:alnum:]])', '\\\1', 'g'), '|')
        into special_pattern
        from unnest(encoder.special_tokens) as token;
        parts := regexp_split_to_array(query, special_pattern);
        found_special := array(
            select found.matched[1]
            from regexp_matches(query, '(' || special_pattern || ')', 'g') as found (matched)
        );
    end if;
    for part_number in 1..cardinality(parts) loop
        for word in
            select listed.spelling, whole.token_id
            from unnest(
                string_to_array(
                    ragpg_internal.normalize_text(
                        parts[part_number], encoder.lower_case, encoder.strip_accents
                    ),
                    ' '
                )
            ) with ordinality as listed (spelling, place)
            left join ragpg.encoder_vocabulary as whole
                on whole.embedding_model_id = encoder.embedding_model_id
                and whole.token = listed.spelling collate "C"
                and length(listed.spelling) <= longest_word
            where listed.spelling <> ''
            order by listed.place
        loop
            exit when cardinality(found_ids) >= wanted;
            if word.token_id is not null then
                found_ids := found_ids || word.token_id;
                continue;
            end if;
            -- WordPiece: the longest token the rest of the word begins with, again and again.
            pieces := '{}';
            place := 1;
            if length(word.spelling) > longest_word then
                pieces := array[encoder.unknown_token_id];
                place := length(word.spelling) + 1;
            end if;
            while place <= length(word.spelling) loop
                select known.token_id, asked.size
                into piece
                from generate_series(
                    1, least(encoder.longest_token, length(word.spelling) - place + 1)
                ) as asked (size)
                join ragpg.encoder_vocabulary as known
                    on known.embedding_model_id = encoder.embedding_model_id
                    and known.token = case when place > 1 then '##' else '' end
                        || substr(word.spelling, place, asked.size)
                order by asked.size desc
                limit 1;
                if not found then
                    pieces := array[encoder.unknown_token_id];
                    exit;
                end if;
                pieces := pieces || piece.token_id;
                place := place + piece.size;
            end loop;
            found_ids := found_ids || pieces;
        end loop;
        exit when cardinality(found_ids) >= wanted;
        if part_number <= cardinality(found_special) then
            found_ids := found_ids || (
                select known.token_id
                from ragpg.encoder_vocabulary as known
                where known.embedding_model_id = encoder.embedding_model_id
                    and known.token = found_special[part_number] collate "C"
            );
        end if;
    end loop;
    return case when wanted is null then found_ids else found_ids[:wanted] end;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.told_columns(kept regclass)
 RETURNS TABLE(relation regclass, schema_name text, relation_name text, is_index boolean, place smallint, name text, target smallint)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT (col.attrelid)::regclass AS attrelid,
     (owned.nspname)::text AS nspname,
     (part.relname)::text AS relname,
     (part.relkind = ANY (ARRAY['i'::"char", 'I'::"char"])),
     col.attnum,
     (col.attname)::text AS attname,
     (COALESCE((col.attstattarget)::integer, '-1'::integer))::smallint AS "coalesce"
    FROM (((( SELECT (told_columns.kept)::oid AS id,
             NULL::int2vector AS columns
         UNION ALL
          SELECT ind.indexrelid,
             ind.indkey
            FROM pg_index ind
           WHERE ((ind.indrelid = (told_columns.kept)::oid) AND (ind.indexprs IS NOT NULL))) named
      JOIN pg_class part ON ((part.oid = named.id)))
      JOIN pg_namespace owned ON ((owned.oid = part.relnamespace)))
      JOIN pg_attribute col ON ((col.attrelid = part.oid)))
   WHERE ((col.attnum > 0) AND (NOT col.attisdropped) AND
         CASE
             WHEN (named.columns IS NULL) THEN (NOT ((col.atttypid = ('bigint'::regtype)::oid) AND (col.attname ~ '(^|_)id$'::text)))
             ELSE (named.columns[(col.attnum - 1)] = 0)
         END);
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.unaccented(content text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN CASE WHEN (content ~ '^[\u0001-\u007f]*$'::text) THEN content ELSE NORMALIZE(regexp_replace(NORMALIZE(replace(replace(replace(replace(replace(translate(content, 'łŁøØđĐıħðÐ'::text, 'lLoOdDihdD'::text), 'ß'::text, 'ss'::text), 'æ'::text, 'ae'::text), 'Æ'::text, 'AE'::text), 'œ'::text, 'oe'::text), 'þ'::text, 'th'::text), NFD), '(?<![\u0438\u0418])[\u0300-\u036f]|[\u0591-\u05c7\u064b-\u0652\u0670]'::text, ''::text, 'g'::text), NFC) END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.vector_candidates(index_id bigint, query_embedding halfvec, wanted integer, document_ids bigint[] DEFAULT NULL::bigint[], matching_chunks bigint DEFAULT NULL::bigint, filter jsonpath DEFAULT NULL::jsonpath, proof uuid DEFAULT CASE WHEN ragpg_internal.is_distributed() THEN ragpg_internal.proof() ELSE NULL::uuid END)
 RETURNS TABLE(chunk_id bigint, similarity double precision)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
 SET "hnsw.ef_search" TO '100'
 SET "hnsw.iterative_scan" TO 'off'
 SET enable_sort TO 'on'
 SET enable_indexscan TO 'on'
 SET enable_seqscan TO 'on'
AS $function$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    -- The partition itself is planned more quickly than its parent, whose policies keep tenants
    -- apart.
    table_name text := 'chunks_' || vector_candidates.index_id;
    only_own text := '';
    held bigint;  -- chunks, of the tenant or in all
    nearest bigint := wanted;  -- so many are asked of the index
    scanned integer;
    scan text;
    ids bigint[];
    met_documents bigint[];
    distances double precision[];
    exactly boolean := false;
    has_times constant boolean := ragpg_internal.has_times(filter);
    only_tenant text;
    is_closed constant boolean := ragpg_internal.chunks_are_closed();
begin
    if is_closed then
        select known.tenant into only_tenant from ragpg_internal.proven_tenant(proof) as known;
    else
        only_tenant := ragpg_internal.searched_tenant();
    end if;
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = vector_candidates.index_id;
    if only_tenant is not null or filter is not null then
        held := coalesce(
            (
                select counted.chunk_count
                from ragpg.index_statistics as counted
                where counted.index_id = recipe.id and counted.tenant = coalesce(only_tenant, '')
            ),
            0
        );
    end if;
    if only_tenant is not null then
        -- A tenant is a filter, too: how many chunks it has was counted with its words. So few are
        -- looked at as quickly as the index finds some of them.
        only_own := ' and chunk.tenant = $2';
        exactly := held <= 20000;
        if filter is null then
            matching_chunks := nullif(held, 0);  -- not counted yet
        end if;
    end if;
    if only_tenant is not null
        or not coalesce(has_table_privilege(to_regclass('ragpg.' || table_name), 'select'), false)
    then
        table_name := 'chunks';
    end if;
    if filter is not null then
        -- Of so many of the nearest a filter that has nothing to do with the question lets enough
        -- through, and by chance fewer only once in a hundred times.
        -- (What was not counted yet is more than was.)
        nearest := ceil(
            2.5 * wanted * greatest(held, matching_chunks, 1) / greatest(matching_chunks, 1)
        );
    end if;
    scan := case when only_own = '' and filter is null then 'off' else 'relaxed_order' end;
    -- Eight chunks that match are looked at in the time in which the index finds one.
    while not exactly and (filter is null or 8 * nearest <= matching_chunks) loop
        scanned := greatest(recipe.ef_search, nearest, case when filter is not null then 200 end);
        perform set_config('hnsw.ef_search', least(scanned, 1000)::text, true);
        perform set_config('hnsw.iterative_scan', scan, true);
        if ragpg_internal.is_distributed() then
            perform ragpg_internal.set_on_shards(least(scanned, 1000), scan);
        end if;
        if only_tenant is not null then
            -- The planner takes a tenant for few rows, and would read and sort them all.
            perform set_config('enable_sort', 'off', true);
        end if;
        execute
            'select array_agg(near.id), array_agg(near.document_id), array_agg(near.distance) from ('
            || ragpg_internal.nearest_query(
                table_name, recipe.id, vector_dims(query_embedding), recipe.quantize, only_own,
                nearest::integer, scanned
            )
            || ') as near'
        into ids, met_documents, distances
        using query_embedding, only_tenant;
        if filter is not null then
            select array_agg(near.id), array_agg(near.distance) into ids, distances
            from (
                select met.id, met.distance
                from unnest(ids, met_documents, distances) as met (id, document_id, distance)
                where (
                    select ragpg_internal.passes(document.metadata, filter, has_times)
                    from ragpg.documents as document
                    where document.id = met.document_id
                )
                order by met.distance
                limit wanted
            ) as near;
        end if;
        -- A scan that goes on until it has enough takes longer, so only where rows it meets are
        -- left out: by a condition, or, seen by what came back, because they were deleted.
        exit when cardinality(ids) >= wanted
            or filter is null and scan = 'relaxed_order';
        scan := 'relaxed_order';
        -- The question is unlike what matches: so far are fewer of it than chance would have.
        nearest := case when filter is null then wanted else 6 * nearest end;
    end loop;
    if coalesce(cardinality(ids), 0) < least(wanted, matching_chunks) then
        -- Few match, or the scan stopped short of them: without the cast it is not the index's
        -- expression, so every matching chunk is looked at.
        perform set_config('enable_sort', 'on', true);
        if document_ids is null and filter is not null then
            select found.document_ids into document_ids
            from ragpg_internal.matching_documents(
                recipe.id, filter,
                proof => case
                    when is_closed then vector_candidates.proof
                    else ragpg_internal.proof()
                end
            ) as found;
        end if;
        if filter is null then
            execute format(
                'select array_agg(near.id), array_agg(near.distance)'
                ' from (select chunk.id, chunk.embedding operator(%5$s.<=>) $1 as distance'
                '  from ragpg.%1$s as chunk where chunk.index_id = %2$s%3$s'
                '  order by chunk.embedding operator(%5$s.<=>) $1 limit %4$s) as near',
                table_name, recipe.id, only_own, wanted, ragpg_internal.vector_schema()
            )
            into ids, distances
            using query_embedding, only_tenant;
        elsif only_tenant is null or ragpg_internal.is_distributed() then
            -- Page by page of the table, in order: half the time of document by document. (Of the
            -- parent with index_id: Postgres 18 would look up each document twice.)
            perform set_config('enable_indexscan', 'off', true);
            perform set_config('enable_seqscan', 'off', true);
            execute format(
                'select array_agg(near.id), array_agg(near.distance)'
                ' from (select chunk.id, chunk.embedding operator(%3$s.<=>) $1 as distance'
                '  from ragpg.%1$s as chunk'
                '  where chunk.document_id = any(%4$s)%2$s%5$s order by 2 limit $3) as near',
                table_name,
                case when table_name = 'chunks' then ' and chunk.index_id = ' || recipe.id else '' end,
                ragpg_internal.vector_schema(),
                -- Shards are asked by values; here these would be looked at one by one to plan.
                case when ragpg_internal.is_distributed() then '$2'
                    else '(select $2)::bigint[]' end,
                case
                    when only_tenant is not null then format(' and chunk.tenant = %L', only_tenant)
                end
            )
            into ids, distances
            using query_embedding, document_ids, wanted;
        else
            -- Document by document: else a policy's index may be taken, which reads all of a
            -- tenant's chunks. Planned once in a session.
            select array_agg(near.id), array_agg(near.distance) into ids, distances
            from (
                select one.id, one.embedding <=> query_embedding as distance
                from unnest(document_ids) as listed (id)
                cross join lateral (
                    select chunk.id, chunk.embedding
                    from ragpg.chunks as chunk
                    where chunk.index_id = vector_candidates.index_id
                        and chunk.document_id = listed.id
                        and (only_tenant is null or chunk.tenant = only_tenant)
                    offset 0
                ) as one
                order by 2
                limit wanted
            ) as near;
        end if;
    end if;
    return query
    -- To a vector of zeros nothing is near or far: the cosine is NaN.
    select found.id, coalesce(nullif(1 - found.distance, 'NaN'), 0)
    from unnest(ids, distances) as found (id, distance);
exception
    when undefined_table then
        return;  -- dropped between two looks at it; search says so
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.vector_dims(halfvec)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN vector_dims($1)
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.vector_dims(vector)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN vector_dims($1)
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.vector_norm(vector)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN vector_norm($1)
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.vector_schema()
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (SELECT quote_ident((installed.nspname)::text) AS quote_ident FROM (pg_extension extension JOIN pg_namespace installed ON ((installed.oid = extension.extnamespace))) WHERE (extension.extname = 'vector'::name))
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.wilson_interval(successes bigint, total bigint, OUT low double precision, OUT high double precision)
 RETURNS record
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT GREATEST((0)::double precision, (((observed.share + ((1.9207 / (wilson_interval.total)::numeric))::double precision) - ((1.96)::double precision * observed.spread)) / (((1)::numeric + (3.8416 / (wilson_interval.total)::numeric)))::double precision)) AS "greatest",
     LEAST((1)::double precision, (((observed.share + ((1.9207 / (wilson_interval.total)::numeric))::double precision) + ((1.96)::double precision * observed.spread)) / (((1)::numeric + (3.8416 / (wilson_interval.total)::numeric)))::double precision)) AS "least"
    FROM ( SELECT ((wilson_interval.successes)::double precision / (wilson_interval.total)::double precision) AS share,
             sqrt((((((wilson_interval.successes)::double precision / (wilson_interval.total)::double precision) * ((1)::double precision - ((wilson_interval.successes)::double precision / (wilson_interval.total)::double precision))) / (wilson_interval.total)::double precision) + ((0.9604)::double precision / ((wilson_interval.total)::double precision ^ (2)::double precision)))) AS spread
           WHERE (wilson_interval.total > 0)) observed;
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.word_combinations(words tsquery[], weights double precision[], threshold double precision, chunk_counts integer[] DEFAULT NULL::integer[])
 RETURNS tsquery
 LANGUAGE sql
 IMMUTABLE
BEGIN ATOMIC
 WITH said AS (
          SELECT word.query,
             word.weight,
             word.place,
             sum(word.weight) OVER (ORDER BY word.place DESC) AS weight_from_here,
             COALESCE((sum(word.chunk_count) OVER (ORDER BY word.place) <= 2000), false) AS is_rare,
             COALESCE((sum(word.chunk_count) OVER (ORDER BY word.place) > 30000), false) AS is_common
            FROM UNNEST(word_combinations.words, word_combinations.weights, word_combinations.chunk_counts) WITH ORDINALITY word(query, weight, chunk_count, place)
         )
  SELECT (string_agg(combined.query, ' | '::text ORDER BY combined.place))::tsquery AS string_agg
    FROM ( SELECT first.place,
                 CASE
                     WHEN ((first.weight >= word_combinations.threshold) OR first.is_rare) THEN (first.query)::text
                     ELSE ((((first.query)::text || ' & ('::text) || ( SELECT string_agg((second.query)::text, ' | '::text ORDER BY second.place) AS string_agg
                        FROM said second
                       WHERE ((second.place > first.place) AND (second.weight_from_here >= (word_combinations.threshold - first.weight))))) || ')'::text)
                 END AS query
            FROM said first
           WHERE (((first.weight_from_here >= word_combinations.threshold) OR first.is_rare) AND ((NOT first.is_common) OR (first.place = 1)))) combined;
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.word_overlap(first_text text, second_text text)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
BEGIN ATOMIC
 SELECT ((count(*) FILTER (WHERE (counted.sides = 2)))::double precision / (GREATEST(count(*), (1)::bigint))::double precision)
    FROM ( SELECT count(*) AS sides
            FROM ( SELECT unnest(tsvector_to_array(to_tsvector('simple'::regconfig, word_overlap.first_text))) AS word
                 UNION ALL
                  SELECT unnest(tsvector_to_array(to_tsvector('simple'::regconfig, word_overlap.second_text))) AS unnest) both_sides
           GROUP BY both_sides.word) counted;
END
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.word_parts(content text, language text)
 RETURNS tsvector
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    -- What is more than letters in a row, or has letters that some keyboards lack.
    compound constant text := '[[:alnum:]][^[:alnum:][:space:]'']+[[:alnum:]]'
        '|[[:digit:]]''[[:digit:]]|[[:lower:]][[:upper:]]|[[:alpha:]][[:digit:]]|[[:digit:]][[:alpha:]]'
        '|^[^[:alnum:]]*[.][[:alpha:]]|[[:alnum:]](?:[+][+]|#)|[^\u0001-\u007f]';
    -- What is longer is data: nobody asks for parts of it.
    longest constant integer := 256;
    tokens text[];
    plain text;
    apart text;
    joined text;
    wholes tsvector;
begin
    -- What most words are is asked first: it takes a third of the time.
    select array_agg(token) into tokens
    from string_to_table(regexp_replace(content, '[\t\n\r\f\v]', ' ', 'g'), ' ') as token
    where token !~ '^[A-Za-z]?[a-z]*[.,;:!?)]*$'
        and char_length(token) between 2 and longest
        and token ~ compound;
    if tokens is null then
        return '';
    end if;
    plain := unaccented(array_to_string(tokens, ' '));
    if language ~ '(german|english|simple)$' then
        plain := plain || ' ' || unaccented(replace(replace(replace(lower(
            array_to_string(array(select t from unnest(tokens) as t where t ~* '[äöü]'), ' ')
        ), 'ä', 'ae'), 'ö', 'oe'), 'ü', 'ue'));
    end if;
    -- Decimals and versions stay whole.
    apart := regexp_replace(
        plain, '(?<![[:digit:]])[.,]|[.,](?![[:digit:]])|[^[:alnum:][:space:]''.,]', ' ', 'g'
    );
    apart := regexp_replace(apart, '([[:lower:][:digit:]])([[:upper:]])', '\1 \2', 'g');
    apart := regexp_replace(apart, '([[:upper:]])([[:upper:]][[:lower:]])', '\1 \2', 'g');
    apart := regexp_replace(apart, '\m([[:alpha:]]{2,}|v)([[:digit:]]+)', '\1 \2', 'gi');
    apart := regexp_replace(apart, '([[:digit:]])([[:alpha:]]{2,})\M', '\1 \2', 'g');
    -- Numbers without what groups their thousands; words without the hyphens within.
    select string_agg(
        case
            when part.found[1] is not null then translate(part.found[1], ',''', '')
            when part.found[2] is not null then replace(replace(part.found[2], '.', ''), ',', '.')
            else translate(part.found[3], '-_', '')
        end,
        ' '
    )
    into joined
    from regexp_matches(
        plain,
        '(?<![[:alnum:].,])([[:digit:]]{1,3}(?:[,''][[:digit:]]{3})+(?:[.][[:digit:]]+)?)(?![[:alnum:]])'
        '|(?<![[:alnum:].,])([[:digit:]]{1,3}(?:(?:[.][[:digit:]]{3})+,[[:digit:]]+|(?:[.][[:digit:]]{3}){2,}))(?![[:alnum:]])'
        '|((?<![[:alnum:]-])[[:alpha:]][[:alnum:]]*(?:[-_][[:alnum:]]+){1,3}(?![[:alnum:]_-]))',
        'g'
    ) as part (found);
    -- Compounds as they are written: the whole, what stands between slashes and the like, and the
    -- names a host belongs to.
    select string_agg(
        '''' || replace(replace(whole.lexeme, '\', '\\'), '''', '''''') || ''':'
        || least(whole.place, 16383),
        ' '
    )::tsvector
    into wholes
    from (
        select named.lexeme, row_number() over () as place
        from regexp_matches(
            lower(plain),
            '(?:(?<![[:alnum:]])[.])?[[:alnum:]]+(?:[^[:alnum:][:space:]]+[[:alnum:]]+)*(?:[+][+]|#)?',
            'g'
        ) as written (found)
        cross join lateral (
            select written.found[1] as lexeme
            where char_length(written.found[1]) <= 64
            union
            select segment.name
            from regexp_split_to_table(written.found[1], '[^[:alnum:]._+-]+') as segment (name)
            union
            select substr(segment.name, dot.place + 1)
            from regexp_split_to_table(written.found[1], '[^[:alnum:]._+-]+') as segment (name)
            cross join lateral generate_series(1, char_length(segment.name)) as dot (place)
            where substr(segment.name, dot.place, 1) = '.' and segment.name ~ '[.][[:alpha:]]{2,}$'
        ) as named
        where named.lexeme ~ '[^[:alnum:]]'
    ) as whole;
    return setweight(
        to_tsvector(language::regconfig, apart)
        || to_tsvector(language::regconfig, coalesce(joined, ''))
        || coalesce(wholes, ''),
        'C'
    );
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.word_scores(index_id bigint, chunk_ids bigint[], words tsquery[], weights double precision[], mean_length real, proof uuid DEFAULT CASE WHEN ragpg_internal.is_distributed() THEN ragpg_internal.proof() ELSE NULL::uuid END)
 RETURNS double precision[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
declare
    scores double precision[];
begin
    -- setweight returns a copy in memory, so that each word's ts_rank does not read the row anew.
    execute format(
        'select array_agg(coalesce(%s, 0) order by known.place)'
        ' from unnest($1) with ordinality as known (id, place)'
        ' left join (select chunk.id, setweight(chunk.lexemes, ''D'') as lexemes,'
        '   %s as saturation'
        '  from ragpg.chunks as chunk where chunk.index_id = %s and chunk.id = any($1)%s'
        '  offset 0) as chunk on chunk.id = known.id',
        ragpg_internal.bm25_expression(words, weights),
        replace(ragpg_internal.bm25_saturation(mean_length), 'stored.', 'chunk.'),
        word_scores.index_id, ragpg_internal.own_condition(proof)
    )
    into scores
    using chunk_ids;
    return scores;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.write_chunks(index_id bigint, replaced_ids bigint[], document_ids bigint[], document_versions integer[], ordinals integer[], starts integer[], pages integer[], token_counts integer[], languages text[], contexts text[], contents text[], embeddings halfvec[], generated_chars integer[], proof uuid DEFAULT CASE WHEN ragpg_internal.is_distributed() THEN ragpg_internal.proof() ELSE NULL::uuid END)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'ragpg_internal', 'ragpg', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    owned record;
    owners jsonb := '{}';
begin
    for owned in
        select known.*
        from ragpg_internal.document_owners(replaced_ids || document_ids, proof) as known
    loop
        execute format(
            'delete from ragpg.chunks as chunk'
            ' where chunk.index_id = $1 and chunk.document_id = any($2) and chunk.tenant = %L',
            owned.tenant
        )
        using write_chunks.index_id, array(
            select id from unnest(owned.owned_ids) as id where id = any(replaced_ids)
        );
        owners := owners || (
            select jsonb_object_agg(id, owned.tenant) from unnest(owned.owned_ids) as id
        );
    end loop;
    -- No trigger makes the words of a distributed table's rows.
    insert into ragpg.chunks (
        index_id, document_id, document_version, ordinal, start_char, end_char, page, token_count,
        lexeme_count, language, context, content, lexemes, embedding, generated_chars, tenant
    )
    select
        write_chunks.index_id, piece.document_id, piece.document_version, piece.ordinal,
        piece.start_char, piece.start_char + char_length(piece.content), piece.page,
        piece.token_count, words.lexeme_count, piece.language, piece.context, piece.content,
        words.lexemes, piece.embedding, piece.generated_chars,
        owners ->> piece.document_id::text
    from unnest(
        document_ids, document_versions, ordinals, starts, pages, token_counts, languages,
        contexts, contents, embeddings, write_chunks.generated_chars
    ) as piece (
        document_id, document_version, ordinal, start_char, page, token_count, language, context,
        content, embedding, generated_chars
    )
    cross join lateral ragpg_internal.chunk_words(piece.context, piece.content, piece.language)
        as words;
end
$function$
 -- access 
CREATE OR REPLACE FUNCTION ragpg_internal.written_tenant()
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT COALESCE(ragpg.current_tenant(), ''::text) AS "coalesce";
END
 -- access 
domain ragpg_internal.halfvec of halfvec
domain ragpg_internal.vector of vector
operator ragpg_internal.*(halfvec,halfvec) by halfvec_mul
operator ragpg_internal.*(vector,vector) by vector_mul
operator ragpg_internal.+(halfvec,halfvec) by halfvec_add
operator ragpg_internal.+(vector,vector) by vector_add
operator ragpg_internal.-(halfvec,halfvec) by halfvec_sub
operator ragpg_internal.-(vector,vector) by vector_sub
operator ragpg_internal.<#>(halfvec,halfvec) by halfvec_negative_inner_product
operator ragpg_internal.<#>(vector,vector) by vector_negative_inner_product
operator ragpg_internal.<=>(halfvec,halfvec) by public.cosine_distance
operator ragpg_internal.<=>(vector,vector) by public.cosine_distance
operator ragpg_internal.||(halfvec,halfvec) by halfvec_concat
operator ragpg_internal.||(vector,vector) by vector_concat
view answers_by_day {security_invoker=true}
 SELECT one.name AS collection,
    (answer.created_at)::date AS day,
    answer.model,
    count(*) AS answers,
    count(*) FILTER (WHERE answer.grounded) AS grounded,
    count(*) FILTER (WHERE answer.abstained) AS abstained,
    sum(answer.input_tokens) AS input_tokens,
    sum(answer.output_tokens) AS output_tokens,
    sum(answer.cache_read_tokens) AS cache_read_tokens,
    percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY ((answer.latency_ms)::double precision)) AS median_latency_ms,
    sum(answer.cache_creation_tokens) AS cache_creation_tokens,
    ((count(*) FILTER (WHERE answer.grounded))::double precision / (count(*))::double precision) AS grounded_share,
    ((((sum(((answer.input_tokens)::numeric * price.input_price)) + sum(((answer.output_tokens)::numeric * price.output_price))) + sum(((answer.cache_read_tokens)::numeric * price.cache_read_price))) + sum(((answer.cache_creation_tokens)::numeric * price.cache_creation_price))) / (1000000)::numeric) AS cost,
    count(*) FILTER (WHERE (answer.ended_by = ANY (ARRAY['failed'::text, 'unfinished'::text]))) AS unfinished
   FROM ((ragpg.answers answer
     JOIN ragpg.collections one ON ((one.id = answer.collection_id)))
     LEFT JOIN ragpg.model_prices price ON ((price.model = answer.model)))
  GROUP BY one.name, ((answer.created_at)::date), answer.model;
view chunk_sizes {security_invoker=true}
 SELECT one.name AS collection,
    recipe.id AS index_id,
    (recipe.id = one.active_index_id) AS active,
    ((bin.place * bin.width) + 1) AS from_tokens,
    ((bin.place + 1) * bin.width) AS to_tokens,
    count(*) AS chunks,
    ((count(*))::double precision / (sum(count(*)) OVER (PARTITION BY recipe.id))::double precision) AS share
   FROM (((ragpg.chunks chunk
     JOIN ragpg.search_indexes recipe ON ((recipe.id = chunk.index_id)))
     JOIN ragpg.collections one ON ((one.id = recipe.collection_id)))
     CROSS JOIN LATERAL ( SELECT GREATEST((ceil(((recipe.chunk_tokens)::numeric / 16.0)))::integer, 1) AS width,
            (GREATEST((chunk.token_count - 1), 0) / GREATEST((ceil(((recipe.chunk_tokens)::numeric / 16.0)))::integer, 1)) AS place) bin)
  GROUP BY one.id, recipe.id, bin.place, bin.width;
view collection_status {security_invoker=true}
 SELECT one.name AS collection,
    one.description,
    count(document.id) AS documents,
    count(document.id) FILTER (WHERE (state.document_version IS DISTINCT FROM document.version)) AS pending_documents,
    COALESCE(sum(state.chunk_count), (0)::bigint) AS chunks,
    COALESCE(sum(char_length(document.content)), (0)::bigint) AS characters,
    max(document.updated_at) AS last_changed_at,
    max(state.indexed_at) AS last_indexed_at,
    model.name AS embedding_model,
    recipe.id AS active_index_id,
    recipe.chunk_tokens,
    recipe.language
   FROM ((((ragpg.collections one
     LEFT JOIN ragpg.search_indexes recipe ON ((recipe.id = one.active_index_id)))
     LEFT JOIN ragpg.embedding_models model ON ((model.id = recipe.embedding_model_id)))
     LEFT JOIN ragpg.documents document ON ((document.collection_id = one.id)))
     LEFT JOIN ragpg.index_documents state ON (((state.document_id = document.id) AND (state.index_id = recipe.id))))
  GROUP BY one.id, recipe.id, model.id;
view context_costs {security_invoker=true}
 SELECT one.name AS collection,
    written.model,
    (written.batch_id IS NOT NULL) AS in_batch,
    count(*) AS asked,
    count(*) FILTER (WHERE (written.sentence <> ''::text)) AS sentences,
    count(*) FILTER (WHERE (written.sentence IS NULL)) AS open,
    count(*) FILTER (WHERE (written.problem = 'refused'::text)) AS refused,
    count(*) FILTER (WHERE (written.problem = 'empty'::text)) AS empty,
    count(*) FILTER (WHERE (written.problem = 'cut'::text)) AS cut,
    count(*) FILTER (WHERE (written.problem = 'too long'::text)) AS too_long,
    sum(written.input_tokens) AS input_tokens,
    sum(written.output_tokens) AS output_tokens,
    sum(written.cache_read_tokens) AS cache_read_tokens,
    sum(written.cache_creation_tokens) AS cache_creation_tokens,
    (sum(((((((written.input_tokens)::numeric * price.input_price) + ((written.output_tokens)::numeric * price.output_price)) + ((written.cache_read_tokens)::numeric * price.cache_read_price)) + ((written.cache_creation_tokens)::numeric *
        CASE
            WHEN (written.batch_id IS NULL) THEN price.cache_creation_price
            ELSE ((2)::numeric * price.input_price)
        END)) / (
        CASE
            WHEN (written.batch_id IS NULL) THEN 1
            ELSE 2
        END)::numeric)) / (1000000)::numeric) AS cost,
    min(written.created_at) AS first_at,
    max(written.created_at) AS last_at
   FROM ((ragpg.chunk_contexts written
     JOIN ragpg.collections one ON ((one.id = written.collection_id)))
     LEFT JOIN ragpg.model_prices price ON ((price.model = written.model)))
  GROUP BY one.name, written.model, (written.batch_id IS NOT NULL);
view contextual_indexes {security_invoker=true}
 SELECT one.name AS collection,
    recipe.id AS index_id,
    (recipe.id = one.active_index_id) AS active,
    recipe.context_model,
    recipe.context_tokens,
    COALESCE(held.chunks, (0)::bigint) AS chunks,
    COALESCE(held.chunks_with_sentence, (0)::bigint) AS chunks_with_sentence,
    held.mean_chars
   FROM ((ragpg.search_indexes recipe
     JOIN ragpg.collections one ON ((one.id = recipe.collection_id)))
     LEFT JOIN ( SELECT chunk.index_id,
            count(*) AS chunks,
            count(*) FILTER (WHERE (chunk.generated_chars > 0)) AS chunks_with_sentence,
            round(avg(chunk.generated_chars) FILTER (WHERE (chunk.generated_chars > 0))) AS mean_chars
           FROM ragpg.chunks chunk
          WHERE (chunk.index_id IN ( SELECT known.id
                   FROM ragpg.search_indexes known
                  WHERE (known.context_model IS NOT NULL)))
          GROUP BY chunk.index_id) held ON ((held.index_id = recipe.id)))
  WHERE (recipe.context_model IS NOT NULL);
view conversation_overview {security_invoker=true}
 SELECT one.name AS collection,
    talk.id AS conversation_id,
    taken.first_question,
    taken.turns,
    taken.steps,
    taken.unfinished,
    taken.good,
    taken.bad,
    taken.tokens,
    taken.cost,
    talk.created_at,
    taken.last_at
   FROM ((ragpg.conversations talk
     JOIN ragpg.collections one ON ((one.id = talk.collection_id)))
     CROSS JOIN LATERAL ( SELECT (array_agg(said.question ORDER BY said.turn))[1] AS first_question,
            count(*) AS turns,
            COALESCE(sum(said.steps), (0)::numeric) AS steps,
            count(*) FILTER (WHERE (said.ended_by = 'unfinished'::text)) AS unfinished,
            count(*) FILTER (WHERE (said.rating = 'good'::text)) AS good,
            count(*) FILTER (WHERE (said.rating = 'bad'::text)) AS bad,
            COALESCE(sum((((said.input_tokens + said.output_tokens) + said.cache_read_tokens) + said.cache_creation_tokens)), (0)::bigint) AS tokens,
            sum(said.cost) AS cost,
            max(said.created_at) AS last_at
           FROM ragpg.conversation_turns said
          WHERE (said.conversation_id = talk.id)) taken);
view conversation_turns {security_invoker=true}
 SELECT one.name AS collection,
    answer.conversation_id,
    answer.turn,
    answer.id AS answer_id,
    answer.question,
    answer.standalone,
    answer.content AS answer,
    answer.model,
    answer.abstained,
    answer.grounded,
    answer.ended_by,
    taken.steps,
    taken.failed_steps,
    ( SELECT count(*) AS count
           FROM ragpg.citations cited
          WHERE (cited.answer_id = answer.id)) AS citations,
    ( SELECT said.rating
           FROM ragpg.answer_feedback said
          WHERE (said.answer_id = answer.id)
          ORDER BY said.id DESC
         LIMIT 1) AS rating,
    answer.input_tokens,
    answer.output_tokens,
    answer.cache_read_tokens,
    answer.cache_creation_tokens,
    answer.latency_ms,
    ((((((answer.input_tokens)::numeric * price.input_price) + ((answer.output_tokens)::numeric * price.output_price)) + ((answer.cache_read_tokens)::numeric * price.cache_read_price)) + ((answer.cache_creation_tokens)::numeric * price.cache_creation_price)) / (1000000)::numeric) AS cost,
    answer.created_at
   FROM (((ragpg.answers answer
     JOIN ragpg.collections one ON ((one.id = answer.collection_id)))
     LEFT JOIN ragpg.model_prices price ON ((price.model = answer.model)))
     CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE (step.tool <> 'standalone'::text)) AS steps,
            count(*) FILTER (WHERE (step.failed IS NOT NULL)) AS failed_steps
           FROM ragpg.answer_steps step
          WHERE (step.answer_id = answer.id)) taken)
  WHERE (answer.conversation_id IS NOT NULL);
view corpus_overview {security_invoker=true}
 SELECT one.name AS collection,
    held.documents,
    held.characters,
    held.median_characters,
    held.table_share,
    held.code_share,
    spoken.languages,
    cut.chunks,
    cut.tokens_p05,
    cut.tokens_p50,
    cut.tokens_p95,
    recipe.chunk_tokens AS window_tokens,
    (cut.chunks - cut.texts) AS duplicate_chunks,
    (( SELECT (count(DISTINCT near.first_chunk_id))::double precision AS count
           FROM ragpg.near_duplicates(one.name, chunks => 200) near(first_chunk_id, second_chunk_id, first_source, second_source, similarity, overlap, content)) / (NULLIF(LEAST((200)::bigint, cut.texts), 0))::double precision) AS near_duplicate_share
   FROM ((((ragpg.collections one
     LEFT JOIN ragpg.search_indexes recipe ON ((recipe.id = one.active_index_id)))
     CROSS JOIN LATERAL ( SELECT count(*) AS documents,
            COALESCE(sum(char_length(document.content)), (0)::bigint) AS characters,
            percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY ((char_length(document.content))::double precision)) AS median_characters,
            ((sum(part.table_characters))::double precision / (NULLIF(sum(char_length(document.content)), 0))::double precision) AS table_share,
            ((sum(part.code_characters))::double precision / (NULLIF(sum(char_length(document.content)), 0))::double precision) AS code_share
           FROM (ragpg.documents document
             CROSS JOIN LATERAL ragpg_internal.text_parts(document.content, document.media_type) part(table_characters, code_characters))
          WHERE (document.collection_id = one.id)) held)
     CROSS JOIN LATERAL ( SELECT jsonb_object_agg(counted.language, counted.documents) AS languages
           FROM ( SELECT COALESCE(
                        CASE
                            WHEN (NOT ragpg_internal.is_code(drawn.media_type)) THEN ragpg.text_language(drawn.content)
                            ELSE NULL::text
                        END, 'unknown'::text) AS language,
                    count(*) AS documents
                   FROM ( SELECT document.content,
                            document.media_type
                           FROM ragpg.documents document
                          WHERE (document.collection_id = one.id)
                          ORDER BY (hashint8extended(document.id, (0)::bigint))
                         LIMIT 500) drawn
                  GROUP BY COALESCE(
                        CASE
                            WHEN (NOT ragpg_internal.is_code(drawn.media_type)) THEN ragpg.text_language(drawn.content)
                            ELSE NULL::text
                        END, 'unknown'::text)) counted) spoken)
     CROSS JOIN LATERAL ragpg_internal.chunk_overview(one.active_index_id) cut(chunks, texts, tokens_p05, tokens_p50, tokens_p95));
view corpus_problems {security_invoker=true}
 SELECT one.name AS collection,
    rule.problem,
    found.source,
    found.document_id,
    found.detail,
    rule.what_to_do
   FROM (((ragpg.collections one
     LEFT JOIN ragpg.search_indexes recipe ON ((recipe.id = one.active_index_id)))
     CROSS JOIN LATERAL ( SELECT wrong.kind AS problem,
            document.source,
            document.id AS document_id,
            format('%s %s: %s'::text, wrong.count, rule_1.unit, wrong.example) AS detail
           FROM ((ragpg.documents document
             CROSS JOIN LATERAL ragpg.text_problems(document.content) wrong(kind, count, example))
             JOIN ragpg_internal.inspection_rules() rule_1(problem, unit, pattern, minimum, what_to_do) ON ((rule_1.problem = wrong.kind)))
          WHERE (document.collection_id = one.id)
        UNION ALL
         SELECT 'other language'::text,
            document.source,
            document.id,
            format('%s, not %s'::text, spoken.language, meant.language) AS format
           FROM (((ragpg.documents document
             JOIN ragpg_internal.inspection_rules() rule_1(problem, unit, pattern, minimum, what_to_do) ON ((rule_1.problem = 'other language'::text)))
             CROSS JOIN LATERAL ragpg.text_language(document.content) spoken(language))
             CROSS JOIN LATERAL ( SELECT COALESCE(recipe.language, current_setting('ragpg.language'::text, true)) AS language) meant)
          WHERE ((document.collection_id = one.id) AND ((char_length(document.content))::double precision >= rule_1.minimum) AND (NOT ragpg_internal.is_code(document.media_type)) AND (meant.language <> ALL (ARRAY['simple'::text, 'auto'::text])) AND (spoken.language <> meant.language))
        UNION ALL
         SELECT
                CASE
                    WHEN same.is_copy THEN 'duplicate document'::text
                    ELSE 'near-duplicate document'::text
                END AS "case",
            same.second_source,
            same.second_document_id,
            format('%s %% as %s'::text, floor(((100)::double precision * same.similarity)), same.first_source) AS format
           FROM (ragpg_internal.inspection_rules() rule_1(problem, unit, pattern, minimum, what_to_do)
             CROSS JOIN LATERAL ragpg.near_duplicate_documents(one.name, rule_1.minimum) same(first_document_id, second_document_id, first_source, second_source, similarity, is_copy))
          WHERE (rule_1.problem = 'near-duplicate document'::text)
        UNION ALL
         SELECT 'repeated line'::text,
            NULL::text,
            NULL::bigint,
            format('%s documents: %s'::text, again.documents, "left"(again.line, 80)) AS format
           FROM (ragpg_internal.inspection_rules() rule_1(problem, unit, pattern, minimum, what_to_do)
             CROSS JOIN LATERAL ragpg.repeated_lines(one.name, rule_1.minimum) again(line, documents, share))
          WHERE (rule_1.problem = 'repeated line'::text)
        UNION ALL
         SELECT 'cut chunk'::text,
            document.source,
            document.id,
            format('%s chunks: %s'::text, count(*), "right"(min(cut.content), 60)) AS format
           FROM (ragpg_internal.cut_chunks(one.name) cut(chunk_id, document_id, content)
             JOIN ragpg.documents document ON ((document.id = cut.document_id)))
          GROUP BY document.id
        UNION ALL
         SELECT 'not indexed'::text,
            waiting.source,
            waiting.document_id,
            format('since %s: %s'::text, waiting.waiting_since, COALESCE(waiting.error, 'no worker took it'::text)) AS format
           FROM ragpg.ingest_queue waiting
          WHERE ((waiting.collection = one.name) AND (waiting.active OR (waiting.index_id IS NULL)))) found)
     JOIN ragpg_internal.inspection_rules() rule(problem, unit, pattern, minimum, what_to_do) ON ((rule.problem = found.problem)));
view document_history {security_invoker=true}
 SELECT one.name AS collection,
    version.source,
    version.version,
    version.title,
    version.valid_from,
    version.valid_to,
    char_length(version.content) AS characters,
    ( SELECT count(*) AS count
           FROM ragpg.citations cited
          WHERE ((cited.document_id = version.document_id) AND (cited.document_version = version.version))) AS citations,
    version.document_id
   FROM (( SELECT document.collection_id,
            document.source,
            document.version,
            document.title,
            document.updated_at AS valid_from,
            NULL::timestamp with time zone AS valid_to,
            document.content,
            document.id AS document_id
           FROM ragpg.documents document
        UNION ALL
         SELECT earlier.collection_id,
            earlier.source,
            earlier.version,
            earlier.title,
            earlier.valid_from,
            earlier.valid_to,
            earlier.content,
            earlier.document_id
           FROM ragpg.document_versions earlier) version
     JOIN ragpg.collections one ON ((one.id = version.collection_id)));
view document_status {security_invoker=true}
 SELECT one.name AS collection,
    document.source,
    document.title,
    document.media_type,
    document.metadata,
    document.version,
    char_length(document.content) AS characters,
    state.chunk_count AS chunks,
    (NOT (document.version IS DISTINCT FROM state.document_version)) AS indexed,
    document.created_at,
    document.updated_at,
    state.indexed_at,
    document.source_hash,
    document.id AS document_id
   FROM ((ragpg.documents document
     JOIN ragpg.collections one ON ((one.id = document.collection_id)))
     LEFT JOIN ragpg.index_documents state ON (((state.document_id = document.id) AND (state.index_id = one.active_index_id))));
view encoder_status {security_invoker=true}
 SELECT model.name AS embedding_model,
    model.provider,
    model.dimensions,
    encoder.layers,
    encoder.pooling,
    encoder.max_query_tokens,
    encoder.verified,
    encoder.verified_cosine,
    encoder.loaded_at,
    model.id AS embedding_model_id
   FROM (ragpg.encoders encoder
     JOIN ragpg.embedding_models model ON ((model.id = encoder.embedding_model_id)));
view evaluation_answers {security_invoker=true}
 SELECT result.evaluation_run_id,
    result.evaluation_question_id,
    question.question,
    question.is_answerable,
    question.expected_answer,
    answer.id AS answer_id,
    answer.content AS answer,
    answer.abstained,
    (answer.abstained = (NOT question.is_answerable)) AS abstained_rightly,
    answer.grounded,
    cited.citations,
    cited.valid AS valid_citations,
    cited.labelled AS labelled_citations,
    result.grade,
    result.grade_reason,
    answer.latency_ms,
    answer.input_tokens,
    answer.output_tokens
   FROM (((ragpg.evaluation_results result
     JOIN ragpg.evaluation_questions question ON ((question.id = result.evaluation_question_id)))
     JOIN ragpg.answers answer ON ((answer.id = result.answer_id)))
     CROSS JOIN LATERAL ( SELECT count(*) AS citations,
            count(*) FILTER (WHERE (citation.quote = substr(ragpg.document_text(citation.document_id, citation.document_version), (citation.start_char + 1), (citation.end_char - citation.start_char)))) AS valid,
            count(*) FILTER (WHERE COALESCE((((result.labelled_spans -> (citation.document_id)::text) = 'null'::jsonb) OR (((result.labelled_spans ->> (citation.document_id)::text))::int4multirange && int4range(citation.start_char, citation.end_char))), false)) AS labelled
           FROM ragpg.citations citation
          WHERE (citation.answer_id = answer.id)) cited);
view evaluation_failures {security_invoker=true}
 SELECT evaluation_run_id,
    evaluation_question_id,
    question,
    kind,
        CASE kind
            WHEN 'not in the corpus'::text THEN 'add the missing document, or correct the label'::text
            WHEN 'cut across chunks'::text THEN 'larger chunks, or overlap: ragpg index build'::text
            WHEN 'not among the candidates'::text THEN 'other words or another embedding model; more candidates'::text
            WHEN 'ranked low'::text THEN 'the weight of the legs, or a reranker'::text
            WHEN 'should have abstained'::text THEN 'a higher min_similarity: ragpg eval calibrate'::text
            WHEN 'answer wrong or uncited'::text THEN 'the prompt or another model; look at the hits it read'::text
            ELSE 'a behaviour, not a knowledge gap: examples in the prompt, or fine-tuning'::text
        END AS what_to_try,
    first_relevant_place,
    span_recall
   FROM ( SELECT measure.evaluation_run_id,
            measure.evaluation_question_id,
            measure.question,
            measure.tags,
            measure.is_answerable,
            measure.k,
            measure.hit_count,
            measure.relevant_chunks,
            measure.latency_ms,
            measure.first_relevant_place,
            measure.recall,
            measure."precision",
            measure.reciprocal_rank,
            measure.average_precision,
            measure.ndcg,
            measure.success,
            measure.span_recall,
            measure.span_precision,
            measure.span_iou,
                CASE
                    WHEN (NOT measure.is_answerable) THEN
                    CASE
                        WHEN (NOT answered.abstained) THEN 'should have abstained'::text
                        ELSE NULL::text
                    END
                    WHEN ((result.labels > 0) AND ((measure.success = (0)::double precision) OR (measure.span_recall < (1)::double precision))) THEN
                    CASE
                        WHEN (answered.grade = 'right'::text) THEN NULL::text
                        WHEN (result.lost_labels = result.labels) THEN 'not in the corpus'::text
                        WHEN (result.split_labels = (result.labels - result.lost_labels)) THEN 'cut across chunks'::text
                        WHEN (measure.first_relevant_place IS NULL) THEN 'not among the candidates'::text
                        WHEN (measure.first_relevant_place > measure.k) THEN 'ranked low'::text
                        ELSE NULL::text
                    END
                    WHEN (answered.grade = 'right in fact'::text) THEN 'answer right in fact, wrong in form'::text
                    WHEN (answered.abstained OR (NOT answered.grounded) OR (answered.grade = 'wrong'::text)) THEN 'answer wrong or uncited'::text
                    ELSE NULL::text
                END AS kind
           FROM ((ragpg.evaluation_measures measure
             JOIN ragpg.evaluation_results result ON (((result.evaluation_run_id = measure.evaluation_run_id) AND (result.evaluation_question_id = measure.evaluation_question_id))))
             LEFT JOIN ragpg.evaluation_answers answered ON (((answered.evaluation_run_id = measure.evaluation_run_id) AND (answered.evaluation_question_id = measure.evaluation_question_id))))) failed
  WHERE (kind IS NOT NULL);
view evaluation_label_spans {security_invoker=true}
 SELECT label.id AS evaluation_label_id,
    question.id AS evaluation_question_id,
    question.evaluation_set_id,
    question.question,
    label.source,
    label.quote,
        CASE
            WHEN (document.id IS NULL) THEN 'document is gone'::text
            WHEN ((label.quote IS NOT NULL) AND (place.start_char IS NULL)) THEN 'quote is gone'::text
            WHEN ((label.quote IS NULL) AND (label.end_char > char_length(document.content))) THEN 'document is shorter'::text
            ELSE 'found'::text
        END AS state,
    document.id AS document_id,
        CASE
            WHEN (document.id IS NULL) THEN NULL::integer
            WHEN (label.quote IS NOT NULL) THEN place.start_char
            ELSE COALESCE(label.start_char, 0)
        END AS start_char,
        CASE
            WHEN (document.id IS NULL) THEN NULL::integer
            WHEN (label.quote IS NOT NULL) THEN (place.start_char + char_length(label.quote))
            ELSE COALESCE(label.end_char, char_length(document.content))
        END AS end_char
   FROM ((((ragpg.evaluation_labels label
     JOIN ragpg.evaluation_questions question ON ((question.id = label.evaluation_question_id)))
     JOIN ragpg.evaluation_sets asked ON ((asked.id = question.evaluation_set_id)))
     LEFT JOIN LATERAL ( SELECT known.id,
            known.content
           FROM ragpg.documents known
          WHERE ((known.collection_id = asked.collection_id) AND (known.source = label.source))
        UNION ALL
         SELECT known.id,
            known.content
           FROM ragpg.documents known
          WHERE ((( SELECT exact.id
                   FROM ragpg.documents exact
                  WHERE ((exact.collection_id = asked.collection_id) AND (exact.source = label.source))
                 LIMIT 1) IS NULL) AND (known.collection_id = asked.collection_id) AND (known.source ~~ ('%/'::text || label.source)) AND (NOT (EXISTS ( SELECT
                   FROM ragpg.documents other
                  WHERE ((other.collection_id = asked.collection_id) AND (other.source ~~ ('%/'::text || label.source)) AND (other.id <> known.id))))))) document ON (true))
     LEFT JOIN LATERAL ( SELECT
                CASE
                    WHEN (substr(document.content, (label.start_char + 1), char_length(label.quote)) = label.quote) THEN label.start_char
                    ELSE (NULLIF(strpos(document.content, label.quote), 0) - 1)
                END AS start_char) place ON (true));
view evaluation_leaderboard {security_invoker=true}
 SELECT one.name AS collection,
    of_set.name AS evaluation_set,
    run.id AS run_id,
    run.note,
    run.mode,
    run.k,
    run.index_id,
    (run.index_id = one.active_index_id) AS active,
    (run.recipe ->> 'embedding_model'::text) AS embedding_model,
    ((run.recipe ->> 'chunk_tokens'::text))::integer AS chunk_tokens,
    count(*) AS questions,
    count(*) FILTER (WHERE (measure.relevant_chunks > 0)) AS labelled_questions,
    avg(measure.success) FILTER (WHERE (measure.relevant_chunks > 0)) AS success,
    avg(measure.recall) AS recall,
    avg(measure."precision") FILTER (WHERE (measure.relevant_chunks > 0)) AS "precision",
    avg(measure.reciprocal_rank) FILTER (WHERE (measure.relevant_chunks > 0)) AS mrr,
    avg(measure.average_precision) AS map,
    avg(measure.ndcg) AS ndcg,
    avg(measure.span_recall) AS span_recall,
    avg(measure.span_precision) FILTER (WHERE (measure.relevant_chunks > 0)) AS span_precision,
    avg(measure.span_iou) FILTER (WHERE (measure.relevant_chunks > 0)) AS span_iou,
    avg(((measure.hit_count = 0))::integer) AS zero_hit_rate,
    count(answered.answer_id) AS answers,
    (avg((answered.abstained_rightly)::integer))::double precision AS abstention_accuracy,
    (avg((answered.grounded)::integer) FILTER (WHERE (NOT answered.abstained)))::double precision AS grounded_share,
    ((sum(answered.valid_citations))::double precision / (NULLIF(sum(answered.citations), (0)::numeric))::double precision) AS citation_validity,
    ((sum(answered.labelled_citations))::double precision / (NULLIF(sum(answered.citations), (0)::numeric))::double precision) AS citation_precision,
    (avg(((answered.grade = 'right'::text))::integer))::double precision AS correct_share,
    percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY measure.latency_ms) AS latency_p50_ms,
    percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY measure.latency_ms) AS latency_p95_ms,
    run.started_at,
    run.finished_at,
    run.is_trial
   FROM ((((ragpg.evaluation_runs run
     JOIN ragpg.evaluation_sets of_set ON ((of_set.id = run.evaluation_set_id)))
     JOIN ragpg.collections one ON ((one.id = of_set.collection_id)))
     JOIN ragpg.evaluation_measures measure ON ((measure.evaluation_run_id = run.id)))
     LEFT JOIN ragpg.evaluation_answers answered ON (((answered.evaluation_run_id = measure.evaluation_run_id) AND (answered.evaluation_question_id = measure.evaluation_question_id))))
  GROUP BY one.id, of_set.id, run.id;
view evaluation_measures {security_invoker=true}
 SELECT result.evaluation_run_id,
    result.evaluation_question_id,
    question.question,
    question.tags,
    question.is_answerable,
    run.k,
    result.hit_count,
    result.relevant_chunks,
    result.latency_ms,
    result.first_relevant_place,
    ((measured.found)::double precision / (NULLIF(result.relevant_chunks, 0))::double precision) AS recall,
    ((measured.relevant_hits)::double precision / (run.k)::double precision) AS "precision",
    COALESCE(((1.0)::double precision / (measured.first_place)::double precision), (0)::double precision) AS reciprocal_rank,
    (measured.precisions / (NULLIF(result.relevant_chunks, 0))::double precision) AS average_precision,
    (measured.gain / NULLIF(( SELECT sum((ln((2)::double precision) / ln(((place.place)::double precision + (1)::double precision)))) AS sum
           FROM generate_series(1, LEAST(run.k, result.relevant_chunks)) place(place)), (0)::double precision)) AS ndcg,
    (((measured.found > 0))::integer)::double precision AS success,
    (((span.shared + ((span.documents_met)::numeric * span.a_hit)))::double precision / (NULLIF((span.labelled + ((span.documents)::numeric * span.a_hit)), (0)::numeric))::double precision) AS span_recall,
    (((span.shared + span.of_documents))::double precision / (NULLIF(span.retrieved, (0)::numeric))::double precision) AS span_precision,
    (((span.shared + span.of_documents))::double precision / (NULLIF((((span.labelled + (((span.documents - span.documents_met))::numeric * span.a_hit)) + span.retrieved) - span.shared), (0)::numeric))::double precision) AS span_iou
   FROM ((((ragpg.evaluation_results result
     JOIN ragpg.evaluation_runs run ON ((run.id = result.evaluation_run_id)))
     JOIN ragpg.evaluation_questions question ON ((question.id = result.evaluation_question_id)))
     CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE ranked.is_relevant) AS relevant_hits,
            count(*) FILTER (WHERE ranked.is_new) AS found,
            min(ranked.place) FILTER (WHERE ranked.is_relevant) AS first_place,
            COALESCE(sum(((ranked.relevant_so_far)::double precision / (ranked.place)::double precision)) FILTER (WHERE ranked.is_new), (0)::double precision) AS precisions,
            COALESCE(sum((ln((2)::double precision) / ln(((ranked.place)::double precision + (1)::double precision)))) FILTER (WHERE ranked.is_new), (0)::double precision) AS gain
           FROM ( SELECT asked.place,
                    asked.is_relevant,
                    asked.is_new,
                    count(*) FILTER (WHERE asked.is_new) OVER (ORDER BY asked.place) AS relevant_so_far
                   FROM ( SELECT hit.place,
                            hit.is_relevant,
                            (hit.is_relevant AND (((result.labelled_spans -> (hit.document_id)::text) IS DISTINCT FROM 'null'::jsonb) OR (row_number() OVER (PARTITION BY hit.document_id ORDER BY hit.place) = 1))) AS is_new
                           FROM ragpg.evaluation_hits hit
                          WHERE ((hit.evaluation_run_id = result.evaluation_run_id) AND (hit.evaluation_question_id = result.evaluation_question_id))) asked) ranked) measured)
     CROSS JOIN LATERAL ( SELECT COALESCE(sum(ragpg_internal.range_length(by_document.labelled)), (0)::numeric) AS labelled,
            COALESCE(sum(ragpg_internal.range_length(by_document.retrieved)), (0)::numeric) AS retrieved,
            COALESCE(sum(ragpg_internal.range_length((by_document.labelled * by_document.retrieved))), (0)::numeric) AS shared,
            count(*) FILTER (WHERE by_document.is_whole) AS documents,
            count(*) FILTER (WHERE (by_document.is_whole AND (NOT isempty(by_document.retrieved)))) AS documents_met,
            COALESCE(sum(ragpg_internal.range_length(by_document.retrieved)) FILTER (WHERE by_document.is_whole), (0)::numeric) AS of_documents,
            COALESCE((sum(ragpg_internal.range_length(by_document.retrieved)) / (NULLIF(result.hit_count, 0))::numeric), (1)::numeric) AS a_hit
           FROM ( SELECT known.document_id,
                    (NOT ((result.labelled_spans -> (known.document_id)::text) IS DISTINCT FROM 'null'::jsonb)) AS is_whole,
                    COALESCE(((result.labelled_spans ->> (known.document_id)::text))::int4multirange, '{}'::int4multirange) AS labelled,
                    COALESCE(( SELECT range_agg(int4range(hit.start_char, hit.end_char)) AS range_agg
                           FROM ragpg.evaluation_hits hit
                          WHERE ((hit.evaluation_run_id = result.evaluation_run_id) AND (hit.evaluation_question_id = result.evaluation_question_id) AND (hit.document_id = known.document_id))), '{}'::int4multirange) AS retrieved
                   FROM ( SELECT hit.document_id
                           FROM ragpg.evaluation_hits hit
                          WHERE ((hit.evaluation_run_id = result.evaluation_run_id) AND (hit.evaluation_question_id = result.evaluation_question_id))
                        UNION
                         SELECT (key.key)::bigint AS key
                           FROM jsonb_object_keys(result.labelled_spans) key(key)) known(document_id)) by_document) span);
view evaluation_tags {security_invoker=true}
 SELECT measure.evaluation_run_id,
    tag.tag,
    count(*) AS questions,
    avg(measure.success) AS success,
    avg(measure.recall) AS recall,
    avg(measure.reciprocal_rank) AS mrr,
    avg(measure.ndcg) AS ndcg,
    avg(measure.span_recall) AS span_recall
   FROM (ragpg.evaluation_measures measure
     CROSS JOIN LATERAL unnest(measure.tags) tag(tag))
  WHERE (measure.relevant_chunks > 0)
  GROUP BY measure.evaluation_run_id, tag.tag;
view finetuning_examples {security_invoker=true}
 SELECT one.name AS collection,
        CASE
            WHEN (newest.corrected_text IS NULL) THEN 'accepted answer'::text
            ELSE 'corrected answer'::text
        END AS origin,
    COALESCE(answer.standalone, answer.question) AS question,
    COALESCE(newest.corrected_text, answer.content) AS answer,
    COALESCE(( SELECT COALESCE(document.source, earlier.source) AS "coalesce"
           FROM ((ragpg.citations cited
             LEFT JOIN ragpg.documents document ON ((document.id = cited.document_id)))
             LEFT JOIN ragpg.document_versions earlier ON (((earlier.document_id = cited.document_id) AND (earlier.version = cited.document_version))))
          WHERE (cited.answer_id = answer.id)
          ORDER BY cited.ordinal
         LIMIT 1), COALESCE(answer.standalone, answer.question)) AS split_by
   FROM ((ragpg.answers answer
     JOIN ragpg.collections one ON ((one.id = answer.collection_id)))
     CROSS JOIN LATERAL ( SELECT said.rating,
            said.corrected_text
           FROM ragpg.answer_feedback said
          WHERE (said.answer_id = answer.id)
          ORDER BY said.id DESC
         LIMIT 1) newest)
  WHERE ((newest.corrected_text IS NOT NULL) OR (newest.rating = 'good'::text))
UNION ALL
 SELECT one.name AS collection,
    ('evaluation set '::text || of_set.name) AS origin,
    question.question,
    question.expected_answer AS answer,
    COALESCE(( SELECT min(label.source) AS min
           FROM ragpg.evaluation_labels label
          WHERE (label.evaluation_question_id = question.id)), question.question) AS split_by
   FROM ((ragpg.evaluation_questions question
     JOIN ragpg.evaluation_sets of_set ON ((of_set.id = question.evaluation_set_id)))
     JOIN ragpg.collections one ON ((one.id = of_set.collection_id)))
  WHERE (question.expected_answer ~ '\S'::text);
view health_problems {security_invoker=true}
 SELECT lag.collection,
    'documents fail'::text AS problem,
    format('%s documents could not be indexed'::text, lag.failing_documents) AS detail,
    'ragpg.ingest_queue has the errors'::text AS what_to_do
   FROM ragpg.ingest_lag lag
  WHERE (lag.failing_documents > 0)
UNION ALL
 SELECT lag.collection,
    'indexing is behind'::text AS problem,
    format('%s documents wait, the oldest for %s minutes'::text, lag.waiting_documents, floor((lag.lag_seconds / (60)::double precision))) AS detail,
    'start a worker: ragpg worker'::text AS what_to_do
   FROM ragpg.ingest_lag lag
  WHERE ((lag.lag_seconds > (900)::double precision) AND (lag.waiting_documents > lag.failing_documents))
UNION ALL
 SELECT health.collection,
    wrong.problem,
    format('search index %s: %s'::text, health.index_id, wrong.detail) AS detail,
    wrong.what_to_do
   FROM (ragpg.index_health health
     CROSS JOIN LATERAL ( VALUES ((NOT health.indexes_valid),'index is invalid'::text,'searches do not use it'::text,'reindex it: ragpg.verify() names it'::text), ((health.recall < (0.9)::double precision),'recall is low'::text,format('recall %s, measured %s'::text, round((health.recall)::numeric, 3), health.recall_measured_at),'ragpg index tune --recall 0.98'::text), ((abs((health.chunks - COALESCE(health.counted_chunks, (0)::bigint))) > GREATEST((health.chunks / 50), (10)::bigint)),'statistics are stale'::text,format('counted with %s chunks, now %s'::text, COALESCE(health.counted_chunks, (0)::bigint), health.chunks),format('select ragpg.refresh_search_index(%s, force => true)'::text, health.index_id)), ((health.dead_chunks > GREATEST(health.chunks, (1000)::bigint)),'many dead rows'::text,format('%s dead, %s alive'::text, health.dead_chunks, health.chunks),format('vacuum ragpg.chunks_%s; autovacuum does not keep up'::text, health.index_id))) wrong(is_wrong, problem, detail, what_to_do))
  WHERE ((health.state = 'ready'::text) AND wrong.is_wrong)
UNION ALL
 SELECT NULL::text AS collection,
    found.problem,
    format('%s: %s'::text, found.object, found.detail) AS detail,
    found.what_to_do
   FROM ragpg_internal.safety_problems() found(problem, object, detail, what_to_do);
view index_health {security_invoker=true}
 SELECT one.name AS collection,
    recipe.id AS index_id,
    (recipe.id = one.active_index_id) AS active,
    recipe.state,
    model.name AS embedding_model,
    recipe.chunk_tokens,
    held.chunks,
    held.documents,
    statistics.chunk_count AS counted_chunks,
    statistics.refreshed_at,
    (sizes.measured).table_bytes AS table_bytes,
    (sizes.measured).index_bytes AS index_bytes,
    COALESCE(( SELECT bool_and(part.indisvalid) AS bool_and
           FROM pg_index part
          WHERE (part.indrelid = (partition.relation)::oid)), false) AS indexes_valid,
    held.pending_documents,
    held.failed_documents,
    recipe.overlap_tokens,
    recipe.language,
    recipe.created_at,
    recipe.activated_at,
    recipe.ef_search,
    (sizes.measured).vector_index_bytes AS vector_index_bytes,
    (((sizes.measured).vector_index_bytes)::double precision / (pg_size_bytes(current_setting('shared_buffers'::text)))::double precision) AS share_of_buffers,
    (sizes.measured).dead_chunks AS dead_chunks,
    measured.recall,
    measured.measured_at AS recall_measured_at,
    recipe.context_model,
    recipe.quantize
   FROM (((((((ragpg.search_indexes recipe
     JOIN ragpg.collections one ON ((one.id = recipe.collection_id)))
     JOIN ragpg.embedding_models model ON ((model.id = recipe.embedding_model_id)))
     LEFT JOIN ragpg.index_statistics statistics ON (((statistics.index_id = recipe.id) AND (statistics.tenant = ( SELECT ragpg_internal.counted_tenant() AS counted_tenant)))))
     CROSS JOIN LATERAL ( SELECT COALESCE(sum(state.chunk_count), (0)::bigint) AS chunks,
            count(state.document_version) AS documents,
            count(state.pending_since) AS pending_documents,
            count(state.error) AS failed_documents
           FROM ragpg.index_documents state
          WHERE (state.index_id = recipe.id)) held)
     CROSS JOIN LATERAL ( SELECT to_regclass(format('ragpg.%I'::text, ('chunks_'::text || recipe.id))) AS relation,
            to_regclass(format('ragpg.%I'::text, (('chunks_'::text || recipe.id) || '_embedding_hnsw'::text))) AS vector_index) partition)
     CROSS JOIN LATERAL ( SELECT ragpg_internal.partition_sizes(partition.relation, partition.vector_index) AS measured) sizes)
     LEFT JOIN LATERAL ( SELECT known.recall,
            known.measured_at
           FROM ragpg.recall_measurements known
          WHERE (known.index_id = recipe.id)
          ORDER BY known.measured_at DESC
         LIMIT 1) measured ON (true));
view indexed_tables {security_invoker=true}
 SELECT table_name,
    (collection COLLATE "C") AS collection,
    (source_column COLLATE "C") AS source_column,
    (content_column COLLATE "C") AS content_column,
    (title_column COLLATE "C") AS title_column,
    (metadata_columns COLLATE "C") AS metadata_columns,
    (media_type COLLATE "C") AS media_type
   FROM ragpg_internal.followed_tables() followed(table_name, collection, source_column, content_column, title_column, metadata_columns, media_type, row_of);
view ingest_lag {security_invoker=true}
 SELECT one.name AS collection,
    waiting.documents AS waiting_documents,
    waiting.failing AS failing_documents,
    waiting.since AS oldest_waiting_since,
    (COALESCE(EXTRACT(epoch FROM (now() - waiting.since)), (0)::numeric))::double precision AS lag_seconds,
    done.last_hour AS indexed_last_hour,
    done.last_indexed_at
   FROM ((ragpg.collections one
     CROSS JOIN LATERAL ( SELECT count(*) AS documents,
            count(queue.error) AS failing,
            min(queue.waiting_since) AS since
           FROM ragpg.ingest_queue queue
          WHERE ((queue.collection = one.name) AND (queue.active OR (queue.index_id IS NULL)))) waiting)
     CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE (state.indexed_at > (now() - '01:00:00'::interval))) AS last_hour,
            max(state.indexed_at) AS last_indexed_at
           FROM ragpg.index_documents state
          WHERE (state.index_id = one.active_index_id)) done);
view ingest_queue {security_invoker=true}
 SELECT one.name AS collection,
    document.source,
    document.version,
    state.document_version AS indexed_version,
    COALESCE(state.pending_since, document.updated_at) AS waiting_since,
    document.id AS document_id,
    recipe.id AS index_id,
    (NOT (recipe.id IS DISTINCT FROM one.active_index_id)) AS active,
    COALESCE(state.attempts, 0) AS attempts,
    state.error,
    state.next_attempt_at
   FROM (((ragpg.documents document
     JOIN ragpg.collections one ON ((one.id = document.collection_id)))
     LEFT JOIN ragpg.search_indexes recipe ON ((recipe.collection_id = one.id)))
     LEFT JOIN ragpg.index_documents state ON (((state.document_id = document.id) AND (state.index_id = recipe.id))))
  WHERE (state.document_version IS DISTINCT FROM document.version);
view recall_history {security_invoker=true}
 SELECT one.name AS collection,
    measured.index_id,
    (recipe.id = one.active_index_id) AS active,
    measured.measured_at,
    measured.k,
    measured.ef_search,
    measured.queries,
    measured.query_source,
    measured.recall,
    measured.worst_recall,
    measured.index_ms,
    measured.exact_ms
   FROM ((ragpg.recall_measurements measured
     JOIN ragpg.search_indexes recipe ON ((recipe.id = measured.index_id)))
     JOIN ragpg.collections one ON ((one.id = recipe.collection_id)));
view searches_by_day {security_invoker=true}
 SELECT one.name AS collection,
    (logged.searched_at)::date AS day,
    logged.mode,
    count(*) AS logged_searches,
    (sum(((1)::double precision / logged.share)))::bigint AS searches,
    percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY ((logged.latency_ms)::double precision)) AS latency_p50_ms,
    percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY ((logged.latency_ms)::double precision)) AS latency_p95_ms,
    percentile_cont((0.99)::double precision) WITHIN GROUP (ORDER BY ((logged.latency_ms)::double precision)) AS latency_p99_ms,
    (avg(((logged.hit_count = 0))::integer))::double precision AS zero_hit_share,
    (avg(((logged.best_similarity < recipe.min_similarity))::integer))::double precision AS low_similarity_share
   FROM ((ragpg.searches logged
     JOIN ragpg.collections one ON ((one.id = logged.collection_id)))
     LEFT JOIN ragpg.search_indexes recipe ON ((recipe.id = logged.index_id)))
  GROUP BY one.id, ((logged.searched_at)::date), logged.mode;
view stale_citations {security_invoker=true}
 SELECT one.name AS collection,
    answer.id AS answer_id,
    answer.question,
    cited.ordinal,
    COALESCE(document.source, earlier.source) AS source,
    cited.document_version AS cited_version,
    document.version AS current_version,
        CASE
            WHEN (document.id IS NULL) THEN 'deleted'::text
            WHEN (POSITION((cited.quote) IN (document.content)) > 0) THEN 'kept'::text
            ELSE 'gone'::text
        END AS quote_is,
    cited.quote,
    answer.created_at AS answered_at,
    document.updated_at AS changed_at
   FROM ((((ragpg.citations cited
     JOIN ragpg.answers answer ON ((answer.id = cited.answer_id)))
     JOIN ragpg.collections one ON ((one.id = answer.collection_id)))
     LEFT JOIN ragpg.documents document ON ((document.id = cited.document_id)))
     LEFT JOIN ragpg.document_versions earlier ON (((earlier.document_id = cited.document_id) AND (earlier.version = cited.document_version))))
  WHERE (document.version IS DISTINCT FROM cited.document_version);
view unanswered_searches {security_invoker=true}
 SELECT one.name AS collection,
    logged.query,
    count(*) AS logged_searches,
    min(logged.hit_count) AS fewest_hits,
    max(logged.best_similarity) AS best_similarity,
    max(logged.searched_at) AS last_searched_at
   FROM ((ragpg.searches logged
     JOIN ragpg.collections one ON ((one.id = logged.collection_id)))
     LEFT JOIN ragpg.search_indexes recipe ON ((recipe.id = logged.index_id)))
  WHERE ((logged.hit_count = 0) OR (logged.best_similarity < recipe.min_similarity))
  GROUP BY one.id, logged.query;
comment on answer_feedback_tenant on ragpg.answer_feedback: Rows of the session's tenant.
comment on answer_steps_tenant on ragpg.answer_steps: Rows of the session's tenant.
comment on answers_tenant on ragpg.answers: Rows of the session's tenant.
comment on chunks_set_lexemes on ragpg.chunks: Sets lexemes and lexeme_count.
comment on chunks_tenant on ragpg.chunks: Rows of the session's tenant.
comment on citations_check_quote on ragpg.citations: Refuses a quote that is not in the cited document version.
comment on citations_tenant on ragpg.citations: Rows of the session's tenant.
comment on collections_add on ragpg.collections: A tenant may add one; changing it is the owner's.
comment on collections_read on ragpg.collections: Shared by all tenants.
comment on conversations_tenant on ragpg.conversations: Rows of the session's tenant.
comment on document_values_tenant on ragpg.document_values: Rows of the session's tenant.
comment on document_versions_tenant on ragpg.document_versions: Rows of the session's tenant.
comment on documents_keep_version on ragpg.documents: Keeps the old row in document_versions and counts the version.
comment on documents_queue_inserted on ragpg.documents: Queues new documents for each search index.
comment on documents_queue_updated on ragpg.documents: Queues changed documents for each search index.
comment on documents_tenant on ragpg.documents: Rows of the session's tenant.
comment on documents_values_are_added on ragpg.documents: Keeps document_values.
comment on documents_values_are_changed on ragpg.documents: Keeps document_values.
comment on documents_values_are_dropped on ragpg.documents: Keeps document_values.
comment on embedding_models_read on ragpg.embedding_models: Shared by all tenants.
comment on encoders_forget_queries on ragpg.encoders: Empties the cache of query embeddings when an encoder changes or goes.
comment on evaluation_drafts_tenant on ragpg.evaluation_drafts: Rows of the session's tenant.
comment on evaluation_hits_tenant on ragpg.evaluation_hits: Rows of the session's tenant.
comment on evaluation_labels_tenant on ragpg.evaluation_labels: Rows of the session's tenant.
comment on evaluation_questions_tenant on ragpg.evaluation_questions: Rows of the session's tenant.
comment on evaluation_results_tenant on ragpg.evaluation_results: Rows of the session's tenant.
comment on evaluation_runs_tenant on ragpg.evaluation_runs: Rows of the session's tenant.
comment on evaluation_sets_tenant on ragpg.evaluation_sets: Rows of the session's tenant.
comment on finetune_jobs_tenant on ragpg.finetune_jobs: Rows of the session's tenant.
comment on index_documents_tenant on ragpg.index_documents: Rows of the session's tenant.
comment on index_statistics_tenant on ragpg.index_statistics: Rows of the session's tenant.
comment on lexeme_statistics_tenant on ragpg.lexeme_statistics: Rows of the session's tenant.
comment on model_prices_read on ragpg.model_prices: Shared by all tenants.
comment on query_embeddings_tenant on ragpg.query_embeddings: Rows of the session's tenant.
comment on ragpg.accept_draft(bigint,pg_catalog.text[]): Makes a draft a question of its evaluation set, labelled with its quote, and returns the question's id; the draft goes. Raises RG005 when there is no such draft, or the set holds that question already, RG006 when the document no longer holds the quote; the draft stays then.
comment on ragpg.activate_search_index(bigint,boolean,pg_catalog.uuid): Makes a search index the one that answers for its collection, at once for every search that begins after the commit, and the view chunks_of_<collection> show its chunks. The one before stays and is kept current, for ragpg.rollback_search_index. Raises RG010 when documents wait for it, unless incomplete.
comment on ragpg.advise(pg_catalog.text): Walks from what the database knows to retrieval, fine-tuning, the prompt or neither: how often documents change, whether answers are cited, what the newest evaluation run that is no trial got wrong (facts missing, read wrongly, or right in fact and wrong in form), and how many examples a person vouched for. A row a step with what it points to and the next command, last the verdict. No model is asked.
comment on ragpg.answer_feedback.answer_id: The answer.
comment on ragpg.answer_feedback.comment: A remark.
comment on ragpg.answer_feedback.corrected_text: What it should have said; null when nothing was corrected.
comment on ragpg.answer_feedback.given_at: When.
comment on ragpg.answer_feedback.given_by: The role that stored it.
comment on ragpg.answer_feedback.id: Key.
comment on ragpg.answer_feedback.rating: good or bad.
comment on ragpg.answer_feedback.tenant: The answer's, always: its foreign key says so.
comment on ragpg.answer_feedback: What people think of answers; the newest row of an answer counts. It goes with its answer, also when a cited document is erased.
comment on ragpg.answer_feedback_answer_id_btree: Serves the newest feedback of an answer.
comment on ragpg.answer_steps.answer_id: The answer.
comment on ragpg.answer_steps.cache_creation_tokens: Tokens it stored in the prompt cache.
comment on ragpg.answer_steps.cache_read_tokens: Tokens it read from the prompt cache.
comment on ragpg.answer_steps.created_at: When.
comment on ragpg.answer_steps.end_char: One past the last.
comment on ragpg.answer_steps.failed: Why nothing was shown, in the words the model was told; null: it was.
comment on ragpg.answer_steps.filter: The model's own filter as jsonpath; the question's holds beside it.
comment on ragpg.answer_steps.hits: What the model was shown, in order: a list of objects with document_id, document_version, start_char, end_char, chunk_id (null for what was read), source, heading.
comment on ragpg.answer_steps.id: Key.
comment on ragpg.answer_steps.input_tokens: Tokens read, without cached ones, by the model's message that asked for it; 0 for all but the first step a message asks for.
comment on ragpg.answer_steps.k: Hits asked for.
comment on ragpg.answer_steps.milliseconds: Milliseconds the look-up took, without the model's message.
comment on ragpg.answer_steps.output_tokens: Tokens written in that message.
comment on ragpg.answer_steps.place: Place among the answer's steps, from 1.
comment on ragpg.answer_steps.query: What was searched for; of read the source.
comment on ragpg.answer_steps.start_char: First character to read.
comment on ragpg.answer_steps.tenant: The answer's, always: its foreign key says so.
comment on ragpg.answer_steps.tool: standalone (a follow-up was worded so that it can be searched for), search, read, or what else the model asked for and did not get.
comment on ragpg.answer_steps: What was looked up for an answer, a row for each step, stored as it happens. Goes with its answer, also when a document it was shown is erased.
comment on ragpg.answer_steps_hits_gin: Serves "which answers were shown this document".
comment on ragpg.answers.abstained: Nothing fitted, the model declined, or it cited nothing.
comment on ragpg.answers.cache_creation_tokens: Tokens written to the prompt cache.
comment on ragpg.answers.cache_read_tokens: Tokens read from the prompt cache.
comment on ragpg.answers.collection_id: The collection that was searched.
comment on ragpg.answers.content: The answer's text.
comment on ragpg.answers.conversation_id: The conversation whose turn it is; null for a question alone.
comment on ragpg.answers.created_at: When.
comment on ragpg.answers.ended_by: What ended an answer whose steps are kept: answer (the model had what it needed), steps, tokens, seconds, cost (the cap of that name), max_tokens, refusal, failed; unfinished while it is written, and for good when its writer was killed. Null where one search was all.
comment on ragpg.answers.grounded: A model wrote it and what it claims is cited.
comment on ragpg.answers.id: Key.
comment on ragpg.answers.input_tokens: Tokens read, without cached ones.
comment on ragpg.answers.latency_ms: Milliseconds from the question to the whole answer, search not included.
comment on ragpg.answers.model: The language model; null when none was asked.
comment on ragpg.answers.output_tokens: Tokens written.
comment on ragpg.answers.question: The question.
comment on ragpg.answers.standalone: The question as it was searched for beside its own words, where it follows others; null where it stands by itself.
comment on ragpg.answers.stop_reason: Why the model stopped, in the API's words.
comment on ragpg.answers.tenant: Who asked.
comment on ragpg.answers.turn: Its place in the conversation, from 1.
comment on ragpg.answers: What was asked, what was answered and what it cost.
comment on ragpg.answers_by_day.abstained: How many said that nothing fits.
comment on ragpg.answers_by_day.answers: How many, those that were not finished among them.
comment on ragpg.answers_by_day.cache_creation_tokens: Tokens stored in the prompt cache.
comment on ragpg.answers_by_day.cache_read_tokens: Tokens read from the prompt cache.
comment on ragpg.answers_by_day.collection: Name of the collection.
comment on ragpg.answers_by_day.cost: What the tokens cost by ragpg.model_prices; null when the model is not there.
comment on ragpg.answers_by_day.day: The day, in the session's time zone.
comment on ragpg.answers_by_day.grounded: How many rest on citations.
comment on ragpg.answers_by_day.grounded_share: grounded by answers.
comment on ragpg.answers_by_day.input_tokens: Tokens read.
comment on ragpg.answers_by_day.median_latency_ms: Median milliseconds.
comment on ragpg.answers_by_day.model: The language model; null when none was asked.
comment on ragpg.answers_by_day.output_tokens: Tokens written.
comment on ragpg.answers_by_day.unfinished: How many failed, or are still being written, or were when their writer was killed.
comment on ragpg.answers_by_day: A row per collection, day and model: answers, how many are grounded in citations or abstained, tokens and median latency.
comment on ragpg.answers_collection_id_created_at_btree: Serves the log of a collection's answers by time.
comment on ragpg.bind_role(pg_catalog.text,pg_catalog.text): Binds a role, and the roles that inherit from it, to a tenant: it then sees that one's rows and no other's, whatever it sets ragpg.tenant to. Bound to several, it chooses among them. Kept by the role's name, so that a dump restores it; a role renamed is to be bound again. Raises RG005 for a blank tenant.
comment on ragpg.calibrate(bigint,double precision,boolean): Chooses, from a run over answerable and unanswerable questions, when ask abstains: below a similarity of the best hit or a ragpg_internal.relevance, so that the given share of answerable questions is kept. Stores both and the weights of relevance with the run's search index unless told not to. Kept and refused are shares of questions nothing was chosen on (each fifth by the other four), with 95 % intervals, beside what a threshold on similarity alone does to the same questions; where that is as good, which the same shares decide, min_relevance is null. Raises RG005, RG010, RG011.
comment on ragpg.chunk_contexts.asked_hash: SHA-256 of what was asked: model, prompt, what was shown of the document, chunk.
comment on ragpg.chunk_contexts.batch_id: The batch it was asked in; null: asked at once.
comment on ragpg.chunk_contexts.cache_creation_tokens: Tokens stored in the prompt cache.
comment on ragpg.chunk_contexts.cache_read_tokens: Tokens read from the prompt cache.
comment on ragpg.chunk_contexts.collection_id: The collection of the document.
comment on ragpg.chunk_contexts.created_at: When it was written, or its batch begun.
comment on ragpg.chunk_contexts.document_hash: SHA-256 of the document's whole text, as documents.content_hash: by it the sentence is erased with the document.
comment on ragpg.chunk_contexts.input_tokens: Tokens read, without cached ones.
comment on ragpg.chunk_contexts.model: The language model.
comment on ragpg.chunk_contexts.output_tokens: Tokens written.
comment on ragpg.chunk_contexts.problem: Why there is no sentence: refused, empty, cut or too long.
comment on ragpg.chunk_contexts.sentence: What it wrote; empty: nothing of use, problem says why; null: an open batch shall bring it.
comment on ragpg.chunk_contexts: Sentences of context that a language model wrote, by what it was asked: none is paid for twice, whichever search index needs it.
comment on ragpg.chunk_contexts_batch_id_btree: The sentences of a batch.
comment on ragpg.chunk_contexts_collection_id_document_hash_btree: ragpg.erase_document: the sentences about a text.
comment on ragpg.chunk_sizes.active: Whether it answers searches.
comment on ragpg.chunk_sizes.chunks: Chunks in it.
comment on ragpg.chunk_sizes.collection: Name of the collection.
comment on ragpg.chunk_sizes.from_tokens: Fewest tokens of the bin; bins are a sixteenth of the most a chunk may have.
comment on ragpg.chunk_sizes.index_id: The search index.
comment on ragpg.chunk_sizes.share: Of the search index's chunks.
comment on ragpg.chunk_sizes.to_tokens: Most tokens of the bin.
comment on ragpg.chunk_sizes: A row per search index and bin of chunk sizes: a histogram of tokens.
comment on ragpg.chunks.content: The verbatim span.
comment on ragpg.chunks.content_hash: SHA-256 of context and content: equal means the embedding can be reused.
comment on ragpg.chunks.context: What is put before the content for word search and, but for the title of all but the first chunk, for embedding; not verbatim: title, heading path; for later parts of a table its header rows and which rows they are.
comment on ragpg.chunks.document_id: The document.
comment on ragpg.chunks.document_version: The version of it that was read.
comment on ragpg.chunks.embedding: The embedding, of the search index's dimensions (checked per partition).
comment on ragpg.chunks.end_char: One past the last character.
comment on ragpg.chunks.generated_chars: How many characters at the end of context a language model wrote; 0: all of it is the document's own.
comment on ragpg.chunks.id: Key across all partitions.
comment on ragpg.chunks.index_id: The search index; the partition key.
comment on ragpg.chunks.language: Text-search configuration that made the lexemes.
comment on ragpg.chunks.lexeme_count: Word occurrences in lexemes: the document length of BM25; set by a trigger.
comment on ragpg.chunks.lexemes: Words of context and content, for BM25; set by a trigger.
comment on ragpg.chunks.ordinal: Place of the chunk in its document, from 0.
comment on ragpg.chunks.page: Page of the source, where it has pages.
comment on ragpg.chunks.start_char: First character (Unicode code points, from 0).
comment on ragpg.chunks.tenant: The document's, always: its foreign key says so.
comment on ragpg.chunks.token_count: Tokens of content in the embedding model's own tokens; 0 where the embedding was given and nobody counted.
comment on ragpg.chunks: Verbatim spans of documents, one partition per search index: content is exactly the characters start_char to end_char of that document version.
comment on ragpg.chunks_content_hash_hash: Serves the reuse of embeddings.
comment on ragpg.chunks_id_btree: Serves the scoring of candidates by chunk id.
comment on ragpg.citations.answer_end: One past the last.
comment on ragpg.citations.answer_id: The answer.
comment on ragpg.citations.answer_start: First character of the answer that rests on it.
comment on ragpg.citations.document_id: The document; no foreign key, because a citation outlives a deleted document.
comment on ragpg.citations.document_version: The version that was read.
comment on ragpg.citations.end_char: One past the last cited character.
comment on ragpg.citations.id: Key.
comment on ragpg.citations.ordinal: Place among the answer's citations, from 0.
comment on ragpg.citations.page: Page of the first cited character, where the document has pages.
comment on ragpg.citations.quote: Exactly those characters.
comment on ragpg.citations.start_char: First cited character.
comment on ragpg.citations.tenant: The answer's, always: its foreign key says so.
comment on ragpg.citations: Which characters of which document version an answer rests on. A trigger refuses a quote that is not there.
comment on ragpg.citations_document_id_btree: Serves "which answers cite this document".
comment on ragpg.collection_id(pg_catalog.text): Returns the id of the named collection, or of the only one when no name is given. Raises RG001 (no such collection) or RG002 (which one?).
comment on ragpg.collection_status.active_index_id: The search index that answers.
comment on ragpg.collection_status.characters: Characters of all documents.
comment on ragpg.collection_status.chunk_tokens: Most tokens of a chunk.
comment on ragpg.collection_status.chunks: Chunks of the active search index.
comment on ragpg.collection_status.collection: Name of the collection.
comment on ragpg.collection_status.description: What it holds, for people.
comment on ragpg.collection_status.documents: Documents stored.
comment on ragpg.collection_status.embedding_model: Model of the active search index.
comment on ragpg.collection_status.language: Text-search configuration of the word leg.
comment on ragpg.collection_status.last_changed_at: When a document last changed.
comment on ragpg.collection_status.last_indexed_at: When a document was last indexed.
comment on ragpg.collection_status.pending_documents: Documents whose newest version is not indexed yet: searches do not see it.
comment on ragpg.collection_status: A row per collection: how much is in it, how much of it waits to be indexed, by which recipe it is searched.
comment on ragpg.collections.active_index_id: The search index that answers searches; null until the first document is indexed. Switching recipes is one update of this column.
comment on ragpg.collections.created_at: When the collection was made.
comment on ragpg.collections.description: What the documents are, for people.
comment on ragpg.collections.id: Key.
comment on ragpg.collections.name: What callers say: unique, trimmed, at most 48 bytes.
comment on ragpg.collections.search_log_share: Share of the searches that ragpg.searches keeps, drawn at random: 0 (the default) none, 1 all.
comment on ragpg.collections: A named set of documents that are searched together.
comment on ragpg.compare_runs(bigint,bigint,integer,pg_catalog.text): Compares two runs on the questions both asked: means, their difference with a 95 % interval by paired bootstrap (Efron 1979; the questions are drawn anew samples times), and on how many questions the second is better or worse. An interval that holds 0 is noise. Where both were answered, too: the share that a judge called right, and steps (of one search 1), tokens and cost of an answer, of which less is better. split keeps one half of them: train or held-out (ragpg_internal.evaluation_split). Raises RG011 for a run that there is not, or that did not finish.
comment on ragpg.context_batches.collection_id: The collection of the documents.
comment on ragpg.context_batches.created_at: When the submission began.
comment on ragpg.context_batches.ended_at: When its results were stored.
comment on ragpg.context_batches.error: Why it did not bring all sentences.
comment on ragpg.context_batches.id: Key.
comment on ragpg.context_batches.model: The language model.
comment on ragpg.context_batches.provider_batch_id: The API's name of the batch; null until it is known.
comment on ragpg.context_batches.request_count: How many sentences were asked for.
comment on ragpg.context_batches.state: submitting, then a word of the API: in_progress, canceling, ended.
comment on ragpg.context_batches: Batches of requests for sentences of context, handed to the Message Batches API.
comment on ragpg.context_batches_collection_id_btree: Foreign key: the batches of a collection.
comment on ragpg.context_costs.asked: Chunks it was asked about.
comment on ragpg.context_costs.cache_creation_tokens: Tokens stored in the prompt cache.
comment on ragpg.context_costs.cache_read_tokens: Tokens read from the prompt cache.
comment on ragpg.context_costs.collection: Name of the collection.
comment on ragpg.context_costs.cost: What the tokens cost by ragpg.model_prices; null when the model is not there.
comment on ragpg.context_costs.cut: Chunks whose sentence did not come to an end.
comment on ragpg.context_costs.empty: Chunks it wrote nothing about.
comment on ragpg.context_costs.first_at: When it was first asked.
comment on ragpg.context_costs.in_batch: Whether it was asked through the Message Batches API, at half the price.
comment on ragpg.context_costs.input_tokens: Tokens read, without cached ones.
comment on ragpg.context_costs.last_at: When it was last asked.
comment on ragpg.context_costs.model: The language model.
comment on ragpg.context_costs.open: Those that a batch under way shall bring.
comment on ragpg.context_costs.output_tokens: Tokens written.
comment on ragpg.context_costs.refused: Chunks it declined to write about: they have no sentence.
comment on ragpg.context_costs.sentences: Sentences it wrote.
comment on ragpg.context_costs.too_long: Chunks about which it wrote more than a chunk can hold.
comment on ragpg.context_costs: A row per collection, model and way of asking: sentences of context written, those that failed and why, tokens, and their cost by ragpg.model_prices. Erased and pruned ones are not counted.
comment on ragpg.contextual_indexes.active: Whether it answers searches.
comment on ragpg.contextual_indexes.chunks: Its chunks.
comment on ragpg.contextual_indexes.chunks_with_sentence: Those with a sentence.
comment on ragpg.contextual_indexes.collection: Name of the collection.
comment on ragpg.contextual_indexes.context_model: The language model.
comment on ragpg.contextual_indexes.context_tokens: Tokens of a chunk kept free for its sentence.
comment on ragpg.contextual_indexes.index_id: The search index.
comment on ragpg.contextual_indexes.mean_chars: Mean characters of a sentence.
comment on ragpg.contextual_indexes: A row per search index whose chunks get a sentence of context by a language model. It counts chunks, so it takes a scan.
comment on ragpg.continue_conversation(pg_catalog.text): Returns the id of the conversation whose turn was the last answer of a collection, by whomever; a question that was asked alone becomes the first turn of a new one. Raises RG001.
comment on ragpg.conversation_overview.bad: Turns called bad.
comment on ragpg.conversation_overview.collection: Name of the collection.
comment on ragpg.conversation_overview.conversation_id: The conversation.
comment on ragpg.conversation_overview.cost: What they cost by ragpg.model_prices; null when no model of it is there.
comment on ragpg.conversation_overview.created_at: When it began.
comment on ragpg.conversation_overview.first_question: Its first question; null before it is asked.
comment on ragpg.conversation_overview.good: Turns called good.
comment on ragpg.conversation_overview.last_at: When its last question was asked.
comment on ragpg.conversation_overview.steps: Look-ups of all turns.
comment on ragpg.conversation_overview.tokens: Tokens of all kinds.
comment on ragpg.conversation_overview.turns: Questions asked.
comment on ragpg.conversation_overview.unfinished: Turns that are being written, or whose writer was killed.
comment on ragpg.conversation_overview: A row per conversation: how it began, how long it is, what people thought of it and what it cost.
comment on ragpg.conversation_turns.abstained: Whether it says that there is no answer.
comment on ragpg.conversation_turns.answer: The answer's text; empty while it is written.
comment on ragpg.conversation_turns.answer_id: The answer.
comment on ragpg.conversation_turns.cache_creation_tokens: Tokens stored in the prompt cache.
comment on ragpg.conversation_turns.cache_read_tokens: Tokens read from the prompt cache.
comment on ragpg.conversation_turns.citations: How many it cites.
comment on ragpg.conversation_turns.collection: Name of the collection.
comment on ragpg.conversation_turns.conversation_id: The conversation.
comment on ragpg.conversation_turns.cost: What the tokens cost by ragpg.model_prices; null when the model is not there.
comment on ragpg.conversation_turns.created_at: When it was asked.
comment on ragpg.conversation_turns.ended_by: What ended it (ragpg.answers.ended_by).
comment on ragpg.conversation_turns.failed_steps: Steps that showed nothing.
comment on ragpg.conversation_turns.grounded: Whether every claim is cited.
comment on ragpg.conversation_turns.input_tokens: Tokens read, all steps together.
comment on ragpg.conversation_turns.latency_ms: Milliseconds from question to answer.
comment on ragpg.conversation_turns.model: The language model; null when none was asked.
comment on ragpg.conversation_turns.output_tokens: Tokens written.
comment on ragpg.conversation_turns.question: What was asked.
comment on ragpg.conversation_turns.rating: good or bad, by the newest feedback.
comment on ragpg.conversation_turns.standalone: The question as it was searched for beside its own words; null where it stands by itself.
comment on ragpg.conversation_turns.steps: Look-ups, failed ones too.
comment on ragpg.conversation_turns.turn: Place in it, from 1.
comment on ragpg.conversation_turns: A row per turn of a conversation: the question, as it was searched for, the answer and what it took. Its steps are in ragpg.answer_steps, its quotes in ragpg.citations, by answer_id.
comment on ragpg.conversations.collection_id: The collection that is asked, and no other.
comment on ragpg.conversations.created_at: When it began.
comment on ragpg.conversations.id: Key.
comment on ragpg.conversations.tenant: Who asks.
comment on ragpg.conversations: Conversations with a collection. Their turns are rows of ragpg.answers, which go with them; ragpg.conversation_turns shows both.
comment on ragpg.conversations_collection_id_btree: Serves the conversations of a collection.
comment on ragpg.corpus_overview.characters: Characters of all of them.
comment on ragpg.corpus_overview.chunks: Chunks of the active search index.
comment on ragpg.corpus_overview.code_share: Share of the characters that is in fenced code or source code.
comment on ragpg.corpus_overview.collection: Name of the collection.
comment on ragpg.corpus_overview.documents: Documents stored.
comment on ragpg.corpus_overview.duplicate_chunks: Chunks whose text another chunk has, to the character; the first of each text not counted.
comment on ragpg.corpus_overview.languages: Documents by language (ragpg.text_language), of at most 500 drawn by hash.
comment on ragpg.corpus_overview.median_characters: Characters of the middle one.
comment on ragpg.corpus_overview.near_duplicate_share: Share of the chunks, of 200 drawn by hash, that ragpg.near_duplicates pairs with another one.
comment on ragpg.corpus_overview.table_share: Share of the characters that is in rows of tables.
comment on ragpg.corpus_overview.tokens_p05: Tokens that 5 % of the chunks do not exceed.
comment on ragpg.corpus_overview.tokens_p50: Tokens of the middle chunk.
comment on ragpg.corpus_overview.tokens_p95: Tokens that 5 % of the chunks exceed.
comment on ragpg.corpus_overview.window_tokens: Most tokens of a chunk with its context.
comment on ragpg.corpus_overview: A row per collection: sizes, shares of tables and code, languages, chunk sizes, duplicates. It reads every text: name the collection in where.
comment on ragpg.corpus_problems.collection: Name of the collection.
comment on ragpg.corpus_problems.detail: How often, and an example; or the other document.
comment on ragpg.corpus_problems.document_id: Its id.
comment on ragpg.corpus_problems.problem: The kind, as ragpg_internal.inspection_rules() lists them.
comment on ragpg.corpus_problems.source: The document's source; null for a line of many documents.
comment on ragpg.corpus_problems.what_to_do: What helps.
comment on ragpg.corpus_problems: A row per problem of a stored document, and per line repeated through a collection: what would make search find garbage. It reads every text: name the collection in where.
comment on ragpg.create_search_index(pg_catalog.text,bigint,integer,integer,pg_catalog.text,pg_catalog.text,integer,pg_catalog.uuid): Returns the id of a new search index of a collection, with all its documents queued for it. Workers fill it; it answers searches once activate_search_index names it. With a context_model each chunk gets a sentence by that language model, for which context_tokens are kept free; until it is activated only ragpg index build and continue fill it, because that costs money. Its vector index holds of the embeddings what the active one's does, or a bit of each number where they have more than 4,000 dimensions (ragpg.quantize_search_index).
comment on ragpg.current_tenant(): Returns the tenant the current role acts for, null for none: for a role bound by ragpg.bind_role the setting ragpg.tenant, if it is one of its tenants, or without a setting the only one it has; for one of ragpg.trust_role, and for whoever sees all, the setting. Null for every other role. Policies compare rows with it.
comment on ragpg.delete_conversation(bigint): Deletes a conversation with its turns: their answers, citations, steps and feedback; returns whether there was one.
comment on ragpg.delete_document(pg_catalog.text,pg_catalog.text): Deletes a document and its chunks and returns whether there was one. Its text stays in document_versions, for the citations that point at it.
comment on ragpg.delete_documents(pg_catalog.text,pg_catalog.jsonpath,pg_catalog.text[],boolean): Deletes the documents of a collection whose metadata match the filter and whose source is one of the sources, with their chunks, and returns their sources; dry_run deletes nothing. Raises RG005 when neither is given: ragpg.drop_collection deletes all. Their last versions stay in document_versions.
comment on ragpg.delete_vanished(pg_catalog.text,pg_catalog.text[],pg_catalog.text[],pg_catalog.text[],double precision,bigint,boolean): Deletes the documents whose source is one of the paths or lies below one (after / or #) and is not among kept; returns how many lie there and the sources that went. What is one of the unread paths or below one stays: it could not be looked at. Raises RG012, deleting nothing, when more than max_share of them would go, and more than few. dry_run deletes nothing. Their last versions stay in document_versions.
comment on ragpg.disable_tenants(): Takes ragpg.enable_tenants() back. Rows keep their tenant, so that it can be switched on again; until then every reader sees them all.
comment on ragpg.distribute(integer): Spreads the chunks of this database, those there are and those to come, over the workers of Citus by their document, or by tenant where tenants are kept apart, and returns over how many shards (shard_count; 4 for each worker). Everything else stays on the coordinator, where all is called as before. The owner of the tables runs it, once; searching and writing wait meanwhile. It is not taken back. Raises RG005 where Citus is missing or has no worker and where the chunks are distributed already.
comment on ragpg.document_as_of(pg_catalog.text,pg_catalog.text,timestamp with time zone): Returns the text a source had at a time; null when there was none, or when that version was pruned.
comment on ragpg.document_history.characters: Length of its text.
comment on ragpg.document_history.citations: Citations that point at it.
comment on ragpg.document_history.collection: Name of the collection.
comment on ragpg.document_history.document_id: The document.
comment on ragpg.document_history.source: The document's source then.
comment on ragpg.document_history.title: Its title then.
comment on ragpg.document_history.valid_from: Since when it was current.
comment on ragpg.document_history.valid_to: Until when; null when it is current.
comment on ragpg.document_history.version: Which version.
comment on ragpg.document_history: A row per version of every document, deleted ones too; ragpg.document_text(document_id, version) gives its text.
comment on ragpg.document_status.characters: Length of its text.
comment on ragpg.document_status.chunks: Chunks in the active search index.
comment on ragpg.document_status.collection: Name of the collection.
comment on ragpg.document_status.created_at: When it was first stored.
comment on ragpg.document_status.document_id: Its id.
comment on ragpg.document_status.indexed: Whether the newest version is what searches see.
comment on ragpg.document_status.indexed_at: When it was last indexed.
comment on ragpg.document_status.media_type: What the source was.
comment on ragpg.document_status.metadata: Its metadata.
comment on ragpg.document_status.source: The document's source.
comment on ragpg.document_status.source_hash: Hash of the bytes it was read from.
comment on ragpg.document_status.title: Its title.
comment on ragpg.document_status.updated_at: When its newest version was stored.
comment on ragpg.document_status.version: Its newest version.
comment on ragpg.document_status: A row per document, with whether its newest version is indexed.
comment on ragpg.document_text(bigint,integer): Returns the text of a document, the newest or the given version; null when there is none.
comment on ragpg.document_values.collection_id: Its collection.
comment on ragpg.document_values.document_id: The document.
comment on ragpg.document_values.key: The key, or the keys that lead to it with dots between them, such as author.name; one that has a dot or a quote itself in double quotes.
comment on ragpg.document_values.kind: n: a number, s: a text, t: a text that is a date, or a time with its date, l: true, false or null; a capital letter where it is in a list; x: some of the metadata's values are not told here.
comment on ragpg.document_values.number: The number; of a time the seconds since 1970, by UTC where it says no zone.
comment on ragpg.document_values.tenant: Whose it is.
comment on ragpg.document_values.word: The text's first 100 characters; true, false or null.
comment on ragpg.document_values: What documents' metadata hold, a row for each value: filters find documents here. Kept by a trigger of documents, written by nothing else.
comment on ragpg.document_values_document_id_btree: Serves changes of a document.
comment on ragpg.document_values_number_btree: Serves comparisons of numbers and times.
comment on ragpg.document_values_word_btree: Serves comparisons of texts.
comment on ragpg.document_versions.collection_id: The collection it belonged to.
comment on ragpg.document_versions.content: Its text then.
comment on ragpg.document_versions.document_id: The document; no foreign key, because versions outlive a deleted document.
comment on ragpg.document_versions.media_type: Its media type then.
comment on ragpg.document_versions.metadata: Its metadata then.
comment on ragpg.document_versions.page_starts: Where its pages began then.
comment on ragpg.document_versions.source: Its source then.
comment on ragpg.document_versions.tenant: The document's.
comment on ragpg.document_versions.title: Its title then.
comment on ragpg.document_versions.valid_from: From when it was the current version.
comment on ragpg.document_versions.valid_to: Until when it was the current version.
comment on ragpg.document_versions.version: Which version this was.
comment on ragpg.document_versions: Every earlier version of a document, also of deleted ones; written by a trigger, so that citations stay checkable.
comment on ragpg.document_versions_collection_id_tenant_source_btree: Serves the history of one source.
comment on ragpg.documents.collection_id: The collection the document belongs to.
comment on ragpg.documents.content: The clean text. Every chunk and citation is a span of characters of it.
comment on ragpg.documents.content_hash: SHA-256 of the content.
comment on ragpg.documents.created_at: When the document was first stored.
comment on ragpg.documents.id: Key; never used again after a delete.
comment on ragpg.documents.media_type: What the source was, such as text/html.
comment on ragpg.documents.metadata: A JSON object that search filters look at.
comment on ragpg.documents.page_starts: The characters, from 0 and in order, at which pages, slides or sheets 1, 2, ... begin; empty when it has none.
comment on ragpg.documents.row_of: The table whose row it is (ragpg.index_table), as its trigger names it; null for other documents.
comment on ragpg.documents.source: What identifies the document in its collection: a path, a URL or the writer's own key.
comment on ragpg.documents.source_hash: SHA-256 of the loader's version and the bytes the text was read from, to skip unchanged files; null when written from SQL.
comment on ragpg.documents.tenant: Whose it is; empty: nobody's but the owner's. Default: ragpg_internal.written_tenant().
comment on ragpg.documents.title: Title, put before every chunk for word search, and before the first for embedding.
comment on ragpg.documents.updated_at: When this version was stored.
comment on ragpg.documents.version: Counts the changes of source, title, content, media type, metadata and pages, from 1; kept by a trigger.
comment on ragpg.documents: One source text each (a file, a page, a row): the newest version. Earlier versions are in document_versions.
comment on ragpg.drop_collection(pg_catalog.text,pg_catalog.uuid): Drops a collection with its documents, all their versions, chunks, search indexes and answers, and returns how many documents went.
comment on ragpg.drop_search_index(bigint,pg_catalog.uuid): Drops a search index that is not the active one, with its chunks, once the searches that run now have ended (it waits five seconds at most). Raises RG010 when it is, or when there is none.
comment on ragpg.embed_query(pg_catalog.text,bigint): Returns the embedding of a question, computed in the database by the model whose key is given, else by the only one that is loaded and verified; the same vector as in Python, of length 1. A question asked before is looked up in ragpg.query_embeddings, a new one is stored there where the transaction may write.
comment on ragpg.embedding_models.created_at: When it was first used here.
comment on ragpg.embedding_models.dimensions: Length of its vectors; 4,000 is the most HNSW takes.
comment on ragpg.embedding_models.id: Key.
comment on ragpg.embedding_models.max_tokens: The longest text it reads, in its own tokens, special ones included.
comment on ragpg.embedding_models.name: The model's published name.
comment on ragpg.embedding_models.probe: Its embedding of a fixed text: another model behind the same name or dimension is noticed and refused.
comment on ragpg.embedding_models.provider: Who computes it, such as sentence-transformers.
comment on ragpg.embedding_models: The models whose embeddings are stored here.
comment on ragpg.enable_tenants(pg_catalog.text): Keeps tenants apart by row-level security on every table that holds content: a session sees and writes the rows of its tenant (ragpg.set_tenant, ragpg.bind_role), without one it sees nothing. What is stored without a tenant becomes existing_tenant's, or else is seen by the owner alone. To be run by the owner, who sees everything; again after an upgrade. Where the chunks are distributed no policy can be asked: there ragpg.chunks is the owner's alone, and is read and written by functions that run as the owner and compare the tenant. ragpg.disable_tenants takes it back.
comment on ragpg.encoder_embeddings.embedding: Its vector; in half precision, which LayerNorm forgives.
comment on ragpg.encoder_embeddings.embedding_model_id: The encoder.
comment on ragpg.encoder_embeddings.token_id: The token.
comment on ragpg.encoder_embeddings: The vector each token enters the first layer with.
comment on ragpg.encoder_layers.attention_gain: Gain after attention; null in layer 0.
comment on ragpg.encoder_layers.attention_shift: Shift after attention; null in layer 0.
comment on ragpg.encoder_layers.embedding_model_id: The encoder.
comment on ragpg.encoder_layers.layer: The layer, from 1; 0 is the embeddings.
comment on ragpg.encoder_layers.output_gain: Gain at the end of the layer.
comment on ragpg.encoder_layers.output_shift: Shift at the end of the layer.
comment on ragpg.encoder_layers: LayerNorm of each layer. Gains are times the square root of the width and end in 0, shifts end in 1: the 1 the next matrix multiplies its bias with.
comment on ragpg.encoder_positions.embedding: The vector of the place, that of token type 0 added.
comment on ragpg.encoder_positions.embedding_model_id: The encoder.
comment on ragpg.encoder_positions.token_position: Which token of the text, from 1.
comment on ragpg.encoder_positions: What each place in the text adds to the vector of its token.
comment on ragpg.encoder_status.dimensions: Length of its embeddings.
comment on ragpg.encoder_status.embedding_model: The model's name.
comment on ragpg.encoder_status.embedding_model_id: Its key.
comment on ragpg.encoder_status.layers: Its transformer layers.
comment on ragpg.encoder_status.loaded_at: When its weights were stored.
comment on ragpg.encoder_status.max_query_tokens: Longer questions are cut.
comment on ragpg.encoder_status.pooling: mean or cls.
comment on ragpg.encoder_status.provider: Who computes it in Python.
comment on ragpg.encoder_status.verified: Whether it agrees with the model in Python and is used.
comment on ragpg.encoder_status.verified_cosine: The smallest cosine to the model in Python.
comment on ragpg.encoder_status: A row per embedding model whose weights are in the database; searches use the verified ones for questions that come without an embedding.
comment on ragpg.encoder_vocabulary.embedding_model_id: The encoder.
comment on ragpg.encoder_vocabulary.token: The token; one that continues a word begins with ##.
comment on ragpg.encoder_vocabulary.token_id: Its number.
comment on ragpg.encoder_vocabulary: The tokens of each encoder.
comment on ragpg.encoder_weights.embedding_model_id: The encoder.
comment on ragpg.encoder_weights.layer: The layer, from 1.
comment on ragpg.encoder_weights.matrix: 1: queries and keys of attention; 2: its values; 3: its output; 4: into the wide layer; 5: out of it.
comment on ragpg.encoder_weights.place: The row of the matrix, from 1.
comment on ragpg.encoder_weights.weights: The row with its bias last, the sign turned: pgvector's <#> is the product with its sign turned. Queries are not turned, and divided by the root of a head's width; matrix 4 is divided by the root of 2 and matrix 5 (bias aside) too, which takes the constants out of GELU.
comment on ragpg.encoder_weights: The matrices of each layer, a row of a matrix a row here, inside the page: read in order they need no copy.
comment on ragpg.encoders.cached_queries: How many embeddings of questions ragpg.query_embeddings keeps for it, and up to 127 more; 0 keeps and uses none.
comment on ragpg.encoders.embedding_model_id: The model.
comment on ragpg.encoders.first_token_id: The token before every text, [CLS].
comment on ragpg.encoders.heads: Attention heads of a layer.
comment on ragpg.encoders.last_token_id: The token after every text, [SEP].
comment on ragpg.encoders.layer_norm_epsilon: Its smallest variance, added by LayerNorm.
comment on ragpg.encoders.layers: Its transformer layers.
comment on ragpg.encoders.loaded_at: When its weights were stored.
comment on ragpg.encoders.longest_token: Characters of its longest token, the ## of a continuation not counted.
comment on ragpg.encoders.lower_case: Whether its tokenizer lower-cases.
comment on ragpg.encoders.max_query_tokens: Questions are cut to as many tokens, special ones included: the time grows with them.
comment on ragpg.encoders.pooling: How the tokens' vectors become one: their mean, or that of the first token (cls).
comment on ragpg.encoders.query_prefix: What the model wants before a question, such as "query: ".
comment on ragpg.encoders.special_tokens: Tokens that are found in a text as they stand, before anything else, such as [MASK].
comment on ragpg.encoders.strip_accents: Whether its tokenizer removes accents.
comment on ragpg.encoders.unknown_token_id: The token of a word it cannot spell, [UNK].
comment on ragpg.encoders.verified: Whether it agrees with the model in Python: ragpg.embed_query uses no other.
comment on ragpg.encoders.verified_cosine: The smallest cosine to the model in Python on a fixed list of texts; null before that is measured.
comment on ragpg.encoders.width: Length of the vector that stands for a token.
comment on ragpg.encoders: The embedding models whose weights are in this database, so that ragpg.embed_query computes the embedding of a question here.
comment on ragpg.erase_document(pg_catalog.text,pg_catalog.text): Erases a document for good: its text, chunks, the sentences a model wrote about them, all versions, every answer that cites it or was shown it in a step, and the turns of a conversation after that, every evaluation question that quotes it, and its words from the statistics; returns how many documents, earlier versions and answers went. The log of searches holds questions and no text of documents: it stays. Dead rows leave the files with the next vacuum; backups and logs of Postgres itself are not touched.
comment on ragpg.evaluate(pg_catalog.text,pg_catalog.text,integer,pg_catalog.text,bigint,pg_catalog.text): Asks every question of an evaluation set and returns the id of the run; view evaluation_leaderboard has its measures. The database embeds the questions if it holds the model (ragpg model load); else words stand in for it.
comment on ragpg.evaluation_answers.abstained: Whether it says that there is no answer.
comment on ragpg.evaluation_answers.abstained_rightly: Whether that is as the question wants it.
comment on ragpg.evaluation_answers.answer: Its text.
comment on ragpg.evaluation_answers.answer_id: The stored answer.
comment on ragpg.evaluation_answers.citations: How many it cites.
comment on ragpg.evaluation_answers.evaluation_question_id: The question.
comment on ragpg.evaluation_answers.evaluation_run_id: The run.
comment on ragpg.evaluation_answers.expected_answer: What a good answer says, if known.
comment on ragpg.evaluation_answers.grade: right, right in fact, or wrong; null without a judge.
comment on ragpg.evaluation_answers.grade_reason: What the judge said.
comment on ragpg.evaluation_answers.grounded: Whether every claim is cited.
comment on ragpg.evaluation_answers.input_tokens: Tokens the model read.
comment on ragpg.evaluation_answers.is_answerable: Whether the collection holds the answer.
comment on ragpg.evaluation_answers.labelled_citations: Those that touch a labelled text.
comment on ragpg.evaluation_answers.latency_ms: Milliseconds the answer took.
comment on ragpg.evaluation_answers.output_tokens: Tokens it wrote.
comment on ragpg.evaluation_answers.question: Its text.
comment on ragpg.evaluation_answers.valid_citations: Those whose quote stands at the cited characters of that version.
comment on ragpg.evaluation_answers: A row per question of a run that was answered too (ragpg eval run --answers): abstained rightly or not, claims cited or not, quotes that stand where they are said to, citations that touch a labelled text, and the grade a judge gave.
comment on ragpg.evaluation_drafts.document_id: The document it was drafted from; with it the draft goes.
comment on ragpg.evaluation_drafts.drafted_at: When.
comment on ragpg.evaluation_drafts.evaluation_set_id: The set it is for.
comment on ragpg.evaluation_drafts.expected_answer: What a good answer says.
comment on ragpg.evaluation_drafts.id: Key.
comment on ragpg.evaluation_drafts.model: The model that wrote it.
comment on ragpg.evaluation_drafts.question: The question.
comment on ragpg.evaluation_drafts.quote: The text that answers it, verbatim.
comment on ragpg.evaluation_drafts.rejected_at: When a person said no; kept, so that its passage is not drafted from again.
comment on ragpg.evaluation_drafts.start_char: The first character of the quote when it was drafted.
comment on ragpg.evaluation_drafts.tenant: The set's, always: its foreign key says so.
comment on ragpg.evaluation_drafts: Questions a model drafted from chunks. No run asks them: ragpg.accept_draft makes one a question of its set.
comment on ragpg.evaluation_drafts_document_id_btree: Serves the deletion of a document.
comment on ragpg.evaluation_failures.evaluation_question_id: The question.
comment on ragpg.evaluation_failures.evaluation_run_id: The run.
comment on ragpg.evaluation_failures.first_relevant_place: Where the first relevant chunk was, if a candidate.
comment on ragpg.evaluation_failures.kind: not in the corpus, cut across chunks, not among the candidates, ranked low, should have abstained, answer wrong or uncited, or answer right in fact, wrong in form.
comment on ragpg.evaluation_failures.question: Its text.
comment on ragpg.evaluation_failures.span_recall: Share of the labelled characters found.
comment on ragpg.evaluation_failures.what_to_try: What may help.
comment on ragpg.evaluation_failures: A row per question of a run that went wrong, with the reason. The hits do not hold the answer whole: its document or quote is not in the corpus; no chunk holds it whole; no chunk of it is a candidate; or one is, but ranked below k. With answers also those whose hits sufficed: the answer is wrong or uncited (knowledge was there), or right in fact but wrong in form (a behaviour gap, which retrieval does not close), and those that should have abstained.
comment on ragpg.evaluation_from_feedback(pg_catalog.text,pg_catalog.text): Makes questions of an evaluation set, tagged feedback, from ragpg.feedback, and returns how many: of answers to the same question the last one that was called good or corrected, by the newest feedback to it. Of a follow-up in a conversation the question is the standalone one. A good answer is what to expect, its quotes are the labels; a good abstention makes the question unanswerable; a correction is what to expect, without labels. Bad answers without a correction, and questions the set holds under other tags, are left out. Raises RG001, RG002.
comment on ragpg.evaluation_hits.bm25: Score of its words.
comment on ragpg.evaluation_hits.document_id: Its document.
comment on ragpg.evaluation_hits.document_version: Its version then.
comment on ragpg.evaluation_hits.end_char: One past its last character.
comment on ragpg.evaluation_hits.evaluation_question_id: The question.
comment on ragpg.evaluation_hits.evaluation_run_id: The run.
comment on ragpg.evaluation_hits.is_relevant: Whether it holds a character of a labelled text.
comment on ragpg.evaluation_hits.place: Place of the hit, from 1.
comment on ragpg.evaluation_hits.score: What ordered the hits.
comment on ragpg.evaluation_hits.similarity: Cosine to the question.
comment on ragpg.evaluation_hits.source: The document's source then.
comment on ragpg.evaluation_hits.start_char: First character of the chunk.
comment on ragpg.evaluation_hits.tenant: The result's, always: its foreign key says so.
comment on ragpg.evaluation_hits: The hits of each question of each run.
comment on ragpg.evaluation_label_spans.document_id: The document; null when it is gone.
comment on ragpg.evaluation_label_spans.end_char: One past the last.
comment on ragpg.evaluation_label_spans.evaluation_label_id: The label.
comment on ragpg.evaluation_label_spans.evaluation_question_id: The question.
comment on ragpg.evaluation_label_spans.evaluation_set_id: The evaluation set.
comment on ragpg.evaluation_label_spans.question: The question's text.
comment on ragpg.evaluation_label_spans.quote: The labelled text, if it is a quote.
comment on ragpg.evaluation_label_spans.source: The document, as the label names it.
comment on ragpg.evaluation_label_spans.start_char: First labelled character.
comment on ragpg.evaluation_label_spans.state: found, document is gone, quote is gone, or document is shorter.
comment on ragpg.evaluation_label_spans: A row per label with the characters it stands at today; state says when its document or quote is gone.
comment on ragpg.evaluation_labels.end_char: One past its last character.
comment on ragpg.evaluation_labels.evaluation_question_id: The question.
comment on ragpg.evaluation_labels.id: Key.
comment on ragpg.evaluation_labels.quote: The text that answers, verbatim; found again when the document changes.
comment on ragpg.evaluation_labels.source: The document's source, or the end of it after a slash when that is one document only.
comment on ragpg.evaluation_labels.start_char: Its first character: which of several places the quote stands at, or the label itself without one.
comment on ragpg.evaluation_labels.tenant: The question's, always: its foreign key says so.
comment on ragpg.evaluation_labels: Where the answer to a question stands: a document, and in it a quote or a span of characters, or all of it. Never a chunk, so that labels survive another chunking.
comment on ragpg.evaluation_labels_evaluation_question_id_btree: Serves the labels of a question.
comment on ragpg.evaluation_leaderboard."precision": Mean precision at k.
comment on ragpg.evaluation_leaderboard.abstention_accuracy: Share of answers that abstain where the question has no answer, and only there.
comment on ragpg.evaluation_leaderboard.active: Whether that answers searches now.
comment on ragpg.evaluation_leaderboard.answers: Questions that were answered too.
comment on ragpg.evaluation_leaderboard.chunk_tokens: Its chunk size then.
comment on ragpg.evaluation_leaderboard.citation_precision: Share of citations that touch a labelled text.
comment on ragpg.evaluation_leaderboard.citation_validity: Share of citations whose quote stands at the cited characters.
comment on ragpg.evaluation_leaderboard.collection: The collection.
comment on ragpg.evaluation_leaderboard.correct_share: Share of graded answers that are right.
comment on ragpg.evaluation_leaderboard.embedding_model: Its embedding model then.
comment on ragpg.evaluation_leaderboard.evaluation_set: The questions.
comment on ragpg.evaluation_leaderboard.finished_at: When it ended; null: it did not.
comment on ragpg.evaluation_leaderboard.grounded_share: Share of answers, of those not abstained, whose every claim is cited.
comment on ragpg.evaluation_leaderboard.index_id: The search index.
comment on ragpg.evaluation_leaderboard.is_trial: Whether it tried other settings than those in use (ragpg tune, ragpg index compare).
comment on ragpg.evaluation_leaderboard.k: Hits asked for.
comment on ragpg.evaluation_leaderboard.labelled_questions: Those with a relevant chunk, which the means are over.
comment on ragpg.evaluation_leaderboard.latency_p50_ms: Median of the searches, milliseconds.
comment on ragpg.evaluation_leaderboard.latency_p95_ms: Their 95th percentile.
comment on ragpg.evaluation_leaderboard.map: Mean average precision.
comment on ragpg.evaluation_leaderboard.mode: hybrid, vector or keyword.
comment on ragpg.evaluation_leaderboard.mrr: Mean reciprocal rank.
comment on ragpg.evaluation_leaderboard.ndcg: Mean nDCG at k.
comment on ragpg.evaluation_leaderboard.note: What was tried.
comment on ragpg.evaluation_leaderboard.questions: Questions asked.
comment on ragpg.evaluation_leaderboard.recall: Mean recall at k.
comment on ragpg.evaluation_leaderboard.run_id: The run.
comment on ragpg.evaluation_leaderboard.span_iou: Mean of characters in both by characters in either.
comment on ragpg.evaluation_leaderboard.span_precision: Mean share of found characters that are labelled.
comment on ragpg.evaluation_leaderboard.span_recall: Mean share of labelled characters found.
comment on ragpg.evaluation_leaderboard.started_at: When it began.
comment on ragpg.evaluation_leaderboard.success: Share with a relevant hit.
comment on ragpg.evaluation_leaderboard.zero_hit_rate: Share of questions without any hit.
comment on ragpg.evaluation_leaderboard: A row per run: means of evaluation_measures over the questions with labelled texts in the collection.
comment on ragpg.evaluation_measures."precision": Relevant hits by k.
comment on ragpg.evaluation_measures.average_precision: Mean of the precisions at each relevant hit, over all relevant chunks.
comment on ragpg.evaluation_measures.evaluation_question_id: The question.
comment on ragpg.evaluation_measures.evaluation_run_id: The run.
comment on ragpg.evaluation_measures.first_relevant_place: Place of the first relevant chunk, beyond k too; null when it was no candidate.
comment on ragpg.evaluation_measures.hit_count: Hits that came back.
comment on ragpg.evaluation_measures.is_answerable: Whether the collection holds the answer.
comment on ragpg.evaluation_measures.k: Hits asked for.
comment on ragpg.evaluation_measures.latency_ms: Milliseconds of the search.
comment on ragpg.evaluation_measures.ndcg: Discounted cumulative gain by the best possible one (Järvelin and Kekäläinen 2002).
comment on ragpg.evaluation_measures.question: Its text.
comment on ragpg.evaluation_measures.recall: Share of the relevant chunks among the hits.
comment on ragpg.evaluation_measures.reciprocal_rank: 1 by the place of the first relevant hit, or 0.
comment on ragpg.evaluation_measures.relevant_chunks: Relevant chunks there are; a document labelled as a whole is one.
comment on ragpg.evaluation_measures.span_iou: Characters in both by characters in either.
comment on ragpg.evaluation_measures.span_precision: Share of the hits' characters that are labelled.
comment on ragpg.evaluation_measures.span_recall: Share of the labelled characters that the hits hold.
comment on ragpg.evaluation_measures.success: 1 when any hit is relevant, else 0.
comment on ragpg.evaluation_measures.tags: Its tags.
comment on ragpg.evaluation_measures: A row per question and run. Relevant is a chunk that holds a character of a labelled text; a document labelled as a whole is met by any chunk of it, of which the first counts, in the span measures with the length of an average hit. Recall, precision, reciprocal rank, average precision and nDCG are at the run's k, with binary gains, as trec_eval computes them; span measures count characters and so compare recipes of different chunk sizes (Smith and Troynikov 2024). Null where nothing is labelled.
comment on ragpg.evaluation_questions.created_at: When it was added.
comment on ragpg.evaluation_questions.evaluation_set_id: The set.
comment on ragpg.evaluation_questions.expected_answer: What a good answer says, if known.
comment on ragpg.evaluation_questions.id: Key.
comment on ragpg.evaluation_questions.is_answerable: Whether the collection holds the answer; false: abstaining is right.
comment on ragpg.evaluation_questions.question: The question, as a user would ask it.
comment on ragpg.evaluation_questions.tags: Kinds it belongs to, for measures per tag.
comment on ragpg.evaluation_questions.tenant: The set's, always: its foreign key says so.
comment on ragpg.evaluation_questions: The questions of an evaluation set.
comment on ragpg.evaluation_results.answer_id: The answer it got; null when none was asked for, or it was erased.
comment on ragpg.evaluation_results.evaluation_question_id: The question.
comment on ragpg.evaluation_results.evaluation_run_id: The run.
comment on ragpg.evaluation_results.first_relevant_place: Place of the first relevant chunk among k hits or, beyond them, among all candidates; null: not a candidate.
comment on ragpg.evaluation_results.grade: right, right in fact (but wrong in form), or wrong, by a judge; null without one.
comment on ragpg.evaluation_results.grade_reason: What the judge said.
comment on ragpg.evaluation_results.hit_count: Hits that came back.
comment on ragpg.evaluation_results.labelled_spans: The labelled characters then, as int4multirange by document id; null for a document labelled as a whole.
comment on ragpg.evaluation_results.labels: Labels of the question.
comment on ragpg.evaluation_results.latency_ms: Milliseconds of the search in the database, the embedding of the question included when it made it.
comment on ragpg.evaluation_results.lost_labels: Labels whose document or quote is not in the collection any more.
comment on ragpg.evaluation_results.relevant_chunks: Chunks of the search index that hold a character of a labelled text; a document labelled as a whole is one.
comment on ragpg.evaluation_results.split_labels: Labels that no single chunk holds whole; of a document labelled as a whole any chunk will do.
comment on ragpg.evaluation_results.tenant: The run's, always: its foreign key says so.
comment on ragpg.evaluation_results: What one question gave in one run.
comment on ragpg.evaluation_results_answer_id_btree: Serves the deletion of answers.
comment on ragpg.evaluation_results_evaluation_question_id_btree: Serves the deletion of questions, and one question over all runs.
comment on ragpg.evaluation_runs.evaluation_set_id: The questions.
comment on ragpg.evaluation_runs.finished_at: When it ended; null when it did not.
comment on ragpg.evaluation_runs.id: Key.
comment on ragpg.evaluation_runs.index_id: The search index; no foreign key, because a run outlives a dropped recipe.
comment on ragpg.evaluation_runs.is_trial: Whether it tried other settings than those in use (ragpg tune, ragpg index compare): such a run is judged only where it is named.
comment on ragpg.evaluation_runs.k: Hits asked for.
comment on ragpg.evaluation_runs.mode: hybrid, vector or keyword.
comment on ragpg.evaluation_runs.note: What was tried, for people.
comment on ragpg.evaluation_runs.recipe: The search index as it was then.
comment on ragpg.evaluation_runs.started_at: When it began.
comment on ragpg.evaluation_runs.tenant: The set's, always: its foreign key says so.
comment on ragpg.evaluation_runs: One asking of an evaluation set: of which search index, how, and when.
comment on ragpg.evaluation_runs_evaluation_set_id_btree: Serves the runs of a set.
comment on ragpg.evaluation_sets.collection_id: The collection they are asked of.
comment on ragpg.evaluation_sets.created_at: When it was made.
comment on ragpg.evaluation_sets.description: Where the questions come from, for people.
comment on ragpg.evaluation_sets.id: Key.
comment on ragpg.evaluation_sets.name: Its name, one in its collection.
comment on ragpg.evaluation_sets.tenant: Whose questions they are.
comment on ragpg.evaluation_sets: Named sets of questions a collection is measured with.
comment on ragpg.evaluation_tags.evaluation_run_id: The run.
comment on ragpg.evaluation_tags.mrr: Mean reciprocal rank.
comment on ragpg.evaluation_tags.ndcg: Mean nDCG at k.
comment on ragpg.evaluation_tags.questions: Questions with it and a relevant chunk.
comment on ragpg.evaluation_tags.recall: Mean recall at k.
comment on ragpg.evaluation_tags.span_recall: Mean share of labelled characters found.
comment on ragpg.evaluation_tags.success: Share with a relevant hit.
comment on ragpg.evaluation_tags.tag: The tag.
comment on ragpg.evaluation_tags: A row per run and tag: means of evaluation_measures over its questions with labelled texts in the collection.
comment on ragpg.explain_search(pg_catalog.text,integer,pg_catalog.text,pg_catalog.jsonpath,public.halfvec,pg_catalog.text): Returns what ragpg.search does, with the place each hit has when searched by meaning alone and by words alone (null: not among its candidates), and the query's words it holds. Three searches, so for looking, not for serving.
comment on ragpg.feedback(bigint,pg_catalog.text,pg_catalog.text,pg_catalog.text): Stores what a person thinks of an answer: good or bad, what it should have said, a comment; returns its id. The newest counts. Raises RG005.
comment on ragpg.find_documents(pg_catalog.text,pg_catalog.jsonpath,pg_catalog.text[],integer,pg_catalog.text): Returns the documents of a collection whose metadata match the filter and whose source is one of the sources, all without either, in the order of their sources; page_size of them, those after a source: the last one of the page before. document_status tells more of each. Raises RG004 for a filter that is no predicate.
comment on ragpg.find_source(pg_catalog.text,pg_catalog.text[]): Returns the source of the document that is meant, a deleted one too: the first of the names that is one, or else the only one that ends with a slash and the first name; the first name itself where there is none. Raises RG005 where several end so.
comment on ragpg.finetune_jobs.base_model: The model that is fine-tuned.
comment on ragpg.finetune_jobs.created_at: When the submission began.
comment on ragpg.finetune_jobs.error: Why it failed, in the provider's words.
comment on ragpg.finetune_jobs.finished_model: The name of the model that came out.
comment on ragpg.finetune_jobs.id: Key.
comment on ragpg.finetune_jobs.job_id: The provider's name of the job; null until it is known.
comment on ragpg.finetune_jobs.parameters: What else the provider was told.
comment on ragpg.finetune_jobs.provider: Whose machines: openai or bedrock.
comment on ragpg.finetune_jobs.state: uploading, then a word of OpenAI's API: validating_files, queued, running, succeeded, failed, cancelled.
comment on ragpg.finetune_jobs.tenant: Whose examples they are.
comment on ragpg.finetune_jobs.training_file_id: The provider's name of the uploaded training file.
comment on ragpg.finetune_jobs.training_hash: SHA-256 of the training file: the same data is not submitted twice unasked.
comment on ragpg.finetune_jobs.updated_at: When the state was last heard of.
comment on ragpg.finetune_jobs.validation_file_id: The same of the validation file.
comment on ragpg.finetune_jobs.validation_hash: SHA-256 of the validation file, if there is one.
comment on ragpg.finetune_jobs: Datasets handed to a provider for fine-tuning, and what became of them.
comment on ragpg.finetuning_examples.answer: The answer to learn.
comment on ragpg.finetuning_examples.collection: Name of the collection.
comment on ragpg.finetuning_examples.origin: accepted answer, corrected answer, or the evaluation set.
comment on ragpg.finetuning_examples.question: The question.
comment on ragpg.finetuning_examples.split_by: Source of the first cited or labelled document, else the question: examples that share it are all in training or all in validation.
comment on ragpg.finetuning_examples: A row per question with an answer that a person accepted, corrected or expects: what ragpg finetune export writes.
comment on ragpg.grant_reader(pg_catalog.text): Lets a role search, and read every table and view of ragpg, those made later too; its questions are remembered in the cache of query embeddings and, where a collection wants it, in the log of searches. For dashboards. To be called by the owner of the schema.
comment on ragpg.grant_writer(pg_catalog.text): Lets a role search, ingest, delete, store answers and measure, without owning or changing any table. For applications. To be called by the owner of the schema.
comment on ragpg.health_problems.collection: Name of the collection; null for what concerns all.
comment on ragpg.health_problems.detail: What was seen.
comment on ragpg.health_problems.problem: documents fail, indexing is behind (more than 15 minutes), index is invalid, recall is low (below 0.9), statistics are stale, many dead rows; functions run as a superuser, table is not kept apart, function does not run as its owner, statistics tell of all tenants, bound role is missing, role acts for no tenant.
comment on ragpg.health_problems.what_to_do: What helps.
comment on ragpg.health_problems: A row per thing that needs attention; none when all is well. Cheap, for monitoring: ragpg.verify() reads every text, too.
comment on ragpg.help(pg_catalog.text): Returns what there is to call and to read in ragpg that has this in its name or says it, the name itself first: how a function is called or which columns a view or table has, and what it is for. All of it without an argument; \x in psql shows a row as a page.
comment on ragpg.highlight(pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text): Returns the text with the words of the query (whatever their form, within compounds too) between the marks; what stands between such marks already, as in **Markdown**, stays as it is. language is a text-search configuration, such as that of the chunk.
comment on ragpg.hit.bm25: BM25 of the chunk; null where the word leg did not run.
comment on ragpg.hit.chunk_id: The chunk, for ragpg.similar_chunks and ragpg.surroundings.
comment on ragpg.hit.content: The chunk: exactly the characters start_char to end_char of that version of the document.
comment on ragpg.hit.context: What stood before the chunk for embedding and words: title, headings, header rows.
comment on ragpg.hit.document_id: The document.
comment on ragpg.hit.document_version: Its version, for citations.
comment on ragpg.hit.end_char: Character after the last.
comment on ragpg.hit.metadata: Metadata of the document.
comment on ragpg.hit.page: Page on which the chunk starts, from 1; null without pages.
comment on ragpg.hit.place: From 1, the best: order by it.
comment on ragpg.hit.score: What ordered the hits: in standard deviations (hybrid), a cosine (vector) or BM25 (keyword).
comment on ragpg.hit.similarity: Cosine of the chunk and the query; null where the vector leg did not run.
comment on ragpg.hit.source: What identifies the document in its collection.
comment on ragpg.hit.start_char: First character of the document, from 0.
comment on ragpg.hit.title: Title of the document.
comment on ragpg.index_documents.attempts: How often indexing the waiting version failed.
comment on ragpg.index_documents.chunk_count: How many chunks it became.
comment on ragpg.index_documents.document_id: The document.
comment on ragpg.index_documents.document_version: The version whose chunks are stored; null before the first.
comment on ragpg.index_documents.error: What the last attempt said.
comment on ragpg.index_documents.index_id: The search index.
comment on ragpg.index_documents.indexed_at: When; null before the first time.
comment on ragpg.index_documents.next_attempt_at: Workers leave it alone until then.
comment on ragpg.index_documents.pending_since: Since when a newer version waits to be indexed; null when none does.
comment on ragpg.index_documents.tenant: The document's, always: its foreign key says so.
comment on ragpg.index_documents: Which version of which document a search index holds, and which documents wait for it (view ingest_queue).
comment on ragpg.index_documents_index_id_btree: Serves counts per search index.
comment on ragpg.index_documents_next_attempt_at_btree: Serves workers that look for what waits.
comment on ragpg.index_health.activated_at: When it last began to answer searches.
comment on ragpg.index_health.active: Whether it answers searches.
comment on ragpg.index_health.chunk_tokens: Most tokens of a chunk.
comment on ragpg.index_health.chunks: Chunks now.
comment on ragpg.index_health.collection: Name of the collection.
comment on ragpg.index_health.context_model: The language model that writes a sentence of context per chunk; null: none does.
comment on ragpg.index_health.counted_chunks: Chunks when words were last counted.
comment on ragpg.index_health.created_at: When the recipe was made.
comment on ragpg.index_health.dead_chunks: Dead rows that the next vacuum takes away, estimated.
comment on ragpg.index_health.documents: Documents it holds.
comment on ragpg.index_health.ef_search: Least hnsw.ef_search of its scans: ragpg.tune_ef_search.
comment on ragpg.index_health.embedding_model: The model of its embeddings.
comment on ragpg.index_health.failed_documents: Those of them whose last attempt failed: ragpg.ingest_queue has the errors.
comment on ragpg.index_health.index_bytes: Bytes of its indexes.
comment on ragpg.index_health.index_id: The search index.
comment on ragpg.index_health.indexes_valid: Whether all its indexes can be used.
comment on ragpg.index_health.language: Text-search configuration of the word leg.
comment on ragpg.index_health.overlap_tokens: Tokens a chunk shares with the one before it.
comment on ragpg.index_health.pending_documents: Documents whose newest version it does not hold yet.
comment on ragpg.index_health.quantize: What the vector index holds of the embeddings: none (of it left out), bit (a bit of each number), or subvector:N, the first N.
comment on ragpg.index_health.recall: Recall when it was last measured: ragpg.measure_recall.
comment on ragpg.index_health.recall_measured_at: When that was.
comment on ragpg.index_health.refreshed_at: When words were last counted.
comment on ragpg.index_health.share_of_buffers: Those bytes by shared_buffers: near 1 or above, scans may wait for the disk.
comment on ragpg.index_health.state: building (first load, vector index not there yet) or ready.
comment on ragpg.index_health.table_bytes: Bytes of its chunks.
comment on ragpg.index_health.vector_index_bytes: Bytes of the vector index; null: there is none yet.
comment on ragpg.index_health: A row per search index: its size, and whether its counts for ranking are those of now.
comment on ragpg.index_statistics.chunk_count: Chunks when it was counted: N of BM25.
comment on ragpg.index_statistics.document_sample: Up to 400 documents drawn at random: tells ragpg.search whether a filter lets many or few through.
comment on ragpg.index_statistics.embedding_sample: Up to 256 embeddings drawn at random: mean and deviation of a query's similarity over the index are estimated from them.
comment on ragpg.index_statistics.index_id: The search index.
comment on ragpg.index_statistics.languages: Text-search configurations of its chunks; where the index has auto, questions are stemmed by each.
comment on ragpg.index_statistics.mean_length: Mean lexeme_count: avgdl of BM25.
comment on ragpg.index_statistics.refreshed_at: When it was counted.
comment on ragpg.index_statistics.tenant: Whose chunks were counted; empty: all chunks.
comment on ragpg.index_statistics: What ranking needs to know of a whole search index; made by refresh_index.
comment on ragpg.index_table(pg_catalog.regclass,pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text[],pg_catalog.text): Makes every row of a table a document of a collection, now and whenever the table changes (by triggers on it): the columns named give source, content, title and metadata. Returns how many rows there are. Workers make the chunks. ragpg.stop_indexing_table undoes it, view indexed_tables lists them. Sources must be unique in the collection, also over several tables. To be called by the table's owner, who needs ragpg.grant_writer and the right to execute ragpg_internal.index_table_row: whoever has that writes for every tenant of the table's collections.
comment on ragpg.indexed_tables.collection: Name of the collection.
comment on ragpg.indexed_tables.content_column: The column that gives its text.
comment on ragpg.indexed_tables.media_type: How the text is read, such as text/markdown.
comment on ragpg.indexed_tables.metadata_columns: The columns that become its metadata.
comment on ragpg.indexed_tables.source_column: The column that gives a document's source.
comment on ragpg.indexed_tables.table_name: The table.
comment on ragpg.indexed_tables.title_column: The column that gives its title, if any.
comment on ragpg.indexed_tables: A row per table that ragpg.index_table keeps in step with a collection.
comment on ragpg.ingest_lag.collection: Name of the collection.
comment on ragpg.ingest_lag.failing_documents: Those of them whose last attempt failed: ragpg.ingest_queue has the errors.
comment on ragpg.ingest_lag.indexed_last_hour: Documents indexed within the hour.
comment on ragpg.ingest_lag.lag_seconds: How long that is, seconds; 0: none waits.
comment on ragpg.ingest_lag.last_indexed_at: When the last one was.
comment on ragpg.ingest_lag.oldest_waiting_since: Since when the oldest waits; null: none does.
comment on ragpg.ingest_lag.waiting_documents: Documents whose newest version waits.
comment on ragpg.ingest_lag: A row per collection: documents that searches do not see yet, and since when.
comment on ragpg.ingest_queue.active: Whether searches use that index.
comment on ragpg.ingest_queue.attempts: How often indexing this version failed.
comment on ragpg.ingest_queue.collection: Name of the collection.
comment on ragpg.ingest_queue.document_id: Its id.
comment on ragpg.ingest_queue.error: What the last attempt said.
comment on ragpg.ingest_queue.index_id: The search index; null when the collection has none yet.
comment on ragpg.ingest_queue.indexed_version: The version this search index holds; null when none.
comment on ragpg.ingest_queue.next_attempt_at: When workers try next.
comment on ragpg.ingest_queue.source: The document's source.
comment on ragpg.ingest_queue.version: The version that waits.
comment on ragpg.ingest_queue.waiting_since: Since when it waits.
comment on ragpg.ingest_queue: A row per document and search index that does not hold its newest version: written by SQL and not picked up by a worker yet, left by an ingest that was stopped, or failing (error).
comment on ragpg.judge_hits(pg_catalog.text,bigint[],double precision[]): Returns whether the hits of a search, best first, are enough to answer a question from: their best similarity reaches the search index's min_similarity and, once ragpg.calibrate chose one, their relevance its min_relevance. With what it judges by: ragpg_internal.relevance (null until calibrated) and ragpg_internal.answer_signals. What ask abstains by.
comment on ragpg.lexeme_statistics.chunk_count: Chunks that hold it: df of BM25.
comment on ragpg.lexeme_statistics.index_id: The search index.
comment on ragpg.lexeme_statistics.lexeme: The word as text search normalises it.
comment on ragpg.lexeme_statistics.occurrence_count: Times it occurs.
comment on ragpg.lexeme_statistics.tenant: Whose chunks were counted; empty: all chunks.
comment on ragpg.lexeme_statistics: How common each word is in a search index, for BM25; made by refresh_index.
comment on ragpg.match_documents(public.vector,integer,pg_catalog.jsonb,pg_catalog.text): Returns the match_count chunks nearest to an embedding, best first, of documents whose metadata have each key's value in the filter. The calling convention of many client libraries; ragpg.search does more. Raises RG005 when the filter is nested.
comment on ragpg.measure_recall(pg_catalog.text,integer,integer,integer,bigint): Compares the vector index of a collection (its active one, or index_id) with exact search, on logged questions or else its own chunks, stores what share of the k nearest it finds in ragpg.recall_measurements and returns that row; null when it holds no chunk. A neighbour as far as the k-th counts as found.
comment on ragpg.model_prices.cache_creation_price: A million tokens stored in the prompt cache.
comment on ragpg.model_prices.cache_read_price: A million tokens read from the prompt cache.
comment on ragpg.model_prices.input_price: A million tokens read, without cached ones.
comment on ragpg.model_prices.model: The model as answers name it.
comment on ragpg.model_prices.output_price: A million tokens written.
comment on ragpg.model_prices: What language models cost, per million tokens, in a currency of yours: ragpg.answers_by_day counts with it. Empty until you fill it.
comment on ragpg.near_duplicate_documents(pg_catalog.text,double precision): Returns pairs of documents of a collection that are nearly the same: the characters of the lines and sentences they share, of all those of both (weighted Jaccard). A copy to the character (is_copy) is paired with the first one only; so are documents whose every shared line stands in more than 20 documents.
comment on ragpg.near_duplicates(pg_catalog.text,double precision,double precision,integer,integer): Returns pairs of chunks of a collection's active search index that say nearly the same: cosine similarity of at least min_similarity, found through the vector index among each chunk's nearest neighbours, and at least min_overlap of their words in common (Jaccard). Of chunks with the same text each is paired with the first. About a millisecond a chunk: chunks bounds how many are looked at, drawn by hash and each the first of its pairs.
comment on ragpg.prune_conversations(interval,pg_catalog.text): Deletes conversations whose last turn is older than given, with their turns, in one collection or all, and returns how many. Versions of documents that only they cited can be pruned then (ragpg.prune_versions).
comment on ragpg.prune_searches(interval): Deletes logged searches older than given and returns how many.
comment on ragpg.prune_versions(interval,pg_catalog.text): Deletes versions that stopped being current longer ago than given, in one collection or all, and returns how many. Versions that answers cite stay. Sentences a model wrote about texts that are gone go, too.
comment on ragpg.put_document(pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.jsonb,pg_catalog.bytea,integer[]): Stores a document under its source and returns its id, version and whether it was added, updated or unchanged. A worker (ragpg worker) makes its chunks; until then it is in the view ingest_queue. page_starts are the characters, from 0, at which its pages begin.
comment on ragpg.put_evaluation_draft(pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text,bigint,pg_catalog.text,integer,pg_catalog.text): Stores a drafted question of an evaluation set, which is made when it is new, and returns its id; null when the set has that question or draft already. No run asks it before ragpg.accept_draft. Raises RG006 when the document does not hold the quote at that character.
comment on ragpg.put_evaluation_question(pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.jsonb,pg_catalog.text,boolean,pg_catalog.text[]): Stores a question in an evaluation set, which is made when it is new, and returns its id; the same question again replaces it. labels is a JSON array of objects with source and a quote, or start_char and end_char, or neither for the whole document.
comment on ragpg.quantize_search_index(bigint,pg_catalog.text,pg_catalog.uuid): Sets what the vector index of a search index holds of its embeddings, and returns it: none (of it left out), bit (a bit of each number), subvector:N (the first N numbers, for models trained so that these are an embedding, too: Matryoshka), or auto: bit where more than 4,000 dimensions leave no choice, or where a whole one would be larger than effective_cache_size. A search index that answers gets its vector index built anew; searches go on meanwhile, writing waits. The ef_search nearest by what it holds are ordered by the embeddings. How much it finds: ragpg.measure_recall; ragpg.tune_ef_search sets how many are ordered anew (400 at first). Raises RG005, RG010.
comment on ragpg.query_embeddings.embedding: What ragpg.embed_query returned.
comment on ragpg.query_embeddings.embedding_model_id: The encoder's model. It references the model, not the encoder: a search must not wait for a load, nor a load for a search.
comment on ragpg.query_embeddings.id: Key; grows in the order of storing.
comment on ragpg.query_embeddings.query_hash: SHA-256 of the question's UTF-8 bytes. Not unique: two sessions that ask a new question at once both store it.
comment on ragpg.query_embeddings.stored_at: When it was computed.
comment on ragpg.query_embeddings.tenant: Who asked it.
comment on ragpg.query_embeddings.weights_loaded_at: The encoder's loaded_at then; rows of other weights are not used.
comment on ragpg.query_embeddings: A cache: the embeddings that encoders in this database gave questions, so that a question asked again costs no forward pass. The questions themselves are not stored. Emptied when an encoder changes; may be emptied at any time.
comment on ragpg.query_embeddings_embedding_model_id_id_btree: ragpg_internal.remember_query: which questions are the oldest?
comment on ragpg.query_embeddings_embedding_model_id_tenant_query_hash_btree: ragpg_internal.remembered_query: was this question embedded before?
comment on ragpg.rank_runs(bigint[]): Returns runs of one evaluation set with their settings, nDCG at k and the share of labelled characters among the hits, each on both halves of ragpg_internal.evaluation_split, the median milliseconds of a search and the bytes of chunks and their indexes, best on the training half first. best_trade: no other run is as good in all four and better in one (Pareto).
comment on ragpg.recall_history.active: Whether it answers searches.
comment on ragpg.recall_history.collection: Name of the collection.
comment on ragpg.recall_history.ef_search: hnsw.ef_search of the scans.
comment on ragpg.recall_history.exact_ms: Mean milliseconds of an exact scan.
comment on ragpg.recall_history.index_id: The search index.
comment on ragpg.recall_history.index_ms: Mean milliseconds by the index.
comment on ragpg.recall_history.k: Neighbours asked for.
comment on ragpg.recall_history.measured_at: When.
comment on ragpg.recall_history.queries: How many questions.
comment on ragpg.recall_history.query_source: searches (logged questions) or chunks.
comment on ragpg.recall_history.recall: Mean share of the k nearest found.
comment on ragpg.recall_history.worst_recall: The least of them.
comment on ragpg.recall_history: A row per measurement of ragpg.measure_recall, with its collection.
comment on ragpg.recall_measurements.ef_search: hnsw.ef_search of the index's scans.
comment on ragpg.recall_measurements.exact_ms: Mean milliseconds of an exact scan.
comment on ragpg.recall_measurements.id: Key.
comment on ragpg.recall_measurements.index_id: The search index.
comment on ragpg.recall_measurements.index_ms: Mean milliseconds of a scan by the index.
comment on ragpg.recall_measurements.k: Neighbours asked for.
comment on ragpg.recall_measurements.measured_at: When.
comment on ragpg.recall_measurements.queries: How many questions were asked.
comment on ragpg.recall_measurements.query_source: searches: logged questions; chunks: embeddings of chunks, each without itself.
comment on ragpg.recall_measurements.recall: Mean share of the k nearest found.
comment on ragpg.recall_measurements.tenant: Who measured.
comment on ragpg.recall_measurements.worst_recall: The least of them.
comment on ragpg.recall_measurements: What share of the truly nearest chunks the vector index found, each time ragpg.measure_recall looked.
comment on ragpg.recall_measurements_index_id_measured_at_btree: Serves the newest of a search index.
comment on ragpg.refresh_search_index(bigint,boolean): Call it after writing chunks: builds the word and vector indexes after a first load, counts the words and samples the embeddings that ranking uses, when enough has changed (or force). Returns whether it counted.
comment on ragpg.repeated_lines(pg_catalog.text,double precision,integer): Returns the lines, of 15 characters or more, that stand in at least min_share and min_documents of a collection's documents, most frequent first; numbers are taken as equal, headings left out.
comment on ragpg.rollback_search_index(pg_catalog.text): Activates the search index that answered before the active one and returns its id. Raises RG010 when there is none.
comment on ragpg.sample_chunks(pg_catalog.text,pg_catalog.text,integer,integer): Draws up to k chunks of at least min_chars characters at random from the active search index, spread over the documents, without those that a label or draft of the evaluation set touches already; fewer when there are no more.
comment on ragpg.save_answer(pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text,boolean,boolean,pg_catalog.text,integer,integer,integer,integer,integer,pg_catalog.jsonb): Stores an answer with its citations (a JSON array of objects with document_id, document_version, start_char, end_char, quote, answer_start, answer_end) and returns its id. Raises RG006 when a quote is not what the document holds there, RG007 when that version was erased meanwhile.
comment on ragpg.search(pg_catalog.text,integer,pg_catalog.text,pg_catalog.jsonpath,public.halfvec,pg_catalog.text,bigint): Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says, or else by how far the nearest chunk stands out (ragpg_internal.question_weight). Without query_embedding the database embeds the query when it holds the model (view encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. index_id searches another search index than the active one. A share of the searches (collections.search_log_share, 0 by default), those of a given index_id apart, is kept in ragpg.searches where the transaction may write. Raises RG001 to RG005, RG010.
comment on ragpg.search_any(pg_catalog.text[],integer,pg_catalog.text,pg_catalog.jsonpath,public.halfvec[],pg_catalog.text,bigint): Returns the k best chunks for several phrasings of one question, by reciprocal rank fusion of ragpg.search of each; similarity and bm25 are the best of any phrasing. query_embeddings, if given, has one for each query. Raises RG001 to RG005, RG010.
comment on ragpg.search_distinct(pg_catalog.text,integer,pg_catalog.text,pg_catalog.jsonpath,public.halfvec,pg_catalog.text,bigint,double precision,double precision,double precision): Returns what ragpg.search does, but of chunks that are nearly the same only the best, and k of them whenever there are k. Nearly the same: a cosine similarity of at least max_similarity, and at least min_overlap of the words in common (ragpg_internal.word_overlap; without it lists of different things look the same). relevance below 1 also trades score against being unlike the chunks before (maximal marginal relevance, Carbonell and Goldstein 1998: 0.7 is usual).
comment on ragpg.search_indexes.activated_at: When it last began to answer searches; null when it never has.
comment on ragpg.search_indexes.candidates: How many candidates each leg brings to the fusion.
comment on ragpg.search_indexes.chunk_tokens: Most tokens of a chunk with its context, in the embedding model's own tokens.
comment on ragpg.search_indexes.chunker: The chunker and its version when the search index was made. Documents that change are cut by the present one; ragpg index build makes all of them anew.
comment on ragpg.search_indexes.collection_id: The collection it indexes.
comment on ragpg.search_indexes.context_model: The language model that writes a sentence of context per chunk; null: none does.
comment on ragpg.search_indexes.context_tokens: Tokens of a chunk kept free for that sentence.
comment on ragpg.search_indexes.created_at: When the recipe was made.
comment on ragpg.search_indexes.ef_search: HNSW: how many neighbours a scan keeps; more is slower and finds more.
comment on ragpg.search_indexes.embedding_model_id: The model of its embeddings.
comment on ragpg.search_indexes.id: Key, and the partition key of chunks.
comment on ragpg.search_indexes.language: Text-search configuration of the word leg, or auto: that of each document (ragpg_internal.document_language).
comment on ragpg.search_indexes.min_relevance: Relevance of the hits below which ask abstains, set by ragpg.calibrate; null where similarity alone decides.
comment on ragpg.search_indexes.min_similarity: ragpg ask answers "nothing fits" when no hit reaches this cosine similarity; 0.25 kept all of 400 fitting questions and refused half of 800 foreign ones with all-MiniLM-L6-v2.
comment on ragpg.search_indexes.missing_names_slope: Its slope by ln(1 + the number of missing names).
comment on ragpg.search_indexes.overlap_tokens: Tokens a chunk shares with the one before it.
comment on ragpg.search_indexes.quantize: What the vector index holds of the embeddings: none (of it left out), bit (a bit of each number), or subvector:N (the first N numbers); those nearest by these, ef_search of them, are ordered by the embeddings.
comment on ragpg.search_indexes.relevance_offset: Of the curve that gives relevance (ragpg_internal.relevance), set by ragpg.calibrate; null before.
comment on ragpg.search_indexes.relevance_slope: Its slope by similarity.
comment on ragpg.search_indexes.state: building (first load, vector index not there yet) or ready.
comment on ragpg.search_indexes.unmatched_negation_slope: Its slope by whether the question negates and the hits do not.
comment on ragpg.search_indexes.vector_weight: Share of the vector leg in hybrid scores; the word leg has the rest. Null: it follows each question (ragpg_internal.question_weight), and is .55 with a filter.
comment on ragpg.search_indexes.words_held_slope: Its slope by the share of the question's words a sentence holds (ragpg_internal.answer_signals).
comment on ragpg.search_indexes: A recipe (chunker, sizes, embedding model, language, weights) whose chunks are the partition chunks_<id>.
comment on ragpg.search_indexes_collection_id_btree: Serves the list of a collection's recipes.
comment on ragpg.search_recent(pg_catalog.text,integer,pg_catalog.text,pg_catalog.jsonpath,public.halfvec,pg_catalog.text,bigint,pg_catalog.jsonpath,interval,double precision): Returns what ragpg.search does, from three times as many hits (50 at least), with weight * 0.5 ^ (age / half_life) added to each score: a hit of today gains weight, one of half_life ago half of it. dated finds the ISO 8601 date in the document's metadata; without one nothing is added. Hybrid scores are in standard deviations, so a weight of 1 moves a hit by one of them; in mode vector use about 0.05. Raises RG001 to RG005, RG010.
comment on ragpg.searches.best_similarity: Cosine of the nearest chunk; null where the vector leg did not run.
comment on ragpg.searches.collection_id: The collection that was searched.
comment on ragpg.searches.filtered: Whether there was a filter.
comment on ragpg.searches.hit_count: Hits returned.
comment on ragpg.searches.id: Key.
comment on ragpg.searches.index_id: The search index that answered.
comment on ragpg.searches.k: Hits asked for.
comment on ragpg.searches.latency_ms: Milliseconds inside ragpg.search.
comment on ragpg.searches.mode: hybrid, vector or keyword.
comment on ragpg.searches.query: The question.
comment on ragpg.searches.query_embedding: Its embedding; null in keyword mode. ragpg.measure_recall asks it again.
comment on ragpg.searches.searched_at: When.
comment on ragpg.searches.share: Share of the searches that was logged then: this row stands for 1 / share of them.
comment on ragpg.searches.tenant: Who searched.
comment on ragpg.searches: Searches that were logged, as collections.search_log_share wants it. Keeps questions and their embeddings, never what documents say; ragpg.prune_searches forgets old ones.
comment on ragpg.searches_by_day.collection: Name of the collection.
comment on ragpg.searches_by_day.day: The day, in the session's time zone.
comment on ragpg.searches_by_day.latency_p50_ms: Median milliseconds in the database.
comment on ragpg.searches_by_day.latency_p95_ms: Their 95th percentile.
comment on ragpg.searches_by_day.latency_p99_ms: Their 99th percentile.
comment on ragpg.searches_by_day.logged_searches: Rows of ragpg.searches.
comment on ragpg.searches_by_day.low_similarity_share: Share whose nearest chunk is less similar than the search index's min_similarity.
comment on ragpg.searches_by_day.mode: hybrid, vector or keyword.
comment on ragpg.searches_by_day.searches: How many searches those stand for, by the share that was logged.
comment on ragpg.searches_by_day.zero_hit_share: Share without any hit.
comment on ragpg.searches_by_day: A row per collection, day and mode of the logged searches (collections.search_log_share): volume, latency, and how many found nothing.
comment on ragpg.searches_collection_id_searched_at_btree: Serves the newest of a collection, and forgetting old ones.
comment on ragpg.secure(): Gives everything of ragpg to the role ragpg_owner, which nobody logs in as, so that functions that run as their owner have no more rights than ragpg itself; where the caller may not make that role, all stays whose it is, with a notice. Where tenants are on, they are kept apart anew. ragpg init and ragpg migrate call it; call it after a restore.
comment on ragpg.set_tenant(pg_catalog.text,boolean): Sets the tenant (the setting ragpg.tenant) until the transaction ends, or for_session. The session's outlasts a transaction of a pooler such as pgbouncer and would be the next client's: there keep to the transaction's. Raises RG013 when the role may not act for it.
comment on ragpg.similar_chunks(bigint,integer): Returns the k chunks of the same search index whose embeddings are nearest to that chunk's, by cosine similarity, best first, itself left out. Raises RG005 when there is no such chunk.
comment on ragpg.slow_queries(integer): Returns the statements on ragpg that took most time in all, from pg_stat_statements; no row, and a notice, where that is not there. Other roles' statements are shown to members of pg_read_all_stats.
comment on ragpg.stale_citations.answer_id: The answer.
comment on ragpg.stale_citations.answered_at: When the answer was given.
comment on ragpg.stale_citations.changed_at: When the document last changed.
comment on ragpg.stale_citations.cited_version: The version that was read.
comment on ragpg.stale_citations.collection: The collection that was asked.
comment on ragpg.stale_citations.current_version: The version now; null: the document was deleted.
comment on ragpg.stale_citations.ordinal: Place among the answer's citations, from 0.
comment on ragpg.stale_citations.question: What was asked.
comment on ragpg.stale_citations.quote: The cited characters.
comment on ragpg.stale_citations.quote_is: kept (the new version still says it), gone, or deleted with the document.
comment on ragpg.stale_citations.source: The document's source.
comment on ragpg.stale_citations: A row per citation of a document version that is no longer the current one.
comment on ragpg.start_conversation(pg_catalog.text): Begins a conversation with a collection and returns its id, for conversation_id of ask. Raises RG001.
comment on ragpg.stop_indexing_table(pg_catalog.regclass,pg_catalog.text,boolean): Takes the triggers of ragpg.index_table off a table; with delete_documents also the documents its rows became. Returns how many documents went. To be called by the table's owner.
comment on ragpg.surroundings(bigint,integer): Returns the span and text from as many chunks before a chunk to as many after it, of the same document version: to search by small chunks and read larger ones. No row for a chunk that is gone.
comment on ragpg.tenant_roles.proof: What functions that run as their owner are shown by whoever acts by this row: ragpg_internal.proof().
comment on ragpg.tenant_roles.role: The role's name; those that inherit from it are bound, too.
comment on ragpg.tenant_roles.tenant: The tenant it may act for; null for whichever it sets.
comment on ragpg.tenant_roles: Which roles act for which tenant, whatever they set: ragpg.bind_role; and which for any: ragpg.trust_role. A role of neither kind sees no rows. A role reads its own rows alone; the one without a role proves that somebody sees all.
comment on ragpg.text_language(pg_catalog.text): Returns the language of a text by the name of its text-search configuration where Postgres has one, such as english; null when it cannot tell. Script decides where it can (chinese, japanese, korean, thai, hebrew, tamil, ukrainian, vietnamese and romanian by letters of theirs); else the share of stop words. Reads the first 2,000 characters that are not code, tags or addresses. Languages Postgres has no stop words for, such as Polish, come out as null or as a relative.
comment on ragpg.text_lexemes(pg_catalog.text,pg_catalog.text): Returns the words of a text with their places: stems by the text-search configuration, and every two letters in a row where a script puts no space between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese; Korean too), a lone letter as it is. Labelled C, what else finds it: parts and wholes of compounds, words without accents, numbers without grouping signs. Labelled B, every two words in a row that the configuration leaves out. Labelled ones do not count to the length.
comment on ragpg.text_problems(pg_catalog.text): Returns what looks wrong with a text: the kind (ragpg_internal.inspection_rules tells all), how often (tiny document: its characters; few letters: those that are none), and the first of it with what stands around it. Blanks, pipes and hyphens do not count as characters.
comment on ragpg.training_pairs(pg_catalog.text,bigint): Returns questions with the chunk that answers each: the one that holds most of a labelled text of an evaluation set, or of a quote in an answer of a model that nobody called bad; a document of several chunks that is labelled as a whole gives none (origin: the evaluation set, accepted answer, or citation); text is what the embedding model reads. split is held-out when the question is held out by ragpg_internal.evaluation_split, or its document is labelled by a question that is: such a pair is for judging only. relevant_chunk_ids are all chunks known to be relevant to the question. For the active search index, or the given one.
comment on ragpg.trust_role(pg_catalog.text): Lets a role, and the roles that inherit from it, act for whichever tenant it sets (ragpg.set_tenant): an application that serves them all, whose SQL is yours. It sees nothing until it sets one. ragpg.unbind_role(role, null) takes it back.
comment on ragpg.tune_ef_search(pg_catalog.text,double precision,integer,integer,bigint,pg_catalog.uuid): Finds the smallest hnsw.ef_search whose mean recall of the k nearest is at least recall (1000 when none is), stores it with the search index, so that searches use it, and returns what ragpg.measure_recall then stores. A search never scans with less than the candidates it asks for: search_indexes.candidates in hybrid mode, k in vector mode.
comment on ragpg.unanswered_searches.best_similarity: Cosine of the nearest chunk; null where the vector leg did not run.
comment on ragpg.unanswered_searches.collection: Name of the collection.
comment on ragpg.unanswered_searches.fewest_hits: Fewest hits of those searches; 0 with a filter that nothing matches, too.
comment on ragpg.unanswered_searches.last_searched_at: When it was last asked.
comment on ragpg.unanswered_searches.logged_searches: How often it was logged.
comment on ragpg.unanswered_searches.query: The question.
comment on ragpg.unanswered_searches: A row per logged question that found nothing, or nothing similar enough: what to write a document on.
comment on ragpg.unbind_role(pg_catalog.text,pg_catalog.text): Takes back ragpg.bind_role, or, with the tenant null, ragpg.trust_role; returns whether there was anything to take back. A role with nothing left sees no rows. The role itself may be gone.
comment on ragpg.update_metadata(pg_catalog.jsonb,pg_catalog.text,pg_catalog.jsonpath,pg_catalog.text[],boolean): Changes the metadata of the documents of a collection whose metadata match the filter and whose source is one of the sources, and returns the sources of those that it changed; dry_run changes nothing. The changes are a JSON Merge Patch (RFC 7396): {"tier": "pro", "old": null} sets one key and takes another away. Each is a new version; its embeddings are reused when a worker indexes it, filters ask the new metadata at once. Raises RG005 when neither filter nor sources are given.
comment on ragpg.verify(pg_catalog.text): Returns a row per problem, so none when all is well: a chunk that is not exactly its span of its document, chunks missing, values of metadata missing, a quote that is not its source, an invalid or missing index, stale statistics, a role or table that tenants are not kept apart by; with what to do. It reads every text.
comment on ragpg.wait_until_indexed(pg_catalog.text,pg_catalog.text,interval): Returns true as soon as searches see the newest version of the document, or of all documents of the collection when no source is given; false after the timeout. A worker must be running; to be called after the commit of what was written.
comment on ragpg: Retrieval that lives in Postgres: documents, chunks, embeddings, ranking, answers and their citations.
comment on ragpg_internal.acting_for(): Returns {"tenant": true} for the tenant the session acts for, {} for none. A policy that looks a row's tenant up in it costs nothing in the planner's eyes, so that it is asked before whatever else a statement asks: explain analyze would tell how many rows of others passed that.
comment on ragpg_internal.answer_costs(bigint): Returns a row per answered question of a run: whether a judge called the answer right (null without one), its steps, tokens, and their cost by ragpg.model_prices (null when the model is not there).
comment on ragpg_internal.answer_signals(bigint,pg_catalog.text,pg_catalog.text[],pg_catalog.text[]): Returns what the first three hits, best first, hold of a question. words_held: the share of its words, by BM25 weight, in the sentence that holds most of them. missing_names: its names and numbers (words with a capital that are not the first, words with a digit) that are neither in that sentence nor beside it nor in the title. unmatched_negation: it says not, no, never, none, nor, neither, without or cannot, and that sentence does not. An embedding hardly tells these; to ragpg_internal.relevance they tell apart questions that look like others but have no answer.
comment on ragpg_internal.bm25_expression(pg_catalog.tsquery[],double precision[]): Returns the SQL expression that is BM25 (k1 1.2, b 0.75; Robertson and Zaragoza 2009) of a row named chunk with the columns lexemes and saturation = k1 (1 - b + b length / mean length), for these words (ragpg_internal.query_words) and their weights.
comment on ragpg_internal.bm25_saturation(real): Returns the SQL expression of k1 (1 - b + b length / mean length), with k1 1.2 and b 0.75, of a row named stored with the column lexeme_count.
comment on ragpg_internal.build_vector_index(bigint,integer): Builds the HNSW index of a search index's partition (cosine of halfvec, or what a quantised one holds) if it is not there; without parallel workers when shared memory is short.
comment on ragpg_internal.carry_chunks(bigint,bigint[],integer,pg_catalog.uuid): Makes a search index's chunks of documents those of a version, where ragpg.chunks is distributed. Part of ragpg_internal.queue_documents. Security definer while tenants are kept apart there (ragpg_internal.tenant_legs); then only of the caller's documents: RG007 for others.
comment on ragpg_internal.check_choice(pg_catalog.jsonpath,pg_catalog.text[]): Raises RG005 when neither a filter nor sources are given, RG004 when the filter is no predicate.
comment on ragpg_internal.check_citation_quote(): Trigger of citations: refuses (RG006) a quote that is not exactly the cited characters of that document version, or of a version that is not there any more (RG007), and notes its page.
comment on ragpg_internal.check_filter(pg_catalog.jsonpath): Raises RG004 unless the filter is a jsonpath predicate (something that is true or false of a document's metadata).
comment on ragpg_internal.check_run(bigint): Returns the id of a finished evaluation run; raises RG011, with those there are, for any other.
comment on ragpg_internal.check_shared(pg_catalog.text,pg_catalog.uuid): Raises RG014 when tenants are on and who handed over its ragpg_internal.proof() is none who sees all of them.
comment on ragpg_internal.choose_abstention(double precision[],double precision[],integer[],boolean[],boolean[],double precision): Returns the weights of ragpg_internal.logistic and the thresholds on similarity and relevance that together keep the share keep of the answerable questions, half of the loss each; and the threshold that keeps it on similarity alone. Raises RG011 when all questions are of one kind.
comment on ragpg_internal.chunk_overview(bigint,pg_catalog.uuid): Returns how many chunks a search index has, how many different texts, and the tokens that 5, 50 and 95 % of them do not exceed; for the view corpus_overview. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then of the caller's alone.
comment on ragpg_internal.chunk_words(pg_catalog.text,pg_catalog.text,pg_catalog.text): Returns the lexemes of a chunk's context and content, and how many words they count: for ragpg_internal.set_chunk_lexemes, and for those who write chunks of a distributed table, which has no triggers.
comment on ragpg_internal.chunks_are_closed(): Returns whether ragpg.chunks is its owner's alone, because tenants are kept apart and it is distributed: then those of ragpg_internal.proof_takers run as the owner.
comment on ragpg_internal.claim_documents(integer,pg_catalog.text,bigint): Returns waiting documents that no other session has claimed, the longest waiting first, at most wanted (fewer when they are long), and claims them until this session calls ragpg_internal.release_document or ends. Those of a contextual search index that was never activated only when it is named.
comment on ragpg_internal.claim_key(bigint,bigint): Returns the key of the advisory lock a worker holds while it indexes a document.
comment on ragpg_internal.close_table(pg_catalog.regclass,boolean): Takes every right on ragpg.chunks, distributed, or on a partition of it from all but its owner, or gives them back to who has them on ragpg.documents. Part of ragpg_internal.protect_table.
comment on ragpg_internal.column_reading(pg_catalog.regclass,pg_catalog.text,pg_catalog.text,boolean): Returns the SQL expression of a table's column as text, or as jsonb: by the type's output function, which a superuser made, never by a cast, which the owner of a type may make. A column that is gone is null.
comment on ragpg_internal.comment_chunks_view(pg_catalog.text): Gives the view chunks_of_<collection> and its columns the comments of the tables they come from.
comment on ragpg_internal.count_chunks(bigint,pg_catalog.text): Counts the words and samples the embeddings that ranking uses, of one tenant's chunks of a search index; of all of them when the tenant is empty. Part of ragpg.refresh_search_index.
comment on ragpg_internal.count_tenants(bigint,boolean): Counts anew, while tenants are on, for each tenant of whose chunks enough changed (or, with force, any); forgets the counts of tenants that are gone. Returns how many were counted. Part of ragpg.refresh_search_index.
comment on ragpg_internal.counted_tenant(): Returns the tenant whose rows of index_statistics and lexeme_statistics count for the caller; empty for those of the whole search index.
comment on ragpg_internal.cut_chunks(pg_catalog.text): Returns the chunks of a collection's active search index that end within a sentence or a word: what they hold was longer than the window.
comment on ragpg_internal.delete_chunks(): Trigger of documents while ragpg.chunks is distributed: a distributed table has no foreign key to one that is not. Security definer, as a foreign key's action is.
comment on ragpg_internal.distant_hits(bigint,bigint[],double precision[],double precision[],double precision[]): Returns the rows of ragpg.search for these chunks, best first, and their scores, where ragpg.chunks is distributed.
comment on ragpg_internal.document_chunks(bigint,bigint[],pg_catalog.uuid): Returns the chunks that documents have in a search index, in no order; null for all documents. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then only the caller's.
comment on ragpg_internal.document_language(pg_catalog.text,pg_catalog.jsonb,pg_catalog.text): Returns the search index's language, unless that is auto: then the one the metadata name under language (english, en or en-GB), else the one the text shows (ragpg.text_language), where Postgres has a configuration for it; else simple.
comment on ragpg_internal.document_owners(bigint[],pg_catalog.uuid): Returns the tenants of documents, with the documents of each, for functions that write chunks as their owner. Raises RG007 where one is not there, or not the caller's.
comment on ragpg_internal.embedded_text(pg_catalog.text,pg_catalog.text,pg_catalog.text,integer): Returns the text that is embedded for a chunk: its context, without the document's title unless it is the first (ordinal 0), and its content.
comment on ragpg_internal.encode(bigint,integer[]): Returns the embedding, of length 1, that a loaded encoder gives tokens: BERT's forward pass (Devlin et al. 2018) with the products of pgvector.
comment on ragpg_internal.ensure_collection(pg_catalog.text,pg_catalog.text): Returns the id of the collection of that name, making it when it is new.
comment on ragpg_internal.ensure_embedding_model(pg_catalog.text,pg_catalog.text,integer,public.halfvec): Returns the id of an embedding model, registering it with the embedding of the probe text; raises RG008 when a model of that name and dimension gave another one (cosine below 0.99; one model in float32 and in bfloat16 differs by 0.002).
comment on ragpg_internal.ensure_search_index(pg_catalog.text,bigint,integer,integer,pg_catalog.text): Returns the id of the collection's active search index; makes collection, index and partition when they are new; raises RG008 when it was built with another embedding model.
comment on ragpg_internal.evaluate_question(bigint,bigint,public.halfvec): Asks one question of a run and stores its hits, which of them touch a labelled text, and how long the search took. Without query_embedding the database embeds the question if it can.
comment on ragpg_internal.evaluation_split(bigint): Returns train or held-out, about half of the questions each; questions about one source are on one side, so that what is chosen on the first is not known to suit the second.
comment on ragpg_internal.exact_distances(bigint,public.halfvec[],bigint[],integer): Returns for each embedding the cosine distance of its k-th nearest chunk in a search index, by looking at every chunk but the one of own_ids.
comment on ragpg_internal.feedback_embedding(bigint,bigint[],double precision[]): Returns the score-weighted mean embedding of the first three chunks, a stand-in for the embedding of the question that found them (pseudo-relevance feedback, Rocchio 1971).
comment on ragpg_internal.filter_condition(pg_catalog.text): Returns what a comparison of a jsonpath predicate asks for, in the words of ragpg.document_values: kind, key, sign (==, <, <=, >, >=, starts with), number or word, and whether the values for which that is true are exactly those that the comparison lets through, or may be more. No kind where the values cannot tell.
comment on ragpg_internal.filter_of_each(pg_catalog.text): Returns the condition that exists ($.key ? (condition)) has of each value, asked of the key instead, which lets more through; null of anything else.
comment on ragpg_internal.filter_parts(pg_catalog.text): Returns the conditions that a jsonpath predicate, as Postgres writes it, joins by && or ||, and which of them; the one condition it is, without parentheses around it, where it joins none.
comment on ragpg_internal.finish_answer(bigint,pg_catalog.text,pg_catalog.text,boolean,boolean,pg_catalog.text,integer,integer,integer,integer,integer,pg_catalog.text,pg_catalog.jsonb): Stores what an answer that start_answer began says and cites, what it took in all and what ended it. Raises RG006 when a quote is not what the document holds there, RG007 when the answer or what it cites was erased meanwhile.
comment on ragpg_internal.finish_context_batch(bigint,pg_catalog.text): Ends a batch whose results are stored: what it left unwritten may be asked again. Returns how many sentences that are; error says why.
comment on ragpg_internal.fit_relevance(double precision[],double precision[],integer[],boolean[],boolean[]): Returns the weights of ragpg_internal.logistic that tell from the best hit's similarity and ragpg_internal.answer_signals how likely there is an answer. Those of similarity and words held are never negative, those of missing names and of an unmatched negation never positive. Raises RG011 when all questions are of one kind.
comment on ragpg_internal.followed_tables(): Returns the tables that ragpg.index_table follows, with what their triggers were given; row_of is what documents of their rows are marked with, null where a table is followed since before version 0003.
comment on ragpg_internal.forget_queries(): Trigger: empties the cache of an encoder whose row changed or went, because its vectors may be others now.
comment on ragpg_internal.give_chunks(bigint[],pg_catalog.text): Makes the chunks of documents a tenant's, where ragpg.chunks is distributed. Raises RG005 where it is by tenant. Part of ragpg_internal.queue_documents; who may not write ragpg.chunks may not do it.
comment on ragpg_internal.hand_legs(): Makes the functions of ragpg_internal.proof_takers security definer, for those who may read (or write) documents, or what they were; where ragpg.chunks is distributed, functions that run as their owner do not tell what Citus sends. Part of ragpg.enable_tenants.
comment on ragpg_internal.hand_over(): Gives the schemas ragpg and ragpg_internal, and all in them, to the role ragpg_owner, which it makes; leaves all as it is, with a notice, where the caller may not.
comment on ragpg_internal.hard_negatives(pg_catalog.text,bigint[],integer,pg_catalog.text,public.halfvec,bigint,integer,double precision,bigint[]): Returns the wanted best-ranked chunks that are not relevant to a question, best first, of the depth first hits of ragpg.search: without those known to be relevant (ragpg.training_pairs has them) and without what is nearly the same as one of them (cosine of the two chunks above max_similarity). Chunks of excluded_document_ids are left out, too: a model that is judged on documents must not see them.
comment on ragpg_internal.has_times(pg_catalog.jsonpath): Returns whether a filter reads texts as dates or times.
comment on ragpg_internal.hash_text(pg_catalog.text): Returns the SHA-256 of a text's UTF-8 bytes.
comment on ragpg_internal.index_row(pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.jsonb,pg_catalog.text,pg_catalog.uuid): Stores what a row says as a document of a collection; one without content is deleted. For ragpg.index_table.
comment on ragpg_internal.index_table_row(): Trigger that ragpg.index_table puts on a table: keeps the collection in step with it.
comment on ragpg_internal.inspection_rules(): Returns what inspection looks for: what it counts, the pattern of characters where it is one (few letters: of what is no letter), the least count, length or share that is reported (empty, tiny, few letters: less than that), and what to do.
comment on ragpg_internal.instant(pg_catalog.text): Returns the seconds since 1970 of a date, or of a time with its date, as jsonpath's datetime() reads it, by UTC where it says no zone; null for any other text; NaN for one that datetime() reads and no timestamp holds.
comment on ragpg_internal.is_chosen(pg_catalog.text,pg_catalog.jsonb,pg_catalog.text[],pg_catalog.jsonpath): Returns whether a document's source is one of the sources and its metadata pass the filter; what is null chooses all.
comment on ragpg_internal.is_code(pg_catalog.text): Returns whether documents of a media type are source code, which is no text of a language.
comment on ragpg_internal.is_distributed(): Returns whether ragpg.chunks is distributed by Citus: false until ragpg.distribute makes it say true.
comment on ragpg_internal.is_spread_by_tenant(): Returns whether ragpg.distribute spread ragpg.chunks by tenant: it does where tenants are kept apart already.
comment on ragpg_internal.keep_document_values(): Trigger of documents: their metadata's values in document_values, once a statement. Security definer, so that nobody but it writes there.
comment on ragpg_internal.keep_document_version(): Trigger of documents: an update or delete first stores the row as it was in document_versions; an update that changes nothing keeps the version.
comment on ragpg_internal.key_step(pg_catalog.text): Returns a key as it stands in a path of keys (ragpg.document_values.key), between dots: in double quotes where it has a dot or a quote itself.
comment on ragpg_internal.keyword_candidates(bigint,pg_catalog.tsquery[],double precision[],bigint,integer,bigint[],pg_catalog.jsonpath,double precision,integer[],pg_catalog.uuid): Returns the best chunks of a search index by BM25, any of the words counting (ragpg_internal.query_words: the rarest first, their weights, and how many chunks hold one, at most), best first; only of the given documents when there are any, else only of those whose metadata the filter, if given, lets through; only those of at least least_score. With word_counts, the chunks that hold each word, in one scan that reads of the commonest words only beside rarer ones (ragpg_internal.word_combinations), and what it met below that score, too. Security definer while tenants are on (ragpg_internal.tenant_legs), so that the index of words is used; then only of the caller's tenant. Exact as long as 20,000 or fewer chunks hold the words; beyond that a chunk may be missed whose few words occur very often in it.
comment on ragpg_internal.known_chunks(bigint[],bigint,pg_catalog.uuid): Returns what is asked of chunks by their ids, in no order; nothing of those that are gone. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then only the caller's.
comment on ragpg_internal.known_embeddings(bigint[],pg_catalog.bytea[],pg_catalog.text,pg_catalog.uuid): Returns the embeddings of those texts, by their hashes, that a chunk of the tenant (by default the caller's) in one of the search indexes has. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then only of the caller's tenant.
comment on ragpg_internal.l2_normalize(public.halfvec): The function of pgvector, wherever that is installed.
comment on ragpg_internal.l2_normalize(public.vector): The function of pgvector, wherever that is installed.
comment on ragpg_internal.lexeme_query(pg_catalog.text): Returns the tsquery that matches exactly this lexeme. Queries are joined from these: text of users never reaches to_tsquery.
comment on ragpg_internal.listed_documents(bigint,pg_catalog.text[],pg_catalog.text,integer): Returns the documents of a collection and some tenants whose kept values (ragpg.document_values) a condition of a filter lets through, and whether they are exactly those that it does: else it may be some of them. Null where the values cannot tell, or where they are more than the most wanted.
comment on ragpg_internal.log_search(bigint,pg_catalog.text,public.halfvec,pg_catalog.text,integer,boolean,integer,double precision,double precision,pg_catalog.uuid): Stores a row of ragpg.searches when its collection logs searches. Called by ragpg.search, which decides by chance.
comment on ragpg_internal.logistic(double precision[],double precision,double precision,integer,boolean): Returns from 0 to 1 how likely there is an answer: the logistic curve of the weighted sum (weights: offset, similarity, words held, ln(1 + missing names), unmatched negation).
comment on ragpg_internal.matching_documents(bigint,pg_catalog.jsonpath,integer,pg_catalog.uuid): Returns the documents of a search index whose metadata match a filter, and how many chunks they have: counted up to 20 documents, else estimated from 10 to 20 of them; nothing where at most so many were to be listed by ragpg.document_values, and these cannot tell or are more. Without that limit each document is asked where they cannot. Security definer while tenants are on (ragpg_internal.tenant_legs), so that indexes are used; then only of the caller's tenant.
comment on ragpg_internal.merge_patch(pg_catalog.jsonb,pg_catalog.jsonb): Returns the target with the changes of a JSON Merge Patch (RFC 7396): null takes a key away, an object changes the keys it names, anything else replaces.
comment on ragpg_internal.metadata_values(pg_catalog.jsonb): Returns the values that metadata hold, one a row, as ragpg.document_values keeps them; beside them, or instead where they are more than 1,000, one of kind x where not all can be told.
comment on ragpg_internal.multiply_values(bigint,integer,public.vector[]): Returns the values of attention, the other way round than ragpg_internal.multiply_weights: one vector over the tokens for each row of the matrix, ready for products with the shares of the tokens.
comment on ragpg_internal.multiply_weights(bigint,integer,integer,public.vector[]): Returns the product of a matrix of ragpg.encoder_weights with each vector.
comment on ragpg_internal.multiply_wide(bigint,integer,public.vector[]): Returns what the first half of a layer's feed-forward network makes of each vector, with GELU, and a 1 at the end for the next bias.
comment on ragpg_internal.nearest_query(pg_catalog.text,bigint,integer,pg_catalog.text,pg_catalog.text,integer,integer): Returns the statement that asks the vector index of a search index for the wanted chunks nearest to $1 (id, document_id, distance; best first) of a table, its partition or chunks, under conditions: of a quantised one (search_indexes.quantize) those nearest by their bits or first numbers, scanned of them, ordered by the embeddings themselves.
comment on ragpg_internal.normal_form(pg_catalog.text): Returns a text as words are looked for in it: Unicode's NFKC (Annex 15), so that ligatures, full-width and decomposed letters are the plain ones, without soft hyphens and marks of no width; every dash and apostrophe the plain one.
comment on ragpg_internal.normalize_text(pg_catalog.text,boolean,boolean): Returns the text as BERT's basic tokenizer leaves it: words, punctuation marks and Chinese characters with spaces between them, control characters removed, lower-cased and without accents where the model wants that. The same on every server: it uses no locale.
comment on ragpg_internal.note_answer(bigint,bigint,bigint,pg_catalog.text,pg_catalog.text): Notes which stored answer a question of a run got, and its grade if a judge gave one: right, right in fact (but wrong in form), or wrong.
comment on ragpg_internal.note_step(bigint,integer,pg_catalog.text,pg_catalog.text,pg_catalog.text,integer,integer,integer,pg_catalog.jsonb,integer,integer,integer,integer,integer,pg_catalog.text): Stores a step of an answer that is being written, and what it took. Raises RG007 when the answer, or a document it was shown, was erased meanwhile.
comment on ragpg_internal.own_condition(pg_catalog.uuid): Returns the SQL that compares a row named chunk with the tenant that ragpg_internal.proof() proves, to be appended to a condition: nothing for who sees all, and on one server, where a policy does it. Raises RG013 for a proof of nothing while tenants are on.
comment on ragpg_internal.ownership_changes(): Returns the statements that give to ragpg_owner what of ragpg is somebody else's. For ragpg_internal.hand_over.
comment on ragpg_internal.page_at(bigint,integer,integer): Returns the page (slide, sheet), from 1, that holds a character, counted from 0, of that version of a document; null when it has no pages.
comment on ragpg_internal.partition_sizes(pg_catalog.regclass,pg_catalog.regclass): Returns the bytes of a partition of ragpg.chunks, of its indexes and of its vector index, and its dead rows; of all its shards where it is distributed.
comment on ragpg_internal.passes(pg_catalog.jsonb,pg_catalog.jsonpath,boolean): Returns whether metadata pass a filter; null, as good as no, where the filter cannot be asked of them: a value of another type, a time that is none. has_times, where it is known, is ragpg_internal.has_times of the filter, which a statement that is planned once would ask for each row.
comment on ragpg_internal.passing(bigint[],pg_catalog.jsonpath): Returns those of the documents whose metadata pass a filter, null for none.
comment on ragpg_internal.proof(): Returns what only the current role can know of itself: the proof of the binding by which it acts for its tenant, or of seeing all. Functions that run as their owner have it as their last argument: they cannot ask which role called them, and the session's is another where a function or trigger of somebody else's does. Null for a role that acts for no tenant, and while tenants are off.
comment on ragpg_internal.proof_takers(): Returns the functions that read or write chunks and are handed ragpg_internal.proof(): which of them run as their owner while tenants are on (ragpg_internal.tenant_legs), and which write.
comment on ragpg_internal.protect_table(pg_catalog.regclass,boolean): Switches row-level security of one of ragpg's tables on or off. On, no statistics are gathered of its columns but the keys (ragpg_internal.told_columns), and those there were are forgotten (Postgres 18 or newer, or a superuser).
comment on ragpg_internal.protected_tables(): Returns the tables that ragpg.enable_tenants() puts under row-level security, those that are closed to all tenants marked; every other table of ragpg holds no content.
comment on ragpg_internal.proven_tenant(pg_catalog.uuid): Returns whether who handed over ragpg_internal.proof() sees all tenants, and the tenant it acts for (null for all). Raises RG013 for a proof of nothing while tenants are on.
comment on ragpg_internal.proven_writer(pg_catalog.uuid): Returns the tenant of who handed over ragpg_internal.proof(), empty for none: for what readers leave behind by functions that run as their owner.
comment on ragpg_internal.put_citations(bigint,pg_catalog.jsonb): Stores what an answer cites: a JSON array of objects with document_id, document_version, start_char, end_char, quote, answer_start, answer_end.
comment on ragpg_internal.put_document_values(bigint[]): Makes document_values of these documents what their metadata hold; of those that are no more, nothing. For the trigger of documents, and for an owner whom ragpg.verify told to.
comment on ragpg_internal.put_embedded_documents(bigint,pg_catalog.text[],pg_catalog.text[],pg_catalog.text[],pg_catalog.text[],pg_catalog.jsonb[],pg_catalog.bytea[],public.halfvec[]): Stores documents of one chunk each with given embeddings of the search index's model (arrays of equal length), in one statement, and returns whether each was added or updated. Tokens are not counted. Other search indexes of the collection get them through workers.
comment on ragpg_internal.query_lexemes(pg_catalog.text[],pg_catalog.text): Returns the words of a question with their places, stemmed by each of the languages, without the stop words of the one it seems to be in; those it is also found by (ragpg_internal.word_parts) marked. Of a question of stop words alone every two in a row.
comment on ragpg_internal.query_tokens(bigint,pg_catalog.text): Returns the tokens a loaded encoder reads for a question: its query prefix and the tokens that begin and end a text added, cut to its limit with a notice.
comment on ragpg_internal.query_words(bigint,pg_catalog.text): Returns the words of a question, rarest first: the query of each, its BM25 weight (inverse document frequency as Lucene has it, Robertson and Zaragoza 2009, times its count in the question; half of it where the question is only also found by it), the chunks that hold it, and mean and mean square of what it adds to the score of any chunk. Of more than 64 words those that weigh most, of those that occur.
comment on ragpg_internal.question_weight(double precision): Returns the share of the vector leg in hybrid scores, by how many standard deviations the nearest chunk is above the mean similarity of the index: a model that does not know the question's language or matter finds all chunks alike. None where there is no chunk.
comment on ragpg_internal.queue_documents(): Trigger of documents: whatever was written waits in index_documents for each search index of its collection, and workers that listen are told. A new version whose metadata alone are new has the chunks of the one before, at once.
comment on ragpg_internal.range_length(pg_catalog.int4multirange): Returns the number of characters in a set of spans.
comment on ragpg_internal.read_document(pg_catalog.text,pg_catalog.text,integer,integer,pg_catalog.jsonpath): Returns the characters of a document's newest version from start_char (from 0) to before end_char, with its length, where the collection holds the document for the session's tenant and the filter, if given, lets it through; no row else.
comment on ragpg_internal.recalls_at(bigint,public.halfvec[],bigint[],double precision[],integer,integer): Returns for each embedding the share of its k nearest chunks that the vector index finds: those at most as far as distances says (ragpg_internal.exact_distances), the chunk of own_ids left out.
comment on ragpg_internal.recipe_of(pg_catalog.text,bigint): Returns the search index of that id, else the active one of the collection. Raises RG010 when there is none.
comment on ragpg_internal.release_document(bigint,bigint,integer,pg_catalog.text): Gives a claimed document back. With an error the document waits longer after each attempt (5 seconds doubled, at most an hour), and view ingest_queue shows it.
comment on ragpg_internal.relevance(bigint,double precision,double precision,integer,boolean): Returns how likely, from 0 to 1, a search index holds the answer to a question whose best hit is that similar to it and whose first hits show these ragpg_internal.answer_signals; null until ragpg.calibrate was called.
comment on ragpg_internal.remember_query(bigint,pg_catalog.text,pg_catalog.uuid): Returns the embedding a loaded encoder gives a question and stores it in ragpg.query_embeddings; with every 128th one, those beyond encoders.cached_queries go, oldest first. Called by ragpg.embed_query.
comment on ragpg_internal.remembered_query(bigint,pg_catalog.text,pg_catalog.text): Returns the embedding that a loaded encoder gave a question earlier, null when it is not in ragpg.query_embeddings.
comment on ragpg_internal.replace_chunks(bigint,bigint,integer,integer[],integer[],pg_catalog.text[],integer[],public.halfvec[],integer[]): Replaces a document's chunks in one search index by the given spans (arrays of equal length, characters from 0, end exclusive) of the given version, whose text is cut here and whose pages are looked up; generated_chars tells how many characters at the end of each context a language model wrote; takes the document off the queue and returns how many chunks. Raises RG007 when the document has another version by now.
comment on ragpg_internal.reunite_chunks(): Gives ragpg.chunks back what ragpg.distribute took from it, where a dump of a distributed database was restored on one server. For ragpg.secure.
comment on ragpg_internal.row_reading(pg_catalog.regclass,pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text[],pg_catalog.text): Returns the SQL expressions of a row's source, content, title and metadata, with a comma between, running nothing that the table's owner has made. For ragpg.index_table.
comment on ragpg_internal.safety_problems(): Returns a row per thing that lets somebody see more than docs/security.md promises, or less than the owner meant; to those who see all tenants. For ragpg.verify and ragpg.health_problems.
comment on ragpg_internal.sample_queries(bigint,integer): Returns embeddings of the newest logged searches of a search index, or, when fewer than 20 (or all that are wanted) are logged, of its own chunks, drawn by hash, with their ids.
comment on ragpg_internal.searched_tenant(): Returns the tenant whose chunks a search reads; null for all, when tenants are off or the caller sees all and set none. Raises RG013 when there is none to read for.
comment on ragpg_internal.sees_all_tenants(): Returns true where row-level security hides nothing: tenants are off, or the current role owns the tables, is a superuser or bypasses row-level security. Always, therefore, within a function that runs as the owner.
comment on ragpg_internal.session_tenant(): Returns the tenant of the session's role, null for none; for the trigger of ragpg.index_table, which runs as the owner in the session of whoever writes the table.
comment on ragpg_internal.set_chunk_lexemes(): Trigger of chunks: lexemes of context and content under the row's language, and how many words they count.
comment on ragpg_internal.set_on_shards(integer,pg_catalog.text): Sets hnsw.ef_search and hnsw.iterative_scan on the servers that hold shards of ragpg.chunks, until the transaction ends.
comment on ragpg_internal.shown_before(bigint): Keeps a document, or its versions, from being erased until the transaction ends; raises RG007 when there is none any more.
comment on ragpg_internal.similarity_spread(bigint,pg_catalog.text,public.halfvec): Returns mean and standard deviation of the cosine similarities of a question to a sample of a search index's embeddings, or of a tenant's in it (ragpg.index_statistics): 0 and 1 of an empty one.
comment on ragpg_internal.similarity_to_keep(double precision[],boolean[],double precision): Returns the largest similarity (or relevance) that at least the share keep of the answerable questions reach, and at least 0.
comment on ragpg_internal.source_paths(pg_catalog.text): Returns the source itself and everything before a / or # in it: of /srv/a.jsonl#7 also /srv/a.jsonl, /srv and the root (an empty text).
comment on ragpg_internal.start_answer(pg_catalog.text,pg_catalog.text,pg_catalog.text,bigint): Stores that an answer is being written, as the next turn of a conversation if one is given, and returns its id; note_step and finish_answer follow. Raises RG001, and RG005 for a conversation that the collection, or the session's tenant, does not have.
comment on ragpg_internal.start_context_batch(pg_catalog.text,pg_catalog.text,pg_catalog.bytea[],pg_catalog.bytea[]): Makes a row of ragpg.context_batches and reserves for it those of the asked sentences (arrays of equal length) that are neither written nor in another open batch; returns them with the batch's id, no row when none is left. To be committed before the batch is submitted.
comment on ragpg_internal.start_evaluation(pg_catalog.text,pg_catalog.text,integer,pg_catalog.text,bigint,pg_catalog.text,boolean): Returns the id of a new run of an evaluation set against a search index of its collection (the active one by default). A trial is judged only where it is named. ragpg_internal.evaluate_question then asks its questions one by one; ragpg.evaluate does it all. Raises RG010, RG011.
comment on ragpg_internal.start_finetuning(pg_catalog.text,pg_catalog.text,pg_catalog.bytea,pg_catalog.bytea,pg_catalog.jsonb,boolean): Returns the id of the row of ragpg.finetune_jobs for this data and base model: a new one, or one whose submission was interrupted. Raises RG005 when the same data was submitted before, unless again, or that job failed or was cancelled.
comment on ragpg_internal.subvector(public.halfvec,integer,integer): The function of pgvector, wherever that is installed.
comment on ragpg_internal.subvector(public.vector,integer,integer): The function of pgvector, wherever that is installed.
comment on ragpg_internal.sum(public.vector): The aggregate of pgvector, wherever that is installed.
comment on ragpg_internal.tenant_condition(bigint,pg_catalog.text,pg_catalog.text,pg_catalog.text): Returns the SQL that compares a column with a tenant: in a way that its index serves while the tenant has up to 20,000 chunks in the search index, so few that reading them all is quick, and where Citus chooses shards by it; else not.
comment on ragpg_internal.tenant_legs(): Returns the functions that ragpg.enable_tenants() makes security definer, which compare the tenant themselves (ragpg_internal.proven_tenant): two use the indexes of words and of metadata, which a policy would hide from the planner; where ragpg.chunks is distributed, which closes it to everybody but its owner, all of ragpg_internal.proof_takers.
comment on ragpg_internal.tenants_enabled(): Returns whether ragpg.enable_tenants() is in force: row-level security is on.
comment on ragpg_internal.text_parts(pg_catalog.text,pg_catalog.text): Returns how many characters of a document are in rows of Markdown tables and in fenced code (all of them when it is source code).
comment on ragpg_internal.tokenize(bigint,pg_catalog.text,integer): Returns the numbers of the tokens that spell a text, as the WordPiece tokenizer of a loaded encoder gives them, without those that begin and end a text; the first so many when a number is wanted.
comment on ragpg_internal.told_columns(pg_catalog.regclass): Returns the columns of a table, and the expressions of its indexes, of which no statistics are gathered while tenants are on: all but the keys, with their statistics target. explain shows estimates, and estimates come from statistics of all rows.
comment on ragpg_internal.unaccented(pg_catalog.text): Returns a text without accents: café as cafe, Straße as Strasse, and no points of Hebrew or vowels of Arabic. Marks of other scripts stay: they are letters.
comment on ragpg_internal.vector_candidates(bigint,public.halfvec,integer,bigint[],bigint,pg_catalog.jsonpath,pg_catalog.uuid): Returns the chunks of a search index nearest to an embedding, best first, with their cosine similarity; with a filter only of documents that pass it, which hold some matching_chunks chunks and are document_ids if these are known. Of the HNSW index's nearest those that pass are taken, of as many as a filter that has nothing to do with the question needs, then of six times as many; exact where these would take longer than to look at all that match. A tenant of up to 20,000 chunks is searched exactly. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then only of the caller's tenant.
comment on ragpg_internal.vector_dims(public.halfvec): The function of pgvector, wherever that is installed.
comment on ragpg_internal.vector_dims(public.vector): The function of pgvector, wherever that is installed.
comment on ragpg_internal.vector_norm(public.vector): The function of pgvector, wherever that is installed.
comment on ragpg_internal.vector_schema(): Returns the schema of the extension vector, quoted. No function of ragpg has it on its search_path, because others may create operators there: ragpg_internal has names of its own for pgvector's types, operators and functions, and statements that use an index name this schema.
comment on ragpg_internal.wilson_interval(bigint,bigint): Returns the 95 % interval of a share of which successes of total were observed (Wilson 1927); null for none.
comment on ragpg_internal.word_combinations(pg_catalog.tsquery[],double precision[],double precision,integer[]): Returns a tsquery that matches every chunk whose words weigh at least the threshold together, and few others: a word that is enough alone, or with one of those after it without which the rest is too light. Null when all words together are too light. With chunk_counts, of words that are the rarest first: also every chunk that holds one of the rarest, which 2,000 hold together, and none whose first word is not among those that 30,000 hold together.
comment on ragpg_internal.word_overlap(pg_catalog.text,pg_catalog.text): Returns the share of the different words of two texts that stand in both (Jaccard), from 0 to 1.
comment on ragpg_internal.word_parts(pg_catalog.text,pg_catalog.text): Returns, labelled C, the words by which a text (in its normal form) is found besides its own: parts and wholes of compounds (paths, hosts, identifiers, codes), numbers without the signs that group them, words without their accents or hyphens. Those of more than 256 characters without a space have none.
comment on ragpg_internal.word_scores(bigint,bigint[],pg_catalog.tsquery[],double precision[],real,pg_catalog.uuid): Returns the BM25 of each of these chunks of a search index for the words of a question and their weights (ragpg_internal.query_words), in their order; 0 of those without. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then only the caller's.
comment on ragpg_internal.write_chunks(bigint,bigint[],bigint[],integer[],integer[],integer[],integer[],integer[],pg_catalog.text[],pg_catalog.text[],pg_catalog.text[],public.halfvec[],integer[],pg_catalog.uuid): Deletes the chunks of replaced_ids from a search index and stores these (arrays of equal length), each its document's tenant's, where ragpg.chunks is distributed. Security definer while tenants are kept apart there (ragpg_internal.tenant_legs); then only of the caller's documents: RG007 for others.
comment on ragpg_internal.written_tenant(): Returns the tenant of rows written now, the default of the columns tenant: empty when none is set.
comment on ragpg_internal: What the functions, tables and policies of ragpg stand on. Nothing in here is a promise: call what is in ragpg.
comment on recall_measurements_tenant on ragpg.recall_measurements: Rows of the session's tenant.
comment on searches_tenant on ragpg.searches: Rows of the session's tenant.
comment on tenant_roles_own on ragpg.tenant_roles: Bindings of the current role.
