"""A binding to a number that is known beforehand, as before the database knows one."""

from dataclasses import dataclass, field

from ops_pipeline.errors import AccountMismatch


@dataclass(frozen=True, slots=True)
class OneNumber:
    """ports.Binding to one number, which shows in no repr."""

    account_number: str = field(repr=False)

    def require(self, account_number: str) -> None:
        if account_number != self.account_number:
            raise AccountMismatch("these keys open another account than the one bound to them")
