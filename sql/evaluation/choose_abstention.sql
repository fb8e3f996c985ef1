-- Below what does one abstain, to keep a share of the answerable questions?
create or replace function ragpg_internal.choose_abstention(
    similarities double precision[],
    words_held double precision[],
    missing_names integer[],
    unmatched_negations boolean[],
    answerable boolean[],
    keep double precision,
    out relevance_weights double precision[],
    out min_similarity double precision,
    out min_relevance double precision,
    out similarity_alone double precision
)
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
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
$$;
comment on function ragpg_internal.choose_abstention(
    double precision[], double precision[], integer[], boolean[], boolean[], double precision
) is
'Returns the weights of ragpg_internal.logistic and the thresholds on similarity and relevance that together keep the share keep of the answerable questions, half of the loss each; and the threshold that keeps it on similarity alone. Raises RG011 when all questions are of one kind.';
