-- A person who covers a short buys what nobody then holds. Such a purchase opened a position here
-- that the broker had not, with a stop that would have sold short again.
ALTER TABLE orders
    ADD COLUMN covered_qty numeric NOT NULL DEFAULT 0,
    ADD CONSTRAINT orders_covered_of_what_a_person_bought CHECK (
        covered_qty = 0
        OR (covered_qty > 0 AND covered_qty <= filled_qty
            AND purpose = 'adopted' AND side = 'buy'));
COMMENT ON COLUMN orders.covered_qty IS 'Of filled_qty, what covered a short that a sale beyond its position had left; no position holds it.';
