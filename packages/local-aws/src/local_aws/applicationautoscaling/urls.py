"""Application Auto Scaling's URLs: moto's."""

from moto.applicationautoscaling.urls import url_bases, url_paths

__all__ = ["url_bases", "url_paths"]
