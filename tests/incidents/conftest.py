"""The bench that these tests trade on."""

from tests.support.trading_fixtures import bench

__all__ = ["bench"]
