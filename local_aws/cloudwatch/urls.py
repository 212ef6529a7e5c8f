"""Where CloudWatch's requests arrive: as in moto."""

from moto.cloudwatch.urls import url_bases, url_paths

__all__ = ["url_bases", "url_paths"]
