CREATE TABLE stocks (
    symbol      text PRIMARY KEY,
    name        text NOT NULL,
    search_name text NOT NULL, -- the name in small letters
    country     text,
    indices     text[] NOT NULL
);
