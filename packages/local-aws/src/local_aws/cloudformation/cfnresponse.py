"""The module `cfnresponse`, which CloudFormation adds to functions with inline source.

It runs in the function's process and imports nothing of this package.
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
        event: the function's event.
        context: the function's context.
        responseStatus: `SUCCESS` or `FAILED`.
        responseData: the attributes for Fn::GetAtt.
        physicalResourceId: the resource's id; by default, the log stream's name.
        noEcho: whether CloudFormation masks the data.
        reason: the reason of a failure; by default, the log stream's name.
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
    except OSError as error:  # CloudFormation then waits for the resource's timeout
        print("send(..) failed executing http.request(..):", error)
