-- Which releases use this database, and what they ask of it: a step that one of them could not bear is
-- not taken (services/schema/src/migrate.rs).
CREATE TABLE schema_releases (
    service    text NOT NULL,
    release    text NOT NULL,
    statements text[] NOT NULL,
    last_seen  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, release)
);

-- The releases before this table did not enter themselves. A database that has companies already was theirs.
INSERT INTO schema_releases (service, release, statements)
SELECT 'stock', 'before releases were entered', ARRAY[
    'SELECT symbol, name, country, indices FROM stocks
     WHERE symbol LIKE $1 OR search_name LIKE $2
     ORDER BY symbol LIKE $1 DESC, search_name LIKE $3 DESC, search_name LIKE $4 DESC,
              cardinality(indices) DESC, symbol
     LIMIT $5',
    'SELECT FROM stocks LIMIT 1',
    'INSERT INTO stocks AS old (symbol, name, search_name, country, indices)
     SELECT symbol, name, search_name, country, string_to_array(indices, '','')
     FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
          AS new (symbol, name, search_name, country, indices)
     ON CONFLICT (symbol) DO UPDATE
     SET name = EXCLUDED.name, search_name = EXCLUDED.search_name,
         country = EXCLUDED.country, indices = EXCLUDED.indices
     WHERE (old.name, old.search_name, old.country, old.indices)
         IS DISTINCT FROM (EXCLUDED.name, EXCLUDED.search_name, EXCLUDED.country, EXCLUDED.indices)'
]
WHERE EXISTS (SELECT FROM stocks);
