"""Imports of logger files: file types of a tenant, previews, and jobs that read files by them (SM-03)."""
