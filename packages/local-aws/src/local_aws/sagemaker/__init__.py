"""SageMaker: training jobs and endpoints that are processes on this machine."""


def install() -> None:
    """Put our backend into moto."""
    import moto.sagemaker.models

    from local_aws.sagemaker.models import SageMakerBackend

    moto.sagemaker.models.sagemaker_backends.backend = SageMakerBackend
