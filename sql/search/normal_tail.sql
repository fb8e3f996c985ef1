-- Which share of a normal distribution lies above a value?
create or replace function ragpg_internal.normal_tail(deviations double precision)
returns double precision
language sql immutable strict parallel safe
-- To 0.3 %; erfc() is there since Postgres 16 alone.
return case
    when deviations > 37 then 0
    when deviations >= 0
        then exp(-0.5 * deviations ^ 2) / (1.64 * deviations + sqrt(0.76 * deviations ^ 2 + 4))
    else 1 - exp(-0.5 * deviations ^ 2) / (-1.64 * deviations + sqrt(0.76 * deviations ^ 2 + 4))
end;
comment on function ragpg_internal.normal_tail(double precision) is
'Returns the share of a normal distribution that is more than so many standard deviations above its mean (to 0.3 %).';
