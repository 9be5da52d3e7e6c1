"""The bench that these tests trade on."""

from tests.support.trading_fixtures import bench, held

__all__ = ["bench", "held"]
