"""A merge of models with adapters on them, by mergekit and PEFT: tests/fixtures/parity/adapters.

    python tools/parity/adapters.py

The adapters are of the bfloat16 family's `math`, their weights made up: LoRA, DoRA, and one with a head that is saved whole.
"""

from runner import run, tensors_of  # first: it may start Python anew

import json
import shutil
import tempfile
from pathlib import Path

import torch
import yaml
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from family import FAMILY, FIXTURES

OUT = FIXTURES / "adapters"
ADAPTERS = {
    "lora": {"r": 3, "lora_alpha": 6, "target_modules": ["q_proj", "down_proj", "v_proj"]},
    "dora": {"r": 2, "lora_alpha": 4, "use_dora": True, "target_modules": ["q_proj", "up_proj"]},
    "head": {"r": 2, "lora_alpha": 4, "target_modules": ["o_proj"], "modules_to_save": ["lm_head"]},
}
RECIPE = {
    "merge_method": "task_arithmetic", "base_model": "base",
    "models": [
        *({"model": f"./math+./{name}", "parameters": {"weight": weight}} for name, weight in zip(ADAPTERS, (0.7, 0.4, 0.4))),
        {"model": "code", "parameters": {"weight": 0.3}},
    ],
}


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "family"
        shutil.copytree(FAMILY / "bfloat16", folder)
        torch.manual_seed(3)
        for name, settings in ADAPTERS.items():
            model = get_peft_model(AutoModelForCausalLM.from_pretrained(folder / "math"), LoraConfig(**settings))
            for key, parameter in model.named_parameters():
                if "lora_" in key or "modules_to_save" in key:
                    parameter.data += 0.02 * torch.randn_like(parameter)
            model.save_pretrained(folder / name)
            config = json.loads((folder / name / "adapter_config.json").read_text())
            config["base_model_name_or_path"] = "example/math"
            (OUT / name).mkdir(parents=True)
            (OUT / name / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
            shutil.copyfile(folder / name / "adapter_model.safetensors", OUT / name / "adapter_model.safetensors")
        run(RECIPE, folder, Path(place) / "out", more=["--lora-merge-cache", str(Path(place) / "cache")])
        result = {name: tensor.contiguous() for name, tensor in tensors_of(Path(place) / "out").items()}
    save_file(result, OUT / "merged.safetensors", {"format": "pt"})
    (OUT / "merge.yml").write_text(yaml.safe_dump(RECIPE, sort_keys=False, default_flow_style=None, width=110))
    for file in OUT.rglob("*.safetensors"):
        file.chmod(0o644)


main()
