drop function ragpg.compare_runs;
drop view ragpg.evaluation_failures;
drop view ragpg.evaluation_leaderboard;
drop view ragpg.evaluation_measures;
drop function ragpg.evaluate;
drop function ragpg.evaluate_question;
drop function ragpg.start_evaluation;
drop function ragpg.put_evaluation_question;
drop view ragpg.evaluation_label_spans;
drop function ragpg.range_length;
drop table ragpg.evaluation_hits, ragpg.evaluation_results, ragpg.evaluation_runs,
    ragpg.evaluation_labels, ragpg.evaluation_questions, ragpg.evaluation_sets;
