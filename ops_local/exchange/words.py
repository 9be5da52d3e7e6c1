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
# Alpaca's words for what moves cash alone; activities in options and securities have others.
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
]
AssetClass = Literal["us_equity", "us_option", "crypto"]
AssetStatus = Literal["active", "inactive"]
