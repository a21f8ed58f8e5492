#!/usr/bin/env bash
# Collects the wheels for tools/research/gpu_check.sh; --help says how.
set -euo pipefail

usage() {
    cat <<'HELP'
usage: tools/research/gpu_wheels.sh OUT_FOLDER

Downloads the wheels that tools/research/gpu_check.sh needs on a machine without network, for Python 3.12 on
x86_64 Linux. They go into four folders of less than 50 MiB, so that you can send each by itself:

    OUT_FOLDER/part1   the OpenMMLab packages and small packages that they import
    OUT_FOLDER/part2   SciPy, pytest and others that a training machine usually has
    OUT_FOLDER/part3   OpenCV, likewise
    OUT_FOLDER/part4   Matplotlib, likewise

torch, torchvision and numpy are not included: the machine must have versions that work with its GPU.
PYTHON is the Python whose pip downloads, of any version (default: .venv/bin/python, or python3).
Exit status: 0 all downloaded; 1 a wheel is missing; 2 usage.
HELP
}

case "${1:-}" in
-h | --help) usage; exit 0 ;;
"" | -*) usage >&2; exit 2 ;;
esac
out=$1
python=${PYTHON:-$( [ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}

# what MMPose's modules import; chumpy, which it requires, is imported by none of them
part1=(
    mmcv-lite==2.1.0 mmdet==3.3.0 mmengine==0.10.7 mmpose==1.3.2 xtcocotools==1.14.3
    addict json_tricks munkres platformdirs pycocotools shapely termcolor terminaltables yapf
    "setuptools<80.9" # newer ones warn, or lack pkg_resources, which MMEngine imports
)
part2=(
    scipy pyyaml rich pygments markdown-it-py mdurl six tqdm packaging
    pytest pytest-timeout pluggy iniconfig hypothesis sortedcontainers
)
part3=(opencv-python-headless==4.10.0.84) # for NumPy 1.26 and 2; later ones are larger
part4=(matplotlib contourpy cycler fonttools kiwisolver pyparsing python-dateutil pillow)

platforms=(--platform linux_x86_64)
for glibc in 2_5 2_12 2_17 2_24 2_27 2_28 2_31 2_34; do
    platforms+=(--platform "manylinux_${glibc}_x86_64")
done
platforms+=(--platform manylinux1_x86_64 --platform manylinux2014_x86_64)

for part in part1 part2 part3 part4; do
    declare -n packages=$part
    mkdir -p "$out/$part"
    for package in "${packages[@]}"; do
        echo "$part: $package"
        # xtcocotools has none for 3.12; its Python files will do
        [[ $package == xtcocotools* ]] && version=3.11 || version=3.12
        "$python" -m pip download --quiet --disable-pip-version-check --no-deps \
            --only-binary :all: --python-version "$version" --implementation cp "${platforms[@]}" \
            --dest "$out/$part" "$package" || {
            echo "error: no wheel of $package for Python $version was found; see --help" >&2
            exit 1
        }
    done
done
du -sh "$out"/part[1234]
