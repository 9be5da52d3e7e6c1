-- An item's time as its feed wrote it stays beside what was made of it: a wrong instant makes
-- old news new, and only the text shows why.

ALTER TABLE inbound_events_raw
    ADD COLUMN published_written text,
    ADD COLUMN published_note text
        CONSTRAINT inbound_events_raw_note_known CHECK (published_note IN ('summer_time')),
    DROP CONSTRAINT inbound_events_raw_reason_known,
    ADD CONSTRAINT inbound_events_raw_reason_known CHECK (published_at_reason IN (
        'missing', 'unreadable', 'date_only', 'no_zone', 'unknown_zone', 'ambiguous',
        'future', 'too_old'));
COMMENT ON COLUMN inbound_events_raw.published_written IS 'The time as the feed wrote it, at most 100 characters; NULL when it gave none.';
COMMENT ON COLUMN inbound_events_raw.published_note IS 'summer_time: standard time of the US written in summer was read as local time; else NULL.';
COMMENT ON COLUMN inbound_events_raw.published_at_reason IS 'Why published_at is NULL: missing, unreadable, date_only (no time of day), no_zone, unknown_zone, ambiguous (the clock shows it twice or never), future (over 10 min ahead), too_old (over 7 days).';
