-- Where a feed moved for good, so that the old address is not asked every minute.

ALTER TABLE feed_state ADD COLUMN moved_to text
    CONSTRAINT feed_state_moved_to_is_http CHECK (moved_to ~ '^https?://');
COMMENT ON COLUMN feed_state.moved_to IS 'Address that permanent redirects led to, asked in place of url; NULL without any, and after a failure.';
COMMENT ON COLUMN inbound_events_raw.event_uid IS 'sha256 (hex) of the guid (with the feed''s address where the guid is not global), else of the canonical link, else of title and published time.';
