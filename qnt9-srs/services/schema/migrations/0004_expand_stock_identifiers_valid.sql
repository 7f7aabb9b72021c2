-- A step of its own: validating reads every row, and takes no lock that stops anybody's writing.
ALTER TABLE stocks VALIDATE CONSTRAINT stocks_isin_format;
ALTER TABLE stocks VALIDATE CONSTRAINT stocks_wkn_format;
CREATE INDEX stocks_isin ON stocks (isin);
CREATE INDEX stocks_wkn ON stocks (wkn);
