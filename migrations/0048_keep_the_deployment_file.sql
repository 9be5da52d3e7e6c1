-- What ops.toml says and no other row has: the data plan, whose keys read the data, and which
-- parameters an operator put in force by it, so that what learning or a rollback put there since
-- is known for what it is.

CREATE TABLE applied_deployment (
    one_row boolean CONSTRAINT applied_deployment_pkey PRIMARY KEY DEFAULT true
        CONSTRAINT applied_deployment_is_one CHECK (one_row),
    description jsonb NOT NULL,
    data_feed text,
    data_account varchar(50) REFERENCES accounts,
    parameter_version integer REFERENCES parameter_versions,
    applied_at timestamptz NOT NULL,
    applied_by text NOT NULL
);
COMMENT ON TABLE applied_deployment IS 'The file that describes the deployment, as it was applied last: one row, or none.';
COMMENT ON COLUMN applied_deployment.one_row IS 'True: there is one row at most.';
COMMENT ON COLUMN applied_deployment.description IS 'The file''s content, without its comments.';
COMMENT ON COLUMN applied_deployment.data_feed IS 'Alpaca''s feed where ALPACA_DATA_FEED is not set; NULL: the default.';
COMMENT ON COLUMN applied_deployment.data_account IS 'Whose keys read bars and quotes where DATA_ACCOUNT is not set; NULL: the first that has any.';
COMMENT ON COLUMN applied_deployment.parameter_version IS 'The version that the file''s parameters are; NULL: it names none.';
COMMENT ON COLUMN applied_deployment.applied_at IS 'When.';
COMMENT ON COLUMN applied_deployment.applied_by IS 'Who.';

GRANT SELECT, INSERT, UPDATE ON applied_deployment
    TO ops_pipeline_writer, ops_pipeline_control;
GRANT SELECT ON applied_deployment TO ops_pipeline_reader;
