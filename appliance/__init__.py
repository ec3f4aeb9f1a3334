"""Twinpost: highly available e-mail for places with no internet."""
