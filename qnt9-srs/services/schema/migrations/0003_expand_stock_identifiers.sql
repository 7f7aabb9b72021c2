-- Not unique: a company may be listed under several symbols.
ALTER TABLE stocks
    ADD COLUMN isin   text,
    ADD COLUMN wkn    text,
    ADD COLUMN sector text,
    ADD CONSTRAINT stocks_isin_format CHECK (isin ~ '^[A-Z]{2}[A-Z0-9]{9}[0-9]$') NOT VALID,
    ADD CONSTRAINT stocks_wkn_format CHECK (wkn ~ '^[A-Z0-9]{6}$') NOT VALID;
