"""The 33 tickers of a generated session: those that the `tickers` table watches.

Symbols and names are real; prices, volatilities and volumes are invented and only
plausible in size, and the news about these companies is fictitious.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GeneratedCompany:
    """One ticker and the character of its trading.

    Attributes:
        exchange: As news writes it; None for a fund, which gets no news.
        price_usd: Approximate price at the start of the day.
        daily_vol_pct: Standard deviation of its daily return without the market's part.
        beta: Sensitivity to the market's return.
        minute_volume: Shares a minute at about noon.
        spread_bps: Usual spread, basis points; at least one cent.
    """

    ticker: str
    name: str
    exchange: str | None
    price_usd: float
    daily_vol_pct: float
    beta: float
    minute_volume: int
    spread_bps: float

    @property
    def is_fund(self) -> bool:
        return self.exchange is None


UNIVERSE: tuple[GeneratedCompany, ...] = (
    GeneratedCompany("SPY", "SPDR S&P 500 ETF", None, 597.0, 0.05, 1.0, 95_000, 0.3),
    GeneratedCompany("QQQ", "Invesco QQQ", None, 521.0, 0.2, 1.2, 62_000, 0.4),
    GeneratedCompany("AAPL", "Apple", "NASDAQ", 231.0, 1.1, 1.1, 48_000, 0.8),
    GeneratedCompany("MSFT", "Microsoft", "NASDAQ", 412.0, 1.0, 1.0, 26_000, 1.0),
    GeneratedCompany("NVDA", "Nvidia", "NASDAQ", 128.0, 2.2, 1.7, 210_000, 1.2),
    GeneratedCompany("AMZN", "Amazon", "NASDAQ", 224.0, 1.4, 1.2, 41_000, 1.0),
    GeneratedCompany("GOOGL", "Alphabet", "NASDAQ", 186.0, 1.2, 1.1, 31_000, 1.2),
    GeneratedCompany("META", "Meta Platforms", "NASDAQ", 588.0, 1.5, 1.3, 15_000, 1.6),
    GeneratedCompany("TSLA", "Tesla", "NASDAQ", 262.0, 2.6, 1.8, 96_000, 1.5),
    GeneratedCompany("AMD", "Advanced Micro Devices", "NASDAQ", 117.0, 2.3, 1.6, 46_000, 1.7),
    GeneratedCompany("NFLX", "Netflix", "NASDAQ", 96.0, 1.6, 1.1, 12_000, 2.6),
    GeneratedCompany("INTC", "Intel", "NASDAQ", 21.4, 2.1, 1.2, 72_000, 4.7),
    GeneratedCompany("AVGO", "Broadcom", "NASDAQ", 238.0, 2.0, 1.5, 21_000, 1.6),
    GeneratedCompany("ORCL", "Oracle", "NYSE", 164.0, 1.7, 1.2, 14_000, 2.2),
    GeneratedCompany("CRM", "Salesforce", "NYSE", 251.0, 1.5, 1.1, 9_000, 2.0),
    GeneratedCompany("ADBE", "Adobe", "NASDAQ", 438.0, 1.5, 1.1, 4_500, 2.6),
    GeneratedCompany("JPM", "JPMorgan", "NYSE", 268.0, 0.9, 0.9, 11_000, 1.5),
    GeneratedCompany("BAC", "Bank of America", "NYSE", 44.8, 1.1, 1.0, 43_000, 2.3),
    GeneratedCompany("GS", "Goldman Sachs", "NYSE", 571.0, 1.1, 1.1, 3_200, 3.5),
    GeneratedCompany("V", "Visa", "NYSE", 318.0, 0.9, 0.8, 8_000, 1.6),
    GeneratedCompany("MA", "Mastercard", "NYSE", 526.0, 0.9, 0.8, 3_800, 2.3),
    GeneratedCompany("UNH", "UnitedHealth", "NYSE", 312.0, 1.8, 0.5, 9_500, 2.4),
    GeneratedCompany("JNJ", "Johnson & Johnson", "NYSE", 151.0, 0.8, 0.4, 10_000, 1.6),
    GeneratedCompany("PFE", "Pfizer", "NYSE", 25.9, 1.2, 0.5, 52_000, 3.9),
    GeneratedCompany("BMY", "Bristol Myers Squibb", "NYSE", 57.2, 1.3, 0.5, 15_000, 2.2),
    GeneratedCompany("XOM", "Exxon Mobil", "NYSE", 108.0, 1.0, 0.6, 21_000, 1.4),
    GeneratedCompany("CVX", "Chevron", "NYSE", 152.0, 1.0, 0.6, 10_000, 1.7),
    GeneratedCompany("WMT", "Walmart", "NYSE", 94.0, 0.9, 0.6, 20_000, 1.4),
    GeneratedCompany("HD", "Home Depot", "NYSE", 389.0, 1.0, 0.9, 4_500, 2.4),
    GeneratedCompany("DIS", "Disney", "NYSE", 109.0, 1.2, 1.0, 13_000, 1.9),
    GeneratedCompany("BA", "Boeing", "NYSE", 176.0, 1.8, 1.2, 11_000, 2.4),
    GeneratedCompany("KO", "Coca-Cola", "NYSE", 70.3, 0.7, 0.4, 15_000, 1.5),
    GeneratedCompany("NKE", "Nike", "NYSE", 71.5, 1.6, 1.0, 14_000, 2.3),
)
