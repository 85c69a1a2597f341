import pytest
import torch

from cvdl.networks.device import computes_bfloat16


@pytest.mark.parametrize(
    ("device", "capabilities", "expected"),
    [
        ("cpu", {"avx512_bf16": False, "amx_bf16": False}, False),
        ("cpu", {"avx512_bf16": True, "amx_bf16": False}, True),
        ("cpu", {"avx512_bf16": False, "amx_bf16": True}, True),
        ("cpu", {"architecture": "aarch64"}, True),
        ("cuda", {"avx512_bf16": False, "amx_bf16": False}, True),
    ],
)
def test_only_devices_with_instructions_for_it_compute_bfloat16(
    device, capabilities, expected, monkeypatch
):
    told = {"architecture": "x86_64", **capabilities}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told, raising=False)
    assert computes_bfloat16(torch.device(device)) is expected
