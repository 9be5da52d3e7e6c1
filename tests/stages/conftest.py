"""The bench that these tests trade on."""

from tests.support.trading_fixtures import admin_url, bench, held

__all__ = ["admin_url", "bench", "held"]
