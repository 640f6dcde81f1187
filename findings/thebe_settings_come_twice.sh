#!/usr/bin/env bash
# Jupyter Book 1 loads sphinx-thebe in every book, whether thebe is used or not; its settings are written into each page
# twice, as constants, so that every page has an error in the reader's console.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install -qq --disable-pip-version-check \
    jupyter-book==1.0.4.post1 sphinx-thebe==0.3.1 sphinx==7.4.7
mkdir "$folder/book"
cd "$folder/book"
printf 'title: A book\nauthor: Nobody\n' >_config.yml
printf 'format: jb-book\nroot: intro\n' >_toc.yml
printf '# A page\n\nNothing here can be run.\n' >intro.md
"$folder/env/bin/jupyter-book" build -q . >"$folder/log" 2>&1
cat >"$folder/look.py" <<'EOF'
import re
from importlib.metadata import version
from pathlib import Path

page = Path("_build/html/intro.html").read_text()
scripts = re.findall(r"<script>(const THEBE_JS_URL.*?)</script>", page)
print("jupyter-book", version("jupyter-book"), "sphinx-thebe", version("sphinx-thebe"), "sphinx", version("sphinx"))
print(len(scripts), "scripts declare the constant THEBE_JS_URL; equal:", len(set(scripts)) == 1)
assert len(scripts) == 2 and len(set(scripts)) == 1
EOF
"$folder/env/bin/python" "$folder/look.py"
echo "seen: every page declares the same constants twice, which browsers report as a SyntaxError"
