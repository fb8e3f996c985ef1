-- Between which bounds does a share lie?
create or replace function ragpg_internal.wilson_interval(
    successes bigint, total bigint, out low double precision, out high double precision
)
language sql immutable parallel safe
begin atomic
    select
        greatest(0, (share + 1.9207 / total - 1.96 * spread) / (1 + 3.8416 / total)),
        least(1, (share + 1.9207 / total + 1.96 * spread) / (1 + 3.8416 / total))
    from (
        select
            successes::double precision / total as share,
            sqrt(
                successes::double precision / total * (1 - successes::double precision / total)
                / total + 0.9604 / total::double precision ^ 2
            ) as spread
        where total > 0
    ) as observed;
end;
comment on function ragpg_internal.wilson_interval(bigint, bigint) is
'Returns the 95 % interval of a share of which successes of total were observed (Wilson 1927); null for none.';
