"""The room's tables against those that they have to agree with."""

import ast
from pathlib import Path

import botocore.session
from moto.core.utils import camelcase_to_underscores
from moto.sagemaker.responses import SageMakerResponse as MotoResponse

from local_aws.sagemaker import images
from local_aws.sagemaker.responses import BOOKKEEPING, SageMakerResponse

PROJECT = Path(__file__).resolve().parents[3]


def test_the_stacks_name_the_registries_that_the_local_aws_knows() -> None:
    module = ast.parse((PROJECT / "stacks" / "images.py").read_text("utf-8"))
    [table] = [
        node.value
        for node in module.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "ACCOUNTS"
    ]
    assert table is not None
    assert ast.literal_eval(table) == images.REGISTRIES


def test_what_is_left_to_moto_exists_there_and_only_there() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    assert set(model.operation_names) >= BOOKKEEPING
    for operation in BOOKKEEPING:
        name = camelcase_to_underscores(operation)
        assert hasattr(MotoResponse, name), operation
        assert not hasattr(SageMakerResponse, name), operation
