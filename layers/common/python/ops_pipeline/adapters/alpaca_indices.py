"""The volatility index from Alpaca's market data API, where the account's plan has indices."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ops_pipeline.adapters.alpaca_wire import NoAnswer, NotSent, Renew, RequestRefused, Wire
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.regime import RegimeSource, is_plausible_vix
from ops_pipeline.errors import FeedUnavailable
from ops_pipeline.ports import VixReading

_PATH, _SYMBOL = "/indices/values", "VIX"
# The index is computed for a quarter of an hour after the close of stocks; its last value before
# that is the day's close. One of long before the end is none.
_AFTER_THE_CLOSE = timedelta(minutes=15)
_LONGEST_SILENCE = timedelta(minutes=15)


class AlpacaVix:
    """The last value of one session, as its close.

    Args:
        url: Without the version, for example https://data.alpaca.markets.
        renew: Reads the keys anew after a 401.
    """

    source: RegimeSource = "vix_alpaca"

    def __init__(
        self, *, url: str, key_id: str, secret_key: str, renew: Renew | None = None
    ) -> None:
        self._wire = Wire(url, key_id, secret_key, renew, version="v1beta1")

    def readings(self, last: Session) -> list[VixReading]:
        """The close of that session, alone.

        Raises:
            FeedUnavailable: the plan has no indices, no answer, or none that can be the close.
        """
        end = last.closes_at + _AFTER_THE_CLOSE
        question = {
            "symbols": _SYMBOL,
            "start": _text(last.closes_at - _LONGEST_SILENCE),
            "end": _text(end),
            "limit": "1",
            "sort": "desc",
        }
        at, value = _value(self._get(question))
        if not last.closes_at - _LONGEST_SILENCE <= at <= end:
            raise FeedUnavailable(f"VIX: Alpaca's value is of {at:%Y-%m-%d %H:%M} UTC")
        if not is_plausible_vix(value):
            raise FeedUnavailable(f"VIX: {value:g} on {last.day} is out of all bounds")
        return [VixReading(last.day, value)]

    def _get(self, question: dict[str, str]) -> Any:
        try:
            return self._wire.get(_PATH, question)
        except RequestRefused as error:
            if not (error.status == _UNAUTHORIZED and self._wire.renew()):
                raise FeedUnavailable(f"VIX: Alpaca refuses indices: {str(error)[:300]}") from None
        except (NotSent, NoAnswer) as error:
            raise FeedUnavailable(f"VIX: Alpaca: {str(error)[:300]}") from None
        return self._again(question)

    def _again(self, question: dict[str, str]) -> Any:
        try:
            return self._wire.get(_PATH, question)
        except (RequestRefused, NotSent, NoAnswer) as error:
            raise FeedUnavailable(f"VIX: Alpaca: {str(error)[:300]}") from None


_UNAUTHORIZED = 401


def _value(answer: Any) -> tuple[datetime, float]:
    """Time and value of the only item; anything else is not what the API promises."""
    try:
        (item,) = answer["values"][_SYMBOL]
        at, value = datetime.fromisoformat(item["t"]), item["v"]
    except (KeyError, TypeError, ValueError) as error:
        raise FeedUnavailable(f"VIX: Alpaca has no value of it ({type(error).__name__})") from error
    if at.tzinfo is None or isinstance(value, bool) or not isinstance(value, int | float):
        raise FeedUnavailable("VIX: Alpaca's value is not legible")
    return at.astimezone(UTC), float(value)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
