#!/usr/bin/env bash
# A 16-bit picture becomes a tensor by torchvision's ToTensor: of signed 16 bits, so that everything from 32,768 on is
# negative. A thermal image in hundredths of a kelvin has roofs of 60 degrees Celsius at -595. There is no scaling as with
# bytes, and no warning. pil_to_tensor and v2.ToImage keep the numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has the packages below already; torch may be of any version there
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.15.0 torchvision==0.29.2 pillow==13.0.0 numpy==2.4.6
fi
cd "$folder"
OMP_NUM_THREADS=1 "$python" - <<'EOF'
import warnings

import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision.transforms import ToTensor, v2
from torchvision.transforms.functional import pil_to_tensor

warnings.simplefilter("error")
assert torchvision.__version__.split("+")[0] == "0.29.2"
print("torchvision", torchvision.__version__.split("+")[0], "torch", torch.__version__)
celsius = np.array([[15.0, 35.0, 54.0, 55.0, 60.0]])
stored = np.rint((celsius + 273.15) * 100).astype(np.uint16)
seen = {}
for suffix in ("png", "tif"):
    Image.fromarray(stored).save(f"thermal.{suffix}")
    for name, convert in {"ToTensor": ToTensor(), "pil_to_tensor": pil_to_tensor, "v2.ToImage": v2.ToImage()}.items():
        with Image.open(f"thermal.{suffix}") as image:
            tensor = torch.as_tensor(convert(image))
        seen[suffix, name] = tensor.flatten().tolist()
        back = [f"{value / 100 - 273.15:.0f}" for value in seen[suffix, name]]
        print(f"{suffix}, {name}: {tensor.dtype} {seen[suffix, name]}, in degrees Celsius {', '.join(back)}")
        assert tensor.dtype == (torch.int16 if name == "ToTensor" else torch.uint16)
wanted = stored.ravel().tolist()
for (_, name), values in seen.items():
    assert values == ([value - 65536 * (value > 32767) for value in wanted] if name == "ToTensor" else wanted)
as_bytes = ToTensor()(Image.fromarray(np.array([[0, 255]], np.uint8)))
print(f"bytes 0 and 255 become {as_bytes.flatten().tolist()}")
assert as_bytes.flatten().tolist() == [0.0, 1.0]
print("seen: by ToTensor 35 and 54 degrees keep their numbers, 55 degrees become -32721")
EOF
