"""Deep matrix factorization in SageMaker's PyTorch inference container.

https://github.com/aws/sagemaker-inference-toolkit: it calls `model_fn` and `transform_fn`.
"""

from http import HTTPStatus
from pathlib import Path

from sagemaker_inference.errors import BaseInferenceToolkitError

from recsys.container import deep_mf
from recsys.container.algorithms import Answer
from recsys.errors import InputError, UnsupportedMediaType


def model_fn(model_dir: str) -> Answer:
    """Load the model."""
    return deep_mf.load(Path(model_dir))


def transform_fn(
    model: Answer, data: str | bytes, content_type: str, accept: str
) -> tuple[bytes, str]:
    """Answer a request in Object2Vec's format."""
    body = data.encode() if isinstance(data, str) else bytes(data)
    try:
        return model(body, content_type, accept)
    except UnsupportedMediaType as error:
        status, text = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error)
    except InputError as error:
        status, text = HTTPStatus.BAD_REQUEST, str(error)
    # The toolkit answers any other exception with status 500.
    raise BaseInferenceToolkitError(status.value, text, status.phrase)
