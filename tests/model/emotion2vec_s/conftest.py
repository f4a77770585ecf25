import pytest

from tests.conftest import SHARED
from tests.model.emotion2vec_s.golden import Golden
from tests.packages import missing


@pytest.fixture(scope="session")
def golden() -> Golden:
    if not (SHARED / "golden").is_dir():
        missing("the golden vectors are not beside this checkout")
    return Golden(SHARED / "golden")
