"""EventBridge's URLs: moto's."""

from moto.events.urls import url_bases, url_paths

__all__ = ["url_bases", "url_paths"]
