"""Service Quotas' addresses, as moto knows them, answered by our responses."""

from moto.servicequotas.urls import url_bases

from local_aws.servicequotas.responses import ServiceQuotasResponse

__all__ = ["url_bases", "url_paths"]

url_paths = {"{0}/$": ServiceQuotasResponse.dispatch}
