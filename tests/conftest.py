"""What all tests share."""

import pytest

from icil.prompt_builders.cache import VARIABLE


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_users(tmp_path_factory):
    """Keeps what the tests cache, also in processes that they start, out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield
