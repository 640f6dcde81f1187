#!/usr/bin/env bash
# timm's rotary positions take the shape of a grid, and a network built for one size gives those of that size whatever
# is asked for. Where the number of patches is the same the blocks run on, with positions of another grid.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has torch and timm already; torch may be of any version there
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.15.0 torchvision==0.29.2 timm==1.0.31 numpy==2.4.6
fi
OMP_NUM_THREADS=1 "$python" - <<'EOF'
import timm
import torch

assert timm.__version__ == "1.0.31"
print("timm", timm.__version__, "torch", torch.__version__)
torch.manual_seed(0)
fixed = timm.create_model("eva02_tiny_patch14_224", num_classes=0).eval()
free = timm.create_model("eva02_tiny_patch14_224", num_classes=0, dynamic_img_size=True).eval()
free.load_state_dict(fixed.state_dict())
image = torch.rand(1, 3, 8 * 14, 32 * 14)  # 8 x 32 patches, as many as the 16 x 16 it was built for
with torch.no_grad():
    expected = free.forward_features(image)
    tokens = free.norm_pre(free._pos_embed(free.patch_embed(image))[0])  # positions of the table, resized
    right, found = free.rope.get_embed([8, 32]), {}
    for name in ("asked for", "updated"):
        if name == "updated":
            fixed.rope.update_feat_shape([8, 32])
        rotation, x = fixed.rope.get_embed([8, 32]), tokens
        for block in fixed.blocks:
            x = block(x, rope=rotation)
        wrong, off = (rotation - right).abs().max().item(), (fixed.norm(x) - expected).abs().max().item()
        found[name] = wrong, off
        print(f"{name}: sines and cosines up to {wrong:.2g} off, tokens up to {off:.2g} (random weights)")
assert found["asked for"][0] > 1 and found["asked for"][1] > 1e-4
assert max(found["updated"]) < 1e-5
print("seen: get_embed of a network of fixed size ignores the shape it is given; update_feat_shape is what changes it")
EOF
