-- 0002: the query encoder. The model that embedded the chunks embeds questions in SQL.

create table ragpg.encoders (
    embedding_model_id bigint not null,
    layers integer not null,
    heads integer not null,
    width integer not null,
    pooling text not null,
    lower_case boolean not null,
    strip_accents boolean not null,
    unknown_token_id integer not null,
    first_token_id integer not null,
    last_token_id integer not null,
    special_tokens text[] not null,
    longest_token integer not null,
    query_prefix text not null,
    max_query_tokens integer not null default 64,
    layer_norm_epsilon double precision not null,
    verified_cosine double precision,
    verified boolean not null
        generated always as (coalesce(verified_cosine >= 0.9999, false)) stored,
    loaded_at timestamptz not null default now(),
    constraint encoders_pkey primary key (embedding_model_id),
    constraint encoders_embedding_model_id_fkey foreign key (embedding_model_id)
        references ragpg.embedding_models (id) on delete cascade,
    constraint encoders_layers_is_positive check (layers > 0),
    constraint encoders_heads_divide_the_width
        check (heads > 0 and width > 0 and width % heads = 0),
    constraint encoders_pooling_is_known check (pooling in ('mean', 'cls')),
    constraint encoders_longest_token_is_positive check (longest_token > 0),
    constraint encoders_max_query_tokens_holds_a_token check (max_query_tokens > 2),
    constraint encoders_layer_norm_epsilon_is_not_negative check (layer_norm_epsilon >= 0),
    constraint encoders_verified_cosine_is_a_cosine check (verified_cosine between -1.001 and 1.001)
);
comment on table ragpg.encoders is
'The embedding models whose weights are in this database, so that ragpg.embed_query computes the embedding of a question here.';
comment on column ragpg.encoders.embedding_model_id is 'The model.';
comment on column ragpg.encoders.layers is 'Its transformer layers.';
comment on column ragpg.encoders.heads is 'Attention heads of a layer.';
comment on column ragpg.encoders.width is 'Length of the vector that stands for a token.';
comment on column ragpg.encoders.pooling is
'How the tokens'' vectors become one: their mean, or that of the first token (cls).';
comment on column ragpg.encoders.lower_case is 'Whether its tokenizer lower-cases.';
comment on column ragpg.encoders.strip_accents is 'Whether its tokenizer removes accents.';
comment on column ragpg.encoders.unknown_token_id is 'The token of a word it cannot spell, [UNK].';
comment on column ragpg.encoders.first_token_id is 'The token before every text, [CLS].';
comment on column ragpg.encoders.last_token_id is 'The token after every text, [SEP].';
comment on column ragpg.encoders.special_tokens is
'Tokens that are found in a text as they stand, before anything else, such as [MASK].';
comment on column ragpg.encoders.longest_token is 'Characters of its longest token, the ## of a continuation not counted.';
comment on column ragpg.encoders.query_prefix is 'What the model wants before a question, such as "query: ".';
comment on column ragpg.encoders.max_query_tokens is
'Questions are cut to as many tokens, special ones included: the time grows with them.';
comment on column ragpg.encoders.layer_norm_epsilon is 'Its smallest variance, added by LayerNorm.';
comment on column ragpg.encoders.verified_cosine is
'The smallest cosine to the model in Python on a fixed list of texts; null before that is measured.';
comment on column ragpg.encoders.verified is 'Whether it agrees with the model in Python: ragpg.embed_query uses no other.';
comment on column ragpg.encoders.loaded_at is 'When its weights were stored.';

create table ragpg.encoder_vocabulary (
    embedding_model_id bigint not null,
    token text collate "C" not null,
    token_id integer not null,
    constraint encoder_vocabulary_pkey primary key (embedding_model_id, token),
    constraint encoder_vocabulary_embedding_model_id_fkey foreign key (embedding_model_id)
        references ragpg.encoders (embedding_model_id) on delete cascade,
    constraint encoder_vocabulary_token_id_is_not_negative check (token_id >= 0)
);
comment on table ragpg.encoder_vocabulary is 'The tokens of each encoder.';
comment on column ragpg.encoder_vocabulary.embedding_model_id is 'The encoder.';
comment on column ragpg.encoder_vocabulary.token is 'The token; one that continues a word begins with ##.';
comment on column ragpg.encoder_vocabulary.token_id is 'Its number.';

create table ragpg.encoder_embeddings (
    embedding_model_id bigint not null,
    token_id integer not null,
    embedding halfvec not null,
    constraint encoder_embeddings_pkey primary key (embedding_model_id, token_id),
    constraint encoder_embeddings_embedding_model_id_fkey foreign key (embedding_model_id)
        references ragpg.encoders (embedding_model_id) on delete cascade
);
alter table ragpg.encoder_embeddings alter column embedding set storage external;
comment on table ragpg.encoder_embeddings is 'The vector each token enters the first layer with.';
comment on column ragpg.encoder_embeddings.embedding_model_id is 'The encoder.';
comment on column ragpg.encoder_embeddings.token_id is 'The token.';
comment on column ragpg.encoder_embeddings.embedding is 'Its vector; in half precision, which LayerNorm forgives.';

create table ragpg.encoder_positions (
    embedding_model_id bigint not null,
    token_position integer not null,
    embedding vector not null,
    constraint encoder_positions_pkey primary key (embedding_model_id, token_position),
    constraint encoder_positions_embedding_model_id_fkey foreign key (embedding_model_id)
        references ragpg.encoders (embedding_model_id) on delete cascade,
    constraint encoder_positions_token_position_is_positive check (token_position > 0)
);
alter table ragpg.encoder_positions alter column embedding set storage external;
comment on table ragpg.encoder_positions is 'What each place in the text adds to the vector of its token.';
comment on column ragpg.encoder_positions.embedding_model_id is 'The encoder.';
comment on column ragpg.encoder_positions.token_position is 'Which token of the text, from 1.';
comment on column ragpg.encoder_positions.embedding is 'The vector of the place, that of token type 0 added.';

create table ragpg.encoder_layers (
    embedding_model_id bigint not null,
    layer integer not null,
    attention_gain vector,
    attention_shift vector,
    output_gain vector not null,
    output_shift vector not null,
    constraint encoder_layers_pkey primary key (embedding_model_id, layer),
    constraint encoder_layers_embedding_model_id_fkey foreign key (embedding_model_id)
        references ragpg.encoders (embedding_model_id) on delete cascade,
    constraint encoder_layers_layer_is_not_negative check (layer >= 0),
    constraint encoder_layers_attention_is_there_after_layer_0
        check (num_nulls(attention_gain, attention_shift) = case when layer = 0 then 2 else 0 end)
);
alter table ragpg.encoder_layers alter column attention_gain set storage external;
alter table ragpg.encoder_layers alter column attention_shift set storage external;
alter table ragpg.encoder_layers alter column output_gain set storage external;
alter table ragpg.encoder_layers alter column output_shift set storage external;
comment on table ragpg.encoder_layers is
'LayerNorm of each layer. Gains are times the square root of the width and end in 0, shifts end in 1: the 1 the next matrix multiplies its bias with.';
comment on column ragpg.encoder_layers.embedding_model_id is 'The encoder.';
comment on column ragpg.encoder_layers.layer is 'The layer, from 1; 0 is the embeddings.';
comment on column ragpg.encoder_layers.attention_gain is 'Gain after attention; null in layer 0.';
comment on column ragpg.encoder_layers.attention_shift is 'Shift after attention; null in layer 0.';
comment on column ragpg.encoder_layers.output_gain is 'Gain at the end of the layer.';
comment on column ragpg.encoder_layers.output_shift is 'Shift at the end of the layer.';

create table ragpg.encoder_weights (
    embedding_model_id bigint not null,
    layer integer not null,
    matrix integer not null,
    place integer not null,
    weights vector not null,
    constraint encoder_weights_pkey primary key (embedding_model_id, layer, matrix, place),
    constraint encoder_weights_embedding_model_id_fkey foreign key (embedding_model_id)
        references ragpg.encoders (embedding_model_id) on delete cascade,
    constraint encoder_weights_matrix_is_known check (matrix between 1 and 5),
    constraint encoder_weights_place_is_positive check (place > 0)
) with (toast_tuple_target = 8160);
alter table ragpg.encoder_weights alter column weights set storage external;
comment on table ragpg.encoder_weights is
'The matrices of each layer, a row of a matrix a row here, inside the page: read in order they need no copy.';
comment on column ragpg.encoder_weights.embedding_model_id is 'The encoder.';
comment on column ragpg.encoder_weights.layer is 'The layer, from 1.';
comment on column ragpg.encoder_weights.matrix is
'1: queries and keys of attention; 2: its values; 3: its output; 4: into the wide layer; 5: out of it.';
comment on column ragpg.encoder_weights.place is 'The row of the matrix, from 1.';
comment on column ragpg.encoder_weights.weights is
'The row with its bias last, the sign turned: pgvector''s <#> is the product with its sign turned. Queries are not turned, and divided by the root of a head''s width; matrix 4 is divided by the root of 2 and matrix 5 (bias aside) too, which takes the constants out of GELU.';

-- Which words and punctuation marks does a BERT model see in a text?
create or replace function ragpg.normalize_text(
    query text, lower_case boolean, strip_accents boolean
) returns text
language plpgsql immutable parallel safe
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    cleaned text;
    -- The classes of characters as the library `tokenizers` has them (0.23, Unicode of its time),
    -- written out: the server's own depend on its version, its locale and how it was built.
    removed constant text :=
        '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u0600-\u0605\u061c\u06dd'
        '\u070f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ue000-\uf8ff\ufeff'
        '\ufff9-\ufffb\ufffd\U000110bd\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001'
        '\U000e0020-\U000e007f\U000f0000-\U000ffffd\U00100000-\U0010fffd]';
    space constant text :=
        '[\u0009\u000a\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]';
    -- Chinese characters are words of their own.
    chinese constant text :=
        '([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b81f'
        '\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f])';
    accents constant text :=
        '[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7'
        '\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed'
        '\u0711\u0730-\u074a\u07a6-\u07b0\u07eb-\u07f3\u0816-\u0819\u081b-\u0823\u0825-\u0827'
        '\u0829-\u082d\u0859-\u085b\u08e3-\u0902\u093a\u093c\u0941-\u0948\u094d\u0951-\u0957'
        '\u0962\u0963\u0981\u09bc\u09c1-\u09c4\u09cd\u09e2\u09e3\u0a01\u0a02\u0a3c\u0a41\u0a42'
        '\u0a47\u0a48\u0a4b-\u0a4d\u0a51\u0a70\u0a71\u0a75\u0a81\u0a82\u0abc\u0ac1-\u0ac5'
        '\u0ac7\u0ac8\u0acd\u0ae2\u0ae3\u0b01\u0b3c\u0b3f\u0b41-\u0b44\u0b4d\u0b56\u0b62\u0b63'
        '\u0b82\u0bc0\u0bcd\u0c00\u0c3e-\u0c40\u0c46-\u0c48\u0c4a-\u0c4d\u0c55\u0c56\u0c62\u0c63'
        '\u0c81\u0cbc\u0cbf\u0cc6\u0ccc\u0ccd\u0ce2\u0ce3\u0d01\u0d41-\u0d44\u0d4d\u0d62\u0d63'
        '\u0dca\u0dd2-\u0dd4\u0dd6\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0eb9\u0ebb\u0ebc'
        '\u0ec8-\u0ecd\u0f18\u0f19\u0f35\u0f37\u0f39\u0f71-\u0f7e\u0f80-\u0f84\u0f86\u0f87'
        '\u0f8d-\u0f97\u0f99-\u0fbc\u0fc6\u102d-\u1030\u1032-\u1037\u1039\u103a\u103d\u103e'
        '\u1058\u1059\u105e-\u1060\u1071-\u1074\u1082\u1085\u1086\u108d\u109d\u135d-\u135f'
        '\u1712-\u1714\u1732-\u1734\u1752\u1753\u1772\u1773\u17b4\u17b5\u17b7-\u17bd\u17c6'
        '\u17c9-\u17d3\u17dd\u180b-\u180d\u18a9\u1920-\u1922\u1927\u1928\u1932\u1939-\u193b'
        '\u1a17\u1a18\u1a1b\u1a56\u1a58-\u1a5e\u1a60\u1a62\u1a65-\u1a6c\u1a73-\u1a7c\u1a7f'
        '\u1ab0-\u1abd\u1b00-\u1b03\u1b34\u1b36-\u1b3a\u1b3c\u1b42\u1b6b-\u1b73\u1b80\u1b81'
        '\u1ba2-\u1ba5\u1ba8\u1ba9\u1bab-\u1bad\u1be6\u1be8\u1be9\u1bed\u1bef-\u1bf1\u1c2c-\u1c33'
        '\u1c36\u1c37\u1cd0-\u1cd2\u1cd4-\u1ce0\u1ce2-\u1ce8\u1ced\u1cf4\u1cf8\u1cf9\u1dc0-\u1df5'
        '\u1dfc-\u1dff\u20d0-\u20dc\u20e1\u20e5-\u20f0\u2cef-\u2cf1\u2d7f\u2de0-\u2dff'
        '\u302a-\u302d\u3099\u309a\ua66f\ua674-\ua67d\ua69e\ua69f\ua6f0\ua6f1\ua802\ua806\ua80b'
        '\ua825\ua826\ua8c4\ua8e0-\ua8f1\ua926-\ua92d\ua947-\ua951\ua980-\ua982\ua9b3'
        '\ua9b6-\ua9b9\ua9bc\ua9e5\uaa29-\uaa2e\uaa31\uaa32\uaa35\uaa36\uaa43\uaa4c\uaa7c\uaab0'
        '\uaab2-\uaab4\uaab7\uaab8\uaabe\uaabf\uaac1\uaaec\uaaed\uaaf6\uabe5\uabe8\uabed\ufb1e'
        '\ufe00-\ufe0f\ufe20-\ufe2f\U000101fd\U000102e0\U00010376-\U0001037a\U00010a01-\U00010a03'
        '\U00010a05\U00010a06\U00010a0c-\U00010a0f\U00010a38-\U00010a3a\U00010a3f'
        '\U00010ae5\U00010ae6\U00011001\U00011038-\U00011046\U0001107f-\U00011081'
        '\U000110b3-\U000110b6\U000110b9\U000110ba\U00011100-\U00011102\U00011127-\U0001112b'
        '\U0001112d-\U00011134\U00011173\U00011180\U00011181\U000111b6-\U000111be'
        '\U000111ca-\U000111cc\U0001122f-\U00011231\U00011234\U00011236\U00011237\U000112df'
        '\U000112e3-\U000112ea\U00011300\U00011301\U0001133c\U00011340\U00011366-\U0001136c'
        '\U00011370-\U00011374\U000114b3-\U000114b8\U000114ba\U000114bf\U000114c0'
        '\U000114c2\U000114c3\U000115b2-\U000115b5\U000115bc\U000115bd\U000115bf\U000115c0'
        '\U000115dc\U000115dd\U00011633-\U0001163a\U0001163d\U0001163f\U00011640\U000116ab'
        '\U000116ad\U000116b0-\U000116b5\U000116b7\U0001171d-\U0001171f\U00011722-\U00011725'
        '\U00011727-\U0001172b\U00016af0-\U00016af4\U00016b30-\U00016b36\U00016f8f-\U00016f92'
        '\U0001bc9d\U0001bc9e\U0001d167-\U0001d169\U0001d17b-\U0001d182\U0001d185-\U0001d18b'
        '\U0001d1aa-\U0001d1ad\U0001d242-\U0001d244\U0001da00-\U0001da36\U0001da3b-\U0001da6c'
        '\U0001da75\U0001da84\U0001da9b-\U0001da9f\U0001daa1-\U0001daaf\U0001e8d0-\U0001e8d6'
        '\U000e0100-\U000e01ef]';
    punctuation constant text :=
        '([!-/:-@\[-`{-~\u00a1\u00a7\u00ab\u00b6\u00b7\u00bb\u00bf\u037e\u0387\u055a-\u055f'
        '\u0589\u058a\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u0609\u060a\u060c\u060d\u061b'
        '\u061e\u061f\u066a-\u066d\u06d4\u0700-\u070d\u07f7-\u07f9\u0830-\u083e\u085e\u0964\u0965'
        '\u0970\u0af0\u0df4\u0e4f\u0e5a\u0e5b\u0f04-\u0f12\u0f14\u0f3a-\u0f3d\u0f85\u0fd0-\u0fd4'
        '\u0fd9\u0fda\u104a-\u104f\u10fb\u1360-\u1368\u1400\u166d\u166e\u169b\u169c\u16eb-\u16ed'
        '\u1735\u1736\u17d4-\u17d6\u17d8-\u17da\u1800-\u180a\u1944\u1945\u1a1e\u1a1f\u1aa0-\u1aa6'
        '\u1aa8-\u1aad\u1b5a-\u1b60\u1bfc-\u1bff\u1c3b-\u1c3f\u1c7e\u1c7f\u1cc0-\u1cc7\u1cd3'
        '\u2010-\u2027\u2030-\u2043\u2045-\u2051\u2053-\u205e\u207d\u207e\u208d\u208e'
        '\u2308-\u230b\u2329\u232a\u2768-\u2775\u27c5\u27c6\u27e6-\u27ef\u2983-\u2998'
        '\u29d8-\u29db\u29fc\u29fd\u2cf9-\u2cfc\u2cfe\u2cff\u2d70\u2e00-\u2e2e\u2e30-\u2e42'
        '\u3001-\u3003\u3008-\u3011\u3014-\u301f\u3030\u303d\u30a0\u30fb\ua4fe\ua4ff\ua60d-\ua60f'
        '\ua673\ua67e\ua6f2-\ua6f7\ua874-\ua877\ua8ce\ua8cf\ua8f8-\ua8fa\ua8fc\ua92e\ua92f\ua95f'
        '\ua9c1-\ua9cd\ua9de\ua9df\uaa5c-\uaa5f\uaade\uaadf\uaaf0\uaaf1\uabeb\ufd3e\ufd3f'
        '\ufe10-\ufe19\ufe30-\ufe52\ufe54-\ufe61\ufe63\ufe68\ufe6a\ufe6b\uff01-\uff03'
        '\uff05-\uff0a\uff0c-\uff0f\uff1a\uff1b\uff1f\uff20\uff3b-\uff3d\uff3f\uff5b\uff5d'
        '\uff5f-\uff65\U00010100-\U00010102\U0001039f\U000103d0\U0001056f\U00010857\U0001091f'
        '\U0001093f\U00010a50-\U00010a58\U00010a7f\U00010af0-\U00010af6\U00010b39-\U00010b3f'
        '\U00010b99-\U00010b9c\U00011047-\U0001104d\U000110bb\U000110bc\U000110be-\U000110c1'
        '\U00011140-\U00011143\U00011174\U00011175\U000111c5-\U000111c9\U000111cd\U000111db'
        '\U000111dd-\U000111df\U00011238-\U0001123d\U000112a9\U000114c6\U000115c1-\U000115d7'
        '\U00011641-\U00011643\U0001173c-\U0001173e\U00012470-\U00012474\U00016a6e\U00016a6f'
        '\U00016af5\U00016b37-\U00016b3b\U00016b44\U0001bc9f\U0001da87-\U0001da8b])';
    upper_letters constant text :=
        'ABCDEFGHIJKLMNOPQRSTUVWXYZÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮĲĴĶĹĻĽĿŁ'
        'ŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽƁƂƄƆƇƉƊƋƎƏƐƑƓƔƖƗƘƜƝƟƠƢƤƦƧƩƬƮƯƱƲƳƵƷƸƼǄǅǇǈǊǋǍǏǑǓǕǗǙǛǞǠǢǤǦǨǪǬ'
        'ǮǱǲǴǶǷǸǺǼǾȀȂȄȆȈȊȌȎȐȒȔȖȘȚȜȞȠȢȤȦȨȪȬȮȰȲȺȻȽȾɁɃɄɅɆɈɊɌɎͰͲͶͿΆΈΉΊΌΎΏΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫϏϘ'
        'ϚϜϞϠϢϤϦϨϪϬϮϴϷϹϺϽϾϿЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮѰѲѴѶѸѺѼѾҀҊҌҎҐҒ'
        'ҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӁӃӅӇӉӋӍӐӒӔӖӘӚӜӞӠӢӤӦӨӪӬӮӰӲӴӶӸӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸԹԺ'
        'ԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖႠႡႢႣႤႥႦႧႨႩႪႫႬႭႮႯႰႱႲႳႴႵႶႷႸႹႺႻႼႽႾႿჀჁჂჃჄჅჇჍᎠᎡᎢᎣᎤᎥᎦᎧᎨᎩᎪᎫᎬᎭᎮᎯᎰᎱᎲᎳ'
        'ᎴᎵᎶᎷᎸᎹᎺᎻᎼᎽᎾᎿᏀᏁᏂᏃᏄᏅᏆᏇᏈᏉᏊᏋᏌᏍᏎᏏᏐᏑᏒᏓᏔᏕᏖᏗᏘᏙᏚᏛᏜᏝᏞᏟᏠᏡᏢᏣᏤᏥᏦᏧᏨᏩᏪᏫᏬᏭᏮᏯᏰᏱᏲᏳᏴᏵᲉᲐᲑᲒᲓᲔᲕᲖᲗᲘᲙᲚᲛᲜᲝᲞᲟᲠᲡᲢᲣᲤ'
        'ᲥᲦᲧᲨᲩᲪᲫᲬᲭᲮᲯᲰᲱᲲᲳᲴᲵᲶᲷᲸᲹᲺᲽᲾᲿḀḂḄḆḈḊḌḎḐḒḔḖḘḚḜḞḠḢḤḦḨḪḬḮḰḲḴḶḸḺḼḾṀṂṄṆṈṊṌṎṐṒṔṖṘṚṜṞṠṢṤṦṨṪṬṮṰṲṴṶṸṺṼ'
        'ṾẀẂẄẆẈẊẌẎẐẒẔẞẠẢẤẦẨẪẬẮẰẲẴẶẸẺẼẾỀỂỄỆỈỊỌỎỐỒỔỖỘỚỜỞỠỢỤỦỨỪỬỮỰỲỴỶỸỺỼỾἈἉἊἋἌἍἎἏἘἙἚἛἜἝἨἩἪἫἬἭἮἯἸἹἺἻἼ'
        'ἽἾἿὈὉὊὋὌὍὙὛὝὟὨὩὪὫὬὭὮὯᾈᾉᾊᾋᾌᾍᾎᾏᾘᾙᾚᾛᾜᾝᾞᾟᾨᾩᾪᾫᾬᾭᾮᾯᾸᾹᾺΆᾼῈΈῊΉῌῘῙῚΊῨῩῪΎῬῸΌῺΏῼΩKÅℲⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩⅪⅫⅬⅭⅮ'
        'ⅯↃⒶⒷⒸⒹⒺⒻⒼⒽⒾⒿⓀⓁⓂⓃⓄⓅⓆⓇⓈⓉⓊⓋⓌⓍⓎⓏⰀⰁⰂⰃⰄⰅⰆⰇⰈⰉⰊⰋⰌⰍⰎⰏⰐⰑⰒⰓⰔⰕⰖⰗⰘⰙⰚⰛⰜⰝⰞⰟⰠⰡⰢⰣⰤⰥⰦⰧⰨⰩⰪⰫⰬⰭⰮⰯⱠⱢⱣⱤⱧⱩⱫⱭⱮⱯⱰⱲ'
        'ⱵⱾⱿⲀⲂⲄⲆⲈⲊⲌⲎⲐⲒⲔⲖⲘⲚⲜⲞⲠⲢⲤⲦⲨⲪⲬⲮⲰⲲⲴⲶⲸⲺⲼⲾⳀⳂⳄⳆⳈⳊⳌⳎⳐⳒⳔⳖⳘⳚⳜⳞⳠⳢⳫⳭⳲꙀꙂꙄꙆꙈꙊꙌꙎꙐꙒꙔꙖꙘꙚꙜꙞꙠꙢꙤꙦꙨꙪꙬꚀꚂꚄꚆꚈꚊꚌꚎꚐ'
        'ꚒꚔꚖꚘꚚꜢꜤꜦꜨꜪꜬꜮꜲꜴꜶꜸꜺꜼꜾꝀꝂꝄꝆꝈꝊꝌꝎꝐꝒꝔꝖꝘꝚꝜꝞꝠꝢꝤꝦꝨꝪꝬꝮꝹꝻꝽꝾꞀꞂꞄꞆꞋꞍꞐꞒꞖꞘꞚꞜꞞꞠꞢꞤꞦꞨꞪꞫꞬꞭꞮꞰꞱꞲꞳꞴꞶꞸꞺꞼꞾꟀꟂꟄꟅꟆꟇꟉꟋ'
        'Ꟍ꟎Ꟑ꟒꟔ꟖꟘꟚꟜꟵＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ𐐀𐐁𐐂𐐃𐐄𐐅𐐆𐐇𐐈𐐉𐐊𐐋𐐌𐐍𐐎𐐏𐐐𐐑𐐒𐐓𐐔𐐕𐐖𐐗𐐘𐐙𐐚𐐛𐐜𐐝𐐞𐐟𐐠𐐡𐐢𐐣𐐤𐐥𐐦𐐧𐒰𐒱𐒲𐒳𐒴𐒵𐒶𐒷𐒸𐒹𐒺𐒻'
        '𐒼𐒽𐒾𐒿𐓀𐓁𐓂𐓃𐓄𐓅𐓆𐓇𐓈𐓉𐓊𐓋𐓌𐓍𐓎𐓏𐓐𐓑𐓒𐓓𐕰𐕱𐕲𐕳𐕴𐕵𐕶𐕷𐕸𐕹𐕺𐕼𐕽𐕾𐕿𐖀𐖁𐖂𐖃𐖄𐖅𐖆𐖇𐖈𐖉𐖊𐖌𐖍𐖎𐖏𐖐𐖑𐖒𐖔𐖕𐲀𐲁𐲂𐲃𐲄𐲅𐲆𐲇𐲈𐲉𐲊𐲋𐲌𐲍𐲎𐲏𐲐𐲑𐲒𐲓𐲔𐲕𐲖𐲗𐲘𐲙𐲚𐲛𐲜'
        '𐲝𐲞𐲟𐲠𐲡𐲢𐲣𐲤𐲥𐲦𐲧𐲨𐲩𐲪𐲫𐲬𐲭𐲮𐲯𐲰𐲱𐲲𐵐𐵑𐵒𐵓𐵔𐵕𐵖𐵗𐵘𐵙𐵚𐵛𐵜𐵝𐵞𐵟𐵠𐵡𐵢𐵣𐵤𐵥𑢠𑢡𑢢𑢣𑢤𑢥𑢦𑢧𑢨𑢩𑢪𑢫𑢬𑢭𑢮𑢯𑢰𑢱𑢲𑢳𑢴𑢵𑢶𑢷𑢸𑢹𑢺𑢻𑢼𑢽𑢾𑢿𖹀𖹁𖹂𖹃𖹄𖹅𖹆𖹇𖹈𖹉𖹊𖹋'
        '𖹌𖹍𖹎𖹏𖹐𖹑𖹒𖹓𖹔𖹕𖹖𖹗𖹘𖹙𖹚𖹛𖹜𖹝𖹞𖹟𖺠𖺡𖺢𖺣𖺤𖺥𖺦𖺧𖺨𖺩𖺪𖺫𖺬𖺭𖺮𖺯𖺰𖺱𖺲𖺳𖺴𖺵𖺶𖺷𖺸𞤀𞤁𞤂𞤃𞤄𞤅𞤆𞤇𞤈𞤉𞤊𞤋𞤌𞤍𞤎𞤏𞤐𞤑𞤒𞤓𞤔𞤕𞤖𞤗𞤘𞤙𞤚𞤛𞤜𞤝𞤞𞤟𞤠𞤡';
    lower_letters constant text :=
        'abcdefghijklmnopqrstuvwxyzàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįĳĵķĺļľŀł'
        'ńņňŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷÿźżžɓƃƅɔƈɖɗƌǝəɛƒɠɣɩɨƙɯɲɵơƣƥʀƨʃƭʈưʊʋƴƶʒƹƽǆǆǉǉǌǌǎǐǒǔǖǘǚǜǟǡǣǥǧǩǫǭ'
        'ǯǳǳǵƕƿǹǻǽǿȁȃȅȇȉȋȍȏȑȓȕȗșțȝȟƞȣȥȧȩȫȭȯȱȳⱥȼƚⱦɂƀʉʌɇɉɋɍɏͱͳͷϳάέήίόύώαβγδεζηθικλμνξοπρστυφχψωϊϋϗϙ'
        'ϛϝϟϡϣϥϧϩϫϭϯθϸϲϻͻͼͽѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюяѡѣѥѧѩѫѭѯѱѳѵѷѹѻѽѿҁҋҍҏґғ'
        'ҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӂӄӆӈӊӌӎӑӓӕӗәӛӝӟӡӣӥӧөӫӭӯӱӳӵӷӹӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯաբգդեզէըթժ'
        'իլխծկհձղճմյնշոչպջռսվտրցւփքօֆⴀⴁⴂⴃⴄⴅⴆⴇⴈⴉⴊⴋⴌⴍⴎⴏⴐⴑⴒⴓⴔⴕⴖⴗⴘⴙⴚⴛⴜⴝⴞⴟⴠⴡⴢⴣⴤⴥⴧⴭꭰꭱꭲꭳꭴꭵꭶꭷꭸꭹꭺꭻꭼꭽꭾꭿꮀꮁꮂꮃ'
        'ꮄꮅꮆꮇꮈꮉꮊꮋꮌꮍꮎꮏꮐꮑꮒꮓꮔꮕꮖꮗꮘꮙꮚꮛꮜꮝꮞꮟꮠꮡꮢꮣꮤꮥꮦꮧꮨꮩꮪꮫꮬꮭꮮꮯꮰꮱꮲꮳꮴꮵꮶꮷꮸꮹꮺꮻꮼꮽꮾꮿᏸᏹᏺᏻᏼᏽᲊაბგდევზთიკლმნოპჟრსტუფ'
        'ქღყშჩცძწჭხჯჰჱჲჳჴჵჶჷჸჹჺჽჾჿḁḃḅḇḉḋḍḏḑḓḕḗḙḛḝḟḡḣḥḧḩḫḭḯḱḳḵḷḹḻḽḿṁṃṅṇṉṋṍṏṑṓṕṗṙṛṝṟṡṣṥṧṩṫṭṯṱṳṵṷṹṻṽ'
        'ṿẁẃẅẇẉẋẍẏẑẓẕßạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹỻỽỿἀἁἂἃἄἅἆἇἐἑἒἓἔἕἠἡἢἣἤἥἦἧἰἱἲἳἴ'
        'ἵἶἷὀὁὂὃὄὅὑὓὕὗὠὡὢὣὤὥὦὧᾀᾁᾂᾃᾄᾅᾆᾇᾐᾑᾒᾓᾔᾕᾖᾗᾠᾡᾢᾣᾤᾥᾦᾧᾰᾱὰάᾳὲέὴήῃῐῑὶίῠῡὺύῥὸόὼώῳωkåⅎⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹⅺⅻⅼⅽⅾ'
        'ⅿↄⓐⓑⓒⓓⓔⓕⓖⓗⓘⓙⓚⓛⓜⓝⓞⓟⓠⓡⓢⓣⓤⓥⓦⓧⓨⓩⰰⰱⰲⰳⰴⰵⰶⰷⰸⰹⰺⰻⰼⰽⰾⰿⱀⱁⱂⱃⱄⱅⱆⱇⱈⱉⱊⱋⱌⱍⱎⱏⱐⱑⱒⱓⱔⱕⱖⱗⱘⱙⱚⱛⱜⱝⱞⱟⱡɫᵽɽⱨⱪⱬɑɱɐɒⱳ'
        'ⱶȿɀⲁⲃⲅⲇⲉⲋⲍⲏⲑⲓⲕⲗⲙⲛⲝⲟⲡⲣⲥⲧⲩⲫⲭⲯⲱⲳⲵⲷⲹⲻⲽⲿⳁⳃⳅⳇⳉⳋⳍⳏⳑⳓⳕⳗⳙⳛⳝⳟⳡⳣⳬⳮⳳꙁꙃꙅꙇꙉꙋꙍꙏꙑꙓꙕꙗꙙꙛꙝꙟꙡꙣꙥꙧꙩꙫꙭꚁꚃꚅꚇꚉꚋꚍꚏꚑ'
        'ꚓꚕꚗꚙꚛꜣꜥꜧꜩꜫꜭꜯꜳꜵꜷꜹꜻꜽꜿꝁꝃꝅꝇꝉꝋꝍꝏꝑꝓꝕꝗꝙꝛꝝꝟꝡꝣꝥꝧꝩꝫꝭꝯꝺꝼᵹꝿꞁꞃꞅꞇꞌɥꞑꞓꞗꞙꞛꞝꞟꞡꞣꞥꞧꞩɦɜɡɬɪʞʇʝꭓꞵꞷꞹꞻꞽꞿꟁꟃꞔʂᶎꟈꟊɤ'
        'ꟍ꟏ꟑꟓꟕꟗꟙꟛƛꟶａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ𐐨𐐩𐐪𐐫𐐬𐐭𐐮𐐯𐐰𐐱𐐲𐐳𐐴𐐵𐐶𐐷𐐸𐐹𐐺𐐻𐐼𐐽𐐾𐐿𐑀𐑁𐑂𐑃𐑄𐑅𐑆𐑇𐑈𐑉𐑊𐑋𐑌𐑍𐑎𐑏𐓘𐓙𐓚𐓛𐓜𐓝𐓞𐓟𐓠𐓡𐓢𐓣'
        '𐓤𐓥𐓦𐓧𐓨𐓩𐓪𐓫𐓬𐓭𐓮𐓯𐓰𐓱𐓲𐓳𐓴𐓵𐓶𐓷𐓸𐓹𐓺𐓻𐖗𐖘𐖙𐖚𐖛𐖜𐖝𐖞𐖟𐖠𐖡𐖣𐖤𐖥𐖦𐖧𐖨𐖩𐖪𐖫𐖬𐖭𐖮𐖯𐖰𐖱𐖳𐖴𐖵𐖶𐖷𐖸𐖹𐖻𐖼𐳀𐳁𐳂𐳃𐳄𐳅𐳆𐳇𐳈𐳉𐳊𐳋𐳌𐳍𐳎𐳏𐳐𐳑𐳒𐳓𐳔𐳕𐳖𐳗𐳘𐳙𐳚𐳛𐳜'
        '𐳝𐳞𐳟𐳠𐳡𐳢𐳣𐳤𐳥𐳦𐳧𐳨𐳩𐳪𐳫𐳬𐳭𐳮𐳯𐳰𐳱𐳲𐵰𐵱𐵲𐵳𐵴𐵵𐵶𐵷𐵸𐵹𐵺𐵻𐵼𐵽𐵾𐵿𐶀𐶁𐶂𐶃𐶄𐶅𑣀𑣁𑣂𑣃𑣄𑣅𑣆𑣇𑣈𑣉𑣊𑣋𑣌𑣍𑣎𑣏𑣐𑣑𑣒𑣓𑣔𑣕𑣖𑣗𑣘𑣙𑣚𑣛𑣜𑣝𑣞𑣟𖹠𖹡𖹢𖹣𖹤𖹥𖹦𖹧𖹨𖹩𖹪𖹫'
        '𖹬𖹭𖹮𖹯𖹰𖹱𖹲𖹳𖹴𖹵𖹶𖹷𖹸𖹹𖹺𖹻𖹼𖹽𖹾𖹿𖺻𖺼𖺽𖺾𖺿𖻀𖻁𖻂𖻃𖻄𖻅𖻆𖻇𖻈𖻉𖻊𖻋𖻌𖻍𖻎𖻏𖻐𖻑𖻒𖻓𞤢𞤣𞤤𞤥𞤦𞤧𞤨𞤩𞤪𞤫𞤬𞤭𞤮𞤯𞤰𞤱𞤲𞤳𞤴𞤵𞤶𞤷𞤸𞤹𞤺𞤻𞤼𞤽𞤾𞤿𞥀𞥁𞥂𞥃';
begin
    -- Printable ASCII, nearly every question: no class above matters.
    if query ~ '^[\x20-\x7e]*$' then
        return regexp_replace(
            case when lower_case then lower(query collate "C") else query end,
            '([!-/:-@\[-`{-~])', ' \1 ', 'g'
        );
    end if;
    cleaned := regexp_replace(query collate "C", removed, '', 'g');
    cleaned := regexp_replace(cleaned, space, ' ', 'g');
    cleaned := regexp_replace(cleaned, chinese, ' \1 ', 'g');
    if strip_accents then
        cleaned := regexp_replace(normalize(cleaned, nfd), accents, '', 'g');
    end if;
    if lower_case then
        cleaned := translate(replace(cleaned, 'İ', 'i̇'), upper_letters, lower_letters);
    end if;
    return regexp_replace(cleaned, punctuation, ' \1 ', 'g');
end
$$;
comment on function ragpg.normalize_text(text, boolean, boolean) is
'Returns the text as BERT''s basic tokenizer leaves it: words, punctuation marks and Chinese characters with spaces between them, control characters removed, lower-cased and without accents where the model wants that. The same on every server: it uses no locale.';

-- Which tokens of a model spell a text?
create or replace function ragpg.tokenize(
    encoder_id bigint, query text, wanted integer default null
) returns integer[]
language plpgsql stable parallel safe
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    encoder ragpg.encoders;
    special_pattern text;
    parts text[];
    found_special text[];
    found_ids integer[] := '{}';
    word record;
    pieces integer[];
    place integer;
    piece record;
    longest_word constant integer := 100;  -- longer ones are unknown, as BERT has it
begin
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = tokenize.encoder_id;
    if not found then
        raise exception 'embedding model % is not loaded into the database', encoder_id
            using errcode = 'RG009', hint = 'load it with load_encoder of ragpg.encoder';
    end if;
    -- Special tokens such as [MASK] are taken out first, as they stand.
    parts := array[query];
    found_special := '{}';
    if query ~ '\[' and cardinality(encoder.special_tokens) > 0 then
        select string_agg(regexp_replace(token, '([^[:alnum:]])', '\\\1', 'g'), '|')
        into special_pattern
        from unnest(encoder.special_tokens) as token;
        parts := regexp_split_to_array(query, special_pattern);
        found_special := array(
            select found.matched[1]
            from regexp_matches(query, '(' || special_pattern || ')', 'g') as found (matched)
        );
    end if;
    for part_number in 1..cardinality(parts) loop
        for word in
            select listed.spelling, whole.token_id
            from unnest(
                string_to_array(
                    ragpg.normalize_text(
                        parts[part_number], encoder.lower_case, encoder.strip_accents
                    ),
                    ' '
                )
            ) with ordinality as listed (spelling, place)
            left join ragpg.encoder_vocabulary as whole
                on whole.embedding_model_id = encoder.embedding_model_id
                and whole.token = listed.spelling collate "C"
                and length(listed.spelling) <= longest_word
            where listed.spelling <> ''
            order by listed.place
        loop
            exit when cardinality(found_ids) >= wanted;
            if word.token_id is not null then
                found_ids := found_ids || word.token_id;
                continue;
            end if;
            -- WordPiece: the longest token the rest of the word begins with, again and again.
            pieces := '{}';
            place := 1;
            if length(word.spelling) > longest_word then
                pieces := array[encoder.unknown_token_id];
                place := length(word.spelling) + 1;
            end if;
            while place <= length(word.spelling) loop
                select known.token_id, asked.size
                into piece
                from generate_series(
                    1, least(encoder.longest_token, length(word.spelling) - place + 1)
                ) as asked (size)
                join ragpg.encoder_vocabulary as known
                    on known.embedding_model_id = encoder.embedding_model_id
                    and known.token = case when place > 1 then '##' else '' end
                        || substr(word.spelling, place, asked.size)
                order by asked.size desc
                limit 1;
                if not found then
                    pieces := array[encoder.unknown_token_id];
                    exit;
                end if;
                pieces := pieces || piece.token_id;
                place := place + piece.size;
            end loop;
            found_ids := found_ids || pieces;
        end loop;
        exit when cardinality(found_ids) >= wanted;
        if part_number <= cardinality(found_special) then
            found_ids := found_ids || (
                select known.token_id
                from ragpg.encoder_vocabulary as known
                where known.embedding_model_id = encoder.embedding_model_id
                    and known.token = found_special[part_number] collate "C"
            );
        end if;
    end loop;
    return case when wanted is null then found_ids else found_ids[:wanted] end;
end
$$;
comment on function ragpg.tokenize(bigint, text, integer) is
'Returns the numbers of the tokens that spell a text, as the WordPiece tokenizer of a loaded encoder gives them, without those that begin and end a text; the first so many when a number is wanted.';

-- What does a loaded model read when it is asked a question?
create or replace function ragpg.query_tokens(encoder_id bigint, query text)
returns integer[]
language plpgsql stable parallel safe
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    encoder ragpg.encoders;
    spelled integer[];
begin
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = query_tokens.encoder_id;
    spelled := ragpg.tokenize(
        encoder_id, encoder.query_prefix || query, encoder.max_query_tokens - 1
    );
    if cardinality(spelled) > encoder.max_query_tokens - 2 then
        raise notice 'the query is cut to % tokens', encoder.max_query_tokens;
        spelled := spelled[:encoder.max_query_tokens - 2];
    end if;
    return encoder.first_token_id || spelled || encoder.last_token_id;
end
$$;
comment on function ragpg.query_tokens(bigint, text) is
'Returns the tokens a loaded encoder reads for a question: its query prefix and the tokens that begin and end a text added, cut to its limit with a notice.';

-- What does a matrix of a model make of the vectors of the tokens?
create or replace function ragpg.multiply_weights(
    encoder_id bigint, layer_number integer, matrix_number integer, inputs vector[]
) returns vector[]
language plpgsql stable parallel safe
as $$
declare
    outputs vector[] := '{}';
    input_1 vector; input_2 vector; input_3 vector; input_4 vector;
    input_5 vector; input_6 vector; input_7 vector; input_8 vector;
    output_1 vector; output_2 vector; output_3 vector; output_4 vector;
    output_5 vector; output_6 vector; output_7 vector; output_8 vector;
begin
    -- Eight tokens at a time, each in a variable: a row is read once for all of them, and no
    -- operation but the product is left for a pair. The last batch may hold nulls.
    for begun in 1..cardinality(inputs) by 8 loop
        input_1 := inputs[begun];
        input_2 := inputs[begun + 1];
        input_3 := inputs[begun + 2];
        input_4 := inputs[begun + 3];
        input_5 := inputs[begun + 4];
        input_6 := inputs[begun + 5];
        input_7 := inputs[begun + 6];
        input_8 := inputs[begun + 7];
        select
            (array_agg(listed.weights <#> input_1) filter (where input_1 is not null))::vector,
            (array_agg(listed.weights <#> input_2) filter (where input_2 is not null))::vector,
            (array_agg(listed.weights <#> input_3) filter (where input_3 is not null))::vector,
            (array_agg(listed.weights <#> input_4) filter (where input_4 is not null))::vector,
            (array_agg(listed.weights <#> input_5) filter (where input_5 is not null))::vector,
            (array_agg(listed.weights <#> input_6) filter (where input_6 is not null))::vector,
            (array_agg(listed.weights <#> input_7) filter (where input_7 is not null))::vector,
            (array_agg(listed.weights <#> input_8) filter (where input_8 is not null))::vector
        into output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        from (
            select stored.weights
            from ragpg.encoder_weights as stored
            where stored.embedding_model_id = encoder_id
                and stored.layer = layer_number
                and stored.matrix = matrix_number
            order by stored.place
            offset 0
        ) as listed;
        outputs := outputs || (array[
            output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        ])[:cardinality(inputs) - begun + 1];
    end loop;
    return outputs;
end
$$;
comment on function ragpg.multiply_weights(bigint, integer, integer, vector[]) is
'Returns the product of a matrix of ragpg.encoder_weights with each vector.';

-- Which values do the tokens offer to attention?
create or replace function ragpg.multiply_values(
    encoder_id bigint, layer_number integer, inputs vector[]
) returns vector[]
language plpgsql stable parallel safe
as $$
declare
    outputs vector[] := '{}';
    input_1 vector; input_2 vector; input_3 vector; input_4 vector;
    input_5 vector; input_6 vector; input_7 vector; input_8 vector;
    batch vector[];
begin
    -- Eight tokens at a time, each in a variable: a row is read once for all of them, and no
    -- operation but the product is left for a pair. The last batch may hold nulls.
    for begun in 1..cardinality(inputs) by 8 loop
        input_1 := inputs[begun];
        input_2 := inputs[begun + 1];
        input_3 := inputs[begun + 2];
        input_4 := inputs[begun + 3];
        input_5 := inputs[begun + 4];
        input_6 := inputs[begun + 5];
        input_7 := inputs[begun + 6];
        input_8 := inputs[begun + 7];
        select
            array_agg(
                (array[
                    listed.weights <#> input_1,
                    listed.weights <#> input_2,
                    listed.weights <#> input_3,
                    listed.weights <#> input_4,
                    listed.weights <#> input_5,
                    listed.weights <#> input_6,
                    listed.weights <#> input_7,
                    listed.weights <#> input_8
                ])[:cardinality(inputs) - begun + 1]::vector
            )
        into batch
        from (
            select stored.weights
            from ragpg.encoder_weights as stored
            where stored.embedding_model_id = encoder_id
                and stored.layer = layer_number
                and stored.matrix = 2
            order by stored.place
            offset 0
        ) as listed;
        if begun = 1 then
            outputs := batch;
        else
            outputs := array(
                select listed.earlier || listed.added
                from unnest(outputs, batch) with ordinality as listed (earlier, added, place)
                order by listed.place
            );
        end if;
    end loop;
    return outputs;
end
$$;
comment on function ragpg.multiply_values(bigint, integer, vector[]) is
'Returns the values of attention, the other way round than ragpg.multiply_weights: one vector over the tokens for each row of the matrix, ready for products with the shares of the tokens.';

-- What does the wide layer of a model make of the vectors of the tokens?
create or replace function ragpg.multiply_wide(
    encoder_id bigint, layer_number integer, inputs vector[]
) returns vector[]
language plpgsql stable parallel safe
as $$
declare
    one constant vector := '[1]';  -- multiplies the bias of the next matrix
    outputs vector[] := '{}';
    input_1 vector; input_2 vector; input_3 vector; input_4 vector;
    input_5 vector; input_6 vector; input_7 vector; input_8 vector;
    output_1 vector; output_2 vector; output_3 vector; output_4 vector;
    output_5 vector; output_6 vector; output_7 vector; output_8 vector;
begin
    -- Eight tokens at a time, each in a variable: a row is read once for all of them, and no
    -- operation but the product is left for a pair. The last batch may hold nulls.
    for begun in 1..cardinality(inputs) by 8 loop
        input_1 := inputs[begun];
        input_2 := inputs[begun + 1];
        input_3 := inputs[begun + 2];
        input_4 := inputs[begun + 3];
        input_5 := inputs[begun + 4];
        input_6 := inputs[begun + 5];
        input_7 := inputs[begun + 6];
        input_8 := inputs[begun + 7];
        -- GELU, exactly: x / 2 * (1 + erf(x / sqrt(2))); the constants are in the weights.
        select
            (
                array_agg(p.of_1 * (1 + erf(p.of_1))) filter (where input_1 is not null)
            )::vector || one,
            (
                array_agg(p.of_2 * (1 + erf(p.of_2))) filter (where input_2 is not null)
            )::vector || one,
            (
                array_agg(p.of_3 * (1 + erf(p.of_3))) filter (where input_3 is not null)
            )::vector || one,
            (
                array_agg(p.of_4 * (1 + erf(p.of_4))) filter (where input_4 is not null)
            )::vector || one,
            (
                array_agg(p.of_5 * (1 + erf(p.of_5))) filter (where input_5 is not null)
            )::vector || one,
            (
                array_agg(p.of_6 * (1 + erf(p.of_6))) filter (where input_6 is not null)
            )::vector || one,
            (
                array_agg(p.of_7 * (1 + erf(p.of_7))) filter (where input_7 is not null)
            )::vector || one,
            (
                array_agg(p.of_8 * (1 + erf(p.of_8))) filter (where input_8 is not null)
            )::vector || one
        into output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        from (
            select
                listed.weights <#> input_1 as of_1,
                listed.weights <#> input_2 as of_2,
                listed.weights <#> input_3 as of_3,
                listed.weights <#> input_4 as of_4,
                listed.weights <#> input_5 as of_5,
                listed.weights <#> input_6 as of_6,
                listed.weights <#> input_7 as of_7,
                listed.weights <#> input_8 as of_8
            from (
                select stored.weights
                from ragpg.encoder_weights as stored
                where stored.embedding_model_id = encoder_id
                    and stored.layer = layer_number
                    and stored.matrix = 4
                order by stored.place
                offset 0
            ) as listed
            offset 0
        ) as p;
        outputs := outputs || (array[
            output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        ])[:cardinality(inputs) - begun + 1];
    end loop;
    return outputs;
end
$$;
comment on function ragpg.multiply_wide(bigint, integer, vector[]) is
'Returns what the first half of a layer''s feed-forward network makes of each vector, with GELU, and a 1 at the end for the next bias.';

-- Which embedding does a BERT model give a row of tokens?
create or replace function ragpg.encode(encoder_id bigint, token_ids integer[])
returns vector
language plpgsql stable parallel safe
set search_path = ragpg, public, extensions, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    encoder ragpg.encoders;
    norm ragpg.encoder_layers;
    count_of_tokens integer := cardinality(token_ids);
    size integer;  -- width of a head
    states vector[];  -- of each token, with a 1 at the end that multiplies the bias
    asked vector[];  -- queries and keys of each token
    keys vector[];  -- keys of each head, token by token
    held vector[];  -- values: one vector over the tokens for each number of the width
    mixed vector[];
    ones vector;
    token_ones vector;
    tail vector;  -- puts LayerNorm's epsilon under the root
    one constant vector := '[1]';
begin
    if current_setting('server_version_num')::integer < 160000 then
        raise exception 'computing embeddings in the database needs Postgres 16 or newer'
            using errcode = 'RG009', hint = 'pass a query embedding';
    end if;
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = encode.encoder_id;
    if not found then
        raise exception 'embedding model % is not loaded into the database', encoder_id
            using errcode = 'RG009', hint = 'load it: ragpg model load';
    end if;
    size := encoder.width / encoder.heads;
    ones := array_fill(1::real, array[encoder.width])::vector;
    token_ones := array_fill(1::real, array[count_of_tokens])::vector;
    tail := array[sqrt(encoder.layer_norm_epsilon * encoder.width)]::vector;
    -- LayerNorm: off with the mean, to length 1; the gain brings back the root of the width.
    select
        array_agg(
            l2_normalize(
                entered.state - array_fill(
                    (-(entered.state <#> ones) / encoder.width)::real, array[encoder.width]
                )::vector || tail
            ) * entered.output_gain + entered.output_shift
            order by entered.place
        )
    into states
    from (
        select
            listed.place,
            token.embedding::vector + position.embedding as state,
            layer.output_gain,
            layer.output_shift
        from unnest(token_ids) with ordinality as listed (token_id, place)
        join ragpg.encoder_embeddings as token
            on token.embedding_model_id = encoder_id and token.token_id = listed.token_id
        join ragpg.encoder_positions as position
            on position.embedding_model_id = encoder_id
            and position.token_position = listed.place::integer
        join ragpg.encoder_layers as layer
            on layer.embedding_model_id = encoder_id and layer.layer = 0
        offset 0
    ) as entered;
    if cardinality(states) is distinct from count_of_tokens then
        raise exception 'a token or its place is unknown to embedding model %', encoder_id
            using errcode = 'RG009';
    end if;
    for layer_number in 1..encoder.layers loop
        select stored.* into norm
        from ragpg.encoder_layers as stored
        where stored.embedding_model_id = encoder_id and stored.layer = layer_number;
        -- Attention: each head of each token mixes the values of all tokens, in shares of the
        -- exponentials of its query's products with their keys.
        asked := ragpg.multiply_weights(encoder_id, layer_number, 1, states);
        held := ragpg.multiply_values(encoder_id, layer_number, states);
        select array_agg(
            subvector(listed.state, encoder.width + head * size + 1, size)
            order by head, listed.place
        )
        into keys
        from unnest(asked) with ordinality as listed (state, place)
        cross join generate_series(0, encoder.heads - 1) as head;
        select array_agg(array(select unnest(by_token.by_head))::vector || one order by place)
        into mixed
        from (
            select
                share.place,
                array_agg(
                    array(
                        select (share.shares <#> value) / (share.shares <#> token_ones)
                        from unnest(share.head_values) as value
                    )
                    order by share.head
                ) as by_head
            from (
                select
                    query.place,
                    query.head,
                    query.head_values,
                    -- The exponential must fit a real: where the product could be large, the
                    -- largest is taken off first.
                    case when vector_norm(query.state) * query.longest < 60 then array(
                        select exp(query.state <#> key)
                        from unnest(query.head_keys) as key
                    )::vector else array(
                        select exp(greatest(product - max(product) over (), -80))
                        from (
                            select key_place, query.state <#> key as product
                            from unnest(query.head_keys) with ordinality as listed (key, key_place)
                        ) as scored
                        order by key_place
                    )::vector end as shares
                from (
                    select
                        listed.place,
                        of_head.*,
                        subvector(listed.state, of_head.head * size + 1, size) as state
                    from (
                        select
                            one_head.*,
                            (
                                select max(vector_norm(key)) from unnest(one_head.head_keys) as key
                            ) as longest
                        from (
                            select
                                head,
                                keys[head * count_of_tokens + 1:(head + 1) * count_of_tokens]
                                    as head_keys,
                                held[head * size + 1:(head + 1) * size] as head_values
                            from generate_series(0, encoder.heads - 1) as head
                            offset 0
                        ) as one_head
                        offset 0
                    ) as of_head
                    cross join unnest(asked) with ordinality as listed (state, place)
                    offset 0
                ) as query
                offset 0
            ) as share
            group by share.place
        ) as by_token;
        mixed := ragpg.multiply_weights(encoder_id, layer_number, 3, mixed);
        select
            array_agg(
                l2_normalize(
                    added.state - array_fill(
                        (-(added.state <#> ones) / encoder.width)::real, array[encoder.width]
                    )::vector || tail
                ) * norm.attention_gain + norm.attention_shift
                order by added.place
            )
        into states
        from (
            select listed.place, subvector(listed.state, 1, encoder.width) + change as state
            from unnest(states, mixed) with ordinality as listed (state, change, place)
            offset 0
        ) as added;
        -- Feed-forward: into the wide layer, GELU, and out of it.
        mixed := ragpg.multiply_weights(
            encoder_id, layer_number, 5, ragpg.multiply_wide(encoder_id, layer_number, states)
        );
        select
            array_agg(
                l2_normalize(
                    added.state - array_fill(
                        (-(added.state <#> ones) / encoder.width)::real, array[encoder.width]
                    )::vector || tail
                ) * norm.output_gain + norm.output_shift
                order by added.place
            )
        into states
        from (
            select listed.place, subvector(listed.state, 1, encoder.width) + change as state
            from unnest(states, mixed) with ordinality as listed (state, change, place)
            offset 0
        ) as added;
    end loop;
    if encoder.pooling = 'cls' then
        return l2_normalize(subvector(states[1], 1, encoder.width));
    end if;
    return (
        select l2_normalize(subvector(sum(state), 1, encoder.width)) from unnest(states) as state
    );
end
$$;
comment on function ragpg.encode(bigint, integer[]) is
'Returns the embedding, of length 1, that a loaded encoder gives tokens: BERT''s forward pass (Devlin et al. 2018) with the products of pgvector.';

-- Where does a question lie among the embeddings?
create or replace function ragpg.embed_query(query text, model_id bigint default null)
returns vector
language plpgsql stable parallel safe
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    usable bigint[];
begin
    if query is null then
        return null;
    end if;
    select array_agg(stored.embedding_model_id) into usable
    from ragpg.encoders as stored
    where stored.verified
        and (model_id is null or stored.embedding_model_id = model_id);
    if usable is null and model_id is not null then
        raise exception 'embedding model % is not loaded and verified in the database', model_id
            using errcode = 'RG009', hint = 'load it: ragpg model load';
    elsif usable is null then
        raise exception 'no embedding model is loaded and verified in the database'
            using errcode = 'RG009', hint = 'load one: ragpg model load';
    elsif cardinality(usable) > 1 then
        raise exception 'several embedding models are loaded: say which'
            using errcode = 'RG009', hint = 'pass model_id, a key of ragpg.encoders';
    end if;
    return ragpg.encode(usable[1], ragpg.query_tokens(usable[1], query));
end
$$;
comment on function ragpg.embed_query(text, bigint) is
'Returns the embedding of a question, computed in the database by the model whose key is given, else by the only one that is loaded and verified; the same vector as in Python, of length 1.';

-- Which chunks answer this question best?
create or replace function ragpg.search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid'
) returns table (
    place integer, source text, title text, content text, score double precision,
    similarity double precision, bm25 double precision, start_char integer, end_char integer,
    page integer, context text, metadata jsonb, document_id bigint, document_version integer,
    chunk_id bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    statistics ragpg.index_statistics;
    dimensions integer;
    wanted integer;
    matching_documents bigint[];
    matching_chunks bigint;
    word_ids bigint[];
    word_scores double precision[];
    vector_ids bigint[];
    vector_weight double precision;
    vector_mean double precision := 0;
    vector_deviation double precision;
    word_mean double precision := 0;
    word_deviation double precision;
    similarity_expression text := 'null::double precision';
    bm25_expression text;
    score_expression text;
begin
    if mode not in ('hybrid', 'vector', 'keyword') or mode is null then
        raise exception 'there is no mode "%"', mode
            using errcode = 'RG005', hint = 'modes are hybrid, vector and keyword';
    end if;
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    if query_embedding is null and coalesce(query, '') !~ '\S' then
        raise exception 'the query is blank' using errcode = 'RG005', hint = 'ask something';
    end if;
    select known.* into recipe
    from ragpg.collections as one
    join ragpg.search_indexes as known on known.id = one.active_index_id
    where one.id = ragpg.collection_id(search.collection);
    if recipe.id is null then
        return;  -- a collection without a document yet
    end if;
    -- A question is enough when the database holds the model that embedded the chunks.
    if query_embedding is null and mode <> 'keyword'
        and exists (
            select
            from ragpg.encoders as encoder
            where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified
        )
    then
        query_embedding := ragpg.embed_query(search.query, recipe.embedding_model_id);
    end if;
    if query_embedding is null and mode = 'vector' then
        raise exception 'mode vector needs a query embedding'
            using errcode = 'RG005',
                hint = 'load the model with ragpg model load, pass query_embedding, or use hybrid';
    end if;
    select known.dimensions into dimensions
    from ragpg.embedding_models as known
    where known.id = recipe.embedding_model_id;
    if vector_dims(query_embedding) <> dimensions then
        raise exception 'the query embedding has % dimensions, the collection''s have %',
            vector_dims(query_embedding), dimensions
            using errcode = 'RG003', hint = 'embed the query with the model the collection was built with';
    end if;
    select known.* into statistics
    from ragpg.index_statistics as known
    where known.index_id = recipe.id;
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg.check_filter(filter);
        select array_agg(document.id), sum(state.chunk_count)
        into matching_documents, matching_chunks
        from ragpg.documents as document
        join ragpg.index_documents as state
            on state.document_id = document.id and state.index_id = recipe.id
        where document.collection_id = recipe.collection_id and document.metadata @@ filter;
        if coalesce(matching_chunks, 0) = 0 then
            return;
        end if;
    end if;

    if mode <> 'vector' then
        select array_agg(found.chunk_id), array_agg(found.score)
        into word_ids, word_scores
        from ragpg.keyword_candidates(recipe.id, search.query, wanted, matching_documents) as found;
        bm25_expression := ragpg.bm25_expression(recipe.id, search.query);
    end if;
    vector_weight := recipe.vector_weight;
    if query_embedding is null and mode = 'hybrid' then
        query_embedding := ragpg.feedback_embedding(recipe.id, word_ids, word_scores);
        vector_weight := 0.5;  -- measured: near one half is best when words made the vector
    end if;
    if mode <> 'keyword' and query_embedding is not null then
        select array_agg(found.chunk_id) into vector_ids
        from ragpg.vector_candidates(
            recipe.id, query_embedding, wanted, matching_documents, matching_chunks
        ) as found;
        similarity_expression := '1 - (stored.embedding <=> $2)';
    end if;

    if mode = 'hybrid' then
        -- Standard scores: how many deviations above the mean of the whole index a chunk is, in
        -- each leg. The vector leg's mean and deviation come from a sample of embeddings, the
        -- word leg's from how common each word is.
        select avg(1 - (sample <=> query_embedding)), stddev_pop(1 - (sample <=> query_embedding))
        into vector_mean, vector_deviation
        from unnest(statistics.embedding_sample) as sample;
        select sum(word.mean_score), sqrt(sum(word.mean_square - word.mean_score ^ 2))
        into word_mean, word_deviation
        from ragpg.query_words(recipe.id, search.query) as word;
        score_expression := format(
            '%s * (chunk.similarity - %s) / %s + %s * (chunk.bm25 - %s) / %s',
            vector_weight, coalesce(vector_mean, 0), coalesce(nullif(vector_deviation, 0), 1),
            1 - vector_weight, coalesce(word_mean, 0), coalesce(nullif(word_deviation, 0), 1)
        );
    else
        score_expression := case mode when 'vector' then 'chunk.similarity' else 'chunk.bm25' end;
    end if;

    return query execute format(
        'select'
        '  (row_number() over (order by best.score desc, best.id))::integer, document.source,'
        '  document.title, best.content, best.score, best.similarity, best.bm25,'
        '  best.start_char, best.end_char, best.page, best.context, document.metadata,'
        '  document.id, best.document_version, best.id'
        ' from ('
        '  select chunk.*, %1$s as score'
        '  from (select chunk.*, %2$s as bm25'
        '   from (select stored.*, %3$s as similarity,'
        '     1.2 * (0.25 + 0.75 * stored.lexeme_count / %4$s::double precision) as saturation'
        '    from ragpg.chunks as stored'
        '    where stored.index_id = %5$s and stored.id = any($1) offset 0) as chunk'
        '   offset 0) as chunk'
        '  order by score desc, chunk.id limit %6$s'
        ' ) as best'
        ' join ragpg.documents as document on document.id = best.document_id'
        ' order by 1',
        score_expression,
        coalesce(bm25_expression, 'null::double precision'),
        similarity_expression, greatest(statistics.mean_length, 1), recipe.id, k
    )
    using word_ids || vector_ids, query_embedding;
end
$$;
comment on function ragpg.search(text, integer, text, jsonpath, halfvec, text) is
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says. Without query_embedding the database embeds the query when it holds the model (view encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. Raises RG001 to RG005.';

-- Which embedding models can the database compute itself?
create or replace view ragpg.encoder_status with (security_invoker = true) as
select
    model.name as embedding_model,
    model.provider,
    model.dimensions,
    encoder.layers,
    encoder.pooling,
    encoder.max_query_tokens,
    encoder.verified,
    encoder.verified_cosine,
    encoder.loaded_at,
    model.id as embedding_model_id
from ragpg.encoders as encoder
join ragpg.embedding_models as model on model.id = encoder.embedding_model_id;
comment on view ragpg.encoder_status is
'A row per embedding model whose weights are in the database; searches use the verified ones for questions that come without an embedding.';
comment on column ragpg.encoder_status.embedding_model is 'The model''s name.';
comment on column ragpg.encoder_status.provider is 'Who computes it in Python.';
comment on column ragpg.encoder_status.dimensions is 'Length of its embeddings.';
comment on column ragpg.encoder_status.layers is 'Its transformer layers.';
comment on column ragpg.encoder_status.pooling is 'mean or cls.';
comment on column ragpg.encoder_status.max_query_tokens is 'Longer questions are cut.';
comment on column ragpg.encoder_status.verified is 'Whether it agrees with the model in Python and is used.';
comment on column ragpg.encoder_status.verified_cosine is 'The smallest cosine to the model in Python.';
comment on column ragpg.encoder_status.loaded_at is 'When its weights were stored.';
comment on column ragpg.encoder_status.embedding_model_id is 'Its key.';
