"""The module that CloudFormation adds to a function whose source stands in the template.

It is part of the function's program, runs in its process and imports nothing of this package.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/cfn-lambda-function-code-cfnresponsemodule.html
"""

import json
import urllib.request
from typing import Any

SUCCESS = "SUCCESS"
FAILED = "FAILED"


def send(
    event: dict[str, Any],
    context: Any,
    responseStatus: str,  # noqa: N803
    responseData: dict[str, Any] | None,  # noqa: N803
    physicalResourceId: str | None = None,  # noqa: N803
    noEcho: bool = False,  # noqa: N803
    reason: str | None = None,
) -> None:
    """Answer the event of a custom resource.

    Args:
        event: as the function got it.
        context: as the function got it.
        responseStatus: `SUCCESS` or `FAILED`.
        responseData: what Fn::GetAtt finds.
        physicalResourceId: of the resource; the log stream's name without one.
        noEcho: whether the data are masked where CloudFormation shows them.
        reason: of a failure; the log stream's name without one.
    """
    answer = {
        "Status": responseStatus,
        "Reason": reason or f"See the details in CloudWatch Log Stream: {context.log_stream_name}",
        "PhysicalResourceId": physicalResourceId or context.log_stream_name,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "NoEcho": noEcho,
        "Data": responseData,
    }
    print("Response body:")
    print(json.dumps(answer))
    body = json.dumps(answer).encode()
    request = urllib.request.Request(event["ResponseURL"], body, {"Content-Type": ""}, method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            print("Status code:", response.status)
    except OSError as error:  # CloudFormation waits for the resource's time limit then
        print("send(..) failed executing http.request(..):", error)
