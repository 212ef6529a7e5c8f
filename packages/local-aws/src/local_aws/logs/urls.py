"""moto's addresses of CloudWatch Logs."""

from moto.logs.urls import url_bases, url_paths

__all__ = ["url_bases", "url_paths"]
