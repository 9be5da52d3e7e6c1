-- A feed speaks for itself: its corrections re-judge what it served before, and a story keeps who
-- told it. Where a line's grammar is plain, each of its companies has a score of its own.

ALTER TABLE inbound_events_raw
    ADD COLUMN source_site text,
    ADD COLUMN link_site text,
    ADD COLUMN correction boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN inbound_events_raw.source_site IS 'Registrable domain of the feed, or its address where it has none: one voice in a story. NULL in rows of before.';
COMMENT ON COLUMN inbound_events_raw.link_site IS 'Registrable domain of the link; NULL without one.';
COMMENT ON COLUMN inbound_events_raw.correction IS 'True when its headline says that it corrects or updates: it takes the place of what its feed, or a feed of its link''s site, served of the story before.';
COMMENT ON COLUMN inbound_events_raw.event_uid IS 'sha256 (hex) of the feed with the guid, else with the canonical link, else with title and published time.';

ALTER TABLE inbound_events_classified
    ADD COLUMN ticker_scores jsonb
        CONSTRAINT inbound_events_classified_own_scores_of_mixed
            CHECK (ticker_scores IS NULL OR (mixed AND jsonb_typeof(ticker_scores) = 'object'));
COMMENT ON COLUMN inbound_events_classified.mixed IS 'True when the text does not speak of its tickers alike: it carries no weight but for ticker_scores.';
COMMENT ON COLUMN inbound_events_classified.ticker_scores IS 'Of a mixed line whose grammar is plain: the score of each ticker, -1 to 1; else NULL.';

-- Candidates of the news window, those with scores of their own included.
CREATE INDEX inbound_events_classified_counting
    ON inbound_events_classified (published_at) INCLUDE (story_id)
    WHERE status = 'CLASSIFIED' AND (NOT mixed OR ticker_scores IS NOT NULL);
DROP INDEX inbound_events_classified_by_publication;
-- Headlines that begin alike.
CREATE INDEX inbound_events_raw_by_title_start
    ON inbound_events_raw (title_key COLLATE "C") WHERE title_key IS NOT NULL;
