-- How is this written by somebody without the letters?
create or replace function ragpg_internal.unaccented(content text) returns text
language sql immutable strict parallel safe
return case
    when content ~ '^[\u0001-\u007f]*$' then content
    else normalize(
        regexp_replace(
            normalize(
                replace(replace(replace(replace(replace(translate(
                    content,
                    U&'\0142\0141\00F8\00D8\0111\0110\0131\0127\00F0\00D0', 'lLoOdDihdD'
                ), U&'\00DF', 'ss'), U&'\00E6', 'ae'), U&'\00C6', 'AE'), U&'\0153', 'oe'),
                U&'\00FE', 'th'),
                nfd
            ),
            -- Accents of Latin, Greek and Cyrillic, points of Hebrew, vowels of Arabic; no accent
            -- is the breve of Cyrillic i, which is another letter.
            '(?<![\u0438\u0418])[\u0300-\u036f]|[\u0591-\u05c7\u064b-\u0652\u0670]', '', 'g'
        ),
        nfc
    )
end;
comment on function ragpg_internal.unaccented(text) is
'Returns a text without accents: café as cafe, Straße as Strasse, and no points of Hebrew or vowels of Arabic. Marks of other scripts stay: they are letters.';
