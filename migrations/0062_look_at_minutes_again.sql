-- What was asked for within half an hour is asked for once more after it: a bar that came late
-- while its ticker went on trading, or that was corrected late, was not seen again.
ALTER TABLE telemetry_asked
    ADD COLUMN settled tstzmultirange NOT NULL DEFAULT '{}',
    ADD CONSTRAINT telemetry_asked_settled_within_bounds CHECK (
        NOT lower_inf(settled) AND NOT upper_inf(settled));
COMMENT ON COLUMN telemetry_asked.settled IS 'Of the minutes, those that were answered half an hour after them or later; the others are asked for once more.';
COMMENT ON COLUMN telemetry_asked.minutes IS 'Answered and stored, with bars or without; its end says until when the ticker''s bars are known. Newest minutes in which something of the ticker could not be read or believed are not among them.';
