-- How good is retrieval? Asks a whole evaluation set, in SQL alone.
create or replace function ragpg.evaluate(
    collection text,
    evaluation_set text,
    k integer default 10,
    mode text default 'hybrid',
    index_id bigint default null,
    note text default ''
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
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
$$;
comment on function ragpg.evaluate(text, text, integer, text, bigint, text) is
'Asks every question of an evaluation set and returns the id of the run; view evaluation_leaderboard has its measures. The database embeds the questions if it holds the model (ragpg model load); else words stand in for it.';
