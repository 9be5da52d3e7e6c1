-- News: the tickers it may speak of, the feeds it comes from, the items as they
-- were served, and what the classifier made of them.

CREATE TABLE tickers (
    ticker text CONSTRAINT tickers_pkey PRIMARY KEY
        CONSTRAINT tickers_ticker_form CHECK (ticker ~ '^[A-Z]{1,6}(\.[A-Z]{1,2})?$'),
    name text NOT NULL CONSTRAINT tickers_name_given CHECK (name <> ''),
    aliases text[] NOT NULL DEFAULT '{}',
    exchange text NOT NULL CONSTRAINT tickers_exchange_known
        CHECK (exchange IN ('NASDAQ', 'NYSE', 'ARCA', 'AMEX', 'BATS', 'OTC', 'UNKNOWN')),
    kind text NOT NULL DEFAULT 'stock'
        CONSTRAINT tickers_kind_known CHECK (kind IN ('stock', 'etf')),
    active boolean NOT NULL DEFAULT true,
    is_watched boolean NOT NULL DEFAULT false,
    is_broker boolean NOT NULL DEFAULT false,
    CONSTRAINT tickers_watched_is_active CHECK (active OR NOT is_watched)
);
COMMENT ON TABLE tickers IS 'Securities the pipeline knows: what news may name and what telemetry may watch.';
COMMENT ON COLUMN tickers.ticker IS 'Symbol in capitals; a share class follows a dot, as in BRK.B.';
COMMENT ON COLUMN tickers.name IS 'The company''s name as news writes it, without its legal form.';
COMMENT ON COLUMN tickers.aliases IS 'Other names that mean this security and no other.';
COMMENT ON COLUMN tickers.exchange IS 'Listing exchange; UNKNOWN when nobody said.';
COMMENT ON COLUMN tickers.kind IS 'stock or etf.';
COMMENT ON COLUMN tickers.active IS 'False once delisted or renamed: news no longer maps to it.';
COMMENT ON COLUMN tickers.is_watched IS 'True when telemetry fetches its bars and signals may be made for it.';
COMMENT ON COLUMN tickers.is_broker IS 'True for houses that rate others: "cut at Goldman" is not about Goldman.';

CREATE TABLE ticker_universe (
    ticker text CONSTRAINT ticker_universe_pkey PRIMARY KEY
        CONSTRAINT ticker_universe_ticker_form CHECK (ticker ~ '^[A-Z]{1,6}(\.[A-Z]{1,2})?$'),
    status text NOT NULL CONSTRAINT ticker_universe_status_known
        CHECK (status IN ('PROPOSED', 'ACCEPTED', 'REJECTED')),
    score double precision CONSTRAINT ticker_universe_score_range CHECK (score BETWEEN 0 AND 1),
    reasons jsonb NOT NULL DEFAULT '[]',
    proposed_at timestamptz NOT NULL,
    decided_at timestamptz,
    CONSTRAINT ticker_universe_decision_has_a_time
        CHECK ((status = 'PROPOSED') = (decided_at IS NULL))
);
COMMENT ON TABLE ticker_universe IS 'Tickers proposed for watching; the operator''s decision always wins.';
COMMENT ON COLUMN ticker_universe.ticker IS 'Proposed symbol; it need not stand in tickers yet.';
COMMENT ON COLUMN ticker_universe.status IS 'PROPOSED, ACCEPTED or REJECTED.';
COMMENT ON COLUMN ticker_universe.score IS 'How well it fits, 0 to 1; NULL when not computed.';
COMMENT ON COLUMN ticker_universe.reasons IS 'JSON list of the sentences that led to the proposal.';
COMMENT ON COLUMN ticker_universe.proposed_at IS 'When it was proposed, pipeline clock.';
COMMENT ON COLUMN ticker_universe.decided_at IS 'When the operator decided; NULL while it is open.';

CREATE TABLE feed_state (
    url text CONSTRAINT feed_state_pkey PRIMARY KEY
        CONSTRAINT feed_state_url_is_http CHECK (url ~ '^https?://'),
    source text NOT NULL CONSTRAINT feed_state_source_given CHECK (source <> ''),
    active boolean NOT NULL DEFAULT true,
    etag text,
    last_modified text,
    last_fetched_at timestamptz,
    last_succeeded_at timestamptz,
    last_error text,
    failures_in_a_row integer NOT NULL DEFAULT 0
        CONSTRAINT feed_state_failures_not_negative CHECK (failures_in_a_row >= 0),
    next_try_at timestamptz,
    CONSTRAINT feed_state_failure_says_why
        CHECK ((failures_in_a_row = 0) = (last_error IS NULL))
);
COMMENT ON TABLE feed_state IS 'One subscribed feed a row, with what its server said last.';
COMMENT ON COLUMN feed_state.url IS 'Address the feed is fetched from.';
COMMENT ON COLUMN feed_state.source IS 'Publisher''s name, as it stands in inbound_events_raw.source.';
COMMENT ON COLUMN feed_state.active IS 'False: subscribed once, no longer fetched.';
COMMENT ON COLUMN feed_state.etag IS 'ETag of the last full answer, sent back as If-None-Match.';
COMMENT ON COLUMN feed_state.last_modified IS 'Last-Modified of the last full answer, sent back word for word.';
COMMENT ON COLUMN feed_state.last_fetched_at IS 'Last attempt, failed ones included; NULL before the first.';
COMMENT ON COLUMN feed_state.last_succeeded_at IS 'Last attempt that gave entries or "not modified".';
COMMENT ON COLUMN feed_state.last_error IS 'Why the last attempt failed; NULL when it succeeded.';
COMMENT ON COLUMN feed_state.failures_in_a_row IS 'Failed attempts since the last success.';
COMMENT ON COLUMN feed_state.next_try_at IS 'Not fetched before this time; NULL means at once.';

CREATE TABLE inbound_events_raw (
    id uuid CONSTRAINT inbound_events_raw_pkey PRIMARY KEY,
    event_uid text NOT NULL CONSTRAINT inbound_events_raw_one_per_item UNIQUE
        CONSTRAINT inbound_events_raw_event_uid_is_sha256 CHECK (event_uid ~ '^[0-9a-f]{64}$'),
    story_id uuid NOT NULL,
    published_at timestamptz,
    published_at_reason text CONSTRAINT inbound_events_raw_reason_known
        CHECK (published_at_reason IN ('missing', 'future', 'too_old')),
    published_claim timestamptz,
    source text NOT NULL,
    title text,
    link text,
    summary text,
    canonical_link text,
    title_key text,
    feed_url text NOT NULL,
    fetched_at timestamptz NOT NULL,
    processed_at timestamptz,
    CONSTRAINT inbound_events_raw_undated_says_why
        CHECK ((published_at IS NULL) = (published_at_reason IS NOT NULL))
);
COMMENT ON TABLE inbound_events_raw IS 'News items as their feeds first served them; never rewritten.';
COMMENT ON COLUMN inbound_events_raw.id IS 'Derived from event_uid.';
COMMENT ON COLUMN inbound_events_raw.event_uid IS 'sha256 (hex) of the guid, else of the canonical link, else of title and published time.';
COMMENT ON COLUMN inbound_events_raw.story_id IS 'The same for all items that tell one story, over all feeds.';
COMMENT ON COLUMN inbound_events_raw.published_at IS 'Publication time when plausible; NULL carries no weight.';
COMMENT ON COLUMN inbound_events_raw.published_at_reason IS 'Why published_at is NULL: missing, future (over 10 min ahead), too_old (over 7 days).';
COMMENT ON COLUMN inbound_events_raw.published_claim IS 'What the feed said, plausible or not; NULL when it said nothing.';
COMMENT ON COLUMN inbound_events_raw.source IS 'Publisher''s name, from feed_state at the time.';
COMMENT ON COLUMN inbound_events_raw.title IS 'Headline as plain text; NULL when the feed gave none.';
COMMENT ON COLUMN inbound_events_raw.link IS 'Link as the feed gave it.';
COMMENT ON COLUMN inbound_events_raw.summary IS 'Summary as plain text; NULL when the feed gave none.';
COMMENT ON COLUMN inbound_events_raw.canonical_link IS 'The link without tracking parameters; NULL when it names no single page.';
COMMENT ON COLUMN inbound_events_raw.title_key IS 'Headline without source, case and punctuation; NULL when too short to identify a story.';
COMMENT ON COLUMN inbound_events_raw.feed_url IS 'Feed that served it first.';
COMMENT ON COLUMN inbound_events_raw.fetched_at IS 'When its feed was fetched, pipeline clock: before that it is invisible.';
COMMENT ON COLUMN inbound_events_raw.processed_at IS 'When the classifier was done with it; NULL while it waits.';

CREATE INDEX inbound_events_raw_waiting
    ON inbound_events_raw (fetched_at, event_uid COLLATE "C") WHERE processed_at IS NULL;
CREATE INDEX inbound_events_raw_by_link
    ON inbound_events_raw (canonical_link) WHERE canonical_link IS NOT NULL;
CREATE INDEX inbound_events_raw_by_title
    ON inbound_events_raw (title_key) WHERE title_key IS NOT NULL;
CREATE INDEX inbound_events_raw_by_story ON inbound_events_raw (story_id);
CREATE INDEX inbound_events_raw_by_publication ON inbound_events_raw (published_at);
CREATE INDEX inbound_events_raw_by_fetch ON inbound_events_raw (fetched_at);

CREATE TABLE inbound_events_classified (
    id uuid CONSTRAINT inbound_events_classified_pkey PRIMARY KEY,
    raw_event_id uuid NOT NULL
        CONSTRAINT inbound_events_classified_one_per_item UNIQUE
        CONSTRAINT inbound_events_classified_raw_event REFERENCES inbound_events_raw (id),
    story_id uuid NOT NULL,
    published_at timestamptz,
    tickers text[] NOT NULL DEFAULT '{}',
    status text NOT NULL CONSTRAINT inbound_events_classified_status_known
        CHECK (status IN ('CLASSIFIED', 'UNCLASSIFIABLE')),
    reason text,
    sentiment_label text CONSTRAINT inbound_events_classified_label_known
        CHECK (sentiment_label IN ('positive', 'neutral', 'negative')),
    sentiment_score double precision CONSTRAINT inbound_events_classified_score_range
        CHECK (sentiment_score BETWEEN -1 AND 1),
    positive_probability double precision CONSTRAINT inbound_events_classified_positive_range
        CHECK (positive_probability BETWEEN 0 AND 1),
    neutral_probability double precision CONSTRAINT inbound_events_classified_neutral_range
        CHECK (neutral_probability BETWEEN 0 AND 1),
    negative_probability double precision CONSTRAINT inbound_events_classified_negative_range
        CHECK (negative_probability BETWEEN 0 AND 1),
    mixed boolean NOT NULL DEFAULT false,
    model text NOT NULL CONSTRAINT inbound_events_classified_model_named CHECK (model <> ''),
    created_at timestamptz NOT NULL,
    CONSTRAINT inbound_events_classified_has_a_sentiment_or_a_reason CHECK (
        CASE status
            WHEN 'CLASSIFIED' THEN reason IS NULL AND num_nulls(
                sentiment_label, sentiment_score, positive_probability,
                neutral_probability, negative_probability) = 0
            ELSE reason IS NOT NULL AND num_nonnulls(
                sentiment_label, sentiment_score, positive_probability,
                neutral_probability, negative_probability) = 0
        END),
    CONSTRAINT inbound_events_classified_probabilities_sum_to_one CHECK (
        abs(positive_probability + neutral_probability + negative_probability - 1) < 1e-6)
);
COMMENT ON TABLE inbound_events_classified IS 'What the classifier made of each news item, one row an item.';
COMMENT ON COLUMN inbound_events_classified.id IS 'Derived from the item''s event_uid.';
COMMENT ON COLUMN inbound_events_classified.raw_event_id IS 'The item.';
COMMENT ON COLUMN inbound_events_classified.story_id IS 'The item''s story: a story counts once.';
COMMENT ON COLUMN inbound_events_classified.published_at IS 'Copy of the item''s plausible publication time; NULL carries no weight.';
COMMENT ON COLUMN inbound_events_classified.tickers IS 'Securities the item speaks of, sorted; empty when it names none.';
COMMENT ON COLUMN inbound_events_classified.status IS 'CLASSIFIED, or UNCLASSIFIABLE with a reason and no sentiment.';
COMMENT ON COLUMN inbound_events_classified.reason IS 'Why there is no sentiment; NULL when there is one.';
COMMENT ON COLUMN inbound_events_classified.sentiment_label IS 'The likeliest of positive, neutral, negative.';
COMMENT ON COLUMN inbound_events_classified.sentiment_score IS 'Probability of positive minus that of negative, -1 to 1.';
COMMENT ON COLUMN inbound_events_classified.positive_probability IS 'Probability that the text is good news, 0 to 1.';
COMMENT ON COLUMN inbound_events_classified.neutral_probability IS 'Probability that the text is neither, 0 to 1.';
COMMENT ON COLUMN inbound_events_classified.negative_probability IS 'Probability that the text is bad news, 0 to 1.';
COMMENT ON COLUMN inbound_events_classified.mixed IS 'True when the text does not speak of its tickers alike: it carries no weight.';
COMMENT ON COLUMN inbound_events_classified.model IS 'Name and version of the model that judged it.';
COMMENT ON COLUMN inbound_events_classified.created_at IS 'When it was classified, pipeline clock.';

CREATE INDEX inbound_events_classified_by_publication
    ON inbound_events_classified (published_at) INCLUDE (story_id, sentiment_score)
    WHERE status = 'CLASSIFIED' AND NOT mixed;
CREATE INDEX inbound_events_classified_by_creation ON inbound_events_classified (created_at);

GRANT SELECT, INSERT, UPDATE, DELETE
    ON tickers, ticker_universe, feed_state, inbound_events_raw, inbound_events_classified
    TO ops_pipeline_writer;
GRANT SELECT
    ON tickers, ticker_universe, feed_state, inbound_events_raw, inbound_events_classified
    TO ops_pipeline_reader;
