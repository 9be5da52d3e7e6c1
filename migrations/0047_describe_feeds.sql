-- A feed was an address and a name: nothing said how often its server wants to be asked, on whose
-- terms, or how old its newest item may be before somebody should look. SEC answers a reader that
-- names no contact address with a page that blocks it.

ALTER TABLE feed_state
    ADD COLUMN poll_every_s integer NOT NULL DEFAULT 60
        CONSTRAINT feed_state_poll_in_bounds CHECK (poll_every_s BETWEEN 60 AND 86400),
    ADD COLUMN max_age_h integer NOT NULL DEFAULT 72
        CONSTRAINT feed_state_max_age_in_bounds CHECK (max_age_h BETWEEN 1 AND 8784),
    ADD COLUMN terms text NOT NULL DEFAULT '',
    ADD COLUMN removed boolean NOT NULL DEFAULT false,
    ADD COLUMN subscribed_at timestamptz,
    ADD COLUMN newest_item_at timestamptz,
    ADD COLUMN last_items integer
        CONSTRAINT feed_state_items_not_negative CHECK (last_items >= 0),
    ADD CONSTRAINT feed_state_removed_is_off CHECK (NOT (active AND removed));
COMMENT ON COLUMN feed_state.active IS 'False: not fetched, for now (paused, or offered and never switched on) or for good (removed).';
COMMENT ON COLUMN feed_state.poll_every_s IS 'Shortest time between two fetches, seconds.';
COMMENT ON COLUMN feed_state.max_age_h IS 'Hours after which its newest item is too old for a feed that is alive.';
COMMENT ON COLUMN feed_state.terms IS 'What its publisher asks of readers, as far as known; empty when nobody looked.';
COMMENT ON COLUMN feed_state.removed IS 'True: an operator took it off the list; its row stays, since its news does.';
COMMENT ON COLUMN feed_state.subscribed_at IS 'When it was last switched on or added; NULL in rows of before.';
COMMENT ON COLUMN feed_state.newest_item_at IS 'Newest plausible publication time that it ever served.';
COMMENT ON COLUMN feed_state.last_items IS 'Entries in its last full answer; NULL before the first.';

CREATE TABLE feed_contact (
    one_row boolean CONSTRAINT feed_contact_pkey PRIMARY KEY DEFAULT true
        CONSTRAINT feed_contact_is_one CHECK (one_row),
    contact text NOT NULL CONSTRAINT feed_contact_has_an_address CHECK (contact ~ '[^@\s]@[^@\s]'),
    set_at timestamptz NOT NULL
);
COMMENT ON TABLE feed_contact IS 'Whom a feed''s server may write to: one row, or none.';
COMMENT ON COLUMN feed_contact.one_row IS 'True: there is one row at most.';
COMMENT ON COLUMN feed_contact.contact IS 'Company and mail address, sent in each request''s User-Agent.';
COMMENT ON COLUMN feed_contact.set_at IS 'When it was set, pipeline clock.';

GRANT SELECT, INSERT, UPDATE ON feed_contact TO ops_pipeline_writer, ops_pipeline_control;
GRANT SELECT ON feed_contact TO ops_pipeline_reader;
GRANT UPDATE (poll_every_s, max_age_h, terms, removed, subscribed_at, next_try_at) ON feed_state
    TO ops_pipeline_control;
GRANT UPDATE (newest_item_at, last_items) ON feed_state TO ops_pipeline_news;
