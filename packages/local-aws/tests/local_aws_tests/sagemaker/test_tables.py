"""The room's tables against those that they have to agree with."""

import botocore.session
from moto.core.utils import camelcase_to_underscores
from moto.sagemaker.responses import SageMakerResponse as MotoResponse

from local_aws.sagemaker.responses import BOOKKEEPING, SageMakerResponse


def test_what_is_left_to_moto_exists_there_and_only_there() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    assert set(model.operation_names) >= BOOKKEEPING
    for operation in BOOKKEEPING:
        name = camelcase_to_underscores(operation)
        assert hasattr(MotoResponse, name), operation
        assert not hasattr(SageMakerResponse, name), operation
