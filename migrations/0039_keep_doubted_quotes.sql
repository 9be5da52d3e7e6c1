-- One odd quote sold, bought and latched the kill switch. A quote that is narrow but far from the
-- market is believed only when a second one of a later tick says the same, so the first is kept.

ALTER TABLE active_positions
    ADD COLUMN unpriced_ticks integer NOT NULL DEFAULT 0,
    ADD COLUMN doubted_price numeric,
    ADD COLUMN doubted_at timestamptz,
    ADD CONSTRAINT active_positions_counts_unpriced_ticks CHECK (unpriced_ticks >= 0),
    ADD CONSTRAINT active_positions_doubts_a_dated_price CHECK (
        (doubted_price IS NULL) = (doubted_at IS NULL) AND doubted_price > 0);
COMMENT ON COLUMN active_positions.unpriced_ticks IS 'Ticks in a row without a quote that was believed.';
COMMENT ON COLUMN active_positions.doubted_price IS 'Mid of the last tick''s quote, when it was too far from the market to be believed, USD; else NULL.';
COMMENT ON COLUMN active_positions.doubted_at IS 'Time of that quote.';
COMMENT ON COLUMN active_positions.current_price IS 'Mid of the last quote that was believed, USD.';
