"""onnxruntime, told before it is imported to report nothing about this machine and its models.

Its official builds send such reports to their maker unless the environment says otherwise, and
they look only while the module is loaded. Everything here imports it through this module.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors

__all__ = ["onnxruntime", "runtime_errors"]
