"""Every error the pipeline raises on purpose, named for what the caller can do about it.

Lambda reports the class name alone and ASL knows no inheritance, so the state
machines list these names one by one; a test compares both.

    OpsError
    ├── InvalidInput           the event is wrong: correct it and send it again
    ├── SettingsInvalid        an environment variable is missing or odd
    │   └── AccountNotConfigured  ... an account has no keys at all: give them, or switch it off
    ├── SchemaBehind           the database lacks migrations: deploy them first
    ├── DatabaseUnavailable    nothing was committed: safe to try again
    ├── CommitUnknown          the reply to COMMIT was lost: look before acting
    ├── ConstraintViolated     the database refused a row
    │   └── CapExceeded        ... because an entry would pass a limit
    ├── LeaseLost              another run owns this stage now: stop
    ├── StaleData              a fact needed for a decision is missing or too old
    ├── MarketDataUnavailable  bars or quotes could not be read
    ├── BrokerUnavailable      the broker did not take the request: safe to try again
    ├── BrokerOutcomeUnknown   no answer to an order: look it up, never send again
    ├── BrokerRejected         the broker said no, in its own words
    ├── AccountMismatch        unbound, or these keys belong to another account: bind, or mend
    ├── FeedUnavailable        one feed or the VIX file could not be fetched
    ├── ClassificationFailed   the model gave no usable answer to these texts
    ├── StageFailed            a part of the stage's work failed; the message says which
    ├── MigrationFailed        a migration did not apply; the database is as before
    ├── MigrationRefused       a migration file or the history is not in order
    └── WrongRole              this login may do more than the console allows
"""


class OpsError(Exception):
    """Base of all errors raised on purpose; never raised itself."""


class InvalidInput(OpsError): ...


class SettingsInvalid(OpsError): ...


class AccountNotConfigured(SettingsInvalid): ...


class SchemaBehind(OpsError): ...


class DatabaseUnavailable(OpsError): ...


class CommitUnknown(OpsError): ...


class ConstraintViolated(OpsError):
    """The database refused a row.

    Attributes:
        constraint: Name of the violated constraint, or None when Postgres gave none.
        sqlstate: Five characters, for example "23505".
    """

    def __init__(self, message: str, *, constraint: str | None, sqlstate: str) -> None:
        super().__init__(message)
        self.constraint = constraint
        self.sqlstate = sqlstate


class CapExceeded(ConstraintViolated): ...


class LeaseLost(OpsError): ...


class StaleData(OpsError): ...


class MarketDataUnavailable(OpsError): ...


class BrokerUnavailable(OpsError): ...


class BrokerOutcomeUnknown(OpsError): ...


class BrokerRejected(OpsError): ...


class AccountMismatch(OpsError): ...


class FeedUnavailable(OpsError):
    """One feed or the VIX file could not be fetched.

    Attributes:
        retry_after_s: Seconds the server asked to be left alone, None when it did not.
    """

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ClassificationFailed(OpsError): ...


class StageFailed(OpsError): ...


class MigrationFailed(OpsError): ...


class MigrationRefused(OpsError): ...


class WrongRole(OpsError): ...
