from __future__ import annotations

from pathlib import Path

import pytest
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from patchyard.errors import ConfigurationError
from patchyard.secrets import resolve


@pytest.mark.prefect
def test_a_secret_comes_from_a_prefect_block(tmp_path: Path, prefect_server: str) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_server}):
        Secret(value=SecretStr("hunter2")).save("web-password")
        secret = resolve("prefect-block:secret/web-password", tmp_path)
        assert secret.get_secret_value() == "hunter2"
        for name in ("secret/nothing", "no-such-type/x"):
            with pytest.raises(ConfigurationError, match=f"prefect-block:{name}: .* cannot be"):
                resolve(f"prefect-block:{name}", tmp_path)
