"""What only `mcp.py` sends."""

from __future__ import annotations

from typing import LiteralString

# Tenants are kept apart, but not from this role: it owns the tables or bypasses their policies.
SEES_ALL_TENANTS: LiteralString = """
select relrowsecurity and not row_security_active('ragpg.documents')
from pg_class
where oid = 'ragpg.documents'::regclass
"""
