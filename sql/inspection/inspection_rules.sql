-- What counts as a problem, from which measure on, and what is to be done about it?
create or replace function ragpg_internal.inspection_rules()
returns table (
    problem text, unit text, pattern text, minimum double precision, what_to_do text
)
language sql immutable parallel safe
begin atomic
    values
        ('empty document', 'characters', null, 1,
            'delete it, or find out why it was stored without text'),
        ('tiny document', 'characters', null, 40,
            'join it with what it belongs to: alone it is found, but answers nothing'),
        ('mojibake', 'times',
            '[\u00c2\u00c3][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]|\u00c2\u00a0|[\u00ce\u00cf][\u0080-\u009f\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u20ac\u2122]|\u00e2[\u0080-\u009f\u201a\u20ac\u2020\u2021\u02c6\u201e\u2026\u2030][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]|[\u00e0\u00e1\u00e3-\u00ef][\u0080-\u009f\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u20ac\u2122][\u0080-\u009f\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u20ac\u2122]|(?:[\u00e0\u00e1\u00e3-\u00ef][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122\u00a0][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122\u00a0]){2,}|\u00f0\u0178|(?:[\u00c4-\u00cd\u00d0-\u00df][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]){3,}',
            1, 'UTF-8 was read as Windows-1252: read it again as UTF-8, or repair it (ftfy)'),
        ('replacement characters', 'times', '\ufffd+', 1,
            'characters were lost: read the original again with its right encoding'),
        ('control characters', 'times', '[\u0001-\u0008\u000b\u000e-\u001f\u007f-\u009f]+', 1,
            'remove them, or export the text anew: they cut words apart'),
        ('invisible characters', 'times', '[\u00ad\u200b\u2060\ufeff]+', 5,
            'remove soft hyphens and zero-width spaces: they cut words apart'),
        ('encoded data', 'times', '[A-Za-z0-9+/]{200,}', 1,
            'leave base64 and dumps out: they fill chunks and mean nothing'),
        ('over-long line', 'lines', null, 5000,
            'break it into paragraphs: a chunker sees no structure in it'),
        ('few letters', 'characters that are no letters',
            '[\u0001-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3007-\u3020\u3030-\u303f\ue000-\uf8ff\ufe10-\ufe6f\uff01-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0-\uffff\U0001f000-\U0001faff]+',
            0.3, 'search cannot find what numbers and symbols mean: say it in words beside them'),
        ('other language', 'letters', null, 200,
            'put it into a collection of its language, or use the language simple: its words are stemmed by the wrong rules'),
        ('duplicate document', '', null, 1,
            'keep one: copies crowd other documents out of the hits'),
        ('near-duplicate document', '', null, 0.8,
            'keep the newest, or search with ragpg.search_distinct'),
        ('repeated line', 'documents', null, 0.3,
            'take it out when reading: it makes all chunks alike'),
        ('cut chunk', 'chunks', null, 1,
            'a sentence is longer than the window: break it, or build an index with larger chunks'),
        ('not indexed', '', null, 1,
            'run ragpg worker; ragpg.ingest_queue has the error if there is one');
end;
comment on function ragpg_internal.inspection_rules() is
'Returns what inspection looks for: what it counts, the pattern of characters where it is one (few letters: of what is no letter), the least count, length or share that is reported (empty, tiny, few letters: less than that), and what to do.';
