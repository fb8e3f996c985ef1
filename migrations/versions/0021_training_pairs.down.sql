drop function ragpg.hard_negatives;
drop function ragpg.training_pairs;
drop function ragpg.embedded_text;
