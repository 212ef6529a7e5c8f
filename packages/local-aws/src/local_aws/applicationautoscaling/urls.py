"""Where Application Auto Scaling's requests arrive: as in moto."""

from moto.applicationautoscaling.urls import url_bases, url_paths

__all__ = ["url_bases", "url_paths"]
