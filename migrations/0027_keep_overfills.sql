-- A broker may fill more than was ordered. Refusing such a fill left the shares unbooked and
-- unguarded; it is a fact, kept with the time at which it was told.
ALTER TABLE orders
    ADD COLUMN overfilled_at timestamptz,
    DROP CONSTRAINT orders_filled_within_quantity,
    DROP CONSTRAINT orders_filled_is_whole,
    ADD CONSTRAINT orders_filled_within_quantity CHECK (
        filled_qty <= quantity OR overfilled_at IS NOT NULL),
    ADD CONSTRAINT orders_filled_is_whole CHECK ((status = 'filled') = (filled_qty >= quantity));
COMMENT ON COLUMN orders.overfilled_at IS 'When the broker told of more fills than were ordered.';
