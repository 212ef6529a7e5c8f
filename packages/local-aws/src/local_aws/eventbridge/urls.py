"""Where EventBridge's requests arrive: as in moto."""

from moto.events.urls import url_bases, url_paths

__all__ = ["url_bases", "url_paths"]
