"""Fixtures of this folder."""

import os

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # read when it is imported; nothing is sent
