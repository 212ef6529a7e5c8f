from pathlib import Path

import pytest

from rehearsal import node


def test_link_replaces_only_links(tmp_path: Path) -> None:
    node.link(tmp_path)
    node.link(tmp_path)
    assert all((tmp_path / name).is_symlink() for name in ("node", "npm", "npx"))
    (tmp_path / "npm").unlink()
    (tmp_path / "npm").write_text("of the user")
    with pytest.raises(FileExistsError, match="npm"):
        node.link(tmp_path)
    assert (tmp_path / "npm").read_text() == "of the user"
