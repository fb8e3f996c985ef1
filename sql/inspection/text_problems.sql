-- What looks wrong with this text?
create or replace function ragpg.text_problems(content text)
returns table (kind text, count bigint, example text)
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
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
$$;
comment on function ragpg.text_problems(text) is
'Returns what looks wrong with a text: the kind (ragpg_internal.inspection_rules tells all), how often (tiny document: its characters; few letters: those that are none), and the first of it with what stands around it. Blanks, pipes and hyphens do not count as characters.';
