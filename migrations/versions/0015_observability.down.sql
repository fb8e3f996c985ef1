drop function ragpg.verify;
drop function ragpg.similar_chunks;
drop function ragpg.match_documents;
drop function ragpg.explain_search;
drop function ragpg.document_as_of;
