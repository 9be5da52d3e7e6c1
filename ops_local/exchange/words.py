"""The words of Alpaca's API that the exchange uses, as types."""

from typing import Literal

from ops_pipeline.domain.broker import Side

__all__ = ["Side"]

OrderType = Literal["market", "limit", "stop", "stop_limit", "trailing_stop"]
TimeInForce = Literal["day", "gtc", "opg", "cls", "ioc", "fok"]
OrderStatus = Literal[
    "accepted",
    "new",
    "partially_filled",
    "filled",
    "canceled",
    "expired",
    "rejected",
    "replaced",
]
# How an order can end other than by being filled or replaced.
EndStatus = Literal["canceled", "expired", "rejected"]
FillStatus = Literal["partially_filled", "filled"]
PositionIntent = Literal["buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close"]
# Of the kinds that Alpaca announces, those that the exchange carries out, and one that it does not.
AnnouncedKind = Literal[
    "forward_split",
    "reverse_split",
    "stock_dividend",
    "cash_dividend",
    "name_change",
    "cash_merger",
    "stock_merger",
    "stock_and_cash_merger",
    "spin_off",
    "worthless_removal",
]
# Alpaca's words for what moves cash, and for the corporate actions that are carried out here;
# other activities in securities and options have others.
CashActivityType = Literal[
    "CSD",
    "CSW",
    "JNLC",
    "FEE",
    "CFEE",
    "INT",
    "INTNRA",
    "INTTW",
    "DIV",
    "DIVCGL",
    "DIVCGS",
    "DIVFEE",
    "DIVFT",
    "DIVNRA",
    "DIVROC",
    "DIVTW",
    "DIVTXEX",
    "CGD",
    "PTC",
    "PTR",
    "MA",
    "NC",
    "SPIN",
    "SPLIT",
]
AssetClass = Literal["us_equity", "us_option", "crypto"]
AssetStatus = Literal["active", "inactive"]
