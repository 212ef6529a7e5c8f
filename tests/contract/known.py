"""Where the local AWS does not answer as AWS documents, and is known not to."""

from typing import Final

KNOWN: Final = {
    "test_iam.py::test_request_is_refused[a role's name with a space]": "accepted",
    "test_iam.py::test_request_is_refused[a session of thirteen hours]": "accepted",
    "test_lambda.py::test_statement_that_exists_is_refused": "replaced",
    "test_personalize.py::test_missing_recipe_is_not_found": "InvalidInputException",
    "test_personalize.py::test_request_is_refused[a solution of a missing recipe]": (
        "InvalidInputException"
    ),
    "test_s3.py::test_new_bucket_is_encrypted": "objects are not encrypted, and it says so",
    "test_s3.py::test_request_is_refused[a key over 1024 bytes]": "accepted",
    "test_tables_and_logs.py::test_request_of_a_table_is_refused[a key of another type]": (
        "no item is found"
    ),
    "test_tables_and_logs.py::test_request_of_a_table_is_refused[a reserved word]": "accepted",
    "test_tables_and_logs.py::test_request_of_a_table_is_refused[an unused value]": "accepted",
    "test_tables_and_logs.py::test_request_of_logs_is_refused[a retention of two days]": (
        "accepted"
    ),
    "test_tables_and_logs.py::test_update_returns_the_new_attributes": "returns the key, too",
}
"""By the end of a test's id: what the local AWS does instead."""
