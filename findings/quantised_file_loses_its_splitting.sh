#!/usr/bin/env bash
# A GGUF file says how text is split before tokens are merged. transformers reads tokens and merges from it and splits
# in one way for all: where a model was trained with every digit for itself, numbers come out as other tokens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has torch, transformers and tokenizers already
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.15.0 transformers==5.23.0 tokenizers==0.23.3 \
        numpy==2.4.6 pyyaml requests tqdm
fi
"$python" -m pip install -qq --disable-pip-version-check --no-deps --target "$folder/packages" gguf==0.19.0
PYTHONPATH=$folder/packages OMP_NUM_THREADS=1 "$python" - "$folder" <<'EOF' 2>/dev/null
import sys
from pathlib import Path

import gguf
import transformers
from transformers import AutoTokenizer

print("transformers", transformers.__version__, "gguf 0.19.0")
assert transformers.__version__ == "5.23.0"
folder, found = Path(sys.argv[1]), {}
for splitting in ("gpt-2", "smollm"):
    writer = gguf.GGUFWriter(folder / "small.gguf", "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitting)
    writer.add_token_list(["<|e|>", "1", "2", "12"])
    writer.add_token_types([3, 1, 1, 1])
    writer.add_token_merges(["1 2"])
    writer.add_eos_token_id(0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file="small.gguf")
    found[splitting] = tokenizer.tokenize("12")
    print(f"tokenizer.ggml.pre = {splitting}: 12 becomes {found[splitting]}")
# llama.cpp splits off every digit for "smollm", as the original tokenizer of SmolLM2 does
assert found == {"gpt-2": ["12"], "smollm": ["12"]}
print("seen: the file asks for single digits, and 12 becomes one token all the same")
EOF
