DROP TRIGGER stocks_fill_search_name ON stocks;
DROP FUNCTION stocks_fill_search_name();
ALTER TABLE stocks DROP COLUMN search_name;
