"""Fetch addresses: from public hosts only, within limits, at the pace that the site asks for."""
