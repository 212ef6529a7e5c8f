"""moto's addresses of Systems Manager."""

from moto.ssm.urls import url_bases, url_paths

__all__ = ["url_bases", "url_paths"]
