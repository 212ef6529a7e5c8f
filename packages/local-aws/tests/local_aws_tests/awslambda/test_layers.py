"""Layers and bundled packages: pure ones as they are, native ones in this machine's build."""

import base64
import hashlib
import importlib.metadata
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

FOREIGN = "cp314-cp314-manylinux_2_28_mips"  # no machine of ours
REPORT = "def handler(e, c):\n    import {0}\n    return [{0}.__version__, {0}.__file__]\n"


def distribution(
    package: str, version: str, tag: str, source: str, name: str | None = None
) -> dict[str, str]:
    """The files of an installed wheel with one module."""
    info = f"{name or package}-{version}.dist-info"
    files = {
        f"{package}/__init__.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name or package}\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n",
    }
    record = "".join(
        f"{path},sha256="
        + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        + f",{len(text)}\n"
        for path, text in files.items()
    )
    return {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}


def layer(aws: Any, files: dict[str, str], prefix: str = "python/") -> str:
    content = aws.zipped({prefix + path: text for path, text in files.items()})
    arn: str = aws.client("lambda").publish_layer_version(
        LayerName=f"layer-{hashlib.sha256(content).hexdigest()[:12]}",
        Content={"ZipFile": content},
    )["LayerVersionArn"]
    return arn


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that stands for the registry, and an empty cache."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name, value in {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(wheels),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
    }.items():
        monkeypatch.setenv(name, value)
    return wheels


def test_pure_package_is_used_unchanged(aws: Any) -> None:
    pure = distribution("plain", "9.9", "py3-none-any", "__version__ = '9.9'\n")
    name = aws.deploy(REPORT.format("plain"), Layers=[layer(aws, pure)])
    version, path = aws.invoke(name).payload
    assert version == "9.9"
    assert "/layers-" in path


def test_native_package_is_replaced_by_the_installed_version(aws: Any) -> None:
    here = importlib.metadata.version("numpy")
    native = distribution("numpy", here, FOREIGN, "raise ImportError('built for another machine')")
    source = "import numpy\ndef handler(e, c):\n    return float(numpy.arange(5).sum())\n"
    name = aws.deploy(source, Layers=[layer(aws, native)], MemorySize=512)
    assert aws.invoke(name).payload == 10.0


def test_other_version_is_installed_once_into_the_cache(aws: Any, offline: Path) -> None:
    native = distribution("native_thing", "1.5", FOREIGN, "raise ImportError")
    ours = distribution("native_thing", "1.5", "py3-none-any", "__version__ = '1.5'\n")
    wheel = offline / "native_thing-1.5-py3-none-any.whl"
    wheel.write_bytes(aws.zipped(ours))
    name = aws.deploy(REPORT.format("native_thing"), Layers=[layer(aws, native)])
    assert aws.invoke(name).payload[0] == "1.5"
    wheel.unlink()
    again = aws.deploy({"index.py": REPORT.format("native_thing"), **native})
    version, path = aws.invoke(again).payload
    assert version == "1.5"
    assert "/code-" in path  # in the function's own zip this time


def test_irreplaceable_package_is_reported(aws: Any, offline: Path) -> None:
    native = distribution("native_thing", "2.5", FOREIGN, "")
    name = aws.deploy(REPORT.format("native_thing"), Layers=[layer(aws, native)])
    with pytest.raises(ClientError) as caught:
        aws.invoke(name)
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidRuntimeException"
    assert f"{name} cannot run here: native_thing 2.5 is built for Lambda's" in error["Message"]
    assert "native" in error["Message"].partition("failed: ")[2]


def test_later_layers_and_the_function_take_precedence(aws: Any) -> None:
    first = layer(aws, {"a.py": "N = 1\n", "b.py": "N = 1\n", "c.py": "N = 1\n"})
    second = layer(aws, {"b.py": "N = 2\n", "c.py": "N = 2\n"})
    deep = layer(aws, {"d.py": "N = 3\n"}, prefix="python/lib/python3.14/site-packages/")
    source = "import a, b, c, d\ndef handler(e, x):\n    return [a.N, b.N, c.N, d.N]\n"
    name = aws.deploy({"index.py": source, "c.py": "N = 0\n"}, Layers=[first, second, deep])
    assert aws.invoke(name).payload == [1, 2, 0, 3]


def test_layer_is_imported_from_the_runtimes_folders_only(aws: Any, offline: Path) -> None:
    old = "python/lib/python3.6/site-packages/"
    native = distribution("native_thing", "3.5", FOREIGN, "")
    other = layer(aws, {"of36.py": "N = 1\n", **native}, prefix=old)
    source = """
import importlib.util, sys
def handler(event, context):
    opt = [path.partition("/layers-")[2].partition("/")[2] for path in sys.path]
    return importlib.util.find_spec("of36") is None, [path for path in opt if path]
"""
    name = aws.deploy(source, Layers=[other], Runtime="python3.12")
    assert aws.invoke(name).payload == [True, ["python/lib/python3.12/site-packages", "python"]]


def test_layer_of_another_account_is_refused_by_name(aws: Any) -> None:
    public = "arn:aws:lambda:eu-west-1:336392948345:layer:AWSSDKPandas-Python312:16"
    with pytest.raises(ClientError, match=r"NotImplementedByLocalAws.*layers of other accounts"):
        aws.deploy("def handler(e, c): return 1", Layers=[public])


def test_layer_is_found_by_name_and_by_arn(aws: Any) -> None:
    version = layer(aws, {"found.py": "N = 1\n"})
    arn, name = version.rpartition(":")[0], version.split(":")[-2]
    client = aws.client("lambda")
    for asked in (name, arn):
        found = client.list_layer_versions(LayerName=asked)["LayerVersions"]
        assert [one["LayerVersionArn"] for one in found] == [version]
        one = client.get_layer_version(LayerName=asked, VersionNumber=1)
        assert one["LayerVersionArn"] == version
    assert client.get_layer_version_by_arn(Arn=version)["LayerVersionArn"] == version
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_layer_version_by_arn(Arn=f"{arn}:7")


def test_deleted_layer_version_is_kept_by_its_functions(aws: Any) -> None:
    arn = layer(aws, {"kept.py": "__version__ = '1'\n"})
    name = aws.deploy(REPORT.format("kept"), Layers=[arn])
    _, layer_name, version = arn.rsplit(":", 2)
    client = aws.client("lambda")
    client.delete_layer_version(LayerName=layer_name, VersionNumber=int(version))
    client.update_function_configuration(FunctionName=name, Timeout=9)
    assert aws.invoke(name).payload[0] == "1"


def test_account_settings_count_functions_and_code_size(aws: Any) -> None:
    client = aws.client("lambda")
    before = client.get_account_settings()
    arn = layer(aws, {"counted.py": "__version__ = 'counted'\n"})
    name = aws.deploy("def handler(event, context): return 1", Layers=[arn], Publish=True)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=3)
    after = client.get_account_settings()
    _, layer_name, version = arn.rsplit(":", 2)
    weight = client.get_layer_version(LayerName=layer_name, VersionNumber=int(version))
    function = client.get_function_configuration(FunctionName=name)["CodeSize"]
    used = {
        key: after["AccountUsage"][key] - value for key, value in before["AccountUsage"].items()
    }
    # the latest and the published one
    assert used == {
        "FunctionCount": 1,
        "TotalCodeSize": 2 * function + weight["Content"]["CodeSize"],
    }
    free = [one["AccountLimit"]["UnreservedConcurrentExecutions"] for one in (before, after)]
    assert free[0] - free[1] == 3
