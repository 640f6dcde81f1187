#!/usr/bin/env bash
# Published weights come with two things that no file holds: the activation they were trained with and how images are
# normalised. Loaded from a file, open_clip takes plain GELU and CLIP's statistics for all; and for OpenAI's own weights
# by name it takes plain GELU, too, where its documentation says QuickGELU. Names and shapes fit strictly every time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has the packages below already; torch may be of any version there
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.15.0 torchvision==0.29.2 timm==1.0.31 \
        open_clip_torch==3.3.0 ftfy==6.3.1 safetensors==0.8.0 numpy==2.4.6
fi
cd "$folder"
OMP_NUM_THREADS=1 "$python" - <<'EOF'
import warnings

import open_clip
import torch
from safetensors.torch import save_file

assert open_clip.__version__ == "3.3.0"
print("open_clip", open_clip.__version__, "torch", torch.__version__)
torch.manual_seed(0)
# Random weights under the names of OpenAI's. Only the download is replaced: it would bring a file of the same names.
trained = open_clip.create_model("ViT-B-32-quickgelu").eval()
save_file(trained.state_dict(), "clip.safetensors")
open_clip.factory.download_pretrained = lambda *args, **options: "clip.safetensors"
image = torch.rand(1, 3, 224, 224)


def activation(model):
    return type(model.visual.transformer.resblocks[0].mlp.gelu).__name__


with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    named = open_clip.create_model("ViT-B-32", pretrained="openai").eval()
warned = [str(w.message) for w in told if "QuickGELU" in str(w.message)]
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    filed = open_clip.create_model("ViT-B-32", pretrained="clip.safetensors").eval()
assert not any("QuickGELU" in str(w.message) for w in told)
with torch.no_grad():
    expected = trained.encode_image(image)
    apart = ((filed.encode_image(image) - expected).norm() / expected.norm()).item()
print(f"trained with {activation(trained)}; by name openai {activation(named)}, {len(warned)} warning; "
      f"by file {activation(filed)}, no warning, embedding off by {apart:.1%} of its length (random weights)")
assert (activation(trained), activation(named), activation(filed)) == ("QuickGELU", "GELU", "GELU")
assert len(warned) == 1 and apart > 0.003

siglip = open_clip.create_model("ViT-B-16-SigLIP")
save_file({name: value.half() for name, value in siglip.state_dict().items()}, "siglip.safetensors")
open_clip.factory.download_pretrained = lambda *args, **options: "siglip.safetensors"
means = {}
for how in ("webli", "siglip.safetensors"):
    means[how] = open_clip.create_model("ViT-B-16-SigLIP", pretrained=how).visual.preprocess_cfg["mean"]
    print("SigLIP from", how, "subtracts", means[how])
assert tuple(means["webli"]) == (0.5, 0.5, 0.5)
assert tuple(means["siglip.safetensors"])[0] == 0.48145466
print("seen: OpenAI's weights run with another activation than they were trained with, by name with a warning and by "
      "file without one; SigLIP from a file is normalised for CLIP")
EOF
