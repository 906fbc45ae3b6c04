"""The release's files, built once for all the tests of them."""

from __future__ import annotations

import pytest
from release import ROOT, build, unpacked

EPOCH = 1_790_000_000


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The wheel and the sdist of what is in the checkout."""
    return build(ROOT, tmp_path_factory.mktemp("dist"), EPOCH)


@pytest.fixture(scope="session")
def rebuilt(built, tmp_path_factory):
    """The same from the sdist, in another folder, by somebody who shares nothing."""
    work = tmp_path_factory.mktemp("again")
    return build(unpacked(built.sdist, work / "source"), work / "dist", EPOCH, umask=0o077)
