"""What the tests of ui and guarded share."""

from __future__ import annotations

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>'


REFUNDS = "# Refunds\n\nMoney of a refund is returned within five days.\n"


LIMITS = f"# Limits {EVIL}\n\nThe rate limit is 1,000 requests. {EVIL}\n\n| plan | limit |\n| --- | --- |\n| Pro | 1,000 |\n"
