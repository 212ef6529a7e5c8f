"""Invoking a function through the API: its own process, its own log."""

from typing import Any


def test_answers_with_what_the_handler_returned(aws: Any) -> None:
    name = aws.deploy(
        {
            "app/__init__.py": "",
            "app/main.py": "def go(event, context):\n    return {'twice': event['n'] * 2}\n",
        },
        Handler="app.main.go",
    )
    answer = aws.invoke(name, {"n": 21})
    assert answer.payload == {"twice": 42}
    assert answer.error is None


def test_logs_start_output_end_and_report(aws: Any) -> None:
    name = aws.deploy("def handler(event, context):\n    print('one')\n    print('two')\n")
    request_id = aws.invoke(name).request_id
    lines = aws.log(f"/aws/lambda/{name}")
    assert lines[0].startswith("INIT_START Runtime Version: python3.14")
    assert lines[1:5] == [
        f"START RequestId: {request_id} Version: $LATEST",
        "one",
        "two",
        f"END RequestId: {request_id}",
    ]
    assert lines[5].startswith(f"REPORT RequestId: {request_id}\tDuration: ")
    assert "Memory Size: 128 MB" in lines[5] and "Init Duration" in lines[5]
