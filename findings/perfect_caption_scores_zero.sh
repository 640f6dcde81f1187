#!/usr/bin/env bash
# CIDEr weighs n-grams by how few images share them. Of one image, or of images that are described alike, every
# weight is log 1 = 0, and an answer that is equal to its reference scores 0 of 10, without a warning; a caption
# of two words reaches 5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
# pycocoevalcap is 104 MB, Java programs of other scores; CIDEr itself needs numpy only.
"$python" -m pip install -qq --disable-pip-version-check numpy==2.4.6
"$python" -m pip install -qq --disable-pip-version-check --no-deps pycocoevalcap==1.2
cd "$folder"
"$python" - <<'EOF'
from importlib.metadata import version

from pycocoevalcap.cider.cider import Cider

print("pycocoevalcap", version("pycocoevalcap"))


def perfect(*captions: str) -> float:
    """Score of answers that are equal to their references."""
    texts = {number: [text] for number, text in enumerate(captions)}
    score = float(Cider().compute_score(texts, texts)[0])
    print(f"{score:5.2f} of 10 for {' | '.join(captions)}")
    return score


cars, pond = "two red cars on a street", "there is a pond in the park"
assert perfect(cars) == 0
assert perfect(cars, cars) == 0
assert abs(perfect(cars, pond) - 10) < 1e-6
assert abs(perfect("two cars", "a pond") - 5) < 1e-6
print("seen: a perfect caption scores 0 alone, 10 beside another one, and 5 if it has two words")
EOF
