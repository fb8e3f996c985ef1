-- Undoes 0027.

drop function ragpg.evaluation_from_feedback(text, text);
