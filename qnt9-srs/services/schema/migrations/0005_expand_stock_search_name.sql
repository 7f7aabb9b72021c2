-- This release and those after it do not know search_name; the ones before still read and write it.
CREATE FUNCTION stocks_fill_search_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.search_name := lower(NEW.name);
    RETURN NEW;
END $$;
CREATE TRIGGER stocks_fill_search_name BEFORE INSERT OR UPDATE ON stocks
    FOR EACH ROW EXECUTE FUNCTION stocks_fill_search_name();
