-- A person may sell what nobody here held. The purchase that covers it opened a position that the
-- broker had not; so what such a sale left short is kept with it, until something covers it.
ALTER TABLE orders
    ADD COLUMN shorted_qty numeric NOT NULL DEFAULT 0,
    ADD CONSTRAINT orders_shorted_by_a_person CHECK (
        shorted_qty = 0
        OR (shorted_qty > 0 AND shorted_qty <= filled_qty
            AND purpose = 'adopted' AND side = 'sell' AND position_id IS NULL));
COMMENT ON COLUMN orders.shorted_qty IS 'Of filled_qty, what a person sold that no position here held.';
