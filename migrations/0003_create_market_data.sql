-- Market data and what is made of it, from the bar to the evaluation that may become a signal.

CREATE TABLE lane_telemetry (
    ticker text NOT NULL CONSTRAINT lane_telemetry_ticker REFERENCES tickers (ticker),
    ts timestamptz NOT NULL
        CONSTRAINT lane_telemetry_whole_minute CHECK (extract(microseconds FROM ts) = 0),
    open numeric NOT NULL,
    high numeric NOT NULL,
    low numeric NOT NULL,
    close numeric NOT NULL,
    volume bigint NOT NULL CONSTRAINT lane_telemetry_volume_not_negative CHECK (volume >= 0),
    data_feed text NOT NULL CONSTRAINT lane_telemetry_feed_known
        CHECK (data_feed IN ('iex', 'sip')),
    fetched_at timestamptz NOT NULL,
    -- Features read close and volume of a ticker's newest bars from the index alone.
    CONSTRAINT lane_telemetry_one_per_minute PRIMARY KEY (ticker, ts) INCLUDE (close, volume),
    -- NaN sorts above every number in Postgres: the upper bound keeps it out.
    CONSTRAINT lane_telemetry_sound_bar CHECK (
        low > 0 AND low <= least(open, close) AND high >= greatest(open, close) AND high < 'Infinity'
    ),
    CONSTRAINT lane_telemetry_only_final_bars CHECK (fetched_at >= ts + interval '1 minute')
);
CREATE INDEX lane_telemetry_by_minute ON lane_telemetry (ts);
COMMENT ON TABLE lane_telemetry IS 'Final one-minute bars, extended hours included; a gap is a gap. Prices USD, not adjusted for splits.';
COMMENT ON COLUMN lane_telemetry.ticker IS 'The security.';
COMMENT ON COLUMN lane_telemetry.ts IS 'Start of the minute.';
COMMENT ON COLUMN lane_telemetry.open IS 'First price of the minute.';
COMMENT ON COLUMN lane_telemetry.high IS 'Highest price of the minute.';
COMMENT ON COLUMN lane_telemetry.low IS 'Lowest price of the minute.';
COMMENT ON COLUMN lane_telemetry.close IS 'Last price of the minute.';
COMMENT ON COLUMN lane_telemetry.volume IS 'Shares traded in the minute, as the data feed saw them.';
COMMENT ON COLUMN lane_telemetry.data_feed IS 'Where it came from: iex (one exchange) or sip (all of them).';
COMMENT ON COLUMN lane_telemetry.fetched_at IS 'When these values were fetched: later than the first time for a corrected bar.';

CREATE TABLE lane_telemetry_rejected (
    ticker text NOT NULL,
    ts timestamptz NOT NULL,
    reason text NOT NULL,
    open numeric NOT NULL,
    high numeric NOT NULL,
    low numeric NOT NULL,
    close numeric NOT NULL,
    volume bigint NOT NULL,
    data_feed text NOT NULL CONSTRAINT lane_telemetry_rejected_feed_known
        CHECK (data_feed IN ('iex', 'sip')),
    fetched_at timestamptz NOT NULL,
    CONSTRAINT lane_telemetry_rejected_one_per_reason PRIMARY KEY (ticker, ts, reason)
);
CREATE INDEX lane_telemetry_rejected_by_fetch ON lane_telemetry_rejected (fetched_at);
COMMENT ON TABLE lane_telemetry_rejected IS 'Bars that can''t be true, kept aside as they came.';
COMMENT ON COLUMN lane_telemetry_rejected.ticker IS 'The security, as the feed named it.';
COMMENT ON COLUMN lane_telemetry_rejected.ts IS 'Start of the minute, as the feed gave it.';
COMMENT ON COLUMN lane_telemetry_rejected.reason IS 'What is wrong with it.';
COMMENT ON COLUMN lane_telemetry_rejected.open IS 'As it came; NaN where it was no number.';
COMMENT ON COLUMN lane_telemetry_rejected.high IS 'As it came; NaN where it was no number.';
COMMENT ON COLUMN lane_telemetry_rejected.low IS 'As it came; NaN where it was no number.';
COMMENT ON COLUMN lane_telemetry_rejected.close IS 'As it came; NaN where it was no number.';
COMMENT ON COLUMN lane_telemetry_rejected.volume IS 'As it came.';
COMMENT ON COLUMN lane_telemetry_rejected.data_feed IS 'Where it came from: iex or sip.';
COMMENT ON COLUMN lane_telemetry_rejected.fetched_at IS 'When these values were first fetched.';

CREATE TABLE price_holds (
    ticker text NOT NULL CONSTRAINT price_holds_ticker REFERENCES tickers (ticker),
    ts timestamptz NOT NULL,
    day date NOT NULL,
    reason text NOT NULL,
    previous_close numeric NOT NULL CONSTRAINT price_holds_previous_positive CHECK (previous_close > 0),
    close numeric NOT NULL CONSTRAINT price_holds_close_positive CHECK (close > 0),
    seen_at timestamptz NOT NULL,
    resolved_at timestamptz,
    CONSTRAINT price_holds_one_per_bar PRIMARY KEY (ticker, ts)
);
CREATE INDEX price_holds_open ON price_holds (day, ticker) WHERE resolved_at IS NULL;
COMMENT ON TABLE price_holds IS 'Tickers held back for a session because a close jumped as no market moves: bars are stored, features and signals are not made.';
COMMENT ON COLUMN price_holds.ticker IS 'The security held back.';
COMMENT ON COLUMN price_holds.ts IS 'The bar that jumped.';
COMMENT ON COLUMN price_holds.day IS 'The New York day it is held back for.';
COMMENT ON COLUMN price_holds.reason IS 'The jump, in words.';
COMMENT ON COLUMN price_holds.previous_close IS 'The last close stored before, USD; without one the bar''s own open.';
COMMENT ON COLUMN price_holds.close IS 'The close that jumped, USD.';
COMMENT ON COLUMN price_holds.seen_at IS 'When it was seen.';
COMMENT ON COLUMN price_holds.resolved_at IS 'When it was explained, or its session was over; NULL: still held.';

CREATE TABLE lane_features (
    ticker text NOT NULL CONSTRAINT lane_features_ticker REFERENCES tickers (ticker),
    ts timestamptz NOT NULL,
    close double precision NOT NULL CONSTRAINT lane_features_close_positive CHECK (close > 0),
    sma20 double precision NOT NULL CONSTRAINT lane_features_sma20_positive CHECK (sma20 > 0),
    sma50 double precision NOT NULL CONSTRAINT lane_features_sma50_positive CHECK (sma50 > 0),
    recent_vol double precision NOT NULL,
    baseline_vol double precision NOT NULL,
    vol_ratio double precision,
    distance_sma20 double precision NOT NULL,
    distance_sma50 double precision NOT NULL,
    trend_state smallint NOT NULL CONSTRAINT lane_features_trend_is_a_sign
        CHECK (trend_state IN (-1, 0, 1)),
    volume_current bigint NOT NULL,
    volume_avg_20 double precision NOT NULL,
    volume_ratio double precision,
    volume_surge boolean,
    return_5m double precision,
    return_15m double precision,
    bar_count integer NOT NULL CONSTRAINT lane_features_has_bars CHECK (bar_count > 0),
    computed_at timestamptz NOT NULL,
    parameter_version integer NOT NULL
        CONSTRAINT lane_features_parameters REFERENCES parameter_versions (version),
    CONSTRAINT lane_features_one_per_minute PRIMARY KEY (ticker, ts),
    CONSTRAINT lane_features_unknown_ratio_is_null CHECK (
        (vol_ratio IS NULL) = (baseline_vol = 0)
        AND (volume_ratio IS NULL) = (volume_avg_20 = 0)
        AND (volume_surge IS NULL) = (volume_ratio IS NULL)
    ),
    CONSTRAINT lane_features_not_before_the_bar CHECK (computed_at >= ts + interval '1 minute')
);
CREATE INDEX lane_features_by_minute ON lane_features (ts);
COMMENT ON TABLE lane_features IS 'What a ticker''s newest bars of one regular session say, a row a minute. Ratios are fractions.';
COMMENT ON COLUMN lane_features.ticker IS 'The security.';
COMMENT ON COLUMN lane_features.ts IS 'The newest bar they were computed from.';
COMMENT ON COLUMN lane_features.close IS 'Its close, USD.';
COMMENT ON COLUMN lane_features.sma20 IS 'Mean of the last 20 closes, USD.';
COMMENT ON COLUMN lane_features.sma50 IS 'Mean of the last 50 closes, USD.';
COMMENT ON COLUMN lane_features.recent_vol IS 'Sample standard deviation of the simple returns between the last 30 closes.';
COMMENT ON COLUMN lane_features.baseline_vol IS 'The same between all closes of the window.';
COMMENT ON COLUMN lane_features.vol_ratio IS 'recent_vol / baseline_vol; NULL when baseline_vol is 0.';
COMMENT ON COLUMN lane_features.distance_sma20 IS '(close - sma20) / sma20.';
COMMENT ON COLUMN lane_features.distance_sma50 IS '(close - sma50) / sma50.';
COMMENT ON COLUMN lane_features.trend_state IS 'Sign of (sma20 - sma50) / sma50 beyond a narrow band, else 0.';
COMMENT ON COLUMN lane_features.volume_current IS 'Volume of the newest bar, shares.';
COMMENT ON COLUMN lane_features.volume_avg_20 IS 'Mean of the last 20 volumes, the newest included.';
COMMENT ON COLUMN lane_features.volume_ratio IS 'volume_current / volume_avg_20; NULL when the mean is 0.';
COMMENT ON COLUMN lane_features.volume_surge IS 'True when volume_ratio is over the surge limit; NULL when it is unknown.';
COMMENT ON COLUMN lane_features.return_5m IS 'close / close of the bar exactly 5 minutes before - 1; NULL when that bar is missing.';
COMMENT ON COLUMN lane_features.return_15m IS 'The same over 15 minutes.';
COMMENT ON COLUMN lane_features.bar_count IS 'How many bars went in.';
COMMENT ON COLUMN lane_features.computed_at IS 'When they were computed.';
COMMENT ON COLUMN lane_features.parameter_version IS 'The figures in force.';

CREATE TABLE watchlist_state (
    ticker text CONSTRAINT watchlist_state_pkey PRIMARY KEY
        CONSTRAINT watchlist_state_ticker REFERENCES tickers (ticker),
    watch_score double precision CONSTRAINT watchlist_state_score_range
        CHECK (watch_score BETWEEN 0 AND 1),
    rank integer CONSTRAINT watchlist_state_rank_positive CHECK (rank > 0),
    reasons jsonb NOT NULL,
    in_watchlist boolean NOT NULL,
    entered_at timestamptz,
    pressure double precision CONSTRAINT watchlist_state_pressure_range
        CHECK (pressure BETWEEN 0 AND 1),
    setup double precision CONSTRAINT watchlist_state_setup_range CHECK (setup BETWEEN 0 AND 1),
    volatility double precision CONSTRAINT watchlist_state_volatility_range
        CHECK (volatility BETWEEN 0 AND 1),
    alignment double precision CONSTRAINT watchlist_state_alignment_range
        CHECK (alignment BETWEEN 0 AND 1),
    features_ts timestamptz,
    computed_at timestamptz NOT NULL,
    parameter_version integer NOT NULL
        CONSTRAINT watchlist_state_parameters REFERENCES parameter_versions (version),
    CONSTRAINT watchlist_state_member_since CHECK (in_watchlist = (entered_at IS NOT NULL)),
    CONSTRAINT watchlist_state_member_has_a_score
        CHECK (NOT in_watchlist OR watch_score IS NOT NULL),
    CONSTRAINT watchlist_state_scored_has_a_rank CHECK ((watch_score IS NULL) = (rank IS NULL))
);
COMMENT ON TABLE watchlist_state IS 'The newest score of every watched ticker and whether it is on the list.';
COMMENT ON COLUMN watchlist_state.ticker IS 'The security.';
COMMENT ON COLUMN watchlist_state.watch_score IS 'From 0 to 1; NULL when there were no fresh features to score.';
COMMENT ON COLUMN watchlist_state.rank IS 'Its place among all scored tickers, 1 the best; NULL without a score.';
COMMENT ON COLUMN watchlist_state.reasons IS 'The arithmetic: each term, its weight and what went in; or why there is no score.';
COMMENT ON COLUMN watchlist_state.in_watchlist IS 'True: signals are evaluated for it.';
COMMENT ON COLUMN watchlist_state.entered_at IS 'The tick it came on the list; NULL when it is not on it.';
COMMENT ON COLUMN watchlist_state.pressure IS 'News pressure, 0 to 1; NULL without a story in the window.';
COMMENT ON COLUMN watchlist_state.setup IS 'Nearness to sma20, 0 to 1.';
COMMENT ON COLUMN watchlist_state.volatility IS 'Volatility term, 0 to 1; NULL when vol_ratio is unknown.';
COMMENT ON COLUMN watchlist_state.alignment IS 'Agreement of trend and sentiment: 0, 0.5 or 1.';
COMMENT ON COLUMN watchlist_state.features_ts IS 'The features it was scored from.';
COMMENT ON COLUMN watchlist_state.computed_at IS 'When it was scored.';
COMMENT ON COLUMN watchlist_state.parameter_version IS 'The figures in force.';

CREATE TABLE signal_evaluations (
    ticker text NOT NULL CONSTRAINT signal_evaluations_ticker REFERENCES tickers (ticker),
    ts timestamptz NOT NULL,
    features_ts timestamptz NOT NULL,
    direction text CONSTRAINT signal_evaluations_direction_known
        CHECK (direction IN ('bullish', 'bearish')),
    confidence double precision CONSTRAINT signal_evaluations_confidence_range
        CHECK (confidence BETWEEN 0 AND 1),
    outcome text NOT NULL CONSTRAINT signal_evaluations_outcome_known
        CHECK (outcome IN ('SIGNAL', 'HOLD')),
    instrument_type text CONSTRAINT signal_evaluations_instrument_known
        CHECK (instrument_type IN ('STOCK', 'CALL', 'PUT')),
    strategy_type text CONSTRAINT signal_evaluations_strategy_known
        CHECK (strategy_type IN ('day_trade', 'swing_trade')),
    reason text NOT NULL,
    arithmetic jsonb NOT NULL,
    computed_at timestamptz NOT NULL,
    parameter_version integer NOT NULL
        CONSTRAINT signal_evaluations_parameters REFERENCES parameter_versions (version),
    CONSTRAINT signal_evaluations_one_per_tick PRIMARY KEY (ticker, ts),
    CONSTRAINT signal_evaluations_signal_is_complete CHECK (
        outcome = 'HOLD'
        OR num_nulls(direction, confidence, instrument_type, strategy_type) = 0
    )
);
CREATE INDEX signal_evaluations_by_tick ON signal_evaluations (ts);
CREATE INDEX signal_evaluations_signals ON signal_evaluations (ticker, ts) WHERE outcome = 'SIGNAL';
COMMENT ON TABLE signal_evaluations IS 'Every evaluation of a watched ticker, those that came to nothing included.';
COMMENT ON COLUMN signal_evaluations.ticker IS 'The security.';
COMMENT ON COLUMN signal_evaluations.ts IS 'The tick.';
COMMENT ON COLUMN signal_evaluations.features_ts IS 'The features that were evaluated.';
COMMENT ON COLUMN signal_evaluations.direction IS 'bullish or bearish; NULL when price said both or neither.';
COMMENT ON COLUMN signal_evaluations.confidence IS 'From 0 to 1; NULL without a direction.';
COMMENT ON COLUMN signal_evaluations.outcome IS 'SIGNAL, or HOLD with its reason.';
COMMENT ON COLUMN signal_evaluations.instrument_type IS 'STOCK, CALL or PUT; NULL when nothing fits.';
COMMENT ON COLUMN signal_evaluations.strategy_type IS 'day_trade or swing_trade; NULL when nothing fits.';
COMMENT ON COLUMN signal_evaluations.reason IS 'Why it is a signal, or why not.';
COMMENT ON COLUMN signal_evaluations.arithmetic IS 'Every factor and what went into it.';
COMMENT ON COLUMN signal_evaluations.computed_at IS 'When it was evaluated.';
COMMENT ON COLUMN signal_evaluations.parameter_version IS 'The figures in force.';

CREATE TABLE vix_history (
    day date CONSTRAINT vix_history_pkey PRIMARY KEY,
    close double precision NOT NULL CONSTRAINT vix_history_close_plausible
        CHECK (close > 0 AND close < 1000),
    source text NOT NULL CONSTRAINT vix_history_source_known
        CHECK (source IN ('vix', 'realised_volatility_spy')),
    fetched_at timestamptz NOT NULL
);
COMMENT ON TABLE vix_history IS 'Daily closes of the volatility index, or the stand-in that was taken for it.';
COMMENT ON COLUMN vix_history.day IS 'The session, New York.';
COMMENT ON COLUMN vix_history.close IS 'Index points: percent a year.';
COMMENT ON COLUMN vix_history.source IS 'vix, or realised_volatility_spy where the index could not be read.';
COMMENT ON COLUMN vix_history.fetched_at IS 'When this value was fetched or computed.';

CREATE TABLE option_bars (
    option_symbol text NOT NULL,
    ts timestamptz NOT NULL,
    ticker text NOT NULL CONSTRAINT option_bars_ticker REFERENCES tickers (ticker),
    open numeric NOT NULL,
    high numeric NOT NULL,
    low numeric NOT NULL,
    close numeric NOT NULL,
    volume bigint NOT NULL CONSTRAINT option_bars_volume_not_negative CHECK (volume >= 0),
    option_feed text NOT NULL CONSTRAINT option_bars_feed_known
        CHECK (option_feed IN ('indicative', 'opra')),
    fetched_at timestamptz NOT NULL,
    CONSTRAINT option_bars_one_per_minute PRIMARY KEY (option_symbol, ts),
    CONSTRAINT option_bars_sound_bar CHECK (
        low > 0 AND low <= least(open, close) AND high >= greatest(open, close) AND high < 'Infinity'
    )
);
COMMENT ON TABLE option_bars IS 'Final one-minute bars of option contracts; prices USD a share.';
COMMENT ON COLUMN option_bars.option_symbol IS 'The contract.';
COMMENT ON COLUMN option_bars.ts IS 'Start of the minute.';
COMMENT ON COLUMN option_bars.ticker IS 'Its underlying.';
COMMENT ON COLUMN option_bars.open IS 'First price of the minute.';
COMMENT ON COLUMN option_bars.high IS 'Highest price of the minute.';
COMMENT ON COLUMN option_bars.low IS 'Lowest price of the minute.';
COMMENT ON COLUMN option_bars.close IS 'Last price of the minute.';
COMMENT ON COLUMN option_bars.volume IS 'Contracts traded in the minute.';
COMMENT ON COLUMN option_bars.option_feed IS 'Where it came from: indicative or opra.';
COMMENT ON COLUMN option_bars.fetched_at IS 'When these values were fetched.';

CREATE TABLE iv_surface (
    option_symbol text NOT NULL,
    ts timestamptz NOT NULL,
    ticker text NOT NULL CONSTRAINT iv_surface_ticker REFERENCES tickers (ticker),
    option_type text NOT NULL CONSTRAINT iv_surface_type_known
        CHECK (option_type IN ('CALL', 'PUT')),
    strike_price numeric NOT NULL CONSTRAINT iv_surface_strike_positive CHECK (strike_price > 0),
    expiration_date date NOT NULL,
    underlying_price numeric CONSTRAINT iv_surface_underlying_positive
        CHECK (underlying_price > 0),
    bid numeric CONSTRAINT iv_surface_bid_not_negative CHECK (bid >= 0),
    ask numeric CONSTRAINT iv_surface_ask_not_negative CHECK (ask >= 0),
    implied_volatility double precision CONSTRAINT iv_surface_volatility_positive
        CHECK (implied_volatility > 0),
    delta double precision CONSTRAINT iv_surface_delta_range CHECK (delta BETWEEN -1 AND 1),
    open_interest bigint CONSTRAINT iv_surface_interest_not_negative CHECK (open_interest >= 0),
    option_feed text NOT NULL CONSTRAINT iv_surface_feed_known
        CHECK (option_feed IN ('indicative', 'opra')),
    computed_at timestamptz NOT NULL,
    CONSTRAINT iv_surface_one_per_tick PRIMARY KEY (option_symbol, ts)
);
CREATE INDEX iv_surface_by_ticker ON iv_surface (ticker, ts);
COMMENT ON TABLE iv_surface IS 'Implied volatility of a ticker''s contracts at a tick.';
COMMENT ON COLUMN iv_surface.option_symbol IS 'The contract.';
COMMENT ON COLUMN iv_surface.ts IS 'The tick.';
COMMENT ON COLUMN iv_surface.ticker IS 'Its underlying.';
COMMENT ON COLUMN iv_surface.option_type IS 'CALL or PUT.';
COMMENT ON COLUMN iv_surface.strike_price IS 'USD a share.';
COMMENT ON COLUMN iv_surface.expiration_date IS 'Its last day.';
COMMENT ON COLUMN iv_surface.underlying_price IS 'USD a share; NULL when unknown.';
COMMENT ON COLUMN iv_surface.bid IS 'USD a share; NULL when unknown, 0 when nobody bids.';
COMMENT ON COLUMN iv_surface.ask IS 'USD a share; NULL when unknown, 0 when nobody offers.';
COMMENT ON COLUMN iv_surface.implied_volatility IS 'Fraction a year; NULL when it could not be solved.';
COMMENT ON COLUMN iv_surface.delta IS 'USD of option per USD of underlying; NULL when unknown.';
COMMENT ON COLUMN iv_surface.open_interest IS 'Contracts; NULL when unknown.';
COMMENT ON COLUMN iv_surface.option_feed IS 'Where the quotes came from: indicative or opra.';
COMMENT ON COLUMN iv_surface.computed_at IS 'When it was computed.';

-- DELETE is the retention stage's: what is old and kept elsewhere as a decision's snapshot.
GRANT SELECT, INSERT, UPDATE, DELETE ON
    lane_telemetry, lane_telemetry_rejected, lane_features, option_bars, iv_surface,
    signal_evaluations
    TO ops_pipeline_writer;
GRANT SELECT, INSERT, UPDATE ON price_holds, watchlist_state, vix_history TO ops_pipeline_writer;
GRANT SELECT ON
    lane_telemetry, lane_telemetry_rejected, price_holds, lane_features, watchlist_state,
    signal_evaluations, vix_history, option_bars, iv_surface
    TO ops_pipeline_reader;
