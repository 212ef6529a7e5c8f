import subprocess
import sys

PROGRAM = """
import sys
from local_aws.install import install
install()
import local_aws.server
print(*(name for name in sys.argv[1:] if name in sys.modules))
"""


def test_install_leaves_the_slowest_of_motos_services_to_their_first_request() -> None:
    slow = ["moto.ec2", "moto.ecs", "moto.batch", "moto.stepfunctions.parser.models"]
    slow += ["moto.apigateway.models", "moto.cloudformation.models"]
    command = [sys.executable, "-c", PROGRAM, "moto.s3", *slow]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["moto.s3"]
