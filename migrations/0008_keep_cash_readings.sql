-- What each account's cash was when it was compared, to be held against what moved it since.

CREATE TABLE cash_readings (
    account_name varchar(50) NOT NULL REFERENCES accounts,
    at timestamptz NOT NULL,
    cash numeric NOT NULL,
    unexplained numeric,
    PRIMARY KEY (account_name, at)
);
COMMENT ON TABLE cash_readings IS 'Each account''s cash as the reconciler read it while nothing moved.';
COMMENT ON COLUMN cash_readings.account_name IS 'Whose it is.';
COMMENT ON COLUMN cash_readings.at IS 'When it was read.';
COMMENT ON COLUMN cash_readings.cash IS 'The broker''s figure, USD.';
COMMENT ON COLUMN cash_readings.unexplained IS 'What fills, fees, dividends and deposits since the reading before do not explain, USD; NULL: there was none to compare with.';

GRANT SELECT, INSERT, UPDATE ON cash_readings TO ops_pipeline_writer;
GRANT SELECT ON cash_readings TO ops_pipeline_reader;
