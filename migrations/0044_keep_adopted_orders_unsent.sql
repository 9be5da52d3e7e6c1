-- An adopted order passes no limit, as a person or another program placed it. Raw SQL could store
-- one as an intent, a buy with a position's id and reason: recovery then sent it, past every cap.
ALTER TABLE orders ADD CONSTRAINT orders_adopted_is_at_the_broker CHECK (
    purpose <> 'adopted' OR (broker_order_id IS NOT NULL AND status NOT IN ('intended', 'unknown')));
