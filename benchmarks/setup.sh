#!/bin/sh
# Make benchmarks/.venv: tmkd from this checkout at the versions of constraints.txt, and the peers beside it.
set -eu
cd "$(dirname "$0")/.."
venv=benchmarks/.venv
pip="$venv/bin/pip"

"${PYTHON:-python3}" -m venv "$venv"
"$pip" install --quiet --disable-pip-version-check -c constraints.txt -e ".[serve,served,onnx,openvino,lora]"
before=$("$venv/bin/python" -c 'import torch; print(torch.__version__)')
# TextBrewer imports TensorBoard even where it writes no logs; its source archive needs setuptools and wheel to build.
# FlagEmbedding imports PEFT even where nothing is adapted: the extra lora.
"$pip" install --quiet --disable-pip-version-check -c constraints.txt tensorboard psutil setuptools wheel
"$pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation -r benchmarks/requirements.txt
after=$("$venv/bin/python" -c 'import torch; print(torch.__version__)')
test "$before" = "$after" || { echo "benchmarks: the peers moved torch from $before to $after"; exit 1; }
touch "$venv/.installed"
