"""Billing and reconciliation for Microsoft CSP partners: files in, a tied-out warehouse out."""

__version__ = "0.1.0"
